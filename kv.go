package extlibs

import (
	"context"
	"errors"
	"sync"

	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// RuntimeKVLibraryName is the name under which scripts import the library.
const RuntimeKVLibraryName = "scriptling.runtime.kv"

const libraryDoc = `Key-value stores that share state between requests and background tasks.

kv.default is the host's store; kv.open(name) opens or reuses another one:
":memory:name" in this process, or the path of a file. Every store has the same
methods; help(kv.default.set) and so on describe them. Values are None, bool,
int, float, str, bytes, list, tuple, set and dict; what a store returns is a copy.`

// newLibrary makes the library over a registry. Scripts that import it may open
// what a allows.
func (r *Registry) newLibrary(a *access) *object.Library {
	open := &object.Builtin{HelpText: openCall.helpText(), Fn: func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
		bound, err := openCall.bind(kwargs.Kwargs, args)
		if err != nil {
			return toScript(openCall.name, err)
		}
		name, err := textArg("name", bound[0], "")
		if err != nil {
			return toScript(openCall.name, err)
		}
		h, err := r.openFromScript(ctx, name, a)
		if err != nil {
			return toScript(openCall.name, err)
		}
		return h.face()
	}}
	return object.NewLibrary(RuntimeKVLibraryName,
		map[string]*object.Builtin{"open": open},
		map[string]object.Object{"default": r.defaultFace()},
		libraryDoc)
}

// openFromScript lets other threads of the interpreter run while a file is
// opened.
func (r *Registry) openFromScript(ctx context.Context, name string, a *access) (*Handle, error) {
	if isMemoryName(name) {
		return r.open(ctx, name, a)
	}
	return released(ctx, func() (*Handle, error) { return r.open(ctx, name, a) })
}

// newFace makes the object that scripts see as a store. Each of its calls asks
// store for the handle, so that kv.default follows a later Init.
func newFace(store func() *Handle) *object.Builtin {
	methods := make(map[string]object.Object, len(calls))
	for i := range calls {
		c := &calls[i]
		methods[c.name] = &object.Builtin{HelpText: c.helpText(), Fn: func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
			bound, err := c.bind(kwargs.Kwargs, args)
			if err != nil {
				return toScript(c.name, err)
			}
			for {
				h := store()
				result, err := c.run(ctx, h, bound)
				switch {
				case err == nil:
					return result
				case errors.Is(err, ErrClosed) && store() != h:
					continue // the default store was replaced on the way
				}
				return toScript(c.name, err)
			}
		}}
	}
	return &object.Builtin{
		HelpText:   "a key-value store; its calls are " + callNames(),
		Attributes: methods,
		Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return toScript("store", kverr.Errorf(ErrType, "a store cannot be called; use its methods, such as get(key)"))
		},
	}
}

func (r *Registry) defaultFace() *object.Builtin {
	r.faceOnce.Do(func() { r.face = newFace(r.Default) })
	return r.face
}

func faceOf(h *Handle) func() *object.Builtin {
	return sync.OnceValue(func() *object.Builtin {
		return newFace(func() *Handle { return h })
	})
}

// toScript makes the script's error of a Go error. It is a new object each time,
// because the interpreter writes line numbers into it.
func toScript(call string, err error) object.Object {
	var r *raised
	if errors.As(err, &r) {
		return r.obj
	}
	return &object.Error{Message: "kv." + call + ": " + err.Error(), ExceptionType: exceptionType(err)}
}

func exceptionType(err error) string {
	switch {
	case errors.Is(err, ErrNotAllowed):
		return object.ExceptionTypePermissionError
	case errors.Is(err, ErrType):
		return object.ExceptionTypeTypeError
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrTooLarge), errors.Is(err, ErrOverflow):
		return object.ExceptionTypeValueError
	case errors.Is(err, ErrClosed), errors.Is(err, ErrConflict),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return object.ExceptionTypeRuntimeError
	}
	return object.ExceptionTypeOSError
}

// callBack runs a script's function. The interpreter lock is held, no store is.
func callBack(ctx context.Context, fn object.Object, args ...object.Object) (object.Object, error) {
	eval := evaliface.FromContext(ctx)
	if eval == nil {
		return nil, kverr.Errorf(ErrType, "fn needs an interpreter to run in, and this call came without one")
	}
	result := eval.CallObjectFunction(ctx, fn, args, nil, evaluator.GetEnvFromContext(ctx))
	switch result.(type) {
	case *object.Error, *object.Exception:
		return nil, &raised{result}
	case nil:
		return none, nil
	}
	return result, nil
}
