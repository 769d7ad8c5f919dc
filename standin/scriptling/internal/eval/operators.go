package eval

import (
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/format"
	"github.com/paularlott/scriptling/object"
)

// maxRepeat bounds the bytes of a value that one operation makes from smaller
// ones. Running out of memory would end the process, not just the script.
const maxRepeat = 1 << 27

func errTooLarge(what string) object.Object { return errors.NewError("%s is too large", what) }

func errMismatch() object.Object { return errors.NewError("type error: type mismatch") }

func errOperator(left object.Object, op ast.Op, right object.Object) object.Object {
	return errors.NewError("%s: %s %s %s", errors.ErrUnknownOperator, left.Type(), op, right.Type())
}

// binary applies a binary operator.
func (f *frame) binary(op ast.Op, left, right object.Object) object.Object {
	if a, ok := left.(*object.Integer); ok && op < ast.In {
		if b, ok := right.(*object.Integer); ok {
			return intOp(op, a.IntValue(), b.IntValue())
		}
	}
	switch op {
	case ast.Is:
		return object.NewBoolean(identical(left, right))
	case ast.IsNot:
		return object.NewBoolean(!identical(left, right))
	case ast.In, ast.NotIn:
		return f.membership(op, left, right)
	}
	if inst, ok := left.(*object.Instance); ok {
		if v, ok := f.callSpecial(inst, specialNames[op], right); ok {
			return v
		}
		if op == ast.NotEq { // no comparison is derived from another, so not from __eq__
			return object.NewBoolean(left != right)
		}
	}
	if b, ok := left.(*object.Bytes); ok {
		return bytesOp(op, b, right)
	}
	switch op {
	case ast.Eq, ast.NotEq:
		equal, err := f.equal(left, right)
		if err != nil {
			return err
		}
		return object.NewBoolean(equal == (op == ast.Eq))
	}
	switch left := left.(type) {
	case *object.Integer, *object.Float:
		return numberOp(op, left, right)
	case *object.Boolean:
		if isNumber(right) {
			return numberOp(op, left, right)
		}
	case *object.String:
		return f.stringOp(op, left, right)
	case *object.List:
		return listOp(op, left, right)
	case *object.Tuple:
		return tupleOp(op, left, right)
	case *object.Set:
		return setOp(op, left, right)
	}
	return errMismatch()
}

// specialNames are the methods of instances that overload operators.
var specialNames = map[ast.Op]string{
	ast.Add: "__add__", ast.Sub: "__sub__", ast.Mul: "__mul__", ast.Div: "__truediv__",
	ast.FloorDiv: "__floordiv__", ast.Mod: "__mod__",
	ast.Eq: "__eq__", ast.NotEq: "__ne__",
	ast.Lt: "__lt__", ast.Gt: "__gt__", ast.LtE: "__le__", ast.GtE: "__ge__",
}

func (f *frame) stringOp(op ast.Op, left *object.String, right object.Object) object.Object {
	a := left.StringValue()
	if op == ast.Mod {
		return f.percent(a, right)
	}
	switch right := right.(type) {
	case *object.String:
		b := right.StringValue()
		switch op {
		case ast.Add:
			if len(a)+len(b) > maxRepeat {
				return errTooLarge("string")
			}
			return object.NewString(a + b)
		}
		if result, ok := compare(op, a, b); ok {
			return result
		}
		return errOperator(left, op, right)
	case *object.Integer:
		if op == ast.Mul {
			return repeat(left, right.IntValue())
		}
	}
	return errMismatch()
}

// percent is the % operator of strings.
func (f *frame) percent(template string, right object.Object) object.Object {
	operands := []object.Object{right}
	if t, ok := right.(*object.Tuple); ok {
		operands = t.Elements
	}
	values := make([]format.Value, len(operands))
	for i, v := range operands {
		var err object.Object
		if values[i], err = f.formatValue(v); err != nil {
			return err
		}
	}
	s, err := format.Percent(template, values)
	if err != nil {
		return errors.NewError("%s", err.Error())
	}
	return object.NewString(s)
}

func listOp(op ast.Op, left *object.List, right object.Object) object.Object {
	switch op {
	case ast.Add:
		elements, ok := sequence(right)
		if !ok {
			return errors.NewTypeError("list", right.Type().String())
		}
		if sizeOfElements(len(left.Elements)+len(elements)) > maxRepeat {
			return errTooLarge("list")
		}
		return &object.List{Elements: concat(left.Elements, elements)}
	case ast.Mul:
		if n, ok := right.(*object.Integer); ok {
			return repeat(left, n.IntValue())
		}
	}
	return errMismatch()
}

func tupleOp(op ast.Op, left *object.Tuple, right object.Object) object.Object {
	switch op {
	case ast.Add:
		t, ok := right.(*object.Tuple)
		if !ok {
			return errors.NewTypeError("tuple", right.Type().String())
		}
		if sizeOfElements(len(left.Elements)+len(t.Elements)) > maxRepeat {
			return errTooLarge("tuple")
		}
		return &object.Tuple{Elements: concat(left.Elements, t.Elements)}
	case ast.Mul:
		if n, ok := right.(*object.Integer); ok {
			return repeat(left, n.IntValue())
		}
	}
	return errMismatch()
}

// sizeOfElements is the memory that n references take.
func sizeOfElements(n int) int64 { return int64(n) * 16 }

func concat(a, b []object.Object) []object.Object {
	out := make([]object.Object, 0, len(a)+len(b))
	return append(append(out, a...), b...)
}

func setOp(op ast.Op, left *object.Set, right object.Object) object.Object {
	var combine func(*object.Set) *object.Set
	switch op {
	case ast.BitOr:
		combine = left.Union
	case ast.BitAnd:
		combine = left.Intersection
	case ast.Sub:
		combine = left.Difference
	case ast.BitXor:
		combine = left.SymmetricDifference
	default:
		return errMismatch()
	}
	other, ok := right.(*object.Set)
	if !ok {
		return errors.NewTypeError("set", right.Type().String())
	}
	return combine(other)
}

// bytesOp applies an operator whose left operand is bytes; even comparing for
// equality demands bytes on the right.
func bytesOp(op ast.Op, left *object.Bytes, right object.Object) object.Object {
	if n, ok := right.(*object.Integer); ok && op == ast.Mul {
		return repeat(left, n.IntValue())
	}
	other, ok := right.(*object.Bytes)
	if !ok {
		return errors.NewTypeError("BYTES", right.Type().String())
	}
	a, b := string(left.BytesValue()), string(other.BytesValue())
	if op == ast.Add {
		return object.NewBytesFromString(a + b)
	}
	if result, ok := compare(op, a, b); ok {
		return result
	}
	return errOperator(left, op, right)
}

// repeat is sequence * n.
func repeat(obj object.Object, n int64) object.Object {
	n = max(n, 0)
	size := int64(0)
	switch obj := obj.(type) {
	case *object.String:
		size = int64(len(obj.StringValue()))
	case *object.Bytes:
		size = int64(obj.Len())
	default:
		elements, _ := sequence(obj)
		size = sizeOfElements(len(elements))
	}
	if size == 0 {
		n = 0
	} else if n > maxRepeat/size {
		return errTooLarge("repeated value")
	}
	switch obj := obj.(type) {
	case *object.String:
		return object.NewString(strings.Repeat(obj.StringValue(), int(n)))
	case *object.Bytes:
		return object.NewBytesFromString(strings.Repeat(string(obj.BytesValue()), int(n)))
	case *object.Tuple:
		return &object.Tuple{Elements: repeatElements(obj.Elements, int(n))}
	}
	elements, _ := sequence(obj)
	return &object.List{Elements: repeatElements(elements, int(n))}
}

func repeatElements(elements []object.Object, n int) []object.Object {
	out := make([]object.Object, 0, len(elements)*n)
	for range n {
		out = append(out, elements...)
	}
	return out
}

func (f *frame) unary(op ast.UnaryOp, v object.Object) object.Object {
	switch op {
	case ast.Not:
		truth, err := f.truth(v)
		if err != nil {
			return err
		}
		return object.NewBoolean(!truth)
	case ast.Invert:
		if n, ok := v.(*object.Integer); ok {
			return object.NewInteger(^n.IntValue())
		}
	case ast.Neg:
		if x, ok := v.(*object.Float); ok {
			return object.NewFloat(-x.FloatValue())
		}
		if n, ok := toInt(v); ok {
			return object.NewInteger(-n)
		}
	}
	return errors.NewError("%s: %s%s", errors.ErrUnknownOperator, op, v.Type())
}
