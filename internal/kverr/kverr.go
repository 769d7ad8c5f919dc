// Package kverr defines the sentinel errors that callers of the store branch on, and the
// constructor of errors that wrap one. The root package exports the sentinels under its
// own names and documents them.
package kverr

//lint:file-ignore ST1012 the package's name says that these are errors

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The sentinel errors, for errors.Is.
var (
	NotFound      = errors.New("no such key")
	Type          = errors.New("wrong type")
	Invalid       = errors.New("invalid argument")
	TooLarge      = errors.New("value is too large")
	Overflow      = errors.New("integer overflow")
	Closed        = errors.New("store is closed")
	InUse         = errors.New("file is in use")
	Replaced      = errors.New("file was replaced or deleted")
	Full          = errors.New("store is full")
	Corrupt       = errors.New("file is damaged")
	Format        = errors.New("not a kv file")
	ReadOnly      = errors.New("file is read-only")
	NotAllowed    = errors.New("not allowed by the host")
	Conflict      = errors.New("key changed too often")
	Unavailable   = errors.New("store is unreachable, nothing was done")
	CommitUnknown = errors.New("outcome of the write is unknown")
)

// Error wraps a sentinel error without repeating its text, and optionally a cause.
type Error struct {
	Kind  error
	Msg   string
	Cause error // may be nil
}

func (e *Error) Error() string { return e.Msg }

// Unwrap returns the sentinel and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// Errorf returns an error that wraps the sentinel kind; %w in format marks its cause. The
// message leaves out paths of operating system errors among args: see WithoutPath.
func Errorf(kind error, format string, args ...any) error {
	for i := range args {
		if err, ok := args[i].(error); ok {
			args[i] = WithoutPath(err)
		}
	}
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Msg: err.Error(), Cause: errors.Unwrap(err)}
}

// Limits of what a message quotes of an input.
const (
	maxShownRunes = 40
	maxShownBytes = 120
)

// Shorten truncates a text for a message: messages quote at most 128 bytes of any input.
func Shorten(s string) string {
	runes := 0
	for i := range s {
		if runes == maxShownRunes || i > maxShownBytes-utf8.UTFMax {
			return s[:i] + "..."
		}
		runes++
	}
	return s
}
