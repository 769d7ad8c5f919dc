// Package eval is the tree-walking evaluator. Run and Apply in run.go are the
// ways in; statements.go and expressions.go lead to everything else. The
// builtin functions are in builtins*.go, the methods of the built-in types in
// methods_*.go.
//
// An expression evaluates to an object. An *object.Error among them stops every
// enclosing expression; an *object.Exception is an ordinary value there, and
// fails the statement only when it is the value of the whole statement.
package eval

import (
	"context"
	stderrors "errors"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/object"
)

// maxNesting bounds the nesting of expressions and blocks over all active
// calls, so that no script can exhaust the Go stack.
const maxNesting = 100_000

// ticksPerCheck is the number of statements and loop turns between two checks of
// the context; a power of two.
const ticksPerCheck = 8

var null = &object.Null{}

// machine is the state of one activation of the evaluator: everything from the
// entry by a Go caller to the return to it. It belongs to one goroutine.
type machine struct {
	done    <-chan struct{}
	depth   *CallDepth
	file    string        // name of the source in errors
	active  object.Object // failure that an except clause is handling
	args    []object.Object
	nesting int
	ticks   uint
}

// frame is an activation of a function or of a program. It is also the context
// that Go functions called from it receive.
type frame struct {
	context.Context
	m    *machine
	env  *object.Environment
	fn   *object.Function // nil at the top level and in lambdas
	self object.Object    // first argument of fn, for super()
}

// Value makes the frame carry its environment and itself.
func (f *frame) Value(key any) any {
	switch key := key.(type) {
	case string:
		if key == envKey {
			return f.env
		}
	case frameKey:
		return f
	}
	return f.Context.Value(key)
}

// newFrame returns the first frame of a new activation. The activation inside
// which it happens, if the goroutine is still in it, is passed as parent.
func newFrame(ctx context.Context, env *object.Environment, parent *frame) *frame {
	if evaliface.FromContext(ctx) == nil {
		ctx = WithEvaluator(ctx)
	}
	m := &machine{
		done:  ctx.Done(),
		depth: GetCallDepthFromContext(ctx),
		file:  GetSourceFileFromContext(ctx),
	}
	if parent != nil {
		m.nesting = parent.m.nesting
		m.active = parent.m.active
	}
	return &frame{Context: ctx, m: m, env: env}
}

// frameOf returns the frame in which a builtin runs.
func frameOf(ctx context.Context) *frame {
	if f, ok := ctx.(*frame); ok {
		return f
	}
	parent, _ := ctx.Value(frameKey{}).(*frame)
	f := newFrame(ctx, GetEnvFromContext(ctx), parent)
	if parent != nil {
		f.fn, f.self = parent.fn, parent.self
	}
	return f
}

// within returns a frame of the same function with another environment.
func (f *frame) within(env *object.Environment) *frame {
	sub := *f
	sub.env = env
	return &sub
}

// tick notices now and then that the context has ended.
func (f *frame) tick() object.Object {
	m := f.m
	if m.done == nil {
		return nil
	}
	m.ticks++
	if m.ticks&(ticksPerCheck-1) != 0 {
		return nil
	}
	return f.ended()
}

// ended returns an error when the context has ended.
func (f *frame) ended() object.Object {
	select {
	case <-f.m.done:
		if stderrors.Is(f.Err(), context.DeadlineExceeded) {
			return errors.NewTimeoutError()
		}
		return errors.NewCancelledError()
	default:
		return nil
	}
}

func errTooDeep() object.Object {
	return &object.Error{Message: "maximum recursion depth exceeded", ExceptionType: object.ExceptionTypeRuntimeError}
}

// push puts an argument on the argument stack. The arguments of a call are the
// part of the stack above the mark taken before the first push; pop gives it
// back after the call.
func (m *machine) push(obj object.Object) { m.args = append(m.args, obj) }

func (m *machine) mark() int { return len(m.args) }

func (m *machine) since(mark int) []object.Object { return m.args[mark:len(m.args):len(m.args)] }

func (m *machine) pop(mark int) {
	clear(m.args[mark:])
	m.args = m.args[:mark]
}
