package extlibs

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/paularlott/scriptling/object"
)

// toScript makes the script's error of a Go error. It is a new object each time,
// because the interpreter writes line numbers into it.
func toScript(call string, err error) object.Object {
	var r *scriptRaise
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
	case errors.Is(err, ErrClosed), errors.Is(err, ErrConflict), errors.Is(err, errNesting),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return object.ExceptionTypeRuntimeError
	}
	return object.ExceptionTypeOSError
}

var errNesting = errors.New("callbacks are nested too deeply")

// scriptRaise carries a script's own exception or error through Go code, for the
// script to get it back as it was.
type scriptRaise struct{ obj object.Object }

func (r *scriptRaise) Error() string { return "a script raised" }

// renamed is an error whose text has the name that a script gave a store in the
// place of the store's own, which may be a path of the host or an address.
func renamed(err error, own, given string) error {
	if own == given || own == "" {
		return err
	}
	text := err.Error()
	shown := strings.ReplaceAll(strings.ReplaceAll(text, strconv.Quote(own), strconv.Quote(given)), own, given)
	if shown == text {
		return err
	}
	return &renamedError{shown, err}
}

type renamedError struct {
	text string
	err  error
}

func (e *renamedError) Error() string { return e.text }

func (e *renamedError) Unwrap() error { return e.err }
