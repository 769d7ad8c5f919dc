package scriptling_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	scripterrors "github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func TestEvalValue(t *testing.T) {
	tests := []struct{ script, want string }{
		{"5", "5"},
		{"5\nx = 6", "None"},
		{"if True:\n    7", "7"},
		{"if False:\n    7", "None"},
		{"for i in range(3):\n    i * 2", "4"},
		{"match 1:\n    case 1:\n        'one'", "one"},
		{"try:\n    9\nexcept Exception:\n    10", "9"},
		{"try:\n    1 / 0\nexcept Exception:\n    10", "None"},
		{"def f():\n    pass", "<function>"},
		{"class C:\n    pass", "<class 'C'>"},
		{"def f():\n    pass\nglobal y", "None"},
		{"class M:\n    def __enter__(self):\n        return 1\n    def __exit__(self, a, b, c):\n        return None\nwith M() as m:\n    m + 5", "6"},
		{"n = 0\nwhile n < 3:\n    n += 1\n    n * 10", "30"},
		{"if True:\n    x = 2", "None"},
		{"pass", "None"},
		{"1\ndel x", "None"},
		{"assert True", "None"},
		{"return 11", "11"},
		{"for i in range(3):\n    return i", "0"},
		{"", "None"},
	}
	for _, tt := range tests {
		p := scriptling.New()
		if err := p.SetVar("x", 1); err != nil {
			t.Fatal(err)
		}
		got, err := p.Eval(tt.script)
		if err != nil || got.Inspect() != tt.want {
			t.Errorf("%q: got %v, %v, want %s", tt.script, got, err, tt.want)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"runtime error", "x = 1\ny = x + nope", "identifier not found: nope (line 2)"},
		{"innermost statement", "def f(v):\n    a = 1\n    return a + v\n\nf('x')", "type error: expected NUMBER, got STRING (line 3)"},
		{"call over several lines", "def f(a,\n      b):\n    return a\nf(\n  1,\n)", "argument error: got 1 arguments, want 2 (line 4)"},
		{"compound statement", "if True:\n    x = 1\nelif nope:\n    y = 1\nwhile nope:\n    pass", "identifier not found: nope (line 5)"},
		{"decorator", "\n@nope\ndef f():\n    pass", "identifier not found: nope (line 3)"},
		{"exception", "# comment\nprint\nx = 1\ndef f():\n    raise ValueError('bad')\nf()", "Uncaught exception: bad (line 2)"},
		{"unhandled type", "try:\n    1 / 0\nexcept ValueError:\n    pass", "division by zero (line 2)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := scriptling.New()
			result, err := p.Eval(tt.script)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
			if !object.IsError(result) {
				t.Errorf("result is %T, want an error object", result)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	result, err := scriptling.New().Eval("x = 1\nif x\n    y = 2")
	if result != nil {
		t.Errorf("result is %v, want nil", result)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "parser errors: [line ") {
		t.Errorf("got error %v", err)
	}
}

func TestSystemExit(t *testing.T) {
	for _, tt := range []struct {
		code    int
		message string
		want    string
	}{{0, "", ""}, {3, "", "SystemExit: 3"}, {4, "stop", "stop"}} {
		p := scriptling.New()
		p.RegisterFunc("leave", func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return object.NewSystemExit(tt.code, tt.message)
		})
		p.EnableOutputCapture()
		result, err := p.Eval("try:\n    leave()\nexcept:\n    print('caught')\nfinally:\n    print('finally')\nprint('after')")
		exc, ok := object.AsException(result)
		if !ok || exc.GetExitCode() != tt.code {
			t.Errorf("code %d: result is %v", tt.code, result)
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("code %d: got error %q, want %q", tt.code, got, tt.want)
		}
		if out := p.GetOutput(); out != "finally\n" {
			t.Errorf("code %d: printed %q", tt.code, out)
		}
	}
}

func TestPermissionErrorIsNotCaught(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("refuse", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		return scripterrors.NewPermissionError("keep %s", "out")
	})
	check(t, p, "try:\n    refuse()\nexcept Exception:\n    print('caught')\nfinally:\n    print('finally')",
		"finally\nRESULT ERROR: Uncaught exception: keep out (line 1)")
}

func TestGoErrorTypes(t *testing.T) {
	tests := []struct {
		message, kind string
		want          string
	}{
		{"m", "Custom", "Custom"},
		{"type error: x", "", "TypeError"},
		{"a type mismatch b", "", "TypeError"},
		{"some value error", "", "ValueError"},
		{"an invalid value", "", "ValueError"},
		{"identifier not found: x", "", "NameError"},
		{"name 'x' is not defined", "", "NameError"},
		{"import error: x", "", "ImportError"},
		{"anything", "", "none"},
	}
	const script = `
try:
    fail()
except kv.Custom as e:
    print("Custom", e)
except TypeError as e:
    print("TypeError", e)
except ValueError as e:
    print("ValueError", e)
except NameError as e:
    print("NameError", e)
except ImportError as e:
    print("ImportError", e)
except (IndexError, KeyError):
    print("wrong")
except Exception as e:
    print("none", e)
`
	for _, tt := range tests {
		p := scriptling.New()
		p.RegisterFunc("fail", func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return &object.Error{Message: tt.message, ExceptionType: tt.kind}
		})
		check(t, p, script, tt.want+" "+tt.message)
	}
}

func TestErrorObjectsMayBeShared(t *testing.T) {
	shared := &object.Error{Message: "shared"}
	p := scriptling.New()
	p.RegisterFunc("fail", func(context.Context, object.Kwargs, ...object.Object) object.Object { return shared })
	for _, script := range []string{"fail()", "\nfail()"} {
		if _, err := p.Eval(script); err == nil || !strings.HasPrefix(err.Error(), "shared (line ") {
			t.Errorf("got error %v", err)
		}
	}
}

func TestPanicIsRecovered(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("crash", func(context.Context, object.Kwargs, ...object.Object) object.Object { panic("ouch") })
	result, err := p.Eval("try:\n    crash()\nexcept:\n    pass")
	if e, ok := object.AsErrorObj(result); !ok || e.Message != "script panic: ouch" {
		t.Errorf("result is %v", result)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "script panic: ouch\n") {
		t.Errorf("got error %v", err)
	}
	check(t, p, "print('still works')", "still works")
}

func TestSourceFile(t *testing.T) {
	p := scriptling.New()
	p.SetSourceFile("main.py")
	check(t, p, "print(__file__, __name__)\nnope", "main.py __main__\nRESULT ERROR: identifier not found: nope (main.py:2)")
	check(t, p, "1\n2\nraise ValueError('x')", "RESULT ERROR: Uncaught exception: x (main.py:1)")
}

func TestEvalFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script.py")
	if err := os.WriteFile(path, []byte("seen = [__file__, __name__]\nnope\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := scriptling.New()
	_, err := p.EvalFile(path)
	if want := "identifier not found: nope (" + path + ":2)"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	check(t, p, "print(seen[1])\n__file__", "__main__\nRESULT ERROR: identifier not found: __file__ (line 2)")
	result, err := p.EvalFile(path + ".missing")
	if result != nil || err == nil || !strings.HasPrefix(err.Error(), "EvalFile: ") {
		t.Errorf("got %v, %v", result, err)
	}
}

func TestTimeout(t *testing.T) {
	scripts := []string{
		"while True: pass",
		"while True:\n    try:\n        x = 1\n    except ValueError:\n        pass",
		"for i in range(10 ** 12):\n    pass",
		"[i for i in range(10 ** 12) if i < 0]",
		"def f(n):\n    return f(n + 1) if n < 500 else 0\nwhile f(0) == 0: f(0)",
		"class C:\n    def __iter__(self):\n        return self\n    def __next__(self):\n        return 1\nfor x in C(): pass",
	}
	for _, script := range scripts {
		start := time.Now()
		result, err := scriptling.New().EvalWithTimeout(100*time.Millisecond, script)
		if d := time.Since(start); d > time.Second {
			t.Errorf("%q: stopped after %v", script, d)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "execution timeout (line ") {
			t.Errorf("%q: got %v, %v", script, result, err)
		}
	}
}

func TestTimeoutCanBeCaught(t *testing.T) {
	p := scriptling.New()
	p.EnableOutputCapture()
	_, err := p.EvalWithTimeout(50*time.Millisecond, "try:\n    while True: pass\nexcept Exception as e:\n    print(e)")
	if err != nil || p.GetOutput() != "execution timeout\n" {
		t.Errorf("got error %v", err)
	}
}

func TestCancelledBeforeStart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := scriptling.New()
	if _, err := p.EvalWithContext(ctx, "x = 1"); err == nil || err.Error() != "execution cancelled" {
		t.Errorf("got error %v", err)
	}
	if _, err := p.Eval("def f():\n    return 5"); err != nil {
		t.Fatal(err)
	}
	if result, err := p.CallFunctionWithContext(ctx, "f"); err != nil || result.Inspect() != "5" {
		t.Errorf("a short function must run to its end: %v, %v", result, err)
	}
}

func TestOutput(t *testing.T) {
	p := scriptling.New()
	if got := p.GetOutput(); got != "" {
		t.Errorf("output without capture: %q", got)
	}
	p.EnableOutputCapture()
	if _, err := p.Eval("print('a', end='')"); err != nil {
		t.Fatal(err)
	}
	if got := p.GetOutput(); got != "a" {
		t.Errorf("captured %q", got)
	}
	if got := p.GetOutput(); got != "" {
		t.Errorf("captured again %q", got)
	}
	var out strings.Builder
	p.SetOutputWriter(&out)
	if _, err := p.Eval("print('b')"); err != nil {
		t.Fatal(err)
	}
	if got := p.GetOutput(); got != "b\n" || out.String() != "" { // the capture continues
		t.Errorf("captured %q, wrote %q", got, out.String())
	}
}
