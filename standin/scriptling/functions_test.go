package scriptling_test

import (
	"context"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// define returns an interpreter that has run a script.
func define(t *testing.T, script string) *scriptling.Scriptling {
	t.Helper()
	p := scriptling.New()
	if _, err := p.Eval(script); err != nil {
		t.Fatal(err)
	}
	return p
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCallFunction(t *testing.T) {
	p := define(t, `
def add(a, b=2, *rest, **kw):
    return [a, b, rest, sorted(list(kw.keys()))]
def fails():
    x = 1
    return x + nope
def raises():
    raise ValueError("bad")
lib = {"inner": {"f": lambda x: x * 2}}
`)
	tests := []struct {
		name    string
		args    []interface{}
		want    string
		wantErr string
	}{
		{"add", []interface{}{1}, "[1, 2, [], []]", ""},
		{"add", []interface{}{1, "x", 3.5, []byte("b")}, "[1, x, [3.5, b'b'], []]", ""},
		{"add", []interface{}{1, scriptling.Kwargs{"b": 9, "z": 0}}, "[1, 9, [], [z]]", ""},
		{"add", []interface{}{map[string]interface{}{"k": 1}}, "[{k: 1}, 2, [], []]", ""},
		{"add", []interface{}{object.NewInteger(4)}, "[4, 2, [], []]", ""},
		{"lib.inner.f", []interface{}{21}, "42", ""},
		{"nope", nil, "", "function 'nope' not found"},
		{"lib.nope", nil, "", "function 'lib.nope' not found"},
		{"fails", nil, "ERROR: identifier not found: nope at line 6", "function 'fails': identifier not found: nope (line 6)"},
		{"raises", nil, "EXCEPTION: bad", "bad"},
	}
	for _, tt := range tests {
		result, err := p.CallFunction(tt.name, tt.args...)
		got := ""
		if result != nil {
			got = result.Inspect()
		}
		if got != tt.want || errorText(err) != tt.wantErr {
			t.Errorf("%s(%v): got %s, %v, want %s, %s", tt.name, tt.args, got, err, tt.want, tt.wantErr)
		}
	}
}

func TestRegisterFunc(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("echo", func(_ context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
		return object.NewString(kwargs.MustGetString("sep", "-") + args[0].Inspect())
	})
	p.RegisterFunc("documented", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		return &object.Null{}
	}, "documented() - Does nothing")
	check(t, p, "print(echo(1), echo(2, sep='+'), type(echo))", "-1 +2 BUILTIN")
	check(t, p, "help(echo)\nhelp(documented)", "Help for builtin function:\necho(...) - User-defined function\nHelp for builtin function:\ndocumented() - Does nothing")
}

func TestRegisterScriptFunc(t *testing.T) {
	p := scriptling.New()
	if err := p.RegisterScriptFunc("twice", "def anything(x):\n    return x * 2"); err != nil {
		t.Fatal(err)
	}
	if err := p.RegisterScriptFunc("thrice", "lambda x: x * 3"); err != nil {
		t.Fatal(err)
	}
	check(t, p, "print(twice(4), thrice(4))", "8 12")
	if err := p.RegisterScriptFunc("five", "5"); errorText(err) != "script must evaluate to a function, got INTEGER" {
		t.Errorf("got %v", err)
	}
}

func TestInstances(t *testing.T) {
	p := define(t, `
class Point:
    def __init__(self, x, y=0):
        self.x = x
        self.y = y
    def total(self, factor=1):
        return (self.x + self.y) * factor
    def fails(self):
        return nope
five = 5
`)
	inst, err := p.CreateInstance("Point", 1, scriptling.Kwargs{"y": 2})
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.CallMethod(inst, "total", scriptling.Kwargs{"factor": 10})
	if err != nil || result.Inspect() != "30" {
		t.Errorf("total: %v, %v", result, err)
	}
	for _, tt := range []struct {
		call func() (object.Object, error)
		want string
	}{
		{func() (object.Object, error) { return p.CreateInstance("Nope") }, "class 'Nope' not found"},
		{func() (object.Object, error) { return p.CreateInstance("five") }, "'five' is not a class, got INTEGER"},
		{func() (object.Object, error) { return p.CreateInstance("Point") }, "class 'Point': argument error: got 1 arguments, want 2"},
		{func() (object.Object, error) { return p.CallMethod(object.NewInteger(5), "m") }, "object is not an instance, got INTEGER"},
		{func() (object.Object, error) { return p.CallMethod(inst, "nope") }, "method 'nope' not found in class 'Point'"},
		{func() (object.Object, error) { return p.CallMethod(inst, "fails") }, "method 'fails' on class 'Point': identifier not found: nope (line 9)"},
	} {
		if _, err := tt.call(); errorText(err) != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestClassFromGo(t *testing.T) {
	class := &object.Class{Name: "Counter", Methods: map[string]object.Object{
		"__init__": &object.Builtin{Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
			args[0].(*object.Instance).SetField("n", args[1])
			return &object.Null{}
		}},
		"get": &object.Builtin{Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
			return args[0].(*object.Instance).Field("n")
		}},
	}}
	p := scriptling.New()
	if err := p.SetObjectVar("Counter", class); err != nil {
		t.Fatal(err)
	}
	check(t, p, "c = Counter(7)\nprint(c.get(), c.n, type(c), isinstance(c, Counter))\nm = c.get\nprint(m())", "7 7 Counter true\n7")
}

// TestCallbacks calls back into the script from a Go function.
func TestCallbacks(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("apply", func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
		return evaliface.FromContext(ctx).CallObjectFunction(ctx, args[0], args[1:], kwargs.Kwargs, evaluator.GetEnvFromContext(ctx))
	})
	check(t, p, `
def f(a, b=1):
    return a + b
class C:
    def __init__(self, v):
        self.v = v
    def m(self):
        return self.v
print(apply(f, 1), apply(f, 1, b=5), apply(lambda x: -x, 4), apply(len, [1, 2]), apply(C, 9).v)
for bad in [C(1).m, 5, C(1)]:
    try:
        apply(bad)
    except Exception as e:
        print(e)
def raises():
    raise KeyError("gone")
try:
    x = apply(raises)
except KeyError as e:
    print("KeyError", e)
def nested(n):
    return n if n == 0 else apply(nested, n - 1)
print(apply(nested, 50))
def forever():
    return apply(forever)
forever()
`, "2 6 -4 2 9\nnot a function or class: FUNCTION\nnot a function or class: INTEGER\nnot a function or class: INSTANCE\n"+
		"KeyError gone\n0\nRESULT ERROR: call depth exceeded: maximum depth is 1000 (line 25)")
}

// TestArgumentsAreValidDuringTheCall checks that a callback does not disturb the
// arguments of the Go function that makes it.
func TestArgumentsAreValidDuringTheCall(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("each", func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		eval := evaliface.FromContext(ctx)
		for range 3 {
			if v := eval.CallFunction(ctx, args[0].(*object.Function), args[1:], nil); object.IsError(v) {
				return v
			}
		}
		return &object.Tuple{Elements: append([]object.Object{}, args[1:]...)}
	})
	check(t, p, `
def f(*args):
    return max(len(args), *range(20)) + len([each(g, 7, 8) for i in range(2)])
def g(*args):
    return sum(list(args)) + max(*range(50))
print(each(f, 1, 2, 3, *range(4)))
`, "(1, 2, 3, 0, 1, 2, 3)")
}

func TestCallMethodOfEvaluator(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("poke", func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		inst := args[0].(*object.Instance)
		method, _ := inst.Class.LookupMember("m")
		return evaliface.FromContext(ctx).CallMethod(ctx, inst, method.(*object.Function), args[1:])
	})
	check(t, p, "class C:\n    def m(self, x):\n        return [type(self), x]\nprint(poke(C(), 3))", "[C, 3]")
}
