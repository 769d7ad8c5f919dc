package runtimelib

import (
	"context"
	"strings"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

const backgroundHelp = `background(name, handler, *args, **kwargs) -> promise
Runs the function called handler ("function" or "library.function") in a new goroutine, in an
environment with copies of this script's functions and imports, and of the arguments; the result is a
copy too. With shared=True it runs in this script's own environment. promise.get() waits for the result,
promise.wait() for the end. A task ends at the deadline of the script that started it.`

// starter starts the background tasks of one interpreter.
type starter struct {
	tasks *Tasks
	// importer makes an interpreter for a task's imports; nil: there is none.
	importer func(ctx context.Context) *scriptling.Scriptling
}

func newStarter(p object.LibraryRegistrar, tasks *Tasks, kv *object.Library) *starter {
	s, ok := p.(*scriptling.Scriptling)
	if !ok {
		return &starter{tasks: tasks}
	}
	return &starter{tasks: tasks, importer: func(ctx context.Context) *scriptling.Scriptling {
		from := s
		if task := taskOf(ctx); task != nil && task.importer != nil {
			from = task.importer // used by no other task
		}
		clone := from.Clone()
		Register(clone, tasks, kv)
		return clone
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
		// env is the scope of the calling function, which the interpreter empties
		// and uses for another call once this one has ended.
		global := env.GetGlobal()
		return s.start(ctx, name, global, nil, true, func(ctx context.Context) object.Object {
			return evaluator.ApplyFunctionGIL(ctx, fn, positional, keywords, global)
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
		return s.start(ctx, name, own, importer, false, func(ctx context.Context) object.Object {
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
			return errors.NewError("function not found: %s", shown(handler))
		}
	}
	if err := newIsolator(env.GetGlobal(), true).modules(own, env); err != nil {
		return errors.NewError("background: %s", err)
	}
	return s.start(ctx, name, own, importer, false, func(ctx context.Context) object.Object {
		return evaluator.ApplyFunctionGIL(ctx, fn, positional, keywords, own)
	})
}

func checkHandler(env *object.Environment, handler string) object.Object {
	switch fn, ok := env.Get(handler); fn.(type) {
	case *object.Function, *object.LambdaFunction:
		return nil
	default:
		if !ok {
			return errors.NewError("function not found: %s", shown(handler))
		}
		return errors.NewError("handler is not a function: %s (%T)", shown(handler), fn)
	}
}

func libraryFunction(importer *scriptling.Scriptling, env *object.Environment, library, function string) (object.Object, object.Object) {
	if importer == nil {
		return nil, errors.NewError("cannot load library: no factory configured")
	}
	if err := importer.LoadLibraryIntoEnv(library, env); err != nil {
		return nil, errors.NewError("failed to load library %s: %s", shown(library), err)
	}
	if lib, ok := env.Get(library); ok {
		if dict, ok := lib.(*object.Dict); ok {
			if pair, ok := dict.GetByString(function); ok {
				return pair.Value, nil
			}
		}
	}
	return nil, errors.NewError("function not found: %s.%s", shown(library), shown(function))
}

// start runs a task in env, shared with its starter or not, and returns its promise.
func (s *starter) start(ctx context.Context, name string, env *object.Environment, importer *scriptling.Scriptling, shared bool, run func(context.Context) object.Object) object.Object {
	t := &task{done: make(chan struct{}), shared: shared}
	file := evaluator.GetSourceFileFromContext(ctx)
	err := s.tasks.start(ctx, func(ctx *taskContext) {
		ctx.importer = importer
		defer close(t.done)
		defer func() { s.tasks.tell(ctx, name, t.result) }()
		defer func() {
			if p := recover(); p != nil {
				t.result = errors.NewError("panic: %v", p)
			}
		}()
		if t.result = ended(ctx); t.result == nil { // a short function would run to its end
			t.result = run(withInterpreter(ctx, env, file))
		}
		if !shared {
			t.result = isolated(env, t.result)
		}
	})
	switch {
	case err == nil:
		return t.promise()
	case ctx.Err() != nil:
		return ended(ctx)
	}
	return &object.Error{Message: err.Error(), ExceptionType: object.ExceptionTypeRuntimeError}
}

// ended returns the script's error of a context that has ended, else nil.
func ended(ctx context.Context) object.Object {
	switch {
	case ctx.Err() == nil:
		return nil
	case context.Cause(ctx) == context.DeadlineExceeded:
		return errors.NewTimeoutError()
	}
	return errors.NewCancelledError()
}

// isolated returns a copy of the result of a task that ran in env, which other tasks
// of env cannot write to.
func isolated(env *object.Environment, result object.Object) object.Object {
	if result == nil || object.IsError(result) || isFrozen(result) {
		return result
	}
	if env.EnterGIL() {
		defer env.ExitGIL()
	}
	copied, err := newIsolator(env.GetGlobal(), false).copy(result, 0)
	if err != nil {
		return errors.NewError("the result of a background task has %s; return values, such as a dict", err)
	}
	return copied
}

// task is a background task; its result is set when done is closed.
type task struct {
	done   chan struct{}
	result object.Object
	shared bool // its result is live
}

const (
	promiseHelp       = "a background task; get() waits for its result, wait() for its end"
	sharedPromiseHelp = "a background task in this script's own environment; get() waits for its result, wait() for its end"
)

func (t *task) promise() *object.Builtin {
	help := promiseHelp
	if t.shared {
		help = sharedPromiseHelp
	}
	return &object.Builtin{
		HelpText: help,
		Attributes: map[string]object.Object{
			"get": &object.Builtin{Fn: t.get, HelpText: "get() - Waits for the task and returns its result, or raises what it raised"},
			"wait": &object.Builtin{HelpText: "wait() - Waits for the task to end", Fn: func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
				if err := t.wait(ctx); err != nil {
					return err
				}
				if err, ok := t.result.(*object.Error); ok {
					return asyncError(err)
				}
				return &object.Null{}
			}},
		},
		Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return errors.NewTypeError("a call of get or wait", "a call of the promise")
		},
	}
}

// wait waits for the end of the task, or returns the error of ctx.
func (t *task) wait(ctx context.Context) object.Object {
	object.RunBlocking(ctx, func() {
		select {
		case <-t.done:
		case <-ctx.Done():
		}
	})
	select {
	case <-t.done:
		return nil
	default:
		return ended(ctx)
	}
}

func (t *task) get(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
	if err := t.wait(ctx); err != nil {
		return err
	}
	switch result := t.result.(type) {
	case nil:
		return &object.Null{}
	case *object.Error:
		return asyncError(result)
	default:
		if t.shared || isFrozen(result) {
			return result
		}
		// Several interpreters may hold the promise. Nothing writes to result.
		copied, err := newIsolator(nil, false).copy(result, 0)
		if err != nil {
			return errors.NewError("async error: %s", err)
		}
		return copied
	}
}

func asyncError(err *object.Error) object.Object {
	return errors.NewError("async error: %s", err.Message)
}

// shown is a name of a script's as errors quote it: short, and harmless to a terminal.
func shown(name string) string { return kverr.Printable(kverr.Shorten(name)) }
