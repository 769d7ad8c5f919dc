package object_test

import (
	"math"
	"testing"

	"github.com/paularlott/scriptling/object"
)

// values are one or more objects of each type, with Inspect texts.
func values() []struct {
	obj     object.Object
	kind    string
	inspect string
} {
	list := &object.List{Elements: []object.Object{object.NewString("a"), object.NewInteger(1)}}
	dict := object.NewStringDict(map[string]object.Object{"k": object.NewFloat(1)})
	set := object.NewSet()
	for _, s := range []string{"b", "a"} {
		set.AddKeyed(object.DictStringKey(s), object.NewString(s))
	}
	class := &object.Class{Name: "C"}
	return []struct {
		obj     object.Object
		kind    string
		inspect string
	}{
		{object.NewInteger(-7), "INTEGER", "-7"},
		{object.NewFloat(1), "FLOAT", "1"},
		{object.NewFloat(1e6), "FLOAT", "1e+06"},
		{object.NewFloat(1e-5), "FLOAT", "1e-05"},
		{object.NewFloat(123456789), "FLOAT", "1.23456789e+08"},
		{object.NewFloat(math.Inf(1)), "FLOAT", "+Inf"},
		{object.NewFloat(math.NaN()), "FLOAT", "NaN"},
		{object.NewBoolean(true), "BOOLEAN", "true"},
		{object.NewString("text"), "STRING", "text"},
		{object.NewBytes([]byte("a'\\\n\r\t\x00é")), "BYTES", `b'a\'\\\n\r\t\x00\xc3\xa9'`},
		{object.NewBytes(nil), "BYTES", "b''"},
		{&object.Null{}, "NULL", "None"},
		{list, "LIST", "[a, 1]"},
		{&object.Tuple{}, "TUPLE", "()"},
		{&object.Tuple{Elements: list.Elements[:1]}, "TUPLE", "(a,)"},
		{&object.Tuple{Elements: list.Elements}, "TUPLE", "(a, 1)"},
		{dict, "DICT", "{k: 1}"},
		{set, "SET", "{a, b}"},
		{object.NewSet(), "SET", "{}"},
		{&object.DictKeys{Dict: dict}, "DICT_KEYS", "dict_keys({k: 1})"},
		{&object.DictValues{Dict: dict}, "DICT_VALUES", "dict_values({k: 1})"},
		{&object.DictItems{Dict: dict}, "DICT_ITEMS", "dict_items({k: 1})"},
		{&object.Builtin{}, "BUILTIN", "<builtin function>"},
		{object.NewLibrary("l", nil, nil, ""), "BUILTIN", "<library>"},
		{&object.Function{}, "FUNCTION", "<function>"},
		{&object.LambdaFunction{}, "LAMBDA", "<lambda>"},
		{&object.BoundMethod{}, "FUNCTION", "<bound method>"},
		{object.NewRangeIterator(0, 1, 1), "ITERATOR", "<iterator>"},
		{class, "CLASS", "<class 'C'>"},
		{object.NewInstanceWithFields(class, map[string]object.Object{"__str_repr__": object.NewString("me")}), "INSTANCE", "me"},
		{&object.Error{Message: "m"}, "ERROR", "ERROR: m"},
		{&object.Error{Message: "m", Line: 3, File: "f.py", Function: "fn"}, "ERROR", "ERROR: m in function 'fn' in f.py at line 3"},
		{&object.Exception{Message: "m"}, "EXCEPTION", "EXCEPTION: m"},
	}
}

func TestTypeAndInspect(t *testing.T) {
	for _, v := range values() {
		if got := v.obj.Type().String(); got != v.kind {
			t.Errorf("%T: type %s, want %s", v.obj, got, v.kind)
		}
		if got := v.obj.Inspect(); got != v.inspect {
			t.Errorf("%T: Inspect %q, want %q", v.obj, got, v.inspect)
		}
	}
	if got := object.ObjectType(1000).String(); got != "UNKNOWN" {
		t.Errorf("unknown type is %s", got)
	}
}

func TestSharedObjects(t *testing.T) {
	for n, want := range map[int64]bool{-6: false, -5: true, 0: true, 10000: true, 10001: false} {
		a, b := object.NewInteger(n), object.NewInteger(n)
		if (a == b) != want {
			t.Errorf("%d is shared: %v, want %v", n, a == b, want)
		}
	}
	for _, v := range []bool{true, false} {
		if a, b := object.NewBoolean(v), object.NewBoolean(v); a != b {
			t.Errorf("%v is not shared", v)
		}
	}
	for _, v := range []string{"", "a", "text"} {
		if a, b := object.NewString(v), object.NewString(v); a == b {
			t.Errorf("%q is shared", v)
		}
	}
}

// accessors holds, for one object, what each accessor gives; nil means a
// failure.
type accessors struct {
	obj                            object.Object
	str, num, float, truth         any
	list, dict                     any // number of elements
	coerceStr, coerceNum, coerceFl any
}

func TestAccessors(t *testing.T) {
	dict := object.NewStringDict(map[string]object.Object{"k": object.NewInteger(1)})
	list := &object.List{Elements: []object.Object{object.NewInteger(1)}}
	set := object.NewSet()
	set.AddKeyed("n:1", object.NewInteger(1))
	class := &object.Class{Name: "C", Methods: map[string]object.Object{"m": object.NewInteger(1)}}
	inst := object.NewInstanceWithFields(class, map[string]object.Object{"__str_repr__": object.NewString("me")})
	tests := []accessors{
		{object.NewInteger(5), nil, int64(5), 5.0, true, nil, nil, "5", int64(5), 5.0},
		{object.NewInteger(0), nil, int64(0), 0.0, false, nil, nil, "0", int64(0), 0.0},
		{object.NewFloat(10.9), nil, int64(10), 10.9, true, nil, nil, "10.9", int64(10), 10.9},
		{object.NewFloat(-0.5), nil, int64(0), -0.5, true, nil, nil, "-0.5", int64(0), -0.5},
		{object.NewFloat(0), nil, int64(0), 0.0, false, nil, nil, "0", int64(0), 0.0},
		{object.NewBoolean(false), nil, nil, nil, false, nil, nil, "false", int64(0), 0.0},
		{object.NewBoolean(true), nil, nil, nil, true, nil, nil, "true", int64(1), 1.0},
		{object.NewString(" 42 "), " 42 ", nil, nil, true, nil, nil, " 42 ", int64(42), 42.0},
		{object.NewString("2.5"), "2.5", nil, nil, true, nil, nil, "2.5", nil, 2.5},
		{object.NewString("x"), "x", nil, nil, true, nil, nil, "x", nil, nil},
		{object.NewString(""), "", nil, nil, false, nil, nil, "", nil, nil},
		{object.NewBytesFromString("hi"), nil, nil, nil, true, nil, nil, "aGk=", nil, nil},
		{object.NewBytes(nil), nil, nil, nil, false, nil, nil, "", nil, nil},
		{&object.Null{}, nil, nil, nil, false, nil, nil, "None", int64(0), 0.0},
		{list, nil, nil, nil, true, 1, nil, "[1]", nil, nil},
		{&object.List{}, nil, nil, nil, false, 0, nil, "[]", nil, nil},
		{&object.Tuple{Elements: list.Elements}, nil, nil, nil, true, 1, nil, "(1,)", nil, nil},
		{&object.Tuple{}, nil, nil, nil, false, 0, nil, "()", nil, nil},
		{dict, nil, nil, nil, true, nil, 1, "{k: 1}", nil, nil},
		{object.NewStringDict(nil), nil, nil, nil, false, nil, 0, "{}", nil, nil},
		{object.NewSet(), "{}", nil, nil, false, 0, nil, "{}", nil, nil},
		{set, "{1}", nil, nil, true, 1, nil, "{1}", nil, nil},
		{&object.Function{}, nil, nil, nil, nil, nil, nil, "<function>", nil, nil},
		{&object.LambdaFunction{}, nil, nil, nil, nil, nil, nil, "<lambda>", nil, nil},
		{&object.Builtin{}, nil, nil, nil, nil, nil, nil, "<builtin function>", nil, nil},
		{&object.Builtin{Attributes: class.Methods}, nil, nil, nil, nil, nil, 1, "<builtin function>", nil, nil},
		{&object.BoundMethod{}, nil, nil, nil, true, nil, nil, "<bound method>", nil, nil},
		{object.NewRangeIterator(0, 1, 1), nil, nil, nil, true, nil, nil, "<iterator>", nil, nil},
		{object.NewRangeIterator(0, 0, 1), nil, nil, nil, true, nil, nil, "<iterator>", nil, nil},
		{&object.DictKeys{Dict: dict}, "dict_keys({k: 1})", nil, nil, true, nil, nil, "dict_keys({k: 1})", nil, nil},
		{&object.DictValues{Dict: dict}, "dict_values({k: 1})", nil, nil, true, nil, nil, "dict_values({k: 1})", nil, nil},
		{&object.DictItems{Dict: object.NewStringDict(nil)}, "dict_items({})", nil, nil, false, nil, nil, "dict_items({})", nil, nil},
		{class, "C", nil, nil, true, nil, 1, "<class 'C'>", nil, nil},
		{inst, "me", nil, nil, true, nil, 1, "me", nil, nil},
		{&object.Error{Message: "m"}, "m", nil, nil, false, nil, nil, "ERROR: m", nil, nil},
		{&object.Exception{Message: "m"}, "m", nil, nil, false, nil, nil, "EXCEPTION: m", nil, nil},
	}
	for _, tt := range tests {
		name := tt.obj.Inspect()
		expect(t, name, "AsString", tt.str, "must be a string")(result(tt.obj.AsString()))
		expect(t, name, "AsInt", tt.num, "must be an integer")(result(tt.obj.AsInt()))
		expect(t, name, "AsFloat", tt.float, "must be a number")(result(tt.obj.AsFloat()))
		expect(t, name, "AsBool", tt.truth, "must be a boolean")(result(tt.obj.AsBool()))
		elements, failure := tt.obj.AsList()
		expect(t, name, "AsList", tt.list, "must be a list")(len(elements), failure)
		entries, failure := tt.obj.AsDict()
		expect(t, name, "AsDict", tt.dict, "must be a dict")(len(entries), failure)
		expect(t, name, "CoerceString", tt.coerceStr, "")(result(tt.obj.CoerceString()))
		expect(t, name, "CoerceInt", tt.coerceNum, "")(result(tt.obj.CoerceInt()))
		expect(t, name, "CoerceFloat", tt.coerceFl, "")(result(tt.obj.CoerceFloat()))
	}
}

func result[T any](v T, failure object.Object) (any, object.Object) { return v, failure }

// expect checks one accessor; the message of failures is checked unless empty.
func expect(t *testing.T, obj, accessor string, want any, message string) func(any, object.Object) {
	return func(got any, failure object.Object) {
		t.Helper()
		switch {
		case want == nil && failure == nil:
			t.Errorf("%s of %s: got %v, want a failure", accessor, obj, got)
		case want == nil && message != "" && object.AsError(failure) != message:
			t.Errorf("%s of %s: failure %q, want %q", accessor, obj, object.AsError(failure), message)
		case want != nil && (failure != nil || got != want):
			t.Errorf("%s of %s: got %v, %v, want %v", accessor, obj, got, failure, want)
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
