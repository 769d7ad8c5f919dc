package extlibs_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// Ways to start a task with shared=True in the script's own environment. START is the
// call; each must leave the scope that it is made in before the task runs.
var sharedStarts = map[string]string{
	"at the top level": `promise = START`,
	"in a function": `
def begin(a):
    return START
promise = begin(1)`,
	"in a function with many variables": `
def begin(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p):
    return START
promise = begin(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)`,
	"in a function without variables": `
def begin():
    return START
promise = begin()`,
	"in a lambda": `
begin = lambda a: START
promise = begin(1)`,
	"in a lambda of a lambda": `
begin = lambda a: (lambda b: START)(a)
promise = begin(1)`,
	"in a function that defines one": `
def begin(a):
    def other():
        return a
    return START
promise = begin(1)`,
	"in a comprehension of a function": `
def begin(a):
    return [START for i in [a]][0]
promise = begin(1)`,
	"in a method": `
class Starter:
    def begin(self, a):
        return START
promise = Starter().begin(1)`,
	"in a callback of a store": `
def begin(a):
    kept = []
    kv.default.update("n", lambda old: 1)
    kv.default.each(lambda k, v: kept.append(START))
    return kept[0]
promise = begin(1)`,
	"in a library": `
import starter
promise = starter.begin(1)`,
}

// A task runs under the interpreter's lock, lets it go where it waits, and sees the
// globals, whatever calls use the scope that it was started in meanwhile.
func TestASharedTaskRunsUnderTheInterpretersLockWhereverItIsStarted(t *testing.T) {
	for name, start := range sharedStarts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry()
			defer r.Close()
			p := interpreter(r, &bytes.Buffer{})
			var inside, overlaps atomic.Int64
			began, release := make(chan struct{}), make(chan struct{})
			p.RegisterLibrary(object.NewLibrary("host", map[string]*object.Builtin{
				"alone": {Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
					if inside.Add(1) > 1 {
						overlaps.Add(1)
					}
					for range 2000 { // long enough to be met
						runtime.Gosched()
					}
					inside.Add(-1)
					return &object.Null{}
				}},
				"pause": {Fn: func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
					close(began)
					object.RunBlocking(ctx, func() { <-release })
					return &object.Null{}
				}},
			}, nil, ""))
			call := `runtime.background("t", "work", 200, shared=True)`
			if err := p.RegisterScriptLibrary("starter", `
import scriptling.runtime as runtime
import host
done = []
def work(n):
    host.pause()
    for i in range(n):
        host.alone()
        done.append(i)
    return len(done)
def begin(a):
    return `+call); err != nil {
				t.Fatal(err)
			}
			eval(t, p, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import host
done = []
def work(n):
    host.pause()
    for i in range(n):
        host.alone()
        done.append(i)
    return len(done)
def reuse(a, b):
    host.alone()
    return a + b
`+strings.ReplaceAll(start, "START", call))
			kvtest.Within(t, 60*time.Second, func() {
				<-began
				eval(t, p, "for i in range(50):\n    reuse(i, i)\n") // the task waits without the lock
				close(release)
				eval(t, p, "for i in range(200):\n    reuse(i, i)\n    done = done\nn = promise.get()\n")
			})
			if n, errObj := p.GetVarAsInt("n"); errObj != nil || n != 200 {
				t.Errorf("the task returned %v", n)
			}
			if overlaps.Load() > 0 {
				t.Errorf("%d times the task and its script ran at once", overlaps.Load())
			}
		})
	}
}

// chains are scripts whose functions start the next one of their kind, and never
// end. NEXT counts a generation.
var chains = map[string]string{
	"isolated": `
def tick(n):
    NEXT
    runtime.background("tick", "tick", n + 1)
`,
	"shared": `
def tick(n):
    NEXT
    runtime.background("tick", "tick", n + 1, shared=True)
`,
	"two at once": `
def tick(n):
    NEXT
    try:
        runtime.background("tick", "tick", n + 1)
    except RuntimeError as e:
        pass
    runtime.background("tick", "tick", n + 1)
`,
	"a lambda": `
tick = lambda n: [NEXT, runtime.background("tick", "tick", n + 1)]
`,
	"from the function of update": `
def tick(n):
    NEXT
    kv.default.update("k" + str(n % 3), lambda old: len([runtime.background("tick", "tick", n + 1)]))
`,
	"from the function of get_or_set": `
def tick(n):
    NEXT
    kv.default.get_or_set("g" + str(n), lambda: begin(n), ttl=5)
def begin(n):
    for i in range(1000):
        try:
            runtime.background("tick", "tick", n + 1)
            return 1
        except RuntimeError as e: # too many run
            pass
`,
	"from the function of each": `
def tick(n):
    NEXT
    kv.default.set("e", 1)
    kv.default.each(lambda k, v: [runtime.background("tick", "tick", n + 1), False][1])
`,
	"through errors that are caught": `
def tick(n):
    NEXT
    for i in range(3):
        try:
            runtime.background("tick", "tick", n + 1)
            return
        except Exception as e:
            pass
`,
	"by failing": `
def tick(n):
    NEXT
    runtime.background("tick", "tick", n + 1)
    raise ValueError("next")
`,
}

const chainImports = `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import host
`

func chainInterpreter(r *extlibs.Registry, next func(ctx context.Context, n int64)) func(kind string) func(ctx context.Context) error {
	return func(kind string) func(ctx context.Context) error {
		p := interpreter(r, &bytes.Buffer{})
		p.RegisterLibrary(object.NewLibrary("host", map[string]*object.Builtin{
			"next": {Fn: func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
				n, _ := args[0].AsInt()
				next(ctx, n)
				return &object.Null{}
			}},
		}, nil, ""))
		return func(ctx context.Context) error {
			_, err := p.EvalWithContext(ctx, chainImports+strings.ReplaceAll(chains[kind], "NEXT", "host.next(n)")+"runtime.background(\"tick\", \"tick\", 0)\n")
			return err
		}
	}
}

func TestAChainOfTasksEndsAtTheDeadlineOfTheScriptThatBeganIt(t *testing.T) {
	for kind := range chains {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(extlibs.MaxTasks(32), extlibs.Logger(slog.New(slog.DiscardHandler)))
			defer r.Close()
			deadline, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
			defer cancel()
			var generations, late atomic.Int64
			run := chainInterpreter(r, func(_ context.Context, n int64) {
				generations.Add(1)
				if deadline.Err() != nil {
					late.Add(1)
				}
			})(kind)
			if err := run(deadline); err != nil {
				t.Fatal(err)
			}
			kvtest.Within(t, 60*time.Second, func() {
				if err := r.WaitTasks(ctx); err != nil {
					t.Error(err)
				}
			})
			// Tasks that ran at the deadline may have been on their way.
			if generations.Load() < 1 || late.Load() > 64 {
				t.Errorf("%d generations, %d of them after the deadline", generations.Load(), late.Load())
			}
		})
	}
}

// Whatever a generation leaves behind would be in the memory of the last one.
func TestAChainOfTasksKeepsNothingOfItsAncestors(t *testing.T) {
	for kind := range chains {
		if kind == "two at once" {
			continue // a crowd, of which a varying part is on its way
		}
		t.Run(kind, func(t *testing.T) {
			least := leftByGenerations(t, kind)
			for n := 1; n < 3 && least > 2<<10; n++ { // what the tests before left behind changes, too
				least = min(least, leftByGenerations(t, kind))
			}
			if least > 2<<10 {
				t.Errorf("each generation leaves %d bytes behind", least)
			}
		})
	}
}

// leftByGenerations returns how many bytes more are in use for each generation of a chain.
func leftByGenerations(t *testing.T, kind string) int64 {
	const short, long = 200, 1700
	r := newRegistry(extlibs.MaxTasks(1024), extlibs.Logger(slog.New(slog.DiscardHandler)))
	defer r.Close()
	type hostKey struct{}
	host := context.WithValue(ctx, hostKey{}, "of the host")
	stop, cancel := context.WithCancel(host)
	defer cancel()
	var early atomic.Int64
	var late int64
	var lost atomic.Int64
	ended := make(chan struct{})
	var once atomic.Bool
	run := chainInterpreter(r, func(ctx context.Context, n int64) {
		if ctx.Value(hostKey{}) != "of the host" {
			lost.Add(1)
		}
		switch {
		case n == short && early.Load() == 0:
			early.CompareAndSwap(0, liveHeap())
		case n == long && once.CompareAndSwap(false, true):
			late = liveHeap()
			close(ended)
		}
	})(kind)
	if err := run(stop); err != nil {
		t.Fatal(err)
	}
	kvtest.Within(t, 60*time.Second, func() {
		<-ended
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if lost.Load() > 0 {
		t.Errorf("%d generations had lost the host's value", lost.Load())
	}
	return (late - early.Load()) / (long - short)
}

// liveHeap returns the bytes of the objects that are in use.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what the first one has finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
