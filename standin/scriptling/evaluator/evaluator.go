// Package evaluator is for Go code that runs script functions itself:
// contexts that carry an environment, an evaluator and a limit of call depth.
package evaluator

import (
	"context"

	"github.com/paularlott/scriptling/internal/eval"
	"github.com/paularlott/scriptling/object"
)

// DefaultMaxCallDepth is the limit of nested script calls under Eval.
const DefaultMaxCallDepth = 1000

// CallDepth counts nested script calls against a limit.
type CallDepth = eval.CallDepth

// NewCallDepth returns a counter with the given limit.
func NewCallDepth(maxDepth int) *CallDepth { return eval.NewCallDepth(maxDepth) }

// SetCallDepthInContext returns a context that carries cd.
func SetCallDepthInContext(ctx context.Context, cd *CallDepth) context.Context {
	return eval.SetCallDepthInContext(ctx, cd)
}

// GetCallDepthFromContext returns the counter that ctx carries, or nil.
func GetCallDepthFromContext(ctx context.Context) *CallDepth {
	return eval.GetCallDepthFromContext(ctx)
}

// ContextWithCallDepth returns a context with a new counter.
func ContextWithCallDepth(ctx context.Context, maxDepth int) context.Context {
	return eval.SetCallDepthInContext(ctx, eval.NewCallDepth(maxDepth))
}

// SetEnvInContext returns a context that carries env, under the key
// "scriptling-env".
func SetEnvInContext(ctx context.Context, env *object.Environment) context.Context {
	return eval.SetEnvInContext(ctx, env)
}

// GetEnvFromContext returns the environment that ctx carries, or a new empty one.
func GetEnvFromContext(ctx context.Context) *object.Environment {
	return eval.GetEnvFromContext(ctx)
}

// ContextWithSourceFile returns a context that carries the file name for the
// locations of errors.
func ContextWithSourceFile(ctx context.Context, filename string) context.Context {
	return eval.ContextWithSourceFile(ctx, filename)
}

// GetSourceFileFromContext returns the file name that ctx carries, or "".
func GetSourceFileFromContext(ctx context.Context) string {
	return eval.GetSourceFileFromContext(ctx)
}

// WithEvaluator returns a context that carries the evaluator.
func WithEvaluator(ctx context.Context) context.Context { return eval.WithEvaluator(ctx) }

// ApplyFunctionGIL calls a function, lambda, builtin or class while holding the
// interpreter lock of env.
func ApplyFunctionGIL(ctx context.Context, fn object.Object, args []object.Object, keywords map[string]object.Object, env *object.Environment) object.Object {
	return eval.Apply(ctx, fn, args, keywords, env)
}

// GetImportBuiltin returns the function object that is bound to "import".
func GetImportBuiltin() *object.Builtin { return eval.ImportBuiltin }
