package eval

import (
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func (f *frame) try(s *ast.Try) (object.Object, signal) {
	v, sig := f.block(s.Body)
	switch sig {
	case sigFail:
		if h := handlerOf(s.Handlers, v); h != nil {
			v, sig = f.handle(h, v)
		}
	case sigNone:
		if s.Else != nil {
			v, sig = f.block(s.Else)
		}
	}
	if !s.HasFinally {
		return v, sig
	}
	fv, fsig := f.block(s.Finally)
	switch fsig {
	case sigReturn:
		// A return replaces the result but does not leave the function.
		return fv, sigNone
	case sigBreak, sigContinue:
		return fv, fsig
	}
	// What fails in finally is dropped.
	return v, sig
}

func handlerOf(handlers []ast.Except, v object.Object) *ast.Except {
	if uncatchable(v) {
		return nil
	}
	kind := exceptionType(v)
	for i := range handlers {
		names := handlers[i].Names
		if len(names) == 0 {
			return &handlers[i]
		}
		for _, name := range names {
			if name == object.ExceptionTypeException || name == kind {
				return &handlers[i]
			}
		}
	}
	return nil
}

func uncatchable(v object.Object) bool {
	exc, ok := v.(*object.Exception)
	return ok && (exc.IsSystemExit() || exc.IsPermissionError())
}

// handle runs an except clause. Its value is None: only an undisturbed try
// statement has a value.
func (f *frame) handle(h *ast.Except, v object.Object) (object.Object, signal) {
	outer := f.m.active
	f.m.active = v
	defer func() { f.m.active = outer }()
	if h.As != "" {
		f.env.Set(h.As, asException(v))
	}
	result, sig := f.block(h.Body)
	if sig == sigNone {
		return null, sig
	}
	return result, sig
}

// asException returns what a script sees of a failure.
func asException(v object.Object) object.Object {
	if err, ok := v.(*object.Error); ok {
		return &object.Exception{Message: err.Message, ExceptionType: exceptionType(err)}
	}
	return v
}

// exceptionType is the name by which except clauses know a failure. Errors
// without a type get one from their text.
func exceptionType(v object.Object) string {
	switch v := v.(type) {
	case *object.Exception:
		return v.ExceptionType
	case *object.Error:
		if v.ExceptionType != "" {
			return v.ExceptionType
		}
		return inferType(v.Message)
	}
	return ""
}

func inferType(message string) string {
	has := func(part string) bool { return strings.Contains(message, part) }
	switch {
	case strings.HasPrefix(message, errors.ErrTypeError+":"), has("type mismatch"):
		return object.ExceptionTypeTypeError
	case has("value error"), has("invalid value"):
		return object.ExceptionTypeValueError
	case has(errors.ErrIdentifierNotFound), has("name") && has("not defined"):
		return object.ExceptionTypeNameError
	case strings.HasPrefix(message, errors.ErrImportError):
		return object.ExceptionTypeImportError
	}
	return object.ExceptionTypeException
}

// raise returns the failure a raise statement causes.
func (f *frame) raise(s *ast.Raise) object.Object {
	if s.Value == nil {
		if f.m.active == nil {
			return errors.NewError("No active exception to re-raise")
		}
		return f.m.active
	}
	v := f.eval(s.Value)
	if failure(v) == nil {
		return errors.NewError("exceptions must derive from BaseException")
	}
	return v
}

func (f *frame) with(s *ast.With) (object.Object, signal) {
	manager := f.eval(s.Value)
	if isError(manager) {
		return manager, sigFail
	}
	inst, ok := manager.(*object.Instance)
	if !ok || !hasSpecial(inst, "__enter__") || !hasSpecial(inst, "__exit__") {
		return errors.NewError("with statement requires an object with __enter__ and __exit__ methods"), sigFail
	}
	entered, _ := f.callSpecial(inst, "__enter__")
	if failure(entered) != nil {
		return entered, sigFail
	}
	if s.As != "" {
		f.env.Set(s.As, entered)
	}
	v, sig := f.block(s.Body)
	kind, message := exitArguments(v, sig)
	exited, _ := f.callSpecial(inst, "__exit__", kind, message, null)
	if failure(exited) != nil {
		return exited, sigFail
	}
	if sig == sigFail && !uncatchable(v) {
		suppress, err := f.truth(exited)
		if err != nil {
			return err, sigFail
		}
		if suppress {
			return null, sigNone
		}
	}
	return v, sig
}

// exitArguments are the type and the message that __exit__ is told.
func exitArguments(v object.Object, sig signal) (kind, message object.Object) {
	if sig == sigFail {
		switch v := v.(type) {
		case *object.Exception:
			return object.NewString(v.ExceptionType), object.NewString(v.Message)
		case *object.Error:
			return object.NewString(object.ExceptionTypeException), object.NewString(v.Message)
		}
	}
	return null, null
}
