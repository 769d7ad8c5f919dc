package errors_test

import (
	"testing"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func TestConstructors(t *testing.T) {
	tests := []struct {
		err           *object.Error
		message, kind string
	}{
		{errors.NewError("a %d", 1), "a 1", ""},
		{errors.NewValueError("bad %s", "x"), "bad x", "ValueError"},
		{errors.NewZeroDivisionError(), "division by zero", "ZeroDivisionError"},
		{errors.NewTypeError("INTEGER", "STRING"), "type error: expected INTEGER, got STRING", ""},
		{errors.NewArgumentError(1, 2), "argument error: got 1 arguments, want 2", ""},
		{errors.NewIdentifierError("x"), "identifier not found: x", ""},
		{errors.NewTimeoutError(), "execution timeout", ""},
		{errors.NewCancelledError(), "execution cancelled", ""},
		{errors.NewCallDepthExceededError(1000), "call depth exceeded: maximum depth is 1000", ""},
		{errors.NewPanicError("boom"), "script panic: boom", ""},
	}
	for _, tt := range tests {
		if tt.err.Message != tt.message || tt.err.ExceptionType != tt.kind {
			t.Errorf("got %q of type %q, want %q of type %q", tt.err.Message, tt.err.ExceptionType, tt.message, tt.kind)
		}
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		errors.ErrTimeout: "execution timeout", errors.ErrCancelled: "execution cancelled",
		errors.ErrDivisionByZero: "division by zero", errors.ErrIndexOutOfRange: "index out of range",
		errors.ErrKeyNotFound: "key not found", errors.ErrTypeError: "type error",
		errors.ErrArgumentError: "argument error", errors.ErrIdentifierNotFound: "identifier not found",
		errors.ErrUnknownOperator: "unknown operator", errors.ErrImportError: "import error",
		errors.ErrCallDepthExceeded: "call depth exceeded", errors.ErrPanic: "script panic",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPermissionError(t *testing.T) {
	e := errors.NewPermissionError("no %s", "way")
	if e.Message != "no way" || !e.IsPermissionError() {
		t.Errorf("got %q of type %q", e.Message, e.ExceptionType)
	}
}

func TestParameterError(t *testing.T) {
	_, failure := object.NewInteger(1).AsString()
	got, ok := errors.ParameterError("name", failure).(*object.Error)
	if !ok || got.Message != "name: must be a string" {
		t.Errorf("got %v", got)
	}
}

func TestArgumentChecks(t *testing.T) {
	args := func(n int) []object.Object { return make([]object.Object, n) }
	tests := []struct {
		name string
		got  object.Object
		want string
	}{
		{"NoArgs", errors.NoArgs(args(0)), ""},
		{"NoArgs", errors.NoArgs(args(1)), "argument error: got 1 arguments, want 0"},
		{"ExactArgs", errors.ExactArgs(args(2), 2), ""},
		{"ExactArgs", errors.ExactArgs(args(1), 2), "argument error: got 1 arguments, want 2"},
		{"MinArgs", errors.MinArgs(args(2), 2), ""},
		{"MinArgs", errors.MinArgs(args(1), 2), "expected at least 2 arguments, got 1"},
		{"MaxArgs", errors.MaxArgs(args(2), 2), ""},
		{"MaxArgs", errors.MaxArgs(args(3), 2), "expected at most 2 arguments, got 3"},
		{"RangeArgs", errors.RangeArgs(args(2), 1, 2), ""},
		{"RangeArgs", errors.RangeArgs(args(0), 1, 2), "expected at least 1 arguments, got 0"},
		{"RangeArgs", errors.RangeArgs(args(3), 1, 2), "expected at most 2 arguments, got 3"},
	}
	for _, tt := range tests {
		if got := object.AsError(tt.got); got != tt.want || (tt.got == nil) != (tt.want == "") {
			t.Errorf("%s: got %v, want %q", tt.name, tt.got, tt.want)
		}
	}
}
