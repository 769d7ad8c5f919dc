package extlibs_test

import (
	"bytes"
	"context"
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

func TestTheRuntimePrintsWhatThePublishedOnePrints(t *testing.T) {
	for name, v := range vectors(t, "testdata/conformance-runtime") {
		t.Run(name, func(t *testing.T) {
			if got := output(t, backends[0].registry(t), v[0]); got != v[1] {
				t.Errorf("printed:\n%s\nwant:\n%s", got, v[1])
			}
		})
	}
}

func TestBackgroundTasks(t *testing.T) {
	const imports = "import scriptling.runtime as runtime\nimport scriptling.runtime.kv as kv\n"
	for _, c := range []struct{ name, source, want string }{
		{"a promise may be asked again, and waited for after", `
def work():
    return [1]
p = runtime.background("t", "work")
print(p.get(), p.get(), p.wait(), p.get())
`, "[1] [1] None [1]\n"},
		{"keywords reach the handler", `
def work(a, b=2, **rest):
    return [a, b, rest["c"]]
print(runtime.background("t", "work", 1, b=5, c=6).get())
`, "[1, 5, 6]\n"},
		{"a lambda is a handler", `
double = lambda n: n * 2
print(runtime.background("t", "double", 4).get())
`, "8\n"},
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
		{"a library's function is a handler", `
print(runtime.background("t", "json.dumps", [1, "a"]).get())
`, "[1,\"a\"]\n"},
		{"a library or function that is missing is told at get", `
for handler in ["nosuch.f", "json.nosuch"]:
    try:
        runtime.background("t", handler).get()
    except Exception as e:
        print(e)
`, "async error: failed to load library nosuch: library not found: nosuch\nasync error: function not found: json.nosuch\n"},
		{"a task's error of kv has its text", `
def work():
    kv.default.set("", 1)
try:
    runtime.background("t", "work").get()
except Exception as e:
    print(e)
`, "async error: kv.set: key is empty; use 1 to 32768 bytes\n"},
		{"recursion without an end is an error", `
def work():
    return work()
try:
    runtime.background("t", "work").get()
except Exception as e:
    print(e)
`, "async error: call depth exceeded: maximum depth is 1000\n"},
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
		{"without shared=True it does not", `
seen = []
def work():
    seen.append(1)
try:
    runtime.background("t", "work").get()
except NameError as e:
    print("NameError")
except Exception as e:
    print("error", seen)
print(seen)
`, "NameError\n[]\n"},
		{"a promise is not to be called", `
def work():
    return 1
p = runtime.background("t", "work")
try:
    p()
except TypeError as e:
    print("TypeError")
p.wait()
`, "TypeError\n"},
		{"a store cannot be passed, but its name can", `
def work(store):
    return store.get("k")
try:
    runtime.background("t", "work", kv.default)
except Exception as e:
    print(e)
`, "background arg 0: BUILTIN is not transferable to background tasks (allowed: None, bool, int, float, str, list, dict, set, tuple)\n"},
		{"an argument that contains itself is an error", `
def work(l):
    return 1
l = []
l.append(l)
try:
    runtime.background("t", "work", l)
except Exception as e:
    print(e)
`, "background arg 0: list[0]: circular reference in list\n"},
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

func TestThePanicOfATaskIsAnErrorOfItsPromise(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	p.RegisterLibrary(object.NewLibrary("host", map[string]*object.Builtin{
		"fails": {Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object { panic("host bug") }},
	}, nil, ""))
	eval(t, p, "import scriptling.runtime as runtime\nimport host\ndef work():\n    host.fails()\n")
	for _, handler := range []string{"work", "host.fails"} {
		clause, message := caught(t, p, `runtime.background("t", "`+handler+`").get()`)
		if clause != "Exception" || !strings.Contains(message, "async error: ") || !strings.Contains(message, "host bug") {
			t.Errorf("%s raised %s %q", handler, clause, message)
		}
	}
}

func TestAWaitForATaskEndsWithItsContext(t *testing.T) {
	r := backends[0].registry(t)
	release := make(chan struct{})
	p := interpreter(r, &bytes.Buffer{})
	p.RegisterLibrary(object.NewLibrary("host", map[string]*object.Builtin{
		"block": {Fn: func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
			object.RunBlocking(ctx, func() { <-release })
			return object.NewString("released")
		}},
	}, nil, ""))
	eval(t, p, "import scriptling.runtime as runtime\nimport host\ndef work():\n    return host.block()\np = runtime.background(\"t\", \"work\")\n")
	cancelled, cancel := context.WithCancel(context.Background())
	entered, waits := make(chan struct{}), make(chan error)
	p.RegisterFunc("entered", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		close(entered)
		return &object.Null{}
	})
	go func() {
		_, err := p.EvalWithContext(cancelled, "entered()\np.get()")
		waits <- err
	}()
	<-entered
	cancel()
	if err := <-waits; err == nil || !strings.Contains(err.Error(), "execution cancelled") {
		t.Errorf("the wait ended with %v", err)
	}
	// The task itself continues.
	close(release)
	eval(t, p, "result = p.get()")
	if got := text(t, p, "result"); got != "released" {
		t.Errorf("the task returned %q", got)
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

func TestResponses(t *testing.T) {
	got := output(t, backends[0].registry(t), `
import scriptling.runtime as runtime
http = runtime.http
def show(r):
    print(r.status, sorted([k + ": " + v for k, v in r.headers.items()]), r.body)
show(http.json([1]))
show(http.json(404, None))
show(http.json({"a": 1}, status=201))
show(http.json("bad", "still sent"))
show(http.html("<p>", status=500))
show(http.text(418, "short and stout"))
show(http.redirect("/a"))
show(http.redirect("/a", 301))
show(http.redirect("/a", status=307))
q = http.parse_query("?a=1&b=&c=x+y&c=%26")
print(q["a"], [q["b"]], q["c"], q["nope"], http.parse_query(""))
for call in [lambda: http.json(), lambda: http.redirect(), lambda: http.parse_query(), lambda: http.parse_query(5), lambda: http.parse_query("%zz")]:
    try:
        call()
        print("not reached")
    except Exception as e:
        print("error", len(str(e)) > 0)
`)
	const want = `200 [Content-Type: application/json] [1]
404 [Content-Type: application/json] None
201 [Content-Type: application/json] {a: 1}
200 [Content-Type: application/json] still sent
500 [Content-Type: text/html; charset=utf-8] <p>
418 [Content-Type: text/plain; charset=utf-8] short and stout
302 [Location: /a] 
301 [Location: /a] 
307 [Location: /a] 
1 [] [x y, &] None {}
error true
error true
error true
error true
error true
`
	if got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
}

func TestARequestHasWhatTheHandlerNeeds(t *testing.T) {
	const handler = `
def handle(request):
    return [request.method, request.path, request.body, request.headers["content-type"], request.query["q"], request.headers["nope"], type(request)]

def parsed(request):
    return request.json()
`
	p := interpreter(backends[0].registry(t), &bytes.Buffer{})
	eval(t, p, handler)
	request := extlibs.CreateRequestInstance("POST", "/users", `{"n": 1}`,
		map[string]string{"Content-Type": "application/json"}, map[string]string{"q": "x"})
	got, err := p.CallFunction("handle", request)
	if want := `[POST, /users, {"n": 1}, application/json, x, None, Request]`; err != nil || got.Inspect() != want {
		t.Errorf("handle returned %v (%v), want %s", got, err, want)
	}
	for _, c := range []struct{ body, want string }{
		{`{"n": 1}`, "{n: 1}"},
		{`[1, 2.5, null, true]`, "[1, 2.5, None, true]"},
		{`"text"`, "text"},
		{"", "None"},
	} {
		got, err := p.CallFunction("parsed", extlibs.CreateRequestInstance("POST", "/", c.body, nil, nil))
		if err != nil || got.Inspect() != c.want {
			t.Errorf("json() of %q returned %v (%v), want %s", c.body, got, err, c.want)
		}
	}
	_, err = p.CallFunction("parsed", extlibs.CreateRequestInstance("POST", "/", "{", nil, nil))
	if err == nil || !strings.Contains(err.Error(), "JSONDecodeError") {
		t.Errorf("json() of a broken body: %v", err)
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

func TestArgumentsOfATaskAreJudgedBeforeTheyAreCopied(t *testing.T) {
	t.Parallel()
	p := interpreter(backends[0].registry(t), &bytes.Buffer{})
	eval(t, p, `
import scriptling.runtime as runtime
def work(arg):
    return 1
def tower(n):
    tower = 1
    for i in range(n):
        tower = [tower]
    return tower
def tree(n):
    tree = "x"
    for i in range(n):
        tree = [tree, tree]
    return tree
`)
	for arg, want := range map[string]string{
		"tower(501)":     "background arg 0: list[0]: list[0]: list[0]: list[0]: list[0]: list[0]: list[0]: list[0]: list is nested more than 500 levels; pass its parts one by one",
		"tower(1000000)": "is nested more than 500 levels",
		"tree(25)":       "has more than 1048576 parts",
		"arg=tree(25)":   "background kwarg 'arg': ",
		"{1: tree(60)}":  "has more than 1048576 parts",
	} {
		clause, message := caught(t, p, `runtime.background("t", "work", `+arg+`)`)
		if clause == "" || !strings.Contains(message, want) {
			t.Errorf("%s raised %s %q, want %q", arg, clause, message, want)
		}
	}
	clause, message := caught(t, p, "runtime.background(\"t\", \"work\", tower(500)).get()\nruntime.background(\"t\", \"work\", tree(15)).get()")
	if clause != "" {
		t.Errorf("what is within the limits raised %s %q", clause, message)
	}
}
