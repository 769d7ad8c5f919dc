package scriptling_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	scripterrors "github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// returning registers a function that returns the object.
func returning(p *scriptling.Scriptling, name string, obj object.Object) {
	p.RegisterFunc(name, func(context.Context, object.Kwargs, ...object.Object) object.Object { return obj })
}

// TestReturnPairs compares both results of Eval and of CallFunction for the same
// failures.
func TestReturnPairs(t *testing.T) {
	const script = `
def value():
    return 5
def error():
    return nope
def raises():
    raise KeyError("gone")
def leave():
    exit0()
def abort():
    exit3()
def abort_with_message():
    exit4()
def refused():
    refuse()
def loops():
    while True: pass
`
	tests := []struct {
		name               string
		evalObj, evalErr   string
		callObj, callError string
	}{
		{"value", "5", "", "5", ""},
		{"error", "ERROR: identifier not found: nope at line 5", "identifier not found: nope (line 5)",
			"ERROR: identifier not found: nope at line 5", "function 'error': identifier not found: nope (line 5)"},
		{"raises", "ERROR: Uncaught exception: gone at line 1", "Uncaught exception: gone (line 1)",
			"EXCEPTION: gone", "gone"},
		{"leave", "EXCEPTION: SystemExit: 0", "", "EXCEPTION: SystemExit: 0", ""},
		{"abort", "EXCEPTION: SystemExit: 3", "SystemExit: 3", "EXCEPTION: SystemExit: 3", "SystemExit: 3"},
		{"abort_with_message", "EXCEPTION: stop", "stop", "EXCEPTION: stop", "stop"},
		{"refused", "ERROR: Uncaught exception: no entry at line 1", "Uncaught exception: no entry (line 1)",
			"EXCEPTION: no entry", "no entry"},
		{"loops", "ERROR: execution timeout at line 17", "execution timeout (line 17)",
			"ERROR: execution timeout at line 17", "function 'loops': execution timeout (line 17)"},
	}
	p := define(t, script)
	returning(p, "exit0", object.NewSystemExit(0, ""))
	returning(p, "exit3", object.NewSystemExit(3, ""))
	returning(p, "exit4", object.NewSystemExit(4, "stop"))
	returning(p, "refuse", scripterrors.NewPermissionError("no %s", "entry"))
	for _, tt := range tests {
		limit := time.Minute
		if tt.name == "loops" {
			limit = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		obj, err := p.EvalWithContext(ctx, tt.name+"()")
		if obj.Inspect() != tt.evalObj || errorText(err) != tt.evalErr {
			t.Errorf("Eval %s: got %s, %v", tt.name, obj.Inspect(), err)
		}
		cancel()
		ctx, cancel = context.WithTimeout(context.Background(), limit)
		obj, err = p.CallFunctionWithContext(ctx, tt.name)
		if obj.Inspect() != tt.callObj || errorText(err) != tt.callError {
			t.Errorf("call %s: got %s, %v", tt.name, obj.Inspect(), err)
		}
		cancel()
	}
}

// TestLocations checks which line an error names.
func TestLocations(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"first name of an expression", "x = 1\n(1 +\n nope)", "identifier not found: nope (line 3)"},
		{"statement of a block", "if True:\n    x = 1\n    nope", "identifier not found: nope (line 3)"},
		{"deepest function", "def a():\n    return nope\ndef b():\n    return a()\nb()", "identifier not found: nope (line 2)"},
		{"set by Go", "\nkeeps_line()", "m (line 77)"},
		{"set by Go with file", "\nkeeps_file()", "m (f.py:77)"},
		{"handler", "try:\n    nope\nexcept NameError:\n    raise", "identifier not found: nope (line 2)"},
		{"exception in a function", "x = 1\ndef f():\n    raise ValueError('bad')\nf()", "Uncaught exception: bad (line 1)"},
	}
	for _, tt := range tests {
		p := scriptling.New()
		returning(p, "keeps_line", &object.Error{Message: "m", Line: 77})
		returning(p, "keeps_file", &object.Error{Message: "m", Line: 77, File: "f.py"})
		if _, err := p.Eval(tt.script); errorText(err) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestEndedBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	obj, err := scriptling.New().EvalWithContext(ctx, "x = 1")
	if object.AsError(obj) != "execution timeout" || !strings.HasPrefix(errorText(err), "execution timeout") {
		t.Errorf("got %v, %v", obj, err)
	}
}

// TestCallDepth checks the limit of Eval on both sides, and that calls from Go
// have none.
func TestCallDepth(t *testing.T) {
	p := define(t, "def f(n):\n    return 0 if n == 1 else f(n - 1)\n")
	if _, err := p.Eval("f(1000)"); err != nil {
		t.Errorf("1000 nested calls: %v", err)
	}
	if _, err := p.Eval("f(1001)"); errorText(err) != "call depth exceeded: maximum depth is 1000 (line 2)" {
		t.Errorf("1001 nested calls: %v", err)
	}
	if _, err := p.Eval("f(1000)"); err != nil {
		t.Errorf("after the limit was hit: %v", err)
	}
	if _, err := p.CallFunction("f", 3000); err != nil {
		t.Errorf("3000 nested calls from Go: %v", err)
	}
	ctx := evaluator.ContextWithCallDepth(context.Background(), 20)
	if _, err := p.CallFunctionWithContext(ctx, "f", 21); errorText(err) != "function 'f': call depth exceeded: maximum depth is 20 (line 2)" {
		t.Errorf("limit of the caller: %v", err)
	}
}

func TestCallFunctionDoesNotRecoverPanics(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("crash", func(context.Context, object.Kwargs, ...object.Object) object.Object { panic("ouch") })
	defer func() {
		if r := recover(); r != "ouch" {
			t.Errorf("recovered %v", r)
		}
	}()
	_, _ = p.CallFunction("crash")
	t.Error("the call returned")
}

// TestParsedProgramsAreNotShared runs the same text in several interpreters.
func TestParsedProgramsAreNotShared(t *testing.T) {
	const script = "l = [1]\nl.append(2)\ndef f(x=[]):\n    x.append(1)\n    return x\nf()\nstr(l) + str(f())"
	for range 3 {
		if v, err := scriptling.New().Eval(script); err != nil || v.Inspect() != "[1, 2][1]" {
			t.Errorf("got %v, %v", v, err)
		}
	}
}

// TestExceptionsFromGo has a Go function return what raise makes.
func TestExceptionsFromGo(t *testing.T) {
	p := scriptling.New()
	returning(p, "exception", &object.Exception{Message: "m", ExceptionType: "Any Text"})
	returning(p, "named", &object.Exception{Message: "n", ExceptionType: "Custom"})
	returning(p, "error", &object.Error{Message: "e", ExceptionType: "Custom"})
	tests := []struct{ script, want string }{
		{"print(exception())\nl = [exception()]\nprint(len(l), type(l[0]))", "m\n1 EXCEPTION"},
		{"exception()\nprint('not reached')", "RESULT ERROR: Uncaught exception: m (line 1)"},
		{"x = exception()", "RESULT ERROR: Uncaught exception: m (line 1)"},
		{"def f():\n    return named()\ntry:\n    f()\nexcept Custom as e:\n    print(type(e), e)", "EXCEPTION n"},
		{"try:\n    x = named()\nexcept a.b.Custom as e:\n    print(str(e))", "n"},
		{"try:\n    print(error())\nexcept kv.Custom as e:\n    print(type(e), e)", "EXCEPTION e"},
		{"try:\n    error()\nexcept (KeyError, Custom):\n    print('caught')", "caught"},
		{"try:\n    error()\nexcept (KeyError, ValueError):\n    print('caught')", "RESULT ERROR: e (line 2)"},
		{"try:\n    error()\nexcept:\n    print('caught')", "caught"},
		{"error()", "RESULT ERROR: e (line 1)"},
	}
	for _, tt := range tests {
		check(t, p, tt.script, tt.want)
	}
}

// TestInstanceFailures compares what failing methods return to Go.
func TestInstanceFailures(t *testing.T) {
	p := define(t, `
class Half:
    def __init__(self):
        self.made = True
        raise ValueError("half")
class Broken:
    def __init__(self):
        nope
class C:
    def raises(self):
        raise ValueError("bad")
    def loops(self):
        while True: pass
`)
	half, err := p.CreateInstance("Half")
	if err != nil || !half.(*object.Instance).HasField("made") {
		t.Errorf("an exception in __init__: %v, %v", half, err)
	}
	if _, err := p.CreateInstance("Broken"); errorText(err) != "class 'Broken': identifier not found: nope (line 8)" {
		t.Errorf("an error in __init__: %v", err)
	}
	c, err := p.CreateInstance("C")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CallMethod(c, "raises"); errorText(err) != "method 'raises' on class 'C': bad" {
		t.Errorf("an exception in a method: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.CallMethodWithContext(ctx, c, "loops"); errorText(err) != "method 'loops' on class 'C': execution timeout (line 13)" {
		t.Errorf("a timeout in a method: %v", err)
	}
	if err := p.RegisterScriptFunc("f", "nope"); errorText(err) != "identifier not found: nope (line 1)" {
		t.Errorf("a script that fails: %v", err)
	}
}
