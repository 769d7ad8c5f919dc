package eval_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/paularlott/scriptling"
)

// TestLookupIsSerialized calls a function and runs a file while another
// goroutine defines new global variables.
func TestLookupIsSerialized(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script.py")
	if err := os.WriteFile(path, []byte("__file__\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := scriptling.New()
	if _, err := p.Eval("def f():\n    return 1\nclass C:\n    pass\n"); err != nil {
		t.Fatal(err)
	}
	calls := []func(i int) error{
		func(i int) error { _, err := p.Eval(fmt.Sprintf("v%d = %d", i, i)); return err },
		func(int) error { _, err := p.EvalFile(path); return err },
		func(int) error { _, err := p.CallFunction("f"); return err },
		func(int) error { _, err := p.CreateInstance("C"); return err },
	}
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			for i := range 100 {
				if err := call(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
