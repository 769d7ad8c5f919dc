// Package evaliface lets Go functions call back into the script that called
// them, without depending on the evaluator.
package evaliface

import (
	"context"

	"github.com/paularlott/scriptling/object"
)

// Evaluator calls script functions. A result may be an *object.Error or an
// *object.Exception; a Go function that returns it unchanged passes the failure
// on to its caller.
type Evaluator interface {
	// CallFunction calls a script function.
	CallFunction(ctx context.Context, fn *object.Function, args []object.Object, kwargs map[string]object.Object) object.Object
	// CallObjectFunction calls a function, lambda, builtin or class.
	CallObjectFunction(ctx context.Context, fn object.Object, args []object.Object, kwargs map[string]object.Object, env *object.Environment) object.Object
	// CallMethod calls a method of an instance.
	CallMethod(ctx context.Context, instance *object.Instance, method *object.Function, args []object.Object) object.Object
}

type contextKey struct{}

// WithEvaluator returns a context that carries eval.
func WithEvaluator(ctx context.Context, eval Evaluator) context.Context {
	return context.WithValue(ctx, contextKey{}, eval)
}

// FromContext returns the evaluator that ctx carries, or nil.
func FromContext(ctx context.Context) Evaluator {
	eval, _ := ctx.Value(contextKey{}).(Evaluator)
	return eval
}
