package scriptling_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// An interpreter is what libraries are registered with and what sandboxes run in.
var (
	_ object.LibraryRegistrar = (*scriptling.Scriptling)(nil)
	_ interface {
		SetObjectVar(name string, obj object.Object) error
		GetVarAsObject(name string) (object.Object, error)
		EvalWithContext(ctx context.Context, input string) (object.Object, error)
		SetSourceFile(name string)
		LoadLibraryIntoEnv(name string, env *object.Environment) error
		SetOutputWriter(w io.Writer)
	} = (*scriptling.Scriptling)(nil)
)

// constants makes a library of constants.
func constants(name string, entries map[string]object.Object) *object.Library {
	return object.NewLibrary(name, nil, entries, "")
}

// marked makes a library that can be told by its constant "id".
func marked(name, id string) *object.Library {
	return constants(name, map[string]object.Object{"id": object.NewString(id)})
}

// check evaluates a script and compares what it prints.
func check(t *testing.T, p *scriptling.Scriptling, script, want string) {
	t.Helper()
	p.EnableOutputCapture()
	_, err := p.Eval(script)
	got := p.GetOutput()
	if err != nil {
		got += "RESULT ERROR: " + err.Error() + "\n"
	}
	if got = strings.TrimSuffix(got, "\n"); got != want {
		t.Errorf("script:\n%s\ngot:\n%s\nwant:\n%s", script, got, want)
	}
}

func TestParentConstantHidesChildLibrary(t *testing.T) {
	child := func() *object.Library { return marked("a.b.kv", "child") }
	parent := func() *object.Library {
		return constants("a.b", map[string]object.Object{"kv": marked("x", "parent").GetDict()})
	}
	plain := func() *object.Library { return marked("a.b", "plain") }
	tests := []struct {
		name      string
		libraries []*object.Library
		script    string
		want      string
	}{
		{"parent first", []*object.Library{parent(), child()}, "import a.b.kv as kv\nprint(kv.id)", "parent"},
		{"child first", []*object.Library{child(), parent()}, "import a.b.kv as kv\nprint(kv.id)", "parent"},
		{"no constant", []*object.Library{plain(), child()}, "import a.b.kv as kv\nprint(kv.id)\nimport a.b as r\nprint(r.kv.id, r.id)", "child\nchild plain"},
		{"child only", []*object.Library{child()}, "import a.b.kv as kv\nprint(kv.id, a.b.kv.id)", "child child"},
		{"not imported", []*object.Library{plain(), child()}, "import a.b as r\nprint(r.kv)\nimport a.b.kv\nprint(r.kv.id)", "None\nchild"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := scriptling.New()
			for _, lib := range tt.libraries {
				p.RegisterLibrary(lib)
			}
			check(t, p, tt.script, tt.want)
		})
	}
}

func TestImportBindings(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"dotted binds root and hidden name", "import a.b.c\nprint(a.b.c.id)", "abc"},
		{"alias binds both", "import a.b.c as x\nprint(x.id, a.b.c.id)", "abc abc"},
		{"several", "import one, a.b.c as x\nprint(one.id, x.id)", "one abc"},
		{"bound name is not loaded again", "one = 5\nimport one\nprint(one)", "5"},
		{"placeholder parent is merged", "import a.b.c\nimport a.b\nprint(a.b.id, a.b.c.id)", "ab abc"},
		{"from does not bind the module", "from one import id\nprint(id)\nprint(one)", "one\nRESULT ERROR: identifier not found: one (line 3)"},
		{"from keeps a bound module", "import one\nfrom one import id as i\nprint(i, one.id)", "one one"},
		{"from keeps the root of a dotted name", "from a.b import id\nprint(id, a.b.id)", "ab ab"},
		{"submodule by from", "from a.b import c\nprint(c.id)", "abc"},
		{"submodule of an unknown parent", "from x.y import z", "RESULT ERROR: import error: unknown library: x.y (line 1)"},
		{"submodule imported before", "import x.y.z\nfrom x.y import z\nprint(z.id)", "xyz"},
		{"alias in a function is local", "def f():\n    import one as o\n    return o.id\nprint(f(), one.id)\nprint(o)", "one one\nRESULT ERROR: identifier not found: o (line 5)"},
		{"unknown", "import nope", "RESULT ERROR: import error at line 1: unknown library: nope (line 1)"},
		{"unknown second", "import one, nope", "RESULT ERROR: import error: unknown library: nope (line 1)"},
		{"unknown name", "from one import x", "RESULT ERROR: import error: cannot import name 'x' from 'one' (line 1)"},
		{"too deep", "import a.b.c.d.e.f.g", "RESULT ERROR: import error at line 1: library nesting too deep (max 5 levels): a.b.c.d.e.f.g (line 1)"},
		{"caught", "try:\n    import nope\nexcept ImportError as e:\n    print(e)", "import error at line 2: unknown library: nope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := scriptling.New()
			for name, id := range map[string]string{"one": "one", "a.b": "ab", "a.b.c": "abc", "x.y.z": "xyz"} {
				p.RegisterLibrary(marked(name, id))
			}
			check(t, p, tt.script, tt.want)
		})
	}
}

func TestModuleCalls(t *testing.T) {
	p := scriptling.New()
	fn := &object.Builtin{Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		return object.NewInteger(int64(len(args)))
	}}
	p.RegisterLibrary(object.NewLibrary("lib", map[string]*object.Builtin{"get": fn, "keys": fn},
		map[string]object.Object{"CONST": object.NewInteger(7)}, "About lib\nsecond line"))
	check(t, p, "import lib\nprint(type(lib), lib.get(1, 2), lib.keys(), lib.CONST(), lib.missing, 'get' in lib)", "DICT 2 0 7 None true")
	check(t, p, "lib.CONST(1)", "RESULT ERROR: identifier not found: CONST is not callable (line 1)")
	check(t, p, "lib.missing()", "RESULT ERROR: identifier not found: method missing not found in library (line 1)")
	check(t, p, "lib.x = 5\nprint(lib.x, lib['x'], hasattr(lib, 'get'))", "5 5 true")
	check(t, p, "help('lib')", "lib functions:\n\nDescription:\n  About lib\n  second line\n\nAvailable functions:\n"+
		"  - CONST\n  - get\n  - keys\n  - x\n\nUse help(\"lib.function_name\") for details on a specific function")
	check(t, p, "help(lib.get)", "Help for builtin function:\n  No documentation available")
}

func TestRegisterAndUnregister(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("lib", "old"))
	p.RegisterLibrary(marked("lib", "new"))
	check(t, p, "import lib\nimport lib as alias\nprint(lib.id)", "new")
	p.RegisterLibrary(marked("lib", "late"))
	check(t, p, "import lib\nprint(lib.id)", "new")
	p.UnregisterLibrary("lib")
	check(t, p, "print(alias.id)\nlib", "new\nRESULT ERROR: identifier not found: lib (line 2)")
	p.RegisterLibrary(marked("lib", "again"))
	check(t, p, "import lib\nprint(lib.id)", "again")
	p.Reset()
	check(t, p, "import lib\nprint(lib.id)", "again")

	p.RegisterLibrary(marked("a", "parent"))
	p.RegisterLibrary(marked("a.b", "child"))
	check(t, p, "import a.b\nprint(a.b.id)", "child")
	p.UnregisterLibrary("a.b")
	check(t, p, "print(a.b, a.id)", "None parent")
}

func TestImportFromGo(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("one", "1"))
	p.RegisterLibrary(marked("two.x", "2"))
	for _, names := range []interface{}{"one", []string{"one", "two.x"}, &object.List{Elements: []object.Object{object.NewString("one")}}} {
		if err := p.Import(names); err != nil {
			t.Errorf("Import(%v): %v", names, err)
		}
	}
	check(t, p, "print(one.id, two.x.id)", "1 2")
	if err := p.Import("nope"); err == nil || err.Error() != "unknown library: nope" {
		t.Errorf("unknown library: %v", err)
	}
	if err := p.Import(5); err == nil || err.Error() != "Import: expected string, []string, or list of strings, got int" {
		t.Errorf("wrong type: %v", err)
	}
	env := object.NewEnvironment()
	if err := p.LoadLibraryIntoEnv("two.x", env); err != nil {
		t.Fatal(err)
	}
	if _, ok := env.Get("two"); !ok || !env.IsImportedBinding("two.x") {
		t.Error("two.x is not bound in the environment")
	}
	if err := p.LoadLibraryIntoEnv("nope", env); err == nil || err.Error() != "library not found: nope" {
		t.Errorf("unknown library: %v", err)
	}
}

func TestLoadLibraryIntoEnvIgnoresParent(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(constants("a", map[string]object.Object{"kv": marked("x", "parent").GetDict()}))
	p.RegisterLibrary(marked("a.kv", "child"))
	for _, tt := range []struct{ first, want string }{{"a.kv", "child"}, {"a", "parent"}} {
		env := object.NewEnvironment()
		if err := p.LoadLibraryIntoEnv(tt.first, env); err != nil {
			t.Fatal(err)
		}
		v, _ := env.Get("a")
		kv, _ := v.(*object.Dict).GetByString("kv")
		id, _ := kv.Value.(*object.Dict).GetByString("id")
		if id.Value.Inspect() != tt.want {
			t.Errorf("after loading %s: a.kv is %s, want %s", tt.first, id.Value.Inspect(), tt.want)
		}
	}
}

func TestScriptLibraries(t *testing.T) {
	newInterpreter := func() *scriptling.Scriptling {
		p := scriptling.New()
		p.RegisterLibrary(marked("golib", "go"))
		_ = p.RegisterScriptLibrary("lib", "\"About\"\nimport golib\nprint('loading', __name__)\ncount = 0\ndef bump():\n    global count\n    count += 1\n    return [count, golib.id]\n")
		_ = p.RegisterScriptLibrary("pkg.one", "from .two import value\nfrom . import two\ndef get():\n    return [value, two.value]\n")
		_ = p.RegisterScriptLibrary("pkg.two", "value = 2\n")
		_ = p.RegisterScriptLibrary("broken", "x = 1\ny = nope\n")
		_ = p.RegisterScriptLibrary("raises", "raise ValueError('no')\n")
		return p
	}
	tests := []struct{ name, script, want string }{
		{"evaluated once", "import lib\nimport lib as again\nfrom lib import bump\nprint(bump(), lib.bump(), again.__doc__, lib.count)", "loading lib\n[1, go] [2, go] About 0"},
		{"own scope", "import lib\nprint(lib.golib.id)\ngolib", "loading lib\ngo\nRESULT ERROR: identifier not found: golib (line 3)"},
		{"relative", "import pkg.one\nprint(pkg.one.get())", "[2, 2]"},
		{"error", "import broken", "RESULT ERROR: import error at line 1: identifier not found: nope (broken:2) (line 1)"},
		{"exception", "import raises", "RESULT ERROR: import error at line 1: Uncaught exception: no (raises:1) (line 1)"},
		{"error is retried", "try:\n    import broken\nexcept ImportError:\n    pass\nimport broken", "RESULT ERROR: import error at line 5: identifier not found: nope (broken:2) (line 5)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, newInterpreter(), tt.script, tt.want) })
	}
	t.Run("a clone shares what the original has loaded", func(t *testing.T) {
		p := newInterpreter()
		check(t, p.Clone(), "import lib\nprint(lib.bump())", "loading lib\n[1, go]")
		check(t, p, "import lib\nprint(lib.bump())", "loading lib\n[1, go]")
		check(t, p.Clone(), "import lib\nprint(lib.bump())", "[2, go]")
		check(t, p, "print(lib.bump())", "[3, go]")
		p.Reset()
		check(t, p, "import lib\nprint(lib.bump())", "loading lib\n[1, go]")
	})
}

type mapLoader map[string]string

func (m mapLoader) Load(name string) (string, bool, error) {
	if name == "fails" {
		return "", false, errors.New("no disk")
	}
	source, ok := m[name]
	return source, ok, nil
}

func (m mapLoader) Description() string { return "map" }

func TestLoader(t *testing.T) {
	p := scriptling.New()
	p.SetLibraryLoader(mapLoader{"found": "x = 5\n"})
	if p.GetLibraryLoader().Description() != "map" {
		t.Error("the loader is not returned")
	}
	check(t, p, "import found\nprint(found.x)", "5")
	check(t, p.Clone(), "from found import x\nprint(x)", "5")
	check(t, p, "import missing", "RESULT ERROR: import error at line 1: unknown library: missing (line 1)")
	check(t, p, "import fails", "RESULT ERROR: import error at line 1: loader error for fails: no disk (line 1)")
}

// TestIsolatedEnvironments runs functions of a script in separate environments,
// as background tasks do.
func TestIsolatedEnvironments(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("bound", "parent"))
	p.RegisterLibrary(marked("late.lib", "late"))
	results := make(chan object.Object)
	const tasks = 8
	p.RegisterFunc("start", func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		env := evaluator.GetEnvFromContext(ctx)
		fn, ok := env.Get(args[0].Inspect())
		if !ok {
			return object.NewString("no function")
		}
		snapshot := env.GetGlobal().SnapshotCallables()
		arg := object.CloneObject(args[1])
		clone := p.Clone()
		go func() {
			taskEnv := object.NewEnvironment()
			taskEnv.SetImportCallback(func(name string) error { return clone.LoadLibraryIntoEnv(name, taskEnv) })
			snapshot.ApplySnapshot(taskEnv)
			taskFn, _ := taskEnv.Get(fn.(*object.Function).Name)
			taskCtx := evaluator.WithEvaluator(evaluator.SetEnvInContext(context.Background(), taskEnv))
			taskCtx = evaluator.ContextWithCallDepth(taskCtx, evaluator.DefaultMaxCallDepth)
			results <- evaluator.ApplyFunctionGIL(taskCtx, taskFn, []object.Object{arg}, nil, taskEnv)
		}()
		return &object.Null{}
	})
	check(t, p, `
import bound
secret = 1
class Hidden:
    pass
def helper(l):
    l.append(bound.id)
    import late.lib as late
    l.append(late.id)
    return l
def task(l):
    l = helper(l)
    for name in ["secret", "Hidden", "__name__"]:
        try:
            if name == "secret": secret
            elif name == "Hidden": Hidden
            else: __name__
        except NameError:
            l.append(name)
    return l
live = [0]
for i in range(8):
    start("task", live)
live.append(1)
print(live)
`, "[0, 1]")
	for range tasks {
		if got := (<-results).Inspect(); got != "[0, parent, late, secret, Hidden, __name__]" {
			t.Errorf("task returned %s", got)
		}
	}
}
