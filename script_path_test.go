package extlibs_test

import (
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// A reader who follows a set of a script down to the log reads few functions in few files.
func TestASetOfAScriptReachesTheLogThroughFewFunctions(t *testing.T) {
	const maxFunctions, maxFiles = 30, 15
	var mu sync.Mutex
	var functions []string
	files := map[string]bool{}
	r := newRegistry(extlibs.DiskHook(func(act access.Act, _ string) error {
		if act != access.ActSyncLog {
			return nil
		}
		pcs := make([]uintptr, 200)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
		mu.Lock()
		defer mu.Unlock()
		functions = nil
		clear(files)
		for f, more := frames.Next(); more; f, more = frames.Next() {
			if strings.Contains(f.Function, "scriptling-kv/extlibs") && !strings.HasSuffix(f.File, "_test.go") {
				functions = append(functions, f.Function)
				files[f.File] = true
			}
		}
		return nil
	}))
	defer r.Close()
	if err := r.Init(filepath.Join(t.TempDir(), "kv.db")); err != nil {
		t.Fatal(err)
	}
	p := scriptling.New()
	r.Register(p)
	if _, err := p.Eval("import scriptling.runtime.kv as kv\nfor i in range(2):\n    kv.default.set('k', {'a': i}, ttl=60)"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	path := strings.Join(functions, "\n")
	for _, stage := range []string{"callSet", "diskstore.(*Store).Write", "wal.(*Log).Sync"} {
		if !strings.Contains(path, stage) {
			t.Errorf("%s is not on the path", stage)
		}
	}
	if len(functions) > maxFunctions || len(files) > maxFiles {
		t.Errorf("%d functions in %d files: %v\n%s", len(functions), len(files), slices.Sorted(maps.Keys(files)), path)
	}
	t.Logf("%d functions in %d files", len(functions), len(files))
}
