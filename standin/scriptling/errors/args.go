package errors

import "github.com/paularlott/scriptling/object"

// NoArgs returns an error object unless args is empty.
func NoArgs(args []object.Object) object.Object { return ExactArgs(args, 0) }

// ExactArgs returns an error object unless there are n arguments.
func ExactArgs(args []object.Object, n int) object.Object {
	if len(args) != n {
		return NewArgumentError(len(args), n)
	}
	return nil
}

// MinArgs returns an error object when there are fewer than n arguments.
func MinArgs(args []object.Object, n int) object.Object {
	if len(args) < n {
		return NewError("expected at least %d arguments, got %d", n, len(args))
	}
	return nil
}

// MaxArgs returns an error object when there are more than n arguments.
func MaxArgs(args []object.Object, n int) object.Object {
	if len(args) > n {
		return NewError("expected at most %d arguments, got %d", n, len(args))
	}
	return nil
}

// RangeArgs returns an error object unless there are min to max arguments.
func RangeArgs(args []object.Object, min, max int) object.Object {
	if err := MinArgs(args, min); err != nil {
		return err
	}
	return MaxArgs(args, max)
}
