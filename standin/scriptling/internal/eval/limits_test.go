package eval_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// TestRecursionIsBounded checks that no script can exhaust the Go stack.
func TestRecursionIsBounded(t *testing.T) {
	const tooDeep, tooManyCalls = "maximum recursion depth exceeded", "call depth exceeded"
	nested := func(open, closing string) string {
		const n = 150
		return "def f():\n    return " + strings.Repeat(open, n) + "f()" + strings.Repeat(closing, n) + "\nf()"
	}
	const class = "class C:\n    def __eq__(self, o):\n        return self == o\n    def __str__(self):\n        return str(self)\n" +
		"    def __len__(self):\n        return len(self)\n    def __iter__(self):\n        return iter(self)\n" +
		"    def __lt__(self, o):\n        return max(self, o)\nc = C()\n"
	tests := []struct{ name, script, want string }{
		{"parentheses", nested("(1 + ", ")"), tooDeep},
		{"lists", nested("[", "]"), tooDeep},
		{"comprehensions", nested("[", " for x in [1]]"), tooDeep},
		{"builtins", nested("max(", ", 1)"), tooDeep},
		{"comparison", "l = []\nm = []\nfor i in range(100000):\n    l = [l]\n    m = [m]\nl == m", tooDeep},
		{"comparison of cycles", "l = []\nl.append(l)\nm = []\nm.append(m)\nl == m", tooDeep},
		{"sorting", "l = []\nm = []\nfor i in range(200000):\n    l = [l]\n    m = [m]\nsorted([l, m])", tooDeep},
		{"callback", "def f(x):\n    return sorted([1], key=f)\nf(1)", tooManyCalls},
		{"lambda", "f = lambda: f()\nf()", tooManyCalls},
		{"__eq__", class + "c == c", tooManyCalls},
		{"__str__", class + "f'{c}'", tooManyCalls},
		{"__len__", class + "not c", tooManyCalls},
		{"__iter__", class + "list(c)", tooManyCalls},
		{"__lt__", class + "max(c, c)", tooManyCalls},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := scriptling.New().Eval(tt.script); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
		})
	}
}

// TestRecursionWithoutCallDepth is about calls from Go, which have no limit of
// call depth.
func TestRecursionWithoutCallDepth(t *testing.T) {
	p := scriptling.New()
	if _, err := p.Eval("def f():\n    return f()"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CallFunction("f"); err == nil || !strings.Contains(err.Error(), "maximum recursion depth exceeded") {
		t.Errorf("got error %v", err)
	}
}

func TestScriptLibrariesMayImportEachOther(t *testing.T) {
	p := scriptling.New()
	_ = p.RegisterScriptLibrary("left", "import right\ndef name():\n    return right.who()\n")
	_ = p.RegisterScriptLibrary("right", "import left\ndef who():\n    return 'right'\n")
	if v, err := p.Eval("import left\nleft.name()"); err != nil || v.Inspect() != "right" {
		t.Errorf("got %v, %v", v, err)
	}
}

// TestScriptLibraryObeysTheContext cancels a script while it imports.
func TestScriptLibraryObeysTheContext(t *testing.T) {
	p := scriptling.New()
	ctx, cancel := context.WithCancel(context.Background())
	p.RegisterLibrary(object.NewLibrary("control", map[string]*object.Builtin{
		"cancel": {Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			cancel()
			return &object.Null{}
		}},
	}, nil, ""))
	_ = p.RegisterScriptLibrary("lib", "import control\ncontrol.cancel()\nwhile True: pass\n")
	if _, err := p.EvalWithContext(ctx, "import lib"); err == nil || !strings.Contains(err.Error(), "execution cancelled (lib:3)") {
		t.Errorf("got error %v", err)
	}
}

// TestBuiltinsObeyTheContext stops a script inside builtin functions, which run
// as long as their arguments say.
func TestBuiltinsObeyTheContext(t *testing.T) {
	for _, script := range []string{
		"sum(range(10 ** 12))",
		"10 ** 13 in set(range(10 ** 12))",
		"sorted(range(10 ** 12))",
		"a, b = list(range(10 ** 12))",
		"max(*range(10 ** 12))",
		"dict(zip(range(10 ** 12), range(10 ** 12)))",
		"sum(i for i in iter(range(10 ** 12)) if False)",
		"any(map(lambda x: False, range(10 ** 6))) or [0 for i in range(10 ** 12) if False]",
	} {
		start := time.Now()
		_, err := scriptling.New().EvalWithTimeout(100*time.Millisecond, script)
		if err == nil || err.Error() != "execution timeout (line 1)" || time.Since(start) > time.Second {
			t.Errorf("%q: got error %v after %v", script, err, time.Since(start))
		}
	}
}

// TestTasksShareAScriptLibrary calls a function of a script library from
// isolated environments while the script that imported it runs on.
func TestTasksShareAScriptLibrary(t *testing.T) {
	p := scriptling.New()
	_ = p.RegisterScriptLibrary("counter", "n = 0\ndef bump():\n    global n\n    n = n + 1\n    return n\n")
	var wg sync.WaitGroup
	p.RegisterFunc("start", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		snapshot := evaluator.GetEnvFromContext(ctx).GetGlobal().SnapshotCallables()
		wg.Go(func() {
			env := object.NewEnvironment()
			snapshot.ApplySnapshot(env)
			task, _ := env.Get("task")
			taskCtx := evaluator.WithEvaluator(evaluator.SetEnvInContext(context.Background(), env))
			if v := evaluator.ApplyFunctionGIL(taskCtx, task, nil, nil, env); object.IsError(v) {
				t.Error(v.Inspect())
			}
		})
		return &object.Null{}
	})
	const script = "import counter\ndef task():\n    for i in range(50):\n        counter.bump()\nfor i in range(4):\n    start()\ntask()"
	if _, err := p.Eval(script); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if v, err := p.Eval("counter.bump()"); err != nil || v.Inspect() != "251" {
		t.Errorf("got %v, %v", v, err)
	}
}
