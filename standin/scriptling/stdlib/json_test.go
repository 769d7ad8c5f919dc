package stdlib_test

import (
	"math"
	"testing"

	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

func TestDumps(t *testing.T) {
	tests := []struct {
		value object.Object
		want  string
	}{
		{none(), "null"},
		{truth(true), "true"},
		{integer(-3), "-3"},
		{number(2), "2"},
		{number(2.5), "2.5"},
		{text("é<&>\"\n"), `"é\u003c\u0026\u003e\"\n"`},
		{list(), "[]"},
		{list(integer(1), list(text("a"))), `[1,["a"]]`},
		{object.NewStringDict(map[string]object.Object{"b": integer(1), "a": none()}), `{"a":null,"b":1}`},
		{&object.Tuple{Elements: objects(integer(1), integer(2))}, `"(1, 2)"`},
		{object.NewSet(), `"{}"`},
	}
	for _, tt := range tests {
		expect(t, tt.value.Inspect(), call(t, stdlib.JSONLibrary, "dumps", tt.value), object.STRING_OBJ, tt.want)
		expect(t, tt.value.Inspect(), call(t, stdlib.JSONLibrary, "stringify", tt.value), object.STRING_OBJ, tt.want)
	}
}

func TestDumpsIndent(t *testing.T) {
	value := object.NewStringDict(map[string]object.Object{"a": list(integer(1))})
	indent := map[string]object.Object{"indent": text("  ")}
	got := callKw(t, stdlib.JSONLibrary, "dumps", indent, value)
	expect(t, "indent", got, object.STRING_OBJ, "{\n  \"a\": [\n    1\n  ]\n}")
	indent["indent"] = integer(2)
	got = callKw(t, stdlib.JSONLibrary, "dumps", indent, value)
	expect(t, "integer indent", got, object.STRING_OBJ, `{"a":[1]}`)
}

func TestJSONErrors(t *testing.T) {
	lib := stdlib.JSONLibrary
	expectError(t, "NaN", call(t, lib, "dumps", number(math.NaN())), "json serialize error: json: unsupported value: NaN", "")
	expectError(t, "arity", call(t, lib, "dumps"), "wrong number of arguments. got=0, want=1", "")
	expectError(t, "arity", call(t, lib, "loads"), "wrong number of arguments. got=0, want=1", "")
	expectError(t, "type", call(t, lib, "loads", integer(5)), "argument to loads/parse must be STRING", "")
	expectError(t, "text", call(t, lib, "parse", text("{bad")),
		"JSONDecodeError: invalid character 'b' looking for beginning of object key string", "")
}

func TestLoads(t *testing.T) {
	got := call(t, stdlib.JSONLibrary, "loads", text(`[1, 2.5, {"a": null}]`))
	expect(t, "loads", got, object.LIST_OBJ, "[1, 2.5, {a: None}]")
}
