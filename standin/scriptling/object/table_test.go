package object_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

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

// TestCoercionFailures checks the texts for strings that are no numbers.
func TestCoercionFailures(t *testing.T) {
	for text, want := range map[string]string{"abc": "cannot convert abc to ", "": "cannot convert  to ", "1_000": "cannot convert 1_000 to ", "0x10": "cannot convert 0x10 to "} {
		if _, failure := object.NewString(text).CoerceInt(); object.AsError(failure) != want+"int" {
			t.Errorf("%q as int: got %v", text, failure)
		}
	}
	if _, failure := object.NewString("abc").CoerceFloat(); object.AsError(failure) != "cannot convert abc to float" {
		t.Errorf("got %v", failure)
	}
	if _, failure := object.NewString("1.5").CoerceInt(); object.AsError(failure) != "cannot convert 1.5 to int" {
		t.Errorf("got %v", failure)
	}
}

// TestAccessorsCopy changes what the accessors returned.
func TestAccessorsCopy(t *testing.T) {
	one := object.NewInteger(1)
	list, tuple := &object.List{Elements: []object.Object{one}}, &object.Tuple{Elements: []object.Object{one}}
	for _, obj := range []object.Object{list, tuple} {
		elements, _ := obj.AsList()
		elements[0] = &object.Null{}
	}
	if list.Inspect() != "[1]" || tuple.Inspect() != "(1,)" {
		t.Errorf("AsList aliases the elements: %s, %s", list.Inspect(), tuple.Inspect())
	}
	dict := &object.Dict{Pairs: map[string]object.DictPair{}}
	for _, key := range []object.Object{one, &object.Null{}, object.NewString("a:b")} {
		dict.Pairs[object.DictKey(key)] = object.DictPair{Key: key, Value: key}
	}
	entries, _ := dict.AsDict()
	for _, name := range []string{"1", "None", "a:b"} {
		if entries[name] == nil {
			t.Errorf("no entry %s in %v", name, entries)
		}
	}
	source := []byte("ab")
	b := object.NewBytes(source)
	source[0] = 'x'
	if b.Inspect() != "b'ab'" || b.Len() != 2 || !b.Equal(object.NewBytesFromString("ab")) || b.Equal(object.NewBytes(nil)) || string(b.BytesValue()) != "ab" {
		t.Errorf("bytes are %s", b.Inspect())
	}
}

// TestTransferReasons checks the prefixes that tell where a value is.
func TestTransferReasons(t *testing.T) {
	const reason = "FUNCTION is not transferable to background tasks (allowed: None, bool, int, float, str, list, dict, set, tuple)"
	fn := &object.Function{}
	keyed := &object.Dict{Pairs: map[string]object.DictPair{"k": {Key: fn, Value: &object.Null{}}}}
	elements := object.NewSet()
	elements.AddKeyed("k", fn)
	dict := object.NewStringDict(nil)
	dict.SetByString("k", dict)
	list := &object.List{}
	list.Elements = []object.Object{&object.Tuple{Elements: []object.Object{list}}}
	for _, tt := range []struct {
		obj            object.Object
		prefix, suffix string
	}{
		{keyed, `dict key "`, `": ` + reason},
		{elements, `set element "`, `": ` + reason},
		{&object.List{Elements: []object.Object{elements}}, `list[0]: set element "`, `": ` + reason},
		{dict, `dict["k"]: `, "circular reference in dict"},
		{list, "list[0]: tuple[0]: ", "circular reference in list"},
	} {
		err := object.ValidateTransferable(tt.obj)
		if err == nil || !strings.HasPrefix(err.Error(), tt.prefix) || !strings.HasSuffix(err.Error(), tt.suffix) {
			t.Errorf("got %v, want %s…%s", err, tt.prefix, tt.suffix)
		}
	}
}

func TestReleaseHook(t *testing.T) {
	released := make(chan struct{})
	inst := object.NewInstance(&object.Class{Name: "C"})
	if err := object.SetGCReleaseHook(inst, func() { close(released) }); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(inst)
	for range 100 {
		runtime.GC()
		select {
		case <-released:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the hook was not called")
}
