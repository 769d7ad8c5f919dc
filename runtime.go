package extlibs

import (
	"context"
	"strings"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// RuntimeLibraryName is the name under which scripts import background.
const RuntimeLibraryName = "scriptling.runtime"

// RegisterRuntimeLibraryAll registers scriptling.runtime, which starts
// background tasks, with its parts scriptling.runtime.http and
// scriptling.runtime.kv. allowedPaths restricts kv as in
// RegisterRuntimeKVLibraryWithSecurity.
//
// Where p is a *scriptling.Scriptling, background tasks import libraries
// through a Clone of it; with another registrar they have those that the caller
// of background had imported.
func RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	standard.RegisterRuntimeLibraryAll(p, allowedPaths)
}

// RegisterRuntimeLibraryAll is the function of that name for the stores of r.
func (r *Registry) RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	kv := r.newLibrary(newAccess(allowedPaths))
	http := newHTTPLibrary()
	p.RegisterLibrary(http)
	p.RegisterLibrary(kv)
	// The parent's entries win over libraries of that name, so they must be the
	// same ones.
	p.RegisterLibrary(object.NewLibrary(RuntimeLibraryName,
		map[string]*object.Builtin{"background": {Fn: tasksOf(p).background, HelpText: backgroundHelp}},
		map[string]object.Object{"http": http.GetDict(), "kv": kv.GetDict()},
		"Background tasks, and the parts http (responses) and kv (shared state)."))
}

// WithKV returns a registrar that passes libraries on to p, but puts this kv in
// place of Scriptling's own: under scriptling.runtime.kv and as the kv of
// scriptling.runtime. It is for hosts that use Scriptling's own runtime:
//
//	runtime.RegisterRuntimeLibraryAll(extlibs.WithKV(p), nil)
func WithKV(p object.LibraryRegistrar) object.LibraryRegistrar { return standard.WithKV(p, nil) }

// WithKV is the function of that name for the stores of r, with allowedPaths as
// in RegisterRuntimeKVLibraryWithSecurity.
func (r *Registry) WithKV(p object.LibraryRegistrar, allowedPaths []string) object.LibraryRegistrar {
	return &kvRegistrar{p, r.newLibrary(newAccess(allowedPaths))}
}

type kvRegistrar struct {
	object.LibraryRegistrar
	kv *object.Library
}

func (k *kvRegistrar) RegisterLibrary(lib *object.Library) {
	switch lib.Name() {
	case RuntimeKVLibraryName:
		lib = k.kv
	case RuntimeLibraryName:
		if constants := lib.Constants(); constants != nil {
			constants["kv"] = k.kv.GetDict()
		}
	}
	k.LibraryRegistrar.RegisterLibrary(lib)
}

const backgroundHelp = `background(name, handler, *args, **kwargs) -> promise
Runs the function called handler ("function" or "library.function") in a goroutine of its own, in an
environment with copies of this script's functions and imports, and of the arguments. With shared=True
it runs in this script's own environment. promise.get() waits for the result, promise.wait() for the end.`

// tasks starts background tasks.
type tasks struct {
	// importer makes an interpreter for a task's imports; nil: there is none.
	importer func(ctx context.Context) *scriptling.Scriptling
}

// importerKey is where the context of a task holds its own interpreter. A task
// that starts a task clones that one, because only the task itself uses it.
type importerKey struct{}

func tasksOf(p object.LibraryRegistrar) *tasks {
	s, ok := p.(*scriptling.Scriptling)
	if !ok {
		return &tasks{}
	}
	return &tasks{importer: func(ctx context.Context) *scriptling.Scriptling {
		if mine, ok := ctx.Value(importerKey{}).(*scriptling.Scriptling); ok {
			return mine.Clone()
		}
		return s.Clone()
	}}
}

// sharedKeyword is an argument of background itself, not of the handler.
const sharedKeyword = "shared"

func (t *tasks) background(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
	if err := errors.MinArgs(args, 2); err != nil {
		return err
	}
	for _, arg := range args[:2] {
		if _, ok := arg.(*object.String); !ok {
			return errors.NewError("must be a string")
		}
	}
	handler := args[1].(*object.String).StringValue()
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
		return start(ctx, env, nil, func(ctx context.Context) object.Object {
			return evaluator.ApplyFunctionGIL(ctx, fn, positional, keywords, env)
		})
	}
	if err := transfer(positional, keywords); err != nil {
		return err
	}
	own := object.NewEnvironment()
	var importer *scriptling.Scriptling
	if t.importer != nil {
		importer = t.importer(ctx)
		own.SetImportCallback(func(name string) error { return importer.LoadLibraryIntoEnv(name, own) })
	}
	if dotted {
		return start(ctx, own, importer, func(ctx context.Context) object.Object {
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
	return start(ctx, own, importer, func(ctx context.Context) object.Object {
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

// transfer replaces the arguments of an isolated task by copies.
func transfer(positional []object.Object, keywords map[string]object.Object) object.Object {
	for i, arg := range positional {
		if err := object.ValidateTransferable(arg); err != nil {
			return errors.NewError("background arg %d: %s", i, err)
		}
		positional[i] = object.CloneObject(arg)
	}
	for name, arg := range keywords {
		if err := object.ValidateTransferable(arg); err != nil {
			return errors.NewError("background kwarg '%s': %s", name, err)
		}
		keywords[name] = object.CloneObject(arg)
	}
	return nil
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

// start runs a task in a goroutine of its own and returns its promise. The task
// outlives the call that started it, so it does not end with the caller's
// context, but it keeps that context's values.
func start(ctx context.Context, env *object.Environment, importer *scriptling.Scriptling, run func(context.Context) object.Object) object.Object {
	ctx = context.WithoutCancel(ctx)
	ctx = evaluator.SetEnvInContext(ctx, env)
	ctx = evaluator.WithEvaluator(ctx)
	ctx = evaluator.ContextWithCallDepth(ctx, evaluator.DefaultMaxCallDepth)
	if importer != nil {
		ctx = context.WithValue(ctx, importerKey{}, importer)
	}
	t := &task{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		defer func() {
			if p := recover(); p != nil {
				t.result = errors.NewError("panic: %v", p)
			}
		}()
		t.result = run(ctx)
	}()
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
				return none
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
		return none
	case *object.Error:
		return errors.NewError("async error: %s", result.Message)
	default:
		return result
	}
}
