package conversion_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/object"
)

func TestFromGo(t *testing.T) {
	type point struct{ X int }
	tests := []struct {
		value    interface{}
		kind     object.ObjectType
		inspect  string
		describe string
	}{
		{nil, object.NULL_OBJ, "None", "nil"},
		{true, object.BOOLEAN_OBJ, "true", "bool"},
		{int8(-5), object.INTEGER_OBJ, "-5", "int8"},
		{uint32(7), object.INTEGER_OBJ, "7", "uint32"},
		{uint64(math.MaxUint64), object.INTEGER_OBJ, "-1", "uint64 wraps"},
		{float32(0.5), object.FLOAT_OBJ, "0.5", "float32"},
		{json.Number("12"), object.INTEGER_OBJ, "12", "whole json.Number"},
		{json.Number("1.5"), object.FLOAT_OBJ, "1.5", "json.Number"},
		{"text", object.STRING_OBJ, "text", "string"},
		{[]byte("ab"), object.BYTES_OBJ, "b'ab'", "bytes"},
		{[]interface{}{1, "a"}, object.LIST_OBJ, "[1, a]", "slice"},
		{map[string]interface{}{"a": 1}, object.DICT_OBJ, "{a: 1}", "map"},
		{map[interface{}]interface{}{1: 2}, object.DICT_OBJ, "{1: 2}", "map with any keys"},
		{[]string{"a"}, object.LIST_OBJ, "[a]", "through JSON"},
		{[]int{1}, object.LIST_OBJ, "[1]", "numbers through JSON"},
		{point{1}, object.DICT_OBJ, "{X: 1}", "struct"},
		{complex(1, 2), object.STRING_OBJ, "(1+2i)", "not JSON"},
	}
	for _, tt := range tests {
		got := conversion.FromGo(tt.value)
		if got.Type() != tt.kind || got.Inspect() != tt.inspect {
			t.Errorf("%s: got %s %s, want %s %s", tt.describe, got.Type(), got.Inspect(), tt.kind, tt.inspect)
		}
	}
	list := conversion.FromGo([]int{1}).(*object.List)
	if kind := list.Elements[0].Type(); kind != object.FLOAT_OBJ {
		t.Errorf("a number through JSON is %s, want FLOAT", kind)
	}
}

func TestToGo(t *testing.T) {
	list := &object.List{Elements: []object.Object{object.NewInteger(1), object.NewBoolean(true)}}
	tests := []struct {
		obj  object.Object
		want interface{}
	}{
		{&object.Null{}, nil},
		{object.NewBoolean(false), false},
		{object.NewInteger(3), int64(3)},
		{object.NewFloat(1.5), 1.5},
		{object.NewString("a"), "a"},
		{object.NewBytes([]byte{1}), []byte{1}},
		{list, []interface{}{int64(1), true}},
		{&object.Tuple{Elements: list.Elements}, []interface{}{int64(1), true}},
		{object.NewStringDict(map[string]object.Object{"k": list}), map[string]interface{}{"k": []interface{}{int64(1), true}}},
		{&object.Error{Message: "m", Line: 3}, "m"},
		{&object.Exception{Message: "m"}, "EXCEPTION: m"},
		{&object.Builtin{HelpText: "help"}, "help"},
		{&object.Builtin{}, "<builtin function>"},
		{&object.Function{Name: "f"}, "f"},
		{object.NewSet(), "{}"},
	}
	for _, tt := range tests {
		if got := conversion.ToGo(tt.obj); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %#v, want %#v", tt.obj.Inspect(), got, tt.want)
		}
	}
}

// TestKeysCollapse has keys of different types with the same text.
func TestKeysCollapse(t *testing.T) {
	dict := object.NewStringDict(map[string]object.Object{"1": object.NewString("text")})
	one := object.NewInteger(1)
	dict.Pairs[object.DictKey(one)] = object.DictPair{Key: one, Value: one}
	if got, ok := conversion.ToGo(dict).(map[string]interface{}); !ok || len(got) != 1 || got["1"] == nil {
		t.Errorf("got %v", got)
	}
}

func TestToGoWithError(t *testing.T) {
	good := object.NewStringDict(map[string]object.Object{
		"a": &object.List{Elements: []object.Object{object.NewInteger(1), &object.Null{}}},
	})
	got, err := conversion.ToGoWithError(good)
	if want := map[string]interface{}{"a": []interface{}{int64(1), nil}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
	for _, bad := range []object.Object{
		&object.Tuple{},
		object.NewSet(),
		&object.Exception{},
		&object.List{Elements: []object.Object{&object.Tuple{}}},
		object.NewStringDict(map[string]object.Object{"k": &object.Builtin{}}),
	} {
		_, err := conversion.ToGoWithError(bad)
		if err == nil || err.Message != "cannot convert complex types to Go" {
			t.Errorf("%s: got error %v", bad.Inspect(), err)
		}
	}
}

func TestToGoError(t *testing.T) {
	err := conversion.ToGoError(&object.Error{Message: "m", Line: 3})
	if err == nil || err.Error() != "ERROR: m at line 3" {
		t.Errorf("got %v", err)
	}
	if err := conversion.ToGoError(object.NewInteger(1)); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestToBytes(t *testing.T) {
	for _, obj := range []object.Object{object.NewString("ab"), object.NewBytes([]byte("ab"))} {
		if got, err := conversion.ToBytes(obj); err != nil || string(got) != "ab" {
			t.Errorf("%s: got %q, %v", obj.Type(), got, err)
		}
	}
	_, err := conversion.ToBytes(object.NewInteger(1))
	if got := object.AsError(err); got != "type error: expected BYTES or STRING, got INTEGER" {
		t.Errorf("got %q", got)
	}
}

func TestParseJSON(t *testing.T) {
	tests := []struct {
		text    string
		kind    object.ObjectType
		inspect string
	}{
		{" [1, 2.5, \"s\", true, null] ", object.LIST_OBJ, "[1, 2.5, s, true, None]"},
		{"1 2", object.INTEGER_OBJ, "1"},
		{"2.0", object.FLOAT_OBJ, "2"},
		{"1e2", object.FLOAT_OBJ, "100"},
		{"12345678901234567890", object.FLOAT_OBJ, "1.2345678901234567e+19"},
	}
	for _, tt := range tests {
		got, err := conversion.ParseJSON(tt.text)
		if err != nil || got.Type() != tt.kind || got.Inspect() != tt.inspect {
			t.Errorf("%s: got %v, %v, want %s %s", tt.text, got, err, tt.kind, tt.inspect)
		}
	}
	if _, err := conversion.ParseJSON("{bad"); err == nil {
		t.Error("no error for bad JSON")
	}
	got := object.AsError(conversion.MustParseJSON("{bad"))
	if got != "JSONDecodeError: invalid character 'b' looking for beginning of object key string" {
		t.Errorf("got %q", got)
	}
}
