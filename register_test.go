package extlibs_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func TestBackgroundTasks(t *testing.T) {
	const imports = "import scriptling.runtime as runtime\nimport scriptling.runtime.kv as kv\n"
	for _, c := range []struct{ name, source, want string }{
		{"a task sees the stores of its host", `
def work(name):
    store = kv.open(":memory:" + name)
    store.set("from task", [1])
    return [kv.default.incr("n"), store.count()]
print(runtime.background("t", "work", "shared").get(), kv.open(":memory:shared").get("from task"), kv.default.get("n"))
`, "[1, 1] [1] 1\n"},
		{"a task imports what its starter did not", `
def work():
    import json
    import scriptling.runtime.kv as other
    other.default.set("k", json.dumps([1]))
    return other.default.get("k")
print(runtime.background("t", "work").get(), kv.default.get("k"))
`, "[1] [1]\n"},
		{"tasks start tasks", `
def inner(n):
    return kv.default.incr("n", n)
def middle(n):
    return runtime.background("inner", "inner", n).get() + 1
def outer(n):
    import scriptling.runtime as again
    return again.background("middle", "middle", n).get() + 1
print(runtime.background("outer", "outer", 40).get(), kv.default.get("n"))
`, "42 40\n"},
		{"a task's error of kv has its text", `
def work():
    kv.default.set("", 1)
try:
    runtime.background("t", "work").get()
except Exception as e:
    print(e)
`, "async error: kv.set: key is empty; use 1 to 32768 bytes\n"},
		{"shared=True sees live variables", `
seen = []
def work(n):
    seen.append(n)
    kv.default.update("k", lambda v: v + [n], default=[])
tasks = [runtime.background("t", "work", i, shared=True) for i in range(3)]
for t in tasks:
    t.wait()
print(sorted(seen), sorted(kv.default.get("k")))
`, "[0, 1, 2] [0, 1, 2]\n"},
		{"a store cannot be passed, but its name can", `
def work(store):
    return store.get("k")
try:
    runtime.background("t", "work", kv.default)
except Exception as e:
    print(e)
`, "background arg 0: BUILTIN is not transferable to background tasks (allowed: None, bool, int, float, str, list, dict, set, tuple)\n"},
		{"atomic calls of many tasks lose nothing", `
def work(i):
    for n in range(10):
        kv.default.incr("n")
        kv.default.update("l", lambda l: l + [i], default=[])
tasks = [runtime.background("t", "work", i) for i in range(5)]
for t in tasks:
    t.wait()
print(kv.default.get("n"), len(kv.default.get("l")))
`, "50 50\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := output(t, backends[0].registry(t), imports+c.source); got != c.want {
				t.Errorf("printed:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// What a registrar that is no interpreter can offer: tasks without imports.
func TestBackgroundWorksThroughAnyRegistrar(t *testing.T) {
	r := backends[0].registry(t)
	p := first(scriptling.New())
	r.RegisterRuntimeLibraryAll(registrarOnly{p}, nil)
	var out bytes.Buffer
	p.SetOutputWriter(&out)
	eval(t, p, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
def work():
    return kv.default.incr("n")
print(runtime.background("t", "work").get())
try:
    runtime.background("t", "json.dumps", 1).get()
except Exception as e:
    print(e)
`)
	if want := "1\nasync error: cannot load library: no factory configured\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

type registrarOnly struct{ p object.LibraryRegistrar }

func (r registrarOnly) RegisterLibrary(lib *object.Library) { r.p.RegisterLibrary(lib) }

func TestTheRuntimesKVIsTheLibraryOfThatName(t *testing.T) {
	got := output(t, backends[0].registry(t), `
import scriptling.runtime as runtime
runtime.kv.default.set("k", 1)
print(runtime.kv.default.get("k"), runtime.kv.open(":memory:x") is not None)
import scriptling.runtime.kv as kv
print(kv.default.get("k"), kv.default is runtime.kv.default, kv.open(":memory:x") is kv.open(":memory:x"))
`)
	if want := "1 true\n1 true true\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestInterpretersStartTasksAtTheSameTime(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
def work():
    import json
    return kv.default.incr("n")
def start():
    return runtime.background("t", "work").get()
`)
	const calls = 20
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if _, err := p.CallFunction("start"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if v, err := r.Default().Get(ctx, "n"); fmt.Sprint(v) != fmt.Sprint(calls) || err != nil {
		t.Errorf("%v tasks ran (%v), want %d", v, err, calls)
	}
}

// endless starts tasks that would never end.
const endless = `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time
def busy():
    n = 0
    while True:
        n = n + 1
def sleeps():
    time.sleep(3600)
def spawns():
    runtime.background("child", "sleeps")
    time.sleep(3600)
`

func TestCloseEndsTheTasksOfEveryKind(t *testing.T) {
	r := newRegistry()
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, endless+`
promises = [runtime.background("t", name) for name in ["busy", "sleeps", "spawns"]]
promises.append(runtime.background("t", "sleeps", shared=True))
`)
	if running, limit := r.Tasks(); running < 4 || limit != extlibs.DefaultMaxTasks {
		t.Errorf("%d tasks run, and the limit is %d", running, limit)
	}
	kvtest.Within(t, 30*time.Second, func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := r.WaitTasks(ctx); err != nil {
			t.Error(err)
		}
	})
	if running, _ := r.Tasks(); running != 0 {
		t.Errorf("%d tasks run after Close", running)
	}
	clause, message := caught(t, p, `runtime.background("t", "busy")`)
	if clause != "RuntimeError" || !strings.HasPrefix(message, "background: the host has closed") {
		t.Errorf("a task after Close raised %s %q", clause, message)
	}
	if clause, message = caught(t, p, "promises[0].get()"); clause == "" {
		t.Errorf("the promise of a task that was ended raised %s %q", clause, message)
	}
}

func TestATaskBeyondTheLimitIsAnErrorThatSaysWhatToDo(t *testing.T) {
	r := newRegistry(extlibs.MaxTasks(2))
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, endless+`runtime.background("t", "sleeps")`+"\n"+`runtime.background("t", "sleeps", shared=True)`)
	for _, shared := range []string{"", ", shared=True"} {
		clause, message := caught(t, p, `runtime.background("t", "sleeps"`+shared+`)`)
		if want := "background: 2 tasks are running, the maximum; wait for some with promise.wait(), or raise MaxTasks in the host"; clause != "RuntimeError" || message != want {
			t.Errorf("raised %s %q, want %q", clause, message, want)
		}
	}
	kvtest.Within(t, 30*time.Second, func() { r.Close() })
}

func TestAScriptThatStartsTasksWithoutEndStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, endless)
	clause, message := caught(t, p, `
while True:
    runtime.background("t", "sleeps")
`)
	if !strings.HasPrefix(message, fmt.Sprintf("background: %d tasks are running", extlibs.DefaultMaxTasks)) {
		t.Errorf("raised %s %q", clause, message)
	}
	kvtest.Within(t, 30*time.Second, func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestATaskDoesNotOutliveTheTimeThatTheHostGaveItsScript(t *testing.T) {
	t.Parallel()
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	if _, err := p.EvalWithTimeout(200*time.Millisecond, endless+`runtime.background("t", "spawns")`); err != nil {
		t.Fatal(err)
	}
	kvtest.Within(t, 30*time.Second, func() {
		if err := r.WaitTasks(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLoggerHearsOfTasksThatAnExceptionEnded(t *testing.T) {
	var log bytes.Buffer
	r := newRegistry(extlibs.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	eval(t, interpreter(r, &bytes.Buffer{}), `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time
kv.default.set("k", "secret")
def raises():
    raise ValueError(kv.default.get("k"))
def fails():
    return NOT_SEEN
def fine():
    return 1
def endless():
    while True:
        time.sleep(0.001)
for name in ["raises", "fails", "fine"]:
    try:
        runtime.background("task " + name, name).wait()
    except Exception as e:
        pass
runtime.background("task endless", "endless")
`)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got := log.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "task raises") || !strings.Contains(got, "ValueError") || !strings.Contains(got, "task fails") || !strings.Contains(got, "identifier not found: NOT_SEEN") || strings.Contains(got, "secret") {
		t.Errorf("the log has\n%s", got)
	}
}

func TestManyTasksThatFailAreFewLinesInTheLog(t *testing.T) {
	const failures = 500
	var log bytes.Buffer
	r := newRegistry(extlibs.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	eval(t, interpreter(r, &bytes.Buffer{}), fmt.Sprintf(`
import scriptling.runtime as runtime
def raises():
    raise ValueError("x" * 100)
for i in range(%d):
    runtime.background("a\x1b[31m\n" * 100, "raises").wait()
`, failures))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got := log.String()
	if lines := strings.Count(got, "\n"); lines != 11 || !strings.Contains(got, "count=490") || !strings.Contains(got, "ValueError: 490") || len(got) > 8<<10 {
		t.Errorf("the log has %d lines, %d bytes, and ends with %s", lines, len(got), got[max(0, len(got)-400):])
	}
}

func TestATaskThatACallbackStartsHasNoneOfItsMarks(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	defer r.Close()
	kvtest.Within(t, 60*time.Second, func() {
		if got, want := output(t, r, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
def generation(n):
    if n == 0:
        return 0
    return kv.default.update("u" + str(n), lambda old: runtime.background("t", "generation", n - 1).get() + 1)
print(generation(100))
def same():
    return kv.default.get_or_set("k", lambda: 2)
def child():
    return runtime.background("t", "same").get()
print(kv.default.get_or_set("k", lambda: runtime.background("t", "child").get() + 1), kv.default.get("k"))
`), "100\n2 2\n"; got != want && got != "100\n3 3\n" {
			t.Errorf("printed %q, want %q", got, want)
		}
	})
}

func TestAHostCanWaitForTheTasksOfItsScripts(t *testing.T) {
	t.Parallel()
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import time
def work(n):
    time.sleep(0.01)
    kv.default.incr("done")
    if n > 0:
        runtime.background("next", "work", n - 1)
for i in range(4):
    runtime.background("t", "work", 3)
`)
	if err := r.WaitTasks(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Default().Get(ctx, "done"); n != int64(16) || err != nil {
		t.Errorf("%v tasks were done (%v)", n, err)
	}
}
