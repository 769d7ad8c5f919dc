package scriptling_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// TestGetters reads every kind of variable with every getter; a value is
// the text of the result.
func TestGetters(t *testing.T) {
	p := define(t, "n = 5\ns = 'text'\nf = 10.9\nb = True\nl = [1]\nt = (1, 2)\nd = {'k': 1}\nst = {1}\ndef fn():\n    pass")
	text := func(v any, failure object.Object) string {
		if failure != nil {
			return object.AsError(failure)
		}
		return fmt.Sprint(v)
	}
	getters := map[string]func(name string) string{
		"string": func(name string) string { v, e := p.GetVarAsString(name); return text(v, e) },
		"int":    func(name string) string { v, e := p.GetVarAsInt(name); return text(v, e) },
		"float":  func(name string) string { v, e := p.GetVarAsFloat(name); return text(v, e) },
		"bool":   func(name string) string { v, e := p.GetVarAsBool(name); return text(v, e) },
		"list":   func(name string) string { v, e := p.GetVarAsList(name); return text(len(v), e) },
		"dict":   func(name string) string { v, e := p.GetVarAsDict(name); return text(len(v), e) },
		"set":    func(name string) string { v, e := p.GetVarAsSet(name); return text(v != nil, e) },
		"tuple":  func(name string) string { v, e := p.GetVarAsTuple(name); return text(len(v), e) },
		"any":    func(name string) string { v, e := p.GetVar(name); return text(v, e) },
	}
	for getter, want := range map[string]map[string]string{
		"string": {"s": "text", "n": "must be a string", "st": "{1}"},
		"int":    {"n": "5", "f": "10", "b": "must be an integer", "s": "must be an integer"},
		"float":  {"n": "5", "f": "10.9", "b": "must be a number", "s": "must be a number"},
		"bool":   {"n": "true", "s": "true", "l": "true", "fn": "must be a boolean"},
		"list":   {"l": "1", "t": "2", "st": "1", "d": "must be a list"},
		"dict":   {"d": "1", "l": "must be a dict"},
		"set":    {"st": "true", "l": "must be a set"},
		"tuple":  {"t": "2", "l": "must be a tuple"},
		"any":    {"n": "5", "s": "text", "t": "[1 2]", "d": "map[k:1]", "fn": "fn"},
	} {
		want["nope"] = "variable 'nope' not found"
		for name, w := range want {
			if got := getters[getter](name); got != w {
				t.Errorf("%s as %s: got %s, want %s", name, getter, got, w)
			}
		}
	}
}

func TestVariablesPersist(t *testing.T) {
	p := define(t, "x = 1\ndef f():\n    return x\n")
	check(t, p, "x = x + 1", "")
	check(t, p, "print(f())", "2")
	_ = p.SetVar("x", []interface{}{1, "a", nil})
	check(t, p, "print(f())", "[1, a, None]")
	p.UnsetVar("x")
	p.UnsetVar("never there")
	check(t, p, "f()", "RESULT ERROR: identifier not found: x (line 3)")
	if got := p.ListVars(); !slices.Equal(got, []string{"__name__", "f"}) {
		t.Errorf("variables: %v", got)
	}
}

// TestSourceFileIsRestored checks what EvalFile leaves behind.
func TestSourceFileIsRestored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lib.py")
	if err := os.WriteFile(path, []byte("print(__file__ == path, __name__)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := scriptling.New()
	p.EnableOutputCapture()
	p.SetSourceFile("main.py")
	_ = p.SetVar("path", path)
	_ = p.SetVar("__name__", "mine")
	if _, err := p.EvalFile(path); err != nil {
		t.Fatal(err)
	}
	if got := p.GetOutput(); got != "true __main__\n" {
		t.Errorf("printed %q", got)
	}
	check(t, p, "print(__file__, __name__)\nnope", "main.py mine\nRESULT ERROR: identifier not found: nope (main.py:2)")
	p.SetSourceFile("")
	check(t, p, "nope", "RESULT ERROR: identifier not found: nope (line 1)")
}

// TestClone checks what a clone takes over.
func TestClone(t *testing.T) {
	p := scriptling.New()
	p.EnableOutputCapture()
	lib := marked("lib", "1")
	p.RegisterLibrary(lib)
	returning(p, "f", &object.Null{})
	c := p.Clone()
	if v, err := c.GetVarAsObject("f"); err == nil {
		t.Errorf("f is %v in the clone", v)
	}
	var writer any
	c.RegisterFunc("probe", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		writer = evaluator.GetEnvFromContext(ctx).GetWriter()
		return &object.Null{}
	})
	if _, err := c.Eval("import lib\nprobe()\nx = 1"); err != nil {
		t.Fatal(err)
	}
	if writer != any(os.Stdout) {
		t.Errorf("the clone writes to %v", writer)
	}
	c.RegisterLibrary(marked("later", "2"))
	for _, name := range []string{"x", "lib"} {
		if _, err := p.GetVarAsObject(name); err == nil {
			t.Errorf("%s of the clone is in the original", name)
		}
	}
	if err := p.Import("later"); err == nil {
		t.Error("a library of the clone is in the original")
	}
	lib.Constants()["late"] = object.NewInteger(5)
	check(t, p.Clone(), "import lib\nprint(lib.late)", "5")
}

func TestReset(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("lib", "1"))
	p.SetSourceFile("f.py")
	check(t, p, "import lib\nx = 1\n__name__ = 'changed'", "")
	p.EnableOutputCapture()
	if _, err := p.Eval("print('lost')"); err != nil {
		t.Fatal(err)
	}
	p.Reset()
	if got := p.GetOutput(); got != "" {
		t.Errorf("output after Reset: %q", got)
	}
	if got := p.ListVars(); !slices.Equal(got, []string{"__name__"}) {
		t.Errorf("variables after Reset: %v", got)
	}
	check(t, p, "print(__name__)\nimport lib\nprint(lib.id)", "__main__\n1")
	check(t, p, "x = 1\ny = 2", "")
	p.ResetEnv("x", "__name__")
	if got := p.ListVars(); !slices.Equal(got, []string{"__name__", "x"}) {
		t.Errorf("variables after ResetEnv: %v", got)
	}
	check(t, p, "import lib\nprint(lib.id, x)", "1 1")
	p.ResetEnv()
	if got := p.ListVars(); len(got) != 0 {
		t.Errorf("variables after ResetEnv: %v", got)
	}
	if _, err := p.GetVarAsObject("import"); err != nil {
		t.Error("ResetEnv dropped import")
	}
}

// TestWriters changes the output between evaluations.
func TestWriters(t *testing.T) {
	p := scriptling.New()
	var first, second bytes.Buffer
	p.SetOutputWriter(&first)
	if _, err := p.Eval("def make():\n    def inner():\n        print('closure')\n    return inner\nclosure = make()\nhelp(make)"); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.String(), "Help for function 'make':") {
		t.Errorf("help wrote %q", first.String())
	}
	first.Reset()
	p.SetOutputWriter(&second)
	if _, err := p.Eval("print('plain')\nclosure()"); err != nil {
		t.Fatal(err)
	}
	if first.String() != "closure\n" || second.String() != "plain\n" {
		t.Errorf("wrote %q and %q", first.String(), second.String())
	}
	p.EnableOutputCapture()
	p.SetOutputWriter(&second)
	if _, err := p.Eval("print('captured')"); err != nil || p.GetOutput() != "captured\n" {
		t.Errorf("not captured after a writer was set: %v", err)
	}
	p.SetInputReader(&first)
}
