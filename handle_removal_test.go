package extlibs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// Scripts and hosts remove by the same rule: an empty pattern is a mistake, such as
// a variable that was never set, and removes nothing.
func TestRemovingByAnEmptyPatternIsRefusedInScriptsAndInGo(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		interpreter, h := scripted(t, b)
		must(t, h.SetMany(ctx, map[string]any{"a:1": 1, "a:2": 2, "b": 3}, 0))
		view := h.Sub("a:")
		for name, store := range map[string]*extlibs.Handle{"store": h, "view": view} {
			if n, err := store.DeleteMatching(ctx, ""); n != 0 || !errors.Is(err, extlibs.ErrType) || !strings.Contains(err.Error(), `"*"`) {
				t.Errorf("DeleteMatching of a %s: %d, %v", name, n, err)
			}
		}
		for i, call := range []string{`store.delete_matching("")`, `store.delete_matching(pattern="")`, `store.delete_matching()`, `store.sub("a:").delete_matching("")`, `store.delete_matching(None)`} {
			_, err := interpreter.Eval(fmt.Sprintf("import scriptling.runtime.kv as kv\nfailed%d = False\ntry:\n    %s\nexcept TypeError as e:\n    failed%d = True\nassert failed%d\n", i, call, i, i))
			if err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
		if n, err := h.Count(ctx, "*"); n != 3 || err != nil {
			t.Errorf("%d keys are left, %v", n, err)
		}
		if n, err := view.DeleteMatching(ctx, "*"); n != 2 || err != nil {
			t.Errorf("* removed %d keys, %v", n, err)
		}
	})
}
