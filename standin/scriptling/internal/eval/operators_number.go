package eval

import (
	"math"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func isNumber(obj object.Object) bool {
	switch obj.(type) {
	case *object.Integer, *object.Float, *object.Boolean:
		return true
	}
	return false
}

// toInt returns the value of an integer or boolean.
func toInt(obj object.Object) (int64, bool) {
	switch obj := obj.(type) {
	case *object.Integer:
		return obj.IntValue(), true
	case *object.Boolean:
		if obj.BoolValue() {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// toFloat returns the value of a number or boolean.
func toFloat(obj object.Object) (float64, bool) {
	if v, ok := obj.(*object.Float); ok {
		return v.FloatValue(), true
	}
	n, ok := toInt(obj)
	return float64(n), ok
}

// numberOp applies an operator whose left operand is a number.
func numberOp(op ast.Op, left, right object.Object) object.Object {
	if n, ok := toInt(left); ok {
		if m, ok := toInt(right); ok {
			return intOp(op, n, m)
		}
		if op == ast.Mul {
			switch right := right.(type) {
			case *object.String, *object.List, *object.Tuple, *object.Bytes:
				return repeat(right, n)
			}
		}
	}
	a, _ := toFloat(left)
	b, ok := toFloat(right)
	if !ok {
		return errors.NewTypeError("NUMBER", right.Type().String())
	}
	return floatOp(op, a, b)
}

// divides reports whether an operator refuses 0 on its right.
func divides(op ast.Op) bool { return op == ast.Div || op == ast.FloorDiv || op == ast.Mod }

func intOp(op ast.Op, a, b int64) object.Object {
	if b == 0 && divides(op) {
		return errors.NewZeroDivisionError()
	}
	switch op {
	case ast.Add:
		return object.NewInteger(a + b)
	case ast.Sub:
		return object.NewInteger(a - b)
	case ast.Mul:
		return object.NewInteger(a * b)
	case ast.Div:
		return object.NewFloat(float64(a) / float64(b))
	case ast.FloorDiv:
		return object.NewInteger(a / b)
	case ast.Mod:
		return object.NewInteger(a % b)
	case ast.Pow:
		return intPower(a, b)
	case ast.BitAnd:
		return object.NewInteger(a & b)
	case ast.BitOr:
		return object.NewInteger(a | b)
	case ast.BitXor:
		return object.NewInteger(a ^ b)
	case ast.Shl, ast.Shr:
		if b < 0 {
			return errors.NewError("negative shift count")
		}
		if op == ast.Shl {
			return object.NewInteger(a << uint64(b))
		}
		return object.NewInteger(a >> uint64(b))
	}
	if result, ok := compare(op, a, b); ok {
		return result
	}
	return errors.NewTypeError("iterable", "INTEGER")
}

// maxIntExponent is the largest exponent for which a power stays an integer.
const maxIntExponent = 40

func intPower(a, b int64) object.Object {
	if b < 0 || (b > maxIntExponent && (a < -1 || a > 1)) {
		return object.NewFloat(math.Pow(float64(a), float64(b)))
	}
	result := int64(1)
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			result *= a
		}
		a *= a
	}
	return object.NewInteger(result)
}

func floatOp(op ast.Op, a, b float64) object.Object {
	if b == 0 && divides(op) && op != ast.Mod {
		return errors.NewZeroDivisionError()
	}
	switch op {
	case ast.Add:
		return object.NewFloat(a + b)
	case ast.Sub:
		return object.NewFloat(a - b)
	case ast.Mul:
		return object.NewFloat(a * b)
	case ast.Div:
		return object.NewFloat(a / b)
	case ast.FloorDiv:
		return object.NewFloat(math.Floor(a / b))
	case ast.Pow:
		return object.NewFloat(math.Pow(a, b))
	}
	if result, ok := compare(op, a, b); ok {
		return result
	}
	return errors.NewError("%s: FLOAT %s FLOAT", errors.ErrUnknownOperator, op)
}
