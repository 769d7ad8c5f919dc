package runtimelib

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

// kvLibrary returns a library that replaces kv; its default counts.
func kvLibrary() *object.Library {
	var n atomic.Int64
	incr := func(context.Context, object.Kwargs, ...object.Object) object.Object {
		return object.NewInteger(n.Add(1))
	}
	store := &object.Builtin{Attributes: map[string]object.Object{"incr": &object.Builtin{Fn: incr}}}
	return object.NewLibrary("scriptling.runtime.kv", nil, map[string]object.Object{"default": store}, "")
}

// registrar is an interpreter that can only be registered with.
type registrar struct{ object.LibraryRegistrar }

// interpreter returns an interpreter with the runtime that writes to out.
func interpreter(t *testing.T, out *bytes.Buffer) *scriptling.Scriptling {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	register(t, p)
	return begun(t, p, out)
}

func register(t *testing.T, p object.LibraryRegistrar) {
	tasks := limited(0)
	t.Cleanup(func() { tasks.Close() })
	kv := kvLibrary()
	p.RegisterLibrary(kv)
	Register(p, tasks, kv)
}

var programs atomic.Int64

// begun runs a program that no other interpreter runs first: the published interpreter mixes
// up the variables of interpreters whose first program is the same.
func begun(t *testing.T, p *scriptling.Scriptling, out *bytes.Buffer) *scriptling.Scriptling {
	p.SetOutputWriter(out)
	eval(t, p, fmt.Sprintf("interpreter_%d = None\nimport scriptling.runtime as runtime", programs.Add(1)))
	return p
}

func eval(t *testing.T, p *scriptling.Scriptling, source string) {
	t.Helper()
	if _, err := p.Eval(source); err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
}

// output runs a script and returns what it printed, with a line for the error that ended it.
func output(t *testing.T, source string) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := interpreter(t, &out).Eval(source); err != nil {
		fmt.Fprintf(&out, "RESULT ERROR: %s\n", err)
	}
	return out.String()
}

// caught runs a statement and returns the name of the except clause that caught what it
// raised, and the message; "" for a statement that raised nothing.
func caught(t *testing.T, p *scriptling.Scriptling, statement string) (clause, message string) {
	t.Helper()
	source := "def attempt():\n    try:\n        " + strings.ReplaceAll(statement, "\n", "\n        ") + "\n"
	for _, name := range []string{"TypeError", "RuntimeError", "Exception"} {
		source += fmt.Sprintf("    except %s as e:\n        return [%q, str(e)]\n", name, name)
	}
	eval(t, p, source+"    return [\"\", \"\"]\noutcome = attempt()\n")
	outcome, errObj := p.GetVarAsList("outcome")
	if errObj != nil {
		t.Fatalf("%s: %s", statement, errObj.Inspect())
	}
	return outcome[0].Inspect(), outcome[1].Inspect()
}

func TestTheRuntimePrintsWhatThePublishedOnePrints(t *testing.T) {
	scripts, err := filepath.Glob("testdata/conformance/*.py")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, script := range scripts {
		t.Run(filepath.Base(script), func(t *testing.T) {
			source, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(script, ".py") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			if got := output(t, string(source)); got != string(want) {
				t.Errorf("printed:\n%s\nwant:\n%s", got, want)
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
		{"recursion without an end is an error", `
def work():
    return work()
try:
    runtime.background("t", "work").get()
except Exception as e:
    print(e)
`, "async error: call depth exceeded: maximum depth is 1000\n"},
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
		{"a function that is missing, or is none, is refused", `
number = 5
for handler in ["missing", "number"]:
    try:
        runtime.background("t", handler)
    except Exception as e:
        print(e)
`, "function not found: missing\nhandler is not a function: number (*object.Integer)\n"},
		{"a name that is no text is refused", `
def work():
    return 1
for call in [lambda: runtime.background(1, "work"), lambda: runtime.background("t"), lambda: runtime.background("t", 5)]:
    try:
        call()
        print("not reached")
    except Exception as e:
        print("refused")
`, "refused\nrefused\nrefused\n"},
		{"tasks start tasks, with functions of functions and imports inside", `
def outer():
    import scriptling.runtime as again
    def inner(n):
        import json
        return json.dumps([n])
    return again.background("inner", "inner", 2).get()
print(runtime.background("outer", "outer").get())
`, "[2]\n"},
		{"shared=True sees live variables", `
seen = []
def work(n):
    seen.append(n)
    return seen
tasks = [runtime.background("t", "work", i, shared=True) for i in range(3)]
for t in tasks:
    t.wait()
print(sorted(seen), tasks[0].get() is seen)
`, "[0, 1, 2] true\n"},
		{"wait raises what ended the task, as get does", `
def fails():
    return missing
promise = runtime.background("t", "fails")
for call in [lambda: promise.wait(), lambda: promise.get()]:
    try:
        call()
    except Exception as e:
        print(e)
`, "async error: identifier not found: missing\nasync error: identifier not found: missing\n"},
		{"a task sees what its starter left in a module, but not its functions", `
def own():
    return 1
runtime["left"] = {"list": [1, [2], {"a": (3, None)}], "set": set([4]), "own": own}
runtime["function"] = own
runtime["ring"] = runtime
def work():
    return [runtime["left"]["list"], runtime["left"]["set"], "own" in runtime["left"], "function" in runtime, runtime["ring"] is runtime, kv.default.incr()]
print(runtime.background("t", "work").get())
`, "[[1, [2], {a: (3, None)}], {4}, false, false, true, 1]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := output(t, imports+c.source); got != c.want {
				t.Errorf("printed:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestTasksOfARegistrarThatIsNoInterpreterImportNothing(t *testing.T) {
	p := scriptling.New()
	register(t, registrar{p})
	var out bytes.Buffer
	eval(t, begun(t, p, &out), `
def work():
    return runtime.kv.default.incr()
print(runtime.background("t", "work").get())
`)
	if _, message := caught(t, p, `runtime.background("t", "json.dumps", 1).get()`); message != "async error: cannot load library: no factory configured" || out.String() != "1\n" {
		t.Errorf("printed %q, raised %q", out.String(), message)
	}
}

func TestNoTaskStartsBeyondTheLimitOrAfterItsContextEnded(t *testing.T) {
	p := scriptling.New()
	tasks := limited(1)
	defer tasks.Close()
	Register(p, tasks, kvLibrary())
	release := make(chan struct{})
	p.RegisterLibrary(object.NewLibrary("host", map[string]*object.Builtin{
		"block": {Fn: func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
			object.RunBlocking(ctx, func() { <-release })
			return &object.Null{}
		}},
	}, nil, ""))
	eval(t, begun(t, p, &bytes.Buffer{}), "import host\ndef work():\n    return host.block()\np = runtime.background(\"t\", \"work\")\n")
	if clause, message := caught(t, p, `runtime.background("t", "work")`); clause != "RuntimeError" || !strings.HasPrefix(message, "background: 1 tasks are running, the maximum") {
		t.Errorf("raised %s %q", clause, message)
	}
	close(release)
	eval(t, p, "p.wait()")
	s := &starter{tasks: tasks}
	for _, c := range []struct {
		timeout time.Duration
		want    string
	}{{0, "timeout"}, {time.Hour, "cancelled"}} {
		ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
		cancel()
		err, ok := s.start(ctx, "t", object.NewEnvironment(), nil, false, nil).(*object.Error)
		if !ok || !strings.Contains(err.Message, c.want) {
			t.Errorf("start after %v: %v", c.timeout, err)
		}
	}
}

func TestThePanicOfATaskIsAnErrorOfItsPromise(t *testing.T) {
	p := interpreter(t, &bytes.Buffer{})
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
	release := make(chan struct{})
	p := interpreter(t, &bytes.Buffer{})
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
	if got, _ := p.GetVarAsString("result"); got != "released" {
		t.Errorf("the task returned %q", got)
	}
}

func TestArgumentsOfATaskAreJudgedBeforeTheyAreCopied(t *testing.T) {
	t.Parallel()
	p := interpreter(t, &bytes.Buffer{})
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
