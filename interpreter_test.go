package extlibs_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

var interpreterStores = map[string]func(t *testing.T) (*extlibs.Registry, string){
	"memory": func(t *testing.T) (*extlibs.Registry, string) { return newRegistry(), ":memory:s" },
	"bolt": func(t *testing.T) (*extlibs.Registry, string) {
		return newRegistry(), filepath.Join(t.TempDir(), "kv.db")
	},
	"interval": func(t *testing.T) (*extlibs.Registry, string) {
		return newRegistry(extlibs.Durability(extlibs.Interval(5 * time.Millisecond))), filepath.Join(t.TempDir(), "kv.db")
	},
}

func TestTheFunctionOfUpdateMayDoAnythingToItsStore(t *testing.T) {
	const prelude = `
import scriptling.runtime.kv as kv
s = kv.open(NAME)
s.set("n", 1)
def caught(f):
    try:
        f()
    except Exception as e:
        return str(e)
    return "no error"
`
	for name, c := range map[string]struct{ script, want string }{
		"sets another key": {`
def f(old):
    s.set("other", old)
    return old + 1
print(s.update("n", f), s.get("other"))`, "2 1\n"},
		"sets its own key once": {`
runs = []
def f(old):
    runs.append(old)
    if len(runs) == 1:
        s.set("n", 10)
    return old + 1
print(s.update("n", f), runs)`, "11 [1, 10]\n"},
		"sets its own key each time": {`
def f(old):
    s.incr("n")
    return old
print("changed" in caught(lambda: s.update("n", f)))`, "true\n"},
		"clears": {`
def f(old):
    s.clear()
    return 5
print(s.update("n", lambda old: 5 if old is None else f(old)), s.count())`, "5 1\n"},
		"closes": {`
def f(old):
    s.close()
    return old
print("is closed" in caught(lambda: s.update("n", f)))
s = kv.open(NAME)
s.set("n", 1)`, "true\n"},
		"updates another key": {`
print(s.update("n", lambda old: old + s.update("m", lambda o: 5)), s.get("m"))`, "6 5\n"},
		"updates its own key": {`
runs = []
def f(old):
    runs.append(old)
    if len(runs) < 3:
        s.update("n", lambda o: o + 100)
    return old + 1
print(s.update("n", f))`, "202\n"},
		"raises": {`
def f(old):
    raise ValueError("no")
print(caught(lambda: s.update("n", f)), s.get("n"))`, "no 1\n"},
		"recurses without end": {`
def f(old):
    return s.update("n", f)
print("error" if caught(lambda: s.update("n", f)) != "no error" else "none", s.get("n"))`, "error 1\n"},
		"returns what cannot be stored": {`
print("cannot store" in caught(lambda: s.update("n", lambda old: caught)), s.get("n"))`, "true 1\n"},
	} {
		for store, make := range interpreterStores {
			t.Run(name+"/"+store, func(t *testing.T) {
				t.Parallel()
				r, path := make(t)
				kvtest.Within(t, 30*time.Second, func() {
					if got := output(t, r, strings.ReplaceAll(prelude+c.script, "NAME", `"`+path+`"`)); got != c.want {
						t.Errorf("printed %q, want %q", got, c.want)
					}
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestTheFunctionOfUpdateMayWaitWhileOthersWrite(t *testing.T) {
	for store, make := range interpreterStores {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			r, path := make(t)
			defer r.Close()
			h := mustOpen(t, r, path)
			runs := 0
			value, err := h.Update(ctx, "n", func(any, bool) (any, error) {
				if runs++; runs < 5 {
					if err := <-goSet(h, "n", runs); err != nil {
						return nil, err
					}
				}
				return runs, nil
			})
			if err != nil || runs != 5 {
				t.Errorf("update gave %v after %d runs, %v", value, runs, err)
			}
		})
	}
}

// goSet writes from a separate goroutine.
func goSet(h *extlibs.Handle, key string, value any) chan error {
	done := make(chan error, 1)
	go func() {
		v, err := extlibs.Encode(value)
		if err == nil {
			_, err = h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: v})
		}
		done <- err
	}()
	return done
}

func TestASlowDiskDoesNotStopOtherThreadsOfTheInterpreter(t *testing.T) {
	var slow atomic.Bool
	arrived, gate := make(chan struct{}), make(chan struct{})
	release, arrive := sync.OnceFunc(func() { close(gate) }), sync.OnceFunc(func() { close(arrived) })
	r := newRegistry(extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog && slow.Load() {
			arrive()
			<-gate
		}
		return nil
	}))
	defer r.Close()
	path := filepath.Join(t.TempDir(), "kv.db")
	h := mustOpen(t, r, path)
	var out bytes.Buffer
	p := interpreter(r, &out)
	if _, err := p.Eval(`
import scriptling.runtime.kv as kv
s = kv.open("` + path + `")
def write():
    s.set("k", 1)
    return s.get("k")
def compute():
    return s.exists("k"), sum(range(1000))
`); err != nil {
		t.Fatal(err)
	}
	if err := h.Set(ctx, "first", 1, 0); err != nil {
		t.Fatal(err)
	}
	slow.Store(true)
	defer release()
	written := make(chan error, 1)
	go func() {
		_, err := p.CallFunction("write")
		written <- err
	}()
	<-arrived
	kvtest.Within(t, 30*time.Second, func() { // the disk does not answer, but the thread does
		if _, err := p.CallFunction("compute"); err != nil {
			t.Error(err)
		}
	})
	select {
	case err := <-written:
		t.Errorf("a write returned before it was on disk: %v", err)
	default:
	}
	release()
	if err := <-written; err != nil {
		t.Error(err)
	}
}
