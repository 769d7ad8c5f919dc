package stdlib

import (
	"context"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func randomChoice(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	if text, ok := args[0].(*object.String); ok {
		s := text.StringValue() // whose bytes are chosen from, not its characters
		if s == "" {
			return errors.NewError("choice() string cannot be empty")
		}
		i := generator.index(len(s))
		return object.NewString(s[i : i+1])
	}
	elements, err := listArg(args[0])
	if err != nil {
		return errors.NewTypeError("LIST or STRING", args[0].Type().String())
	}
	if len(elements) == 0 {
		return errors.NewError("choice() list cannot be empty")
	}
	return elements[generator.index(len(elements))]
}

// maxChoices bounds a list that no context can interrupt the making of.
const maxChoices = 10_000_000

func randomChoices(_ context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 2); err != nil {
		return err
	}
	elements, err := listArg(args[0])
	if err != nil {
		return err
	}
	if len(elements) == 0 {
		return errors.NewError("choices() list cannot be empty")
	}
	k, err := kwargs.GetInt("k", 1)
	if err != nil {
		return err
	}
	if k > maxChoices {
		return errors.NewValueError("choices() k is too large")
	}
	weights := kwargs.Get("weights")
	if len(args) == 2 {
		weights = args[1]
	}
	pick := func() int { return generator.index(len(elements)) }
	if _, isNone := weights.(*object.Null); weights != nil && !isNone {
		sums, err := cumulative(weights, len(elements))
		if err != nil {
			return err
		}
		pick = func() int { return weighted(sums) }
	}
	result := &object.List{Elements: []object.Object{}}
	for range k {
		result.Elements = append(result.Elements, elements[pick()])
	}
	return result
}

// cumulative returns the running sums of n weights.
func cumulative(weights object.Object, n int) ([]float64, object.Object) {
	values, err := listArg(weights)
	if err != nil {
		return nil, errors.ParameterError("weights", err)
	}
	if len(values) != n {
		return nil, errors.NewValueError("choices() needs one weight for each element")
	}
	total := 0.0
	sums := make([]float64, n)
	for i, value := range values {
		w, err := value.AsFloat()
		if err != nil {
			return nil, errors.ParameterError("weights", err)
		}
		if !(w >= 0) {
			return nil, errors.NewValueError("choices() weights must not be negative")
		}
		total += w
		sums[i] = total
	}
	if total <= 0 {
		return nil, errors.NewValueError("choices() total of weights must be greater than zero")
	}
	return sums, nil
}

func weighted(sums []float64) int {
	last := len(sums) - 1
	x := generator.float() * sums[last]
	for i, sum := range sums {
		if x < sum {
			return i
		}
	}
	return last
}

func randomSample(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 2); err != nil {
		return err
	}
	elements, err := listArg(args[0])
	if err != nil {
		return err
	}
	k, err := intArg(args[1])
	if err != nil {
		return err
	}
	if k < 0 || k > int64(len(elements)) {
		return errors.NewValueError("sample() size must be between 0 and the size of the list")
	}
	pool := append([]object.Object{}, elements...)
	shuffle(pool)
	return &object.List{Elements: pool[:k:k]}
}

func randomShuffle(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	list, ok := args[0].(*object.List)
	if !ok {
		return errors.NewTypeError("LIST", args[0].Type().String())
	}
	shuffle(list.Elements)
	return none()
}

func shuffle(elements []object.Object) {
	for i := len(elements) - 1; i > 0; i-- {
		j := generator.index(i + 1)
		elements[i], elements[j] = elements[j], elements[i]
	}
}
