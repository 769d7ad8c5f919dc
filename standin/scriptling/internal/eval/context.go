package eval

import (
	"context"
	"sync/atomic"

	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/object"
)

// envKey is the context key of the environment. It is a plain string because Go
// functions may look it up without importing anything.
const envKey = "scriptling-env"

type (
	depthKey struct{}
	fileKey  struct{}
	frameKey struct{}
)

// CallDepth counts nested script calls against a limit.
type CallDepth struct {
	max   int64
	depth atomic.Int64
}

// NewCallDepth returns a counter with the given limit.
func NewCallDepth(maxDepth int) *CallDepth { return &CallDepth{max: int64(maxDepth)} }

// Enter counts a call; it returns false, and counts nothing, at the limit.
func (c *CallDepth) Enter() bool {
	if c.depth.Add(1) > c.max {
		c.depth.Add(-1)
		return false
	}
	return true
}

// Exit undoes an Enter that returned true.
func (c *CallDepth) Exit() { c.depth.Add(-1) }

// Depth returns the number of calls that were entered and not exited.
func (c *CallDepth) Depth() int { return int(c.depth.Load()) }

// SetCallDepthInContext returns a context that carries cd.
func SetCallDepthInContext(ctx context.Context, cd *CallDepth) context.Context {
	return context.WithValue(ctx, depthKey{}, cd)
}

// GetCallDepthFromContext returns the counter that ctx carries, or nil.
func GetCallDepthFromContext(ctx context.Context) *CallDepth {
	cd, _ := ctx.Value(depthKey{}).(*CallDepth)
	return cd
}

// SetEnvInContext returns a context that carries env.
func SetEnvInContext(ctx context.Context, env *object.Environment) context.Context {
	//lint:ignore SA1029 the key is public knowledge
	return context.WithValue(ctx, envKey, env)
}

// GetEnvFromContext returns the environment that ctx carries, or a new one.
func GetEnvFromContext(ctx context.Context) *object.Environment {
	if env, ok := ctx.Value(envKey).(*object.Environment); ok && env != nil {
		return env
	}
	return object.NewEnvironment()
}

// ContextWithSourceFile returns a context that carries the name errors give as
// their file.
func ContextWithSourceFile(ctx context.Context, filename string) context.Context {
	return context.WithValue(ctx, fileKey{}, filename)
}

// GetSourceFileFromContext returns the file name that ctx carries, or "".
func GetSourceFileFromContext(ctx context.Context) string {
	name, _ := ctx.Value(fileKey{}).(string)
	return name
}

// WithEvaluator returns a context that carries the evaluator.
func WithEvaluator(ctx context.Context) context.Context {
	return evaliface.WithEvaluator(ctx, evaluator{})
}
