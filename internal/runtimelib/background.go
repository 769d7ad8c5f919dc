package runtimelib

import (
	"context"
	"strings"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

const backgroundHelp = `background(name, handler, *args, **kwargs) -> promise
Runs the function called handler ("function" or "library.function") in a goroutine of its own, in an
environment with copies of this script's functions and imports, and of the arguments. With shared=True
it runs in this script's own environment. promise.get() waits for the result, promise.wait() for the end.`

// starter starts the background tasks of one interpreter.
type starter struct {
	tasks *Tasks
	// importer makes an interpreter for a task's imports; nil: there is none.
	importer func(ctx context.Context) *scriptling.Scriptling
}

// importerKey is where the context of a task holds its own interpreter. A task
// that starts a task clones that one, because only the task itself uses it.
type importerKey struct{}

func newStarter(p object.LibraryRegistrar, tasks *Tasks) *starter {
	s, ok := p.(*scriptling.Scriptling)
	if !ok {
		return &starter{tasks: tasks}
	}
	return &starter{tasks: tasks, importer: func(ctx context.Context) *scriptling.Scriptling {
		if mine, ok := ctx.Value(importerKey{}).(*scriptling.Scriptling); ok {
			return mine.Clone()
		}
		return s.Clone()
	}}
}

// sharedKeyword is an argument of background itself, not of the handler.
const sharedKeyword = "shared"

func (s *starter) background(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
	if err := errors.MinArgs(args, 2); err != nil {
		return err
	}
	for _, arg := range args[:2] {
		if _, ok := arg.(*object.String); !ok {
			return errors.NewError("must be a string")
		}
	}
	name, handler := args[0].(*object.String).StringValue(), args[1].(*object.String).StringValue()
	shared, errObj := kwargs.GetBool(sharedKeyword, false)
	if errObj != nil {
		return errObj
	}
	keywords := make(map[string]object.Object, kwargs.Len())
	for name, arg := range kwargs.Kwargs {
		if name != sharedKeyword {
			keywords[name] = arg
		}
	}
	env := evaluator.GetEnvFromContext(ctx)
	library, function, dotted := strings.Cut(handler, ".")
	if !dotted {
		if err := checkHandler(env, handler); err != nil {
			return err
		}
	}
	positional := append([]object.Object(nil), args[2:]...)
	if shared && !dotted {
		fn, _ := env.Get(handler)
		return s.start(ctx, name, env, nil, func(ctx context.Context) object.Object {
			return evaluator.ApplyFunctionGIL(ctx, fn, positional, keywords, env)
		})
	}
	if err := transfer(positional, keywords); err != nil {
		return err
	}
	own := object.NewEnvironment()
	var importer *scriptling.Scriptling
	if s.importer != nil {
		importer = s.importer(ctx)
		own.SetImportCallback(func(name string) error { return importer.LoadLibraryIntoEnv(name, own) })
	}
	if dotted {
		return s.start(ctx, name, own, importer, func(ctx context.Context) object.Object {
			fn, err := libraryFunction(importer, own, library, function)
			if err != nil {
				return err
			}
			return evaluator.ApplyFunctionGIL(ctx, fn, positional, keywords, own)
		})
	}
	env.GetGlobal().SnapshotCallables().ApplySnapshot(own)
	fn, ok := own.Get(handler)
	if !ok { // a function of the calling function
		env.SnapshotCallables().ApplySnapshot(own)
		if fn, ok = own.Get(handler); !ok {
			return errors.NewError("function not found: %s", handler)
		}
	}
	return s.start(ctx, name, own, importer, func(ctx context.Context) object.Object {
		return evaluator.ApplyFunctionGIL(ctx, fn, positional, keywords, own)
	})
}

func checkHandler(env *object.Environment, handler string) object.Object {
	switch fn, ok := env.Get(handler); fn.(type) {
	case *object.Function, *object.LambdaFunction:
		return nil
	default:
		if !ok {
			return errors.NewError("function not found: %s", handler)
		}
		return errors.NewError("handler is not a function: %s (%T)", handler, fn)
	}
}

func libraryFunction(importer *scriptling.Scriptling, env *object.Environment, library, function string) (object.Object, object.Object) {
	if importer == nil {
		return nil, errors.NewError("cannot load library: no factory configured")
	}
	if err := importer.LoadLibraryIntoEnv(library, env); err != nil {
		return nil, errors.NewError("failed to load library %s: %s", library, err)
	}
	if lib, ok := env.Get(library); ok {
		if dict, ok := lib.(*object.Dict); ok {
			if pair, ok := dict.GetByString(function); ok {
				return pair.Value, nil
			}
		}
	}
	return nil, errors.NewError("function not found: %s.%s", library, function)
}

// start runs a task and returns its promise.
func (s *starter) start(ctx context.Context, name string, env *object.Environment, importer *scriptling.Scriptling, run func(context.Context) object.Object) object.Object {
	t := &task{done: make(chan struct{})}
	err := s.tasks.start(ctx, func(ctx context.Context) {
		ctx = evaluator.SetEnvInContext(ctx, env)
		ctx = evaluator.WithEvaluator(ctx)
		ctx = evaluator.ContextWithCallDepth(ctx, evaluator.DefaultMaxCallDepth)
		if importer != nil {
			ctx = context.WithValue(ctx, importerKey{}, importer)
		}
		defer close(t.done)
		defer func() { s.tasks.tell(ctx, name, t.result) }()
		defer func() {
			if p := recover(); p != nil {
				t.result = errors.NewError("panic: %v", p)
			}
		}()
		t.result = run(ctx)
	})
	if err != nil {
		return &object.Error{Message: err.Error(), ExceptionType: object.ExceptionTypeRuntimeError}
	}
	return t.promise()
}

// task is a background task; its result is set when done is closed.
type task struct {
	done   chan struct{}
	result object.Object
}

func (t *task) promise() *object.Builtin {
	return &object.Builtin{
		HelpText: "a background task; get() waits for its result, wait() for its end",
		Attributes: map[string]object.Object{
			"get": &object.Builtin{Fn: t.get, HelpText: "get() - Waits for the task and returns its result, or raises what it raised"},
			"wait": &object.Builtin{HelpText: "wait() - Waits for the task to end", Fn: func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
				if result := t.get(ctx, kwargs, args...); object.IsError(result) {
					return result
				}
				return &object.Null{}
			}},
		},
		Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return errors.NewTypeError("a call of get or wait", "a call of the promise")
		},
	}
}

func (t *task) get(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
	object.RunBlocking(ctx, func() {
		select {
		case <-t.done:
		case <-ctx.Done():
		}
	})
	select {
	case <-t.done:
	default:
		if context.Cause(ctx) == context.DeadlineExceeded {
			return errors.NewTimeoutError()
		}
		return errors.NewCancelledError()
	}
	switch result := t.result.(type) {
	case nil:
		return &object.Null{}
	case *object.Error:
		return errors.NewError("async error: %s", result.Message)
	default:
		return result
	}
}
