package scriptling_test

import (
	"context"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

// newStore returns a Builtin with attributes. Its functions return the
// arguments they got.
func newStore() *object.Builtin {
	echo := &object.Builtin{Fn: func(_ context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
		elements := append([]object.Object{}, args...)
		if v := kwargs.Get("k"); v != nil {
			elements = append(elements, v)
		}
		return &object.Tuple{Elements: elements}
	}}
	return &object.Builtin{
		HelpText:   "store - Help of the store",
		Attributes: map[string]object.Object{"get": echo, "import": echo, "del": echo, "name": object.NewString("n")},
		Fn:         func(context.Context, object.Kwargs, ...object.Object) object.Object { return object.NewInteger(42) },
	}
}

func TestBuiltinAttributes(t *testing.T) {
	tests := []struct{ script, want string }{
		{"print(store.get(1, 'x', k=2))", "(1, x, 2)"},
		{"print(store.get(), store.import(1), store.del(2))", "() (1,) (2,)"},
		{"print(store.name, store['name'], store.missing, store['missing'])", "n n None None"},
		{"f = store.get\nprint(f(7), store['get'](8))", "(7,) (8,)"},
		{"store.missing()", "RESULT ERROR: object BUILTIN has no method missing (line 1)"},
		{"store.name()", "RESULT ERROR: not a function or class: STRING (line 1)"},
		{"store[1]", "RESULT ERROR: builtin index must be string (line 1)"},
		{"store.name = 5", "RESULT ERROR: cannot assign to index (line 1)"},
		{"store['name'] = 5", "RESULT ERROR: cannot assign to index (line 1)"},
		{"print(type(store), store.type(), str(store))", "BUILTIN BUILTIN <builtin function>"},
		{"print(hasattr(store, 'get'), getattr(store, 'get', 'default'))", "false default"},
		{"getattr(store, 'get')", "RESULT ERROR: 'BUILTIN' object has no attribute 'get' (line 1)"},
		{"print(dir(store), callable(store), bool(store), store())", "[] true true 42"},
		{"print(store == store, store == other, store is store)", "true false true"},
		{"with store as s:\n    pass", "RESULT ERROR: with statement requires an object with __enter__ and __exit__ methods (line 1)"},
		{"help(store)", "Help for builtin function:\nstore - Help of the store"},
	}
	for _, tt := range tests {
		p := scriptling.New()
		_ = p.SetObjectVar("store", newStore())
		_ = p.SetObjectVar("other", newStore())
		check(t, p, tt.script, tt.want)
	}
}

func TestBuiltinWithoutFunction(t *testing.T) {
	p := scriptling.New()
	_ = p.SetObjectVar("store", &object.Builtin{Attributes: map[string]object.Object{}})
	obj, err := p.Eval("store()")
	if message := object.AsError(obj); !strings.HasPrefix(message, "script panic: ") || !strings.HasSuffix(message, "nil pointer dereference") {
		t.Errorf("got %v", obj)
	}
	if err == nil {
		t.Error("no error")
	}
}

func TestHelp(t *testing.T) {
	p := scriptling.New()
	fn := func(help string) *object.Builtin {
		return &object.Builtin{HelpText: help, Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object { return &object.Null{} }}
	}
	p.RegisterLibrary(object.NewLibrary("lib", map[string]*object.Builtin{"b": fn("b(x) - Does b"), "a": fn("")}, nil, "About lib"))
	p.RegisterLibrary(object.NewLibrary("plain", map[string]*object.Builtin{"f": fn("")}, nil, ""))
	p.RegisterFunc("silent", fn("").Fn, "")
	check(t, p, "import lib\nimport plain\nhelp('lib')", "lib functions:\n\nDescription:\n  About lib\n\nAvailable functions:\n  - a\n  - b\n\n"+
		"Use help(\"lib.function_name\") for details on a specific function")
	check(t, p, "help('lib.b')", "Help for lib.b:\nb(x) - Does b")
	check(t, p, "help(lib.b)\nhelp(lib.a)", "Help for builtin function:\nb(x) - Does b\nHelp for builtin function:\n  No documentation available")
	check(t, p, "def f(a, b=1, *rest):\n    '''First line.\n    Second line.'''\n    return a\nhelp(f)", "Help for function 'f':\nf(a, b=..., *rest) - First line.\n    Second line.")
	check(t, p, "def g():\n    pass\nhelp(g)", "Help for function 'g':\ng() - User-defined function")
}
