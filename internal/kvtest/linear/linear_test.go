package linear

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/scriptling-kv/extlibs"
)

func TestTheModelRefusesImpossibleHistories(t *testing.T) {
	set := func(v any) extlibs.Op {
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: e, NeedOld: true}
	}
	one, two, none := set(1), set(2), extlibs.Value{}
	wrote := func(op extlibs.Op, old extlibs.Value, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: op, Call: call, Return: end, Output: Outcome{Result: extlibs.Result{Applied: true, Old: old, New: op.Value}}}
	}
	maybe := func(op extlibs.Op, call int64) porcupine.Operation {
		return porcupine.Operation{Input: op, Call: call, Return: math.MaxInt64, Output: Outcome{Unknown: true}}
	}
	read := func(v extlibs.Value, call, end int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: extlibs.Op{Key: "k"}, Call: call, Return: end, Output: Outcome{Result: extlibs.Result{Old: v}}}
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"reads during a write":                {[]porcupine.Operation{wrote(one, none, 1, 4), read(one.Value, 2, 3), read(none, 1, 2)}, true},
		"a stale read":                        {[]porcupine.Operation{wrote(one, none, 1, 2), wrote(two, one.Value, 3, 4), read(one.Value, 5, 6)}, false},
		"a lost write":                        {[]porcupine.Operation{wrote(one, none, 1, 2), read(none, 3, 4)}, false},
		"a value too soon":                    {[]porcupine.Operation{read(one.Value, 1, 2), wrote(one, none, 3, 4)}, false},
		"a wrong old one":                     {[]porcupine.Operation{wrote(one, none, 1, 2), wrote(two, none, 3, 4)}, false},
		"a value without a cause":             {[]porcupine.Operation{read(one.Value, 1, 2)}, false},
		"an unknown write, seen":              {[]porcupine.Operation{maybe(one, 1), read(one.Value, 3, 4)}, true},
		"an unknown write, not seen":          {[]porcupine.Operation{maybe(one, 1), read(none, 3, 4)}, true},
		"an unknown write that comes late":    {[]porcupine.Operation{maybe(one, 1), read(none, 3, 4), read(one.Value, 5, 6)}, true},
		"an unknown write that is taken back": {[]porcupine.Operation{maybe(one, 1), read(one.Value, 3, 4), read(none, 5, 6)}, false},
		"an unknown write that comes twice":   {[]porcupine.Operation{maybe(one, 1), read(one.Value, 3, 4), wrote(two, one.Value, 5, 6), read(one.Value, 7, 8)}, false},
	} {
		if porcupine.CheckOperations(Model, c.history) != c.want {
			t.Errorf("%s: the model says %t", name, !c.want)
		}
	}
}

func TestTheModelOfBatchesRefusesImpossibleHistories(t *testing.T) {
	encode := func(v any) extlibs.Value {
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	one, two := encode(1), encode(2)
	set := func(key string, v extlibs.Value) extlibs.Op {
		return extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: v}
	}
	wrote := func(call, end int64, ops ...extlibs.Op) porcupine.Operation {
		results := make([]extlibs.Result, len(ops))
		for i, op := range ops {
			results[i] = extlibs.Result{Applied: true, New: op.Value}
		}
		return porcupine.Operation{Input: ops, Call: call, Return: end, Output: BatchOutcome{Results: results}}
	}
	conflict := func(op porcupine.Operation) porcupine.Operation {
		op.Output = BatchOutcome{Conflict: true}
		return op
	}
	read := func(call, end int64, a, b extlibs.Value) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: []extlibs.Op{{Key: "a"}, {Key: "b"}}, Call: call, Return: end,
			Output: BatchOutcome{Results: []extlibs.Result{{Old: a}, {Old: b}}}}
	}
	check := func(key string, v extlibs.Value) extlibs.Op {
		return extlibs.Op{Kind: extlibs.OpCheck, Key: key, Old: v, Must: true}
	}
	none := extlibs.Value{}
	both := wrote(1, 4, set("a", one), set("b", one))
	// Two callers that each read both keys and write the other one: one of them must fail.
	skewed := []porcupine.Operation{wrote(1, 4, check("a", none), check("b", none), set("a", one)), wrote(2, 5, check("a", none), check("b", none), set("b", one))}
	for i := range skewed {
		skewed[i].ClientId = i
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"all of a batch":                    {[]porcupine.Operation{both, read(2, 3, one, one)}, true},
		"none of a batch":                   {[]porcupine.Operation{both, read(2, 3, none, none)}, true},
		"half of a batch":                   {[]porcupine.Operation{both, read(2, 3, one, none)}, false},
		"a condition that holds":            {[]porcupine.Operation{both, wrote(5, 6, check("a", one), set("b", two)), read(7, 8, one, two)}, true},
		"a condition that does not hold":    {[]porcupine.Operation{both, wrote(5, 6, check("a", two), set("b", two))}, false},
		"a conflict":                        {[]porcupine.Operation{both, conflict(wrote(5, 6, check("a", two), set("b", two))), read(7, 8, one, one)}, true},
		"a conflict without a cause":        {[]porcupine.Operation{both, conflict(wrote(5, 6, check("a", one), set("b", two)))}, false},
		"a conflict that changed something": {[]porcupine.Operation{both, conflict(wrote(5, 6, check("a", two), set("b", two))), read(7, 8, one, two)}, false},
		"write skew":                        {skewed, false},
		"one of two":                        {[]porcupine.Operation{skewed[0], conflict(skewed[1])}, true},
	} {
		if porcupine.CheckOperations(BatchModel, c.history) != c.want {
			t.Errorf("%s: the model says %t", name, !c.want)
		}
	}
}
