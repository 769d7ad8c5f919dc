package stdlib_test

import (
	"math"
	"testing"

	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

func TestMath(t *testing.T) {
	numbers := list(integer(1), integer(2), integer(3))
	tests := []struct {
		name string
		args []object.Object
		kind object.ObjectType
		want string
	}{
		{"sqrt", objects(integer(16)), object.FLOAT_OBJ, "4"},
		{"sqrt", objects(integer(-1)), object.FLOAT_OBJ, "NaN"},
		{"pow", objects(integer(2), integer(3)), object.FLOAT_OBJ, "8"},
		{"fabs", objects(integer(-3)), object.FLOAT_OBJ, "3"},
		{"log", objects(integer(1)), object.FLOAT_OBJ, "0"},
		{"log10", objects(integer(1000)), object.FLOAT_OBJ, "3"},
		{"log2", objects(integer(8)), object.FLOAT_OBJ, "3"},
		{"hypot", objects(integer(3), integer(4)), object.FLOAT_OBJ, "5"},
		{"fmod", objects(integer(7), integer(3)), object.FLOAT_OBJ, "1"},
		{"copysign", objects(integer(1), number(-2)), object.FLOAT_OBJ, "-1"},
		{"degrees", objects(number(math.Pi)), object.FLOAT_OBJ, "180"},
		{"radians", objects(integer(180)), object.FLOAT_OBJ, "3.141592653589793"},
		{"floor", objects(number(-2.5)), object.INTEGER_OBJ, "-3"},
		{"ceil", objects(number(2.1)), object.INTEGER_OBJ, "3"},
		{"trunc", objects(number(-2.7)), object.INTEGER_OBJ, "-2"},
		{"floor", objects(integer(math.MaxInt64)), object.INTEGER_OBJ, "9223372036854775807"},
		{"gcd", objects(integer(12), integer(-18)), object.INTEGER_OBJ, "6"},
		{"factorial", objects(integer(20)), object.INTEGER_OBJ, "2432902008176640000"},
		{"comb", objects(integer(5), integer(2)), object.INTEGER_OBJ, "10"},
		{"comb", objects(integer(60), integer(30)), object.INTEGER_OBJ, "118264581564861424"},
		{"comb", objects(integer(2), integer(5)), object.INTEGER_OBJ, "0"},
		{"perm", objects(integer(5), integer(2)), object.INTEGER_OBJ, "20"},
		{"perm", objects(integer(3)), object.INTEGER_OBJ, "6"},
		{"prod", objects(numbers), object.INTEGER_OBJ, "6"},
		{"prod", objects(list()), object.INTEGER_OBJ, "1"},
		{"prod", objects(list(integer(2), number(1.5))), object.FLOAT_OBJ, "3"},
		{"isnan", objects(number(math.NaN())), object.BOOLEAN_OBJ, "true"},
		{"isinf", objects(number(math.Inf(-1))), object.BOOLEAN_OBJ, "true"},
		{"isfinite", objects(integer(1)), object.BOOLEAN_OBJ, "true"},
	}
	for _, tt := range tests {
		expect(t, tt.name, call(t, stdlib.MathLibrary, tt.name, tt.args...), tt.kind, tt.want)
	}
}

func TestMathErrors(t *testing.T) {
	tests := []struct {
		name          string
		args          []object.Object
		message, kind string
	}{
		{"log", objects(integer(0)), "log: domain error", ""},
		{"factorial", objects(integer(-1)), "factorial: negative number", ""},
		{"factorial", objects(integer(21)), "factorial: result too large", ""},
		{"sqrt", objects(text("a")), "type error: expected INTEGER or FLOAT, got STRING", ""},
		{"sqrt", nil, "argument error: got 0 arguments, want 1", ""},
		{"pow", objects(text("a"), integer(1)), "must be a number", ""},
		{"hypot", objects(integer(1)), "argument error: got 1 arguments, want 2", ""},
		{"fmod", objects(integer(1), integer(0)), "fmod: division by zero", "ValueError"},
	}
	for _, tt := range tests {
		expectError(t, tt.name, call(t, stdlib.MathLibrary, tt.name, tt.args...), tt.message, tt.kind)
	}
}

func TestMathConstants(t *testing.T) {
	for name, want := range map[string]string{
		"pi": "3.141592653589793", "e": "2.718281828459045", "tau": "6.283185307179586", "inf": "+Inf", "nan": "NaN",
	} {
		expect(t, name, stdlib.MathLibrary.Constants()[name], object.FLOAT_OBJ, want)
	}
}
