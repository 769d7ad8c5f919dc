package stdlib_test

import (
	"context"
	"testing"

	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

// call calls a library function with converted arguments.
func call(t *testing.T, lib *object.Library, name string, args ...object.Object) object.Object {
	t.Helper()
	return callKw(t, lib, name, nil, args...)
}

func callKw(t *testing.T, lib *object.Library, name string, kwargs map[string]object.Object, args ...object.Object) object.Object {
	t.Helper()
	fn := lib.Functions()[name]
	if fn == nil {
		t.Fatalf("%s has no function %s", lib.Name(), name)
	}
	return fn.Fn(context.Background(), object.NewKwargs(kwargs), args...)
}

func integer(n int64) object.Object              { return object.NewInteger(n) }
func number(f float64) object.Object             { return object.NewFloat(f) }
func text(s string) object.Object                { return object.NewString(s) }
func truth(b bool) object.Object                 { return object.NewBoolean(b) }
func none() object.Object                        { return &object.Null{} }
func objects(o ...object.Object) []object.Object { return o }

func list(elements ...object.Object) *object.List { return &object.List{Elements: elements} }

func expect(t *testing.T, what string, got object.Object, kind object.ObjectType, inspect string) {
	t.Helper()
	if got.Type() != kind || got.Inspect() != inspect {
		t.Errorf("%s: got %s %s, want %s %s", what, got.Type(), got.Inspect(), kind, inspect)
	}
}

func expectError(t *testing.T, what string, got object.Object, message, exceptionType string) {
	t.Helper()
	e, ok := got.(*object.Error)
	if !ok {
		t.Errorf("%s: got %s, want an error", what, got.Inspect())
		return
	}
	if e.Message != message || e.ExceptionType != exceptionType {
		t.Errorf("%s: got error %q of type %q, want %q of type %q", what, e.Message, e.ExceptionType, message, exceptionType)
	}
}

type registry map[string]*object.Library

func (r registry) RegisterLibrary(lib *object.Library) { r[lib.Name()] = lib }

func TestRegisterAll(t *testing.T) {
	r := registry{}
	stdlib.RegisterAll(r)
	for _, lib := range []*object.Library{stdlib.JSONLibrary, stdlib.TimeLibrary, stdlib.MathLibrary, stdlib.RandomLibrary} {
		if r[lib.Name()] != lib {
			t.Errorf("%s is not registered", lib.Name())
		}
	}
}
