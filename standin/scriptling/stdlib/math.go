package stdlib

import (
	"context"
	"math"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// MathLibrary is the library math.
var MathLibrary = object.NewLibrary("math", map[string]*object.Builtin{
	"sqrt":     unary("sqrt", math.Sqrt),
	"fabs":     unary("fabs", math.Abs),
	"exp":      unary("exp", math.Exp),
	"sin":      unary("sin", math.Sin),
	"cos":      unary("cos", math.Cos),
	"tan":      unary("tan", math.Tan),
	"asin":     unary("asin", math.Asin),
	"acos":     unary("acos", math.Acos),
	"atan":     unary("atan", math.Atan),
	"tanh":     unary("tanh", math.Tanh),
	"log10":    unary("log10", math.Log10),
	"log2":     unary("log2", math.Log2),
	"degrees":  unary("degrees", func(x float64) float64 { return x * 180 / math.Pi }),
	"radians":  unary("radians", func(x float64) float64 { return x * math.Pi / 180 }),
	"log":      function("log(x) - Natural logarithm", mathLog),
	"pow":      binary("pow", math.Pow),
	"atan2":    binary("atan2", math.Atan2),
	"hypot":    binary("hypot", math.Hypot),
	"copysign": binary("copysign", math.Copysign),
	"fmod":     function("fmod(x, y) - Floating point remainder", mathFmod),

	"floor": rounding("floor", math.Floor),
	"ceil":  rounding("ceil", math.Ceil),
	"trunc": rounding("trunc", math.Trunc),

	"isnan": predicate("isnan", math.IsNaN),
	"isinf": predicate("isinf", func(x float64) bool { return math.IsInf(x, 0) }),
	"isfinite": predicate("isfinite", func(x float64) bool {
		return !math.IsNaN(x) && !math.IsInf(x, 0)
	}),

	"gcd":       function("gcd(a, b) - Greatest common divisor", mathGCD),
	"factorial": function("factorial(n) - n!", mathFactorial),
	"comb":      function("comb(n, k) - Number of ways to choose k of n", mathComb),
	"perm":      function("perm(n, k) - Number of ways to arrange k of n", mathPerm),
	"prod":      function("prod(list) - Product of the elements", mathProd),
}, map[string]object.Object{
	"pi":  object.NewFloat(math.Pi),
	"e":   object.NewFloat(math.E),
	"tau": object.NewFloat(2 * math.Pi),
	"inf": object.NewFloat(math.Inf(1)),
	"nan": object.NewFloat(math.NaN()),
}, "Mathematical functions")

// numberArg checks for exactly one number.
func numberArg(args []object.Object) (float64, object.Object) {
	if err := errors.ExactArgs(args, 1); err != nil {
		return 0, err
	}
	x, err := args[0].AsFloat()
	if err != nil {
		return 0, errors.NewTypeError("INTEGER or FLOAT", args[0].Type().String())
	}
	return x, nil
}

// numberArgs checks for exactly two numbers.
func numberArgs(args []object.Object) (x, y float64, err object.Object) {
	if err := errors.ExactArgs(args, 2); err != nil {
		return 0, 0, err
	}
	x, err1 := args[0].AsFloat()
	y, err2 := args[1].AsFloat()
	if err1 != nil || err2 != nil {
		return 0, 0, errors.NewError("must be a number")
	}
	return x, y, nil
}

func unary(name string, fn func(float64) float64) *object.Builtin {
	return function(name+"(x)", func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		x, err := numberArg(args)
		if err != nil {
			return err
		}
		return object.NewFloat(fn(x))
	})
}

func binary(name string, fn func(x, y float64) float64) *object.Builtin {
	return function(name+"(x, y)", func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		x, y, err := numberArgs(args)
		if err != nil {
			return err
		}
		return object.NewFloat(fn(x, y))
	})
}

func predicate(name string, fn func(float64) bool) *object.Builtin {
	return function(name+"(x)", func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		x, err := numberArg(args)
		if err != nil {
			return err
		}
		return object.NewBoolean(fn(x))
	})
}

func rounding(name string, fn func(float64) float64) *object.Builtin {
	return function(name+"(x)", func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		x, err := numberArg(args)
		if err != nil {
			return err
		}
		if n, ok := args[0].(*object.Integer); ok {
			return n
		}
		r := fn(x)
		if !(r >= math.MinInt64 && r < math.MaxInt64) {
			return errors.NewValueError("%s: result is not an integer in range", name)
		}
		return object.NewInteger(int64(r))
	})
}

func mathLog(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	x, err := numberArg(args)
	if err != nil {
		return err
	}
	if x <= 0 {
		return errors.NewError("log: domain error")
	}
	return object.NewFloat(math.Log(x))
}

func mathFmod(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	x, y, err := numberArgs(args)
	if err != nil {
		return err
	}
	if y == 0 {
		return errors.NewValueError("fmod: division by zero")
	}
	return object.NewFloat(math.Mod(x, y))
}
