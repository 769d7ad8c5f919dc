// Package errors makes the error objects that Go functions return to scripts.
package errors

import (
	"fmt"

	"github.com/paularlott/scriptling/object"
)

// Texts of common errors, as far as they are fixed.
const (
	ErrTimeout            = "execution timeout"
	ErrCancelled          = "execution cancelled"
	ErrDivisionByZero     = "division by zero"
	ErrIndexOutOfRange    = "index out of range"
	ErrKeyNotFound        = "key not found"
	ErrTypeError          = "type error"
	ErrArgumentError      = "argument error"
	ErrIdentifierNotFound = "identifier not found"
	ErrUnknownOperator    = "unknown operator"
	ErrImportError        = "import error"
	ErrCallDepthExceeded  = "call depth exceeded"
	ErrPanic              = "script panic"
)

// NewError makes an error without an exception type; scripts infer one from
// the text.
func NewError(format string, args ...interface{}) *object.Error {
	return &object.Error{Message: fmt.Sprintf(format, args...)}
}

// NewValueError makes an error that "except ValueError" catches.
func NewValueError(format string, args ...interface{}) *object.Error {
	return &object.Error{
		Message:       fmt.Sprintf(format, args...),
		ExceptionType: object.ExceptionTypeValueError,
	}
}

// NewZeroDivisionError makes the error of a division by zero.
func NewZeroDivisionError() *object.Error {
	return &object.Error{
		Message:       ErrDivisionByZero,
		ExceptionType: object.ExceptionTypeZeroDivisionError,
	}
}

// NewTypeError reports a value of a wrong type.
func NewTypeError(expected, got string) *object.Error {
	return NewError("%s: expected %s, got %s", ErrTypeError, expected, got)
}

// NewArgumentError reports a wrong number of arguments.
func NewArgumentError(got, want int) *object.Error {
	return NewError("%s: got %d arguments, want %d", ErrArgumentError, got, want)
}

// NewIdentifierError reports an unknown name.
func NewIdentifierError(name string) *object.Error {
	return NewError("%s: %s", ErrIdentifierNotFound, name)
}

// NewTimeoutError reports that the deadline of the context has passed.
func NewTimeoutError() *object.Error { return NewError(ErrTimeout) }

// NewCancelledError reports that the context was cancelled.
func NewCancelledError() *object.Error { return NewError(ErrCancelled) }

// NewCallDepthExceededError reports too many nested calls.
func NewCallDepthExceededError(max int) *object.Error {
	return NewError("%s: maximum depth is %d", ErrCallDepthExceeded, max)
}

// NewPanicError reports a recovered Go panic.
func NewPanicError(v interface{}) *object.Error {
	return NewError("%s: %v", ErrPanic, v)
}

// NewPermissionError makes an exception that no except clause catches.
func NewPermissionError(format string, args ...interface{}) *object.Exception {
	return &object.Exception{
		Message:       fmt.Sprintf(format, args...),
		ExceptionType: object.ExceptionTypePermissionError,
	}
}

// ParameterError prefixes the message of err, which must be an error object,
// with the name of a parameter.
func ParameterError(name string, err object.Object) object.Object {
	if e, ok := err.(*object.Error); ok {
		return NewError("%s: %s", name, e.Message)
	}
	return err
}
