package eval

import (
	"context"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

func init() {
	bridge.InstanceHash = func(instance any) (int64, bool) {
		inst := instance.(*object.Instance)
		env := inst.Class.Env
		if env == nil {
			env = object.NewEnvironment()
		}
		ctx := SetCallDepthInContext(context.Background(), NewCallDepth(100))
		return newFrame(ctx, env, nil).instanceHash(inst)
	}
}

// Run executes a program in env. The caller holds the interpreter lock; nested
// tells that it already held it before, inside another activation. The result
// is an *object.Error for every failure but SystemExit, which stays an
// *object.Exception.
func Run(ctx context.Context, env *object.Environment, prog *ast.Program, nested bool) object.Object {
	var parent *frame
	if nested {
		parent, _ = ctx.Value(frameKey{}).(*frame)
	}
	f := newFrame(ctx, env, parent)
	if f.m.done != nil {
		if err := f.ended(); err != nil {
			return err
		}
	}
	result, sig := f.block(prog.Body)
	if sig != sigFail {
		return result
	}
	exc, ok := result.(*object.Exception)
	if !ok || exc.IsSystemExit() {
		return result
	}
	return &object.Error{
		Message:       "Uncaught exception: " + exc.Message,
		ExceptionType: exc.ExceptionType,
		Line:          prog.Body[0].LineNo(),
		File:          f.m.file,
	}
}

// evaluator is the Evaluator that Go functions find on their context.
type evaluator struct{}

func (evaluator) CallFunction(ctx context.Context, fn *object.Function, args []object.Object, kwargs map[string]object.Object) object.Object {
	return Apply(ctx, fn, args, kwargs, fn.Env)
}

func (evaluator) CallObjectFunction(ctx context.Context, fn object.Object, args []object.Object, kwargs map[string]object.Object, env *object.Environment) object.Object {
	return Apply(ctx, fn, args, kwargs, env)
}

func (evaluator) CallMethod(ctx context.Context, instance *object.Instance, method *object.Function, args []object.Object) object.Object {
	withSelf := append([]object.Object{instance}, args...)
	return Apply(ctx, method, withSelf, nil, method.Env)
}

// Apply calls a function, lambda, builtin or class from Go under the
// interpreter lock of env; a nil env means the one on ctx.
func Apply(ctx context.Context, fn object.Object, args []object.Object, kwargs map[string]object.Object, env *object.Environment) object.Object {
	switch fn.(type) {
	case *object.Function, *object.LambdaFunction, *object.Builtin, *object.Class:
	default:
		return errNotCallable(fn)
	}
	return enter(ctx, env, func(f *frame) object.Object { return f.call(fn, args, kwargs) })
}

// CallMethod calls a method of an instance from Go under the interpreter lock of
// env. It returns false when there is no such method.
func CallMethod(ctx context.Context, env *object.Environment, inst *object.Instance, name string, args []object.Object, kwargs map[string]object.Object) (object.Object, bool) {
	if _, ok := inst.GetField(name); !ok && !hasSpecial(inst, name) {
		return nil, false
	}
	return enter(ctx, env, func(f *frame) object.Object { return f.callMethod(inst, name, args, kwargs) }), true
}

// enter runs fn in a new activation under the interpreter lock of env.
func enter(ctx context.Context, env *object.Environment, fn func(*frame) object.Object) object.Object {
	if env == nil {
		env = GetEnvFromContext(ctx)
	}
	var parent *frame
	if env.EnterGIL() {
		defer env.ExitGIL()
	} else {
		// This goroutine is already evaluating: it is inside the activation
		// that the context comes from.
		parent, _ = ctx.Value(frameKey{}).(*frame)
	}
	return fn(newFrame(ctx, env, parent))
}

func errNotCallable(obj object.Object) object.Object {
	if obj == nil {
		obj = null
	}
	return errors.NewError("not a function or class: %s", obj.Type())
}
