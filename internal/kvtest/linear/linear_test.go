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
