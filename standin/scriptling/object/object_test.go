package object_test

import (
	"strings"
	"testing"

	"github.com/paularlott/scriptling/object"
)

// TestTypeNames checks the numbers and the names of the types.
func TestTypeNames(t *testing.T) {
	types := []struct {
		kind object.ObjectType
		name string
	}{
		{object.INTEGER_OBJ, "INTEGER"}, {object.FLOAT_OBJ, "FLOAT"}, {object.BOOLEAN_OBJ, "BOOLEAN"},
		{object.STRING_OBJ, "STRING"}, {object.NULL_OBJ, "NULL"}, {object.RETURN_OBJ, "RETURN"},
		{object.BREAK_OBJ, "BREAK"}, {object.CONTINUE_OBJ, "CONTINUE"}, {object.FUNCTION_OBJ, "FUNCTION"},
		{object.LAMBDA_OBJ, "LAMBDA"}, {object.BUILTIN_OBJ, "BUILTIN"}, {object.LIST_OBJ, "LIST"},
		{object.TUPLE_OBJ, "TUPLE"}, {object.DICT_OBJ, "DICT"}, {object.ERROR_OBJ, "ERROR"},
		{object.EXCEPTION_OBJ, "EXCEPTION"}, {object.CLASS_OBJ, "CLASS"}, {object.INSTANCE_OBJ, "INSTANCE"},
		{object.SUPER_OBJ, "SUPER"}, {object.ITERATOR_OBJ, "ITERATOR"}, {object.DICT_KEYS_OBJ, "DICT_KEYS"},
		{object.DICT_VALUES_OBJ, "DICT_VALUES"}, {object.DICT_ITEMS_OBJ, "DICT_ITEMS"}, {object.SET_OBJ, "SET"},
		{object.SLICE_OBJ, "SLICE"}, {object.PROPERTY_OBJ, "PROPERTY"}, {object.STATICMETHOD_OBJ, "STATICMETHOD"},
		{object.CLASSMETHOD_OBJ, "CLASSMETHOD"}, {object.FLOAT_ARRAY_OBJ, "FLOAT_ARRAY"}, {object.BYTES_OBJ, "BYTES"},
	}
	for i, tt := range types {
		if int(tt.kind) != i || tt.kind.String() != tt.name {
			t.Errorf("%s is number %d, named %s, want number %d", tt.name, tt.kind, tt.kind, i)
		}
	}
	for _, n := range []int{-1, len(types)} {
		if got := object.ObjectType(n).String(); got != "UNKNOWN" {
			t.Errorf("type %d is named %s", n, got)
		}
	}
	for obj, want := range map[object.Object]object.ObjectType{
		object.BREAK: object.BREAK_OBJ, object.CONTINUE: object.CONTINUE_OBJ, &object.ReturnValue{}: object.RETURN_OBJ, &object.Slice{}: object.SLICE_OBJ,
	} {
		if obj.Type() != want {
			t.Errorf("%T has the type %s, want %s", obj, obj.Type(), want)
		}
	}
	if got := (&object.Slice{Start: object.NewInteger(1)}).Inspect(); !strings.HasPrefix(got, "slice(") {
		t.Errorf("a slice is %s", got)
	}
}

func TestConstants(t *testing.T) {
	for got, want := range map[string]string{
		object.ErrMustBeString: "must be a string", object.ErrMustBeInteger: "must be an integer",
		object.ErrMustBeNumber: "must be a number", object.ErrMustBeBoolean: "must be a boolean",
		object.ErrMustBeList: "must be a list", object.ErrMustBeDict: "must be a dict",
		object.ErrMustBeIterable: "must be iterable", object.ErrMustBeBytes: "must be bytes or string",
		object.ExceptionTypeSystemExit: "SystemExit", object.ExceptionTypePermissionError: "PermissionError",
		object.ExceptionTypeException: "Exception", object.ExceptionTypeValueError: "ValueError",
		object.ExceptionTypeTypeError: "TypeError", object.ExceptionTypeNameError: "NameError",
		object.ExceptionTypeImportError: "ImportError", object.ExceptionTypeStopIteration: "StopIteration",
		object.ExceptionTypeRuntimeError: "RuntimeError", object.ExceptionTypeZeroDivisionError: "ZeroDivisionError",
		object.ExceptionTypeIndexError: "IndexError", object.ExceptionTypeKeyError: "KeyError",
		object.ExceptionTypeAttributeError: "AttributeError", object.ExceptionTypeOSError: "OSError",
		object.ExceptionTypeGeneric: "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestErrorHelpers(t *testing.T) {
	err, exc := &object.Error{Message: "m"}, &object.Exception{Message: "x"}
	if !object.IsError(err) || object.IsError(exc) || object.AsError(err) != "m" || object.AsError(exc) != "" {
		t.Error("errors are told wrongly")
	}
	if e, ok := object.AsErrorObj(err); !ok || e != err {
		t.Error("AsErrorObj is wrong")
	}
	if e, ok := object.AsException(exc); !ok || e != exc {
		t.Error("AsException is wrong")
	}
	exit := object.NewSystemExit(3, "")
	if !exit.IsSystemExit() || exit.GetExitCode() != 3 || exit.Message != "SystemExit: 3" || exit.IsPermissionError() {
		t.Errorf("exit is %+v", exit)
	}
	if object.NewSystemExit(0, "bye").Message != "bye" {
		t.Error("the message is lost")
	}
}
