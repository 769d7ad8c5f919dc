package eval

import (
	"math"
	"math/big"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func init() {
	builtin("abs", "abs(x) - Absolute value", one(builtinAbs))
	builtin("round", "round(x, digits) - Round a number", builtinRound)
	builtin("divmod", "divmod(a, b) - Quotient and remainder", builtinDivmod)
	builtin("pow", "pow(base, exponent, modulus) - Power", arity(2, 3, builtinPow))
	builtin("sum", "sum(iterable) - Sum of numbers", one(builtinSum))
	builtin("min", "min(values) - Smallest value", extreme("min", func(o *ordering, v, best object.Object) bool { return o.less(v, best) }))
	builtin("max", "max(values) - Largest value", extreme("max", func(o *ordering, v, best object.Object) bool { return o.less(best, v) }))
}

func errNotNumber(v object.Object) object.Object {
	return errors.NewTypeError("INTEGER or FLOAT", v.Type().String())
}

func builtinAbs(_ *frame, arg object.Object) object.Object {
	if x, ok := arg.(*object.Float); ok {
		return object.NewFloat(math.Abs(x.FloatValue()))
	}
	n, ok := toInt(arg)
	if !ok {
		return errNotNumber(arg)
	}
	return object.NewInteger(max(n, -n))
}

// builtinRound rounds halves away from zero.
func builtinRound(_ *frame, kwargs object.Kwargs, args []object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 2); err != nil {
		return argumentsError(args, err)
	}
	digits := kwargs.Get("ndigits")
	if len(args) == 2 {
		digits = args[1]
	}
	x, ok := toFloat(args[0])
	if !ok {
		return errNotNumber(args[0])
	}
	n, isInt := toInt(args[0])
	if digits == nil || isNone(digits) {
		if isInt {
			return object.NewInteger(n)
		}
		if math.IsNaN(x) || math.Abs(x) >= 1<<63 {
			return errors.NewError("cannot convert %s to int", args[0].Inspect())
		}
		return object.NewInteger(int64(math.Round(x)))
	}
	d, err := intArg(digits, "ndigits")
	if err != nil {
		return err
	}
	switch {
	case isInt && d >= 0:
		return object.NewInteger(n)
	case isInt && d < -18:
		return object.NewInteger(0)
	case isInt:
		return object.NewInteger(roundInt(n, -d))
	case d > 300 || math.IsNaN(x) || math.IsInf(x, 0):
		return args[0]
	}
	scale := math.Pow(10, float64(d))
	if rounded := math.Round(x*scale) / scale; !math.IsInf(rounded, 0) && !math.IsNaN(rounded) {
		return object.NewFloat(rounded)
	}
	if d < 0 {
		return object.NewFloat(0)
	}
	return args[0]
}

// roundInt rounds to a multiple of the given power of ten.
func roundInt(n int64, power int) int64 {
	unit := int64(1)
	for range power {
		unit *= 10
	}
	rest := n % unit
	n -= rest
	switch {
	case rest >= unit-unit/2:
		n += unit
	case rest <= unit/2-unit:
		n -= unit
	}
	return n
}

// builtinDivmod floors, unlike the operators // and %.
func builtinDivmod(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.ExactArgs(args, 2); err != nil {
		return err
	}
	for _, arg := range args {
		if !isNumber(arg) {
			return errNotNumber(arg)
		}
	}
	if b, _ := toFloat(args[1]); b == 0 {
		return errors.NewZeroDivisionError()
	}
	pair := func(q, r object.Object) object.Object { return &object.Tuple{Elements: []object.Object{q, r}} }
	if a, ok := toInt(args[0]); ok {
		if b, ok := toInt(args[1]); ok {
			q, r := a/b, a%b
			if r != 0 && (r < 0) != (b < 0) {
				q, r = q-1, r+b
			}
			return pair(object.NewInteger(q), object.NewInteger(r))
		}
	}
	a, _ := toFloat(args[0])
	b, _ := toFloat(args[1])
	q := math.Floor(a / b)
	return pair(object.NewFloat(q), object.NewFloat(a-q*b))
}

func builtinPow(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	for _, arg := range args {
		if !isNumber(arg) {
			return errNotNumber(arg)
		}
	}
	a, aInt := toInt(args[0])
	b, bInt := toInt(args[1])
	if len(args) == 3 {
		return powMod(args, a, b, aInt && bInt)
	}
	x, _ := toFloat(args[0])
	y, _ := toFloat(args[1])
	result := math.Pow(x, y)
	if aInt && bInt && b >= 0 && math.Abs(result) < 1<<63 {
		return object.NewInteger(int64(result))
	}
	return object.NewFloat(result)
}

func powMod(args []object.Object, a, b int64, ints bool) object.Object {
	m, ok := toInt(args[2])
	if !ok || !ints {
		return errors.NewTypeError("INTEGER", "FLOAT")
	}
	if m == 0 {
		return errors.NewZeroDivisionError()
	}
	if b < 0 {
		return errors.NewValueError("pow() with a modulus needs an exponent that is not negative")
	}
	modulus := big.NewInt(m)
	result := new(big.Int).Exp(big.NewInt(a), big.NewInt(b), new(big.Int).Abs(modulus))
	if m < 0 && result.Sign() > 0 {
		result.Add(result, modulus)
	}
	return object.NewInteger(result.Int64())
}

func builtinSum(f *frame, arg object.Object) object.Object {
	src, err := f.iterate(arg)
	if err != nil {
		return err
	}
	var total object.Object = object.NewInteger(0)
	for {
		if err := f.tick(); err != nil {
			return err
		}
		v, ok := src.next()
		if !ok {
			return orError(total, src.failure)
		}
		if !isNumber(v) {
			return errors.NewError("unsupported operand type for sum(): %s", v.Type())
		}
		total = f.binary(ast.Add, total, v)
	}
}

// extreme is min or max; better reports whether v takes the place of best.
func extreme(name string, better func(o *ordering, v, best object.Object) bool) builtinFunc {
	return func(f *frame, _ object.Kwargs, args []object.Object) object.Object {
		if len(args) == 0 {
			return errors.NewError("%s() requires at least 1 argument", name)
		}
		if len(args) == 1 {
			var err object.Object
			if args, err = f.collect(args[0]); err != nil {
				return err
			}
			if len(args) == 0 {
				return errors.NewError("%s() arg is an empty sequence", name)
			}
		}
		o := &ordering{f: f}
		best := args[0]
		for _, v := range args[1:] {
			if better(o, v, best) {
				best = v
			}
			if o.err != nil {
				return o.err
			}
		}
		return best
	}
}
