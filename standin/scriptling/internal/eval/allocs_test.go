package eval_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

// TestCallsThatNeedNoAllocation compares a few turns of a loop with many.
func TestCallsThatNeedNoAllocation(t *testing.T) {
	none := &object.Null{}
	fn := func(context.Context, object.Kwargs, ...object.Object) object.Object { return none }
	for _, statement := range []string{"pass", "noop(1, 2)", "store.get('key', 1)", "s.startswith('a')", "len(l)", "l[1]", "x = i % 7"} {
		p := scriptling.New()
		p.RegisterFunc("noop", fn)
		_ = p.SetObjectVar("store", &object.Builtin{Attributes: map[string]object.Object{"get": &object.Builtin{Fn: fn}}})
		script := fmt.Sprintf("s = 'abc'\nl = [1, 2]\ndef loop(n):\n    for i in range(n):\n        %s\n", statement)
		if _, err := p.Eval(script); err != nil {
			t.Fatal(err)
		}
		allocs := func(turns int64) float64 {
			n := object.NewInteger(turns)
			return testing.AllocsPerRun(10, func() {
				if _, err := p.CallFunction("loop", n); err != nil {
					t.Error(err)
				}
			})
		}
		// The runtime allocates a little now and then.
		if few, many := allocs(10), allocs(5000); many > few+100 {
			t.Errorf("%s: %v allocations in 10 turns, %v in 5000", statement, few, many)
		}
	}
}
