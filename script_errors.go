package extlibs

import (
	"context"
	"errors"

	"github.com/paularlott/scriptling/object"
)

// toScript converts a Go error to an error of the interpreter. It returns a new object each
// time, because the interpreter writes line numbers into it.
func toScript(call string, err error) object.Object { return storeToScript(call, "", err) }

// storeToScript is toScript for a call on a store. The error shows the name that the script
// uses, and not the host's path or address.
func storeToScript(call, name string, err error) object.Object {
	var r *scriptRaise
	if errors.As(err, &r) {
		return r.obj
	}
	text := err.Error()
	if e, ok := err.(*storeError); ok && name != "" { // the calls return it as the outermost error
		text = e.text(name)
	}
	return &object.Error{Message: "kv." + call + ": " + text, ExceptionType: exceptionType(err)}
}

func exceptionType(err error) string {
	switch {
	case errors.Is(err, ErrNotAllowed):
		return object.ExceptionTypePermissionError
	case errors.Is(err, ErrType):
		return object.ExceptionTypeTypeError
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrTooLarge), errors.Is(err, ErrOverflow):
		return object.ExceptionTypeValueError
	case errors.Is(err, ErrClosed), errors.Is(err, ErrConflict), errors.Is(err, errNesting),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return object.ExceptionTypeRuntimeError
	}
	return object.ExceptionTypeOSError
}

var errNesting = errors.New("callbacks are nested too deeply")

// scriptRaise carries an exception or error of a script through Go code, so that the script
// gets it back unchanged.
type scriptRaise struct{ obj object.Object }

func (r *scriptRaise) Error() string { return "a script raised" }
