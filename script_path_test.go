package extlibs_test

import (
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// A reader who follows a durable set of a script down to the log reads few functions in few
// files: here are all that lead to the stages plan, sync and publish of internal/diskstore, also
// functions that the compiler inlines. Functions that only return a result to these, such as
// checks, are not counted.
//
// The limits are 30 functions in 15 files, less the four functions of the stage append, whose
// stack no hook shows: planning.append, Log.Append, Log.write and logFile.WriteAt. One of their
// files is on no other path.
func TestASetOfAScriptReachesTheLogThroughFewFunctions(t *testing.T) {
	const maxFunctions, maxFiles = 26, 14
	var mu sync.Mutex
	armed, files := false, map[string]bool{}
	functions := map[string][]string{} // and the stages they lead to
	note := func(stage string) {
		pcs := make([]uintptr, 200)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
		mu.Lock()
		defer mu.Unlock()
		var path []runtime.Frame
		for f, more := frames.Next(); more; f, more = frames.Next() {
			if strings.Contains(f.Function, "scriptling-kv/extlibs") && !strings.HasSuffix(f.File, "_test.go") {
				path = append(path, f)
			}
		}
		ofSet := func(f runtime.Frame) bool { return strings.HasSuffix(f.Function, ".callSet") }
		if !armed || !slices.ContainsFunc(path, ofSet) {
			return // a sweep, or a checkpoint
		}
		for _, f := range path {
			if files[f.File] = true; !slices.Contains(functions[f.Function], stage) {
				functions[f.Function] = append(functions[f.Function], stage)
			}
		}
	}
	r := newRegistry(extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			note("sync")
		}
		return nil
	}), extlibs.Clock(func() time.Time {
		note("plan")
		return time.Now()
	}))
	defer r.Close()
	if err := r.Init(filepath.Join(t.TempDir(), "kv.db")); err != nil {
		t.Fatal(err)
	}
	stop, err := extlibs.Bare(r.Default()).(extlibs.Watcher).Watch(t.Context(), func(string, bool) { note("publish") })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	p := scriptling.New()
	r.Register(p)
	for i := range 3 {
		mu.Lock()
		armed = i == 2 // when the log exists
		mu.Unlock()
		if _, err := p.Eval("import scriptling.runtime.kv as kv\nkv.default.set('k', {'a': " + strconv.Itoa(i) + "}, ttl=60)"); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	var path []string
	for f, stages := range functions {
		path = append(path, f+" "+strings.Join(stages, ", "))
	}
	slices.Sort(path)
	for function, stages := range map[string]string{
		"callSet": "plan sync publish", "diskstore.planning.plan": "plan", "wal.(*Log).Sync": "sync publish", "diskstore.(*Store).publish": "publish",
	} {
		ends := func(line string) bool {
			name, of, _ := strings.Cut(line, " ")
			return strings.HasSuffix(name, function) && strings.ReplaceAll(of, ",", "") == stages
		}
		if !slices.ContainsFunc(path, ends) {
			t.Errorf("%s does not lead to %s", function, stages)
		}
	}
	if len(path) > maxFunctions || len(files) > maxFiles {
		t.Errorf("%d functions in %d files: %v\n%s", len(path), len(files), slices.Sorted(maps.Keys(files)), strings.Join(path, "\n"))
	}
	t.Logf("%d functions in %d files\n%s", len(path), len(files), strings.Join(path, "\n"))
}
