package stdlib

import (
	"context"
	"math/big"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// maxFactorial is the largest number whose factorial fits int64.
const maxFactorial = 20

// intArgs checks for exactly n integers.
func intArgs(args []object.Object, n int) ([]int64, object.Object) {
	if err := errors.ExactArgs(args, n); err != nil {
		return nil, err
	}
	values := make([]int64, n)
	for i, arg := range args {
		value, err := intArg(arg)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

func mathGCD(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	values, err := intArgs(args, 2)
	if err != nil {
		return err
	}
	a, b := values[0], values[1]
	for b != 0 {
		a, b = b, a%b
	}
	if a < 0 {
		a = -a
	}
	return object.NewInteger(a)
}

func mathFactorial(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	values, err := intArgs(args, 1)
	if err != nil {
		return err
	}
	n := values[0]
	switch {
	case n < 0:
		return errors.NewError("factorial: negative number")
	case n > maxFactorial:
		return errors.NewError("factorial: result too large")
	}
	result := int64(1)
	for i := int64(2); i <= n; i++ {
		result *= i
	}
	return object.NewInteger(result)
}

func mathComb(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	return selections("comb", args, func(n, k int64, result *big.Int) {
		// After step i the result is comb(n, i), so the division is exact.
		k = min(k, n-k)
		for i := int64(1); i <= k && result.IsInt64(); i++ {
			result.Mul(result, big.NewInt(n-k+i))
			result.Div(result, big.NewInt(i))
		}
	})
}

func mathPerm(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if len(args) == 1 {
		args = []object.Object{args[0], args[0]}
	}
	return selections("perm", args, func(n, k int64, result *big.Int) {
		for i := int64(0); i < k && result.IsInt64(); i++ {
			result.Mul(result, big.NewInt(n-i))
		}
	})
}

// selections does the checks common to comb and perm; count multiplies its
// result, which starts as 1, and may stop once that exceeds int64.
func selections(name string, args []object.Object, count func(n, k int64, result *big.Int)) object.Object {
	values, err := intArgs(args, 2)
	if err != nil {
		return err
	}
	n, k := values[0], values[1]
	if n < 0 || k < 0 {
		return errors.NewError("%s: negative number", name)
	}
	if k > n {
		return object.NewInteger(0)
	}
	result := big.NewInt(1)
	count(n, k, result)
	if !result.IsInt64() {
		return errors.NewError("%s: result too large", name)
	}
	return object.NewInteger(result.Int64())
}

// mathProd stays with integers as long as all elements are.
func mathProd(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	elements, err := listArg(args[0])
	if err != nil {
		return err
	}
	whole, product, integral := int64(1), 1.0, true
	for _, element := range elements {
		x, err := element.AsFloat()
		if err != nil {
			return errors.NewTypeError("INTEGER or FLOAT", element.Type().String())
		}
		product *= x
		if n, ok := element.(*object.Integer); ok {
			whole *= n.IntValue()
		} else {
			integral = false
		}
	}
	if integral {
		return object.NewInteger(whole)
	}
	return object.NewFloat(product)
}
