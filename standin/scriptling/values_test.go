package scriptling_test

import (
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

// TestEquality is the operator == on pairs of values, in both orders.
func TestEquality(t *testing.T) {
	const setup = `
class Same:
    def __eq__(self, other):
        return True
class Plain:
    pass
p = Plain()
def f():
    pass
`
	tests := []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true},
		{"1", "True", true},
		{"0.0", "False", true},
		{"1", "'1'", false},
		{"None", "None", true},
		{"None", "False", false},
		{"'a'", "'a'", true},
		{"[1, [2]]", "[1, [2]]", true},
		{"[1]", "(1,)", false},
		{"[1]", "[1.0]", false},
		{"(True,)", "(1,)", false},
		{"{'a': [1]}", "{'a': [1]}", true},
		{"{'a': 1}", "{'a': 1.0}", false},
		{"{1, 2}", "{2, 1}", true},
		{"Same()", "Same()", true},
		{"Plain()", "Plain()", false},
		{"p", "p", true},
		{"[p]", "[p]", true},
		{"f", "f", true},
		{"f", "lambda: 1", false},
	}
	p := define(t, setup)
	for _, tt := range tests {
		for _, script := range []string{"(" + tt.a + ") == (" + tt.b + ")", "(" + tt.b + ") == (" + tt.a + ")"} {
			if v, err := p.Eval(script); err != nil || v != object.NewBoolean(tt.want) {
				t.Errorf("%s: got %v, %v", script, v, err)
			}
		}
	}
	check(t, p, "print(True in [1], 1 in [1.0], 1 in [1], [1] in [[1]], 1.0 in {1: 0}, True in {1})", "false false true true true true")
}

// TestDictKeys checks which keys are one entry, and what the dict keeps.
func TestDictKeys(t *testing.T) {
	p := define(t, `
class Keyed:
    def __init__(self, n):
        self.n = n
    def __hash__(self):
        return self.n
d = {1: "int", 1.0: "float", True: "bool"}
e = {Keyed(7): "first", Keyed(7): "second"}
l = [1]
m = {l: "identity"}
`)
	for name, want := range map[string]string{"d": "{true: bool}", "m": "{[1]: identity}"} {
		if v, err := p.GetVarAsObject(name); err != nil || v.Inspect() != want {
			t.Errorf("%s: got %v, %v, want %s", name, v.Inspect(), err, want)
		}
	}
	v, _ := p.GetVarAsObject("e")
	pairs := v.(*object.Dict).Pairs
	if pair, ok := pairs["h:7"]; !ok || len(pairs) != 1 || pair.Value.Inspect() != "second" {
		t.Errorf("keys with __hash__: %v", pairs)
	}
	check(t, p, "print(m[l], m[[1]], len({Keyed(1), Keyed(1), Keyed(2)}))", "identity None 2")
	check(t, p, "{}.pop(5)", "RESULT ERROR: key 'n:5' not found (line 1)")
	check(t, p, "{}.pop('a:b')", "RESULT ERROR: key 's:a:b' not found (line 1)")
	check(t, p, "try:\n    {[1]}\nexcept TypeError as e:\n    print(e)", "unhashable type: 'LIST'")
}

// TestNoneIsToldByType makes None in Go.
func TestNoneIsToldByType(t *testing.T) {
	p := scriptling.New()
	_ = p.SetObjectVar("a", &object.Null{})
	_ = p.SetObjectVar("b", &object.Null{})
	check(t, p, "print(a is None, a is b, a == b, bool(a), a in [None], {a: 1}[b])", "true true true false true 1")
	check(t, p, "match a:\n    case None:\n        print('none')", "none")
}

// TestBuiltinsAreShadowed checks that builtin functions are found after the
// variables and are none themselves.
func TestBuiltinsAreShadowed(t *testing.T) {
	p := scriptling.New()
	if _, err := p.GetVarAsObject("len"); err == nil {
		t.Error("len is a variable")
	}
	if v, err := p.GetVarAsObject("import"); err != nil || v.Type() != object.BUILTIN_OBJ {
		t.Errorf("import is %v, %v", v, err)
	}
	if v, _ := p.GetVarAsString("__name__"); v != "__main__" {
		t.Errorf("__name__ is %s", v)
	}
	check(t, p, "print(len([1]))\nlen = 5\nprint(len)", "1\n5")
	p.UnsetVar("len")
	check(t, p, "print(len([1]))", "1")
}
