package linear

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/scriptling-kv/extlibs"
)

type history = []porcupine.Operation

func encode(t *testing.T, v any) extlibs.Value {
	e, err := extlibs.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func set(key string, v extlibs.Value) extlibs.Op {
	return extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: v, NeedOld: true}
}

func check(key string, v extlibs.Value) extlibs.Op {
	return extlibs.Op{Kind: extlibs.OpCheck, Key: key, Old: v, Must: true}
}

// wrote is a batch in which each operation found old.
func wrote(call, end int64, old extlibs.Value, ops ...extlibs.Op) porcupine.Operation {
	results := make([]extlibs.Result, len(ops))
	for i, op := range ops {
		results[i] = extlibs.Result{Applied: true, New: op.Value}
		if op.NeedOld {
			results[i].Old = old
		}
	}
	return porcupine.Operation{Input: ops, Call: call, Return: end, Output: Outcome{Results: results}}
}

func maybe(op porcupine.Operation) porcupine.Operation {
	op.Output, op.Return = Outcome{Unknown: true}, math.MaxInt64
	return op
}

func conflict(op porcupine.Operation) porcupine.Operation {
	op.Output = Outcome{Conflict: true}
	return op
}

func read(call, end int64, key string, v extlibs.Value) porcupine.Operation {
	return porcupine.Operation{ClientId: 1, Input: []extlibs.Op{{Key: key}}, Call: call, Return: end, Output: Outcome{Results: []extlibs.Result{{Old: v}}}}
}

type verdict struct {
	history history
	want    bool
}

func (c Calls) judges(t *testing.T, verdicts map[string]verdict) {
	t.Helper()
	for name, v := range verdicts {
		if porcupine.CheckOperations(c.Model, v.history) != v.want {
			t.Errorf("%s: the model says %t", name, !v.want)
		}
	}
}

func TestTheModelRefusesImpossibleHistories(t *testing.T) {
	one, two, none := encode(t, 1), encode(t, 2), extlibs.Value{}
	wrote := func(v, old extlibs.Value, call, end int64) porcupine.Operation {
		return wrote(call, end, old, set("k", v))
	}
	unknown := maybe(wrote(one, none, 1, 0))
	read := func(v extlibs.Value, call, end int64) porcupine.Operation { return read(call, end, "k", v) }
	verdicts := map[string]verdict{
		"reads during a write":                {history{wrote(one, none, 1, 4), read(one, 2, 3), read(none, 1, 2)}, true},
		"a stale read":                        {history{wrote(one, none, 1, 2), wrote(two, one, 3, 4), read(one, 5, 6)}, false},
		"a lost write":                        {history{wrote(one, none, 1, 2), read(none, 3, 4)}, false},
		"a value too soon":                    {history{read(one, 1, 2), wrote(one, none, 3, 4)}, false},
		"a wrong old one":                     {history{wrote(one, none, 1, 2), wrote(two, none, 3, 4)}, false},
		"a value without a cause":             {history{read(one, 1, 2)}, false},
		"an unknown write, seen":              {history{unknown, read(one, 3, 4)}, true},
		"an unknown write, not seen":          {history{unknown, read(none, 3, 4)}, true},
		"an unknown write that comes late":    {history{unknown, read(none, 3, 4), read(one, 5, 6)}, true},
		"an unknown write that is taken back": {history{unknown, read(one, 3, 4), read(none, 5, 6)}, false},
		"an unknown write that comes twice":   {history{unknown, read(one, 3, 4), wrote(two, one, 5, 6), read(one, 7, 8)}, false},
	}
	OneKey.judges(t, verdicts)
	Batches.judges(t, verdicts)
}

func TestTheModelOfBatchesRefusesImpossibleHistories(t *testing.T) {
	one, two, none := encode(t, 1), encode(t, 2), extlibs.Value{}
	read := func(call, end int64, a, b extlibs.Value) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: []extlibs.Op{{Key: "a"}, {Key: "b"}}, Call: call, Return: end,
			Output: Outcome{Results: []extlibs.Result{{Old: a}, {Old: b}}}}
	}
	both := wrote(1, 4, none, set("a", one), set("b", one))
	changed := func(checked extlibs.Value) porcupine.Operation {
		return wrote(5, 6, one, check("a", checked), set("b", two))
	}
	// Two callers that each read both keys and write the other one: one of them must fail.
	skewed := history{wrote(1, 4, none, check("a", none), check("b", none), set("a", one)), wrote(2, 5, none, check("a", none), check("b", none), set("b", one))}
	for i := range skewed {
		skewed[i].ClientId = i
	}
	Batches.judges(t, map[string]verdict{
		"all of a batch":                    {history{both, read(2, 3, one, one)}, true},
		"none of a batch":                   {history{both, read(2, 3, none, none)}, true},
		"half of a batch":                   {history{both, read(2, 3, one, none)}, false},
		"a condition that holds":            {history{both, changed(one), read(7, 8, one, two)}, true},
		"a condition that does not hold":    {history{both, changed(two)}, false},
		"a conflict":                        {history{both, conflict(changed(two)), read(7, 8, one, one)}, true},
		"a conflict without a cause":        {history{both, conflict(changed(one))}, false},
		"a conflict that changed something": {history{both, conflict(changed(two)), read(7, 8, one, two)}, false},
		"write skew":                        {skewed, false},
		"one of two":                        {history{skewed[0], conflict(skewed[1])}, true},
	})
}
