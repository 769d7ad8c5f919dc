package object

import (
	"strconv"
	"strings"
)

// The exception types.
const (
	ExceptionTypeSystemExit        = "SystemExit"
	ExceptionTypePermissionError   = "PermissionError"
	ExceptionTypeException         = "Exception"
	ExceptionTypeValueError        = "ValueError"
	ExceptionTypeTypeError         = "TypeError"
	ExceptionTypeNameError         = "NameError"
	ExceptionTypeImportError       = "ImportError"
	ExceptionTypeStopIteration     = "StopIteration"
	ExceptionTypeRuntimeError      = "RuntimeError"
	ExceptionTypeZeroDivisionError = "ZeroDivisionError"
	ExceptionTypeIndexError        = "IndexError"
	ExceptionTypeKeyError          = "KeyError"
	ExceptionTypeAttributeError    = "AttributeError"
	ExceptionTypeOSError           = "OSError"
	ExceptionTypeGeneric           = ""
)

// Error is a runtime error. It stops every enclosing expression until an
// except clause catches it. Line is 0 until the evaluator fills it in.
type Error struct {
	refusals
	Message       string
	Line          int
	File          string
	Function      string
	ExceptionType string
}

func (e *Error) Type() ObjectType { return ERROR_OBJ }

// Inspect returns the message and what is known about where it arose.
func (e *Error) Inspect() string {
	var b strings.Builder
	b.WriteString("ERROR: " + e.Message)
	if e.Function != "" {
		b.WriteString(" in function '" + e.Function + "'")
	}
	if e.File != "" {
		b.WriteString(" in " + e.File)
	}
	if e.Line > 0 {
		b.WriteString(" at line " + strconv.Itoa(e.Line))
	}
	return b.String()
}

func (e *Error) AsString() (string, Object)     { return e.Message, nil }
func (e *Error) AsBool() (bool, Object)         { return false, nil }
func (e *Error) CoerceString() (string, Object) { return e.Inspect(), nil }

// Exception is a raised exception. It is a value inside expressions and continues
// to the next except clause when it is the value of a whole statement.
type Exception struct {
	refusals
	Message       string
	ExceptionType string
	Code          int
}

// NewSystemExit returns the exception that ends a script with an exit code.
func NewSystemExit(code int, message string) *Exception {
	if message == "" {
		message = "SystemExit: " + strconv.Itoa(code)
	}
	return &Exception{Message: message, ExceptionType: ExceptionTypeSystemExit, Code: code}
}

// IsSystemExit reports whether the exception ends the script.
func (e *Exception) IsSystemExit() bool { return e.ExceptionType == ExceptionTypeSystemExit }

// IsPermissionError reports whether the exception is a refusal that scripts
// cannot catch.
func (e *Exception) IsPermissionError() bool { return e.ExceptionType == ExceptionTypePermissionError }

// GetExitCode returns the exit code of a SystemExit.
func (e *Exception) GetExitCode() int { return e.Code }

func (e *Exception) Type() ObjectType               { return EXCEPTION_OBJ }
func (e *Exception) Inspect() string                { return "EXCEPTION: " + e.Message }
func (e *Exception) AsString() (string, Object)     { return e.Message, nil }
func (e *Exception) AsBool() (bool, Object)         { return false, nil }
func (e *Exception) CoerceString() (string, Object) { return e.Inspect(), nil }

// IsError reports whether obj is an *Error.
func IsError(obj Object) bool {
	_, ok := obj.(*Error)
	return ok
}

// AsErrorObj returns obj as an *Error.
func AsErrorObj(obj Object) (*Error, bool) {
	e, ok := obj.(*Error)
	return e, ok
}

// AsException returns obj as an *Exception.
func AsException(obj Object) (*Exception, bool) {
	e, ok := obj.(*Exception)
	return e, ok
}

// AsError returns the message of an *Error, and "" for anything else.
func AsError(obj Object) string {
	if e, ok := obj.(*Error); ok {
		return e.Message
	}
	return ""
}
