package extlibs

import (
	"errors"
	"fmt"
)

// What a failed call was about, for errors.Is. The error itself says which call,
// store and key, and what to do; it never contains a stored value.
//
// Scripts see ErrType as TypeError, ErrInvalid, ErrTooLarge and ErrOverflow as
// ValueError, ErrNotAllowed as PermissionError, ErrClosed as RuntimeError and
// everything else as OSError. ErrNotFound never reaches a script.
var (
	ErrNotFound   = errors.New("no such key")                  // the key is absent or expired
	ErrType       = errors.New("wrong type")                   // an argument or a value of a type that does not fit
	ErrInvalid    = errors.New("invalid argument")             // right type, but out of range or malformed
	ErrTooLarge   = errors.New("value is too large")           // a value over its limit of bytes or levels
	ErrOverflow   = errors.New("integer overflow")             // incr left the range of int64
	ErrClosed     = errors.New("store is closed")              // a call on a closed store or registry
	ErrInUse      = errors.New("file is in use")               // another process holds the file
	ErrFull       = errors.New("store is full")                // a limit of keys, bytes or open stores, or the disk
	ErrCorrupt    = errors.New("file is damaged")              // a checksum or the file's structure does not hold
	ErrFormat     = errors.New("not a kv file")                // some other file, or one of a newer format
	ErrReadOnly   = errors.New("file is read-only")            // a write to a file or folder without permission
	ErrNotAllowed = errors.New("not allowed by the host")      // a path or URL outside those the host allows
	ErrConflict   = errors.New("key changed too often")        // an update that lost every one of its races
	ErrUnknown    = errors.New("unknown whether it is stored") // the wait for a write ended before its commit
)

// failure is an error that is one of the kinds above without repeating its
// text, and keeps the error that caused it.
type failure struct {
	kind  error
	msg   string
	cause error
}

func (f *failure) Error() string { return f.msg }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// failf makes an error of a kind; %w in format marks its cause.
func failf(kind error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{kind: kind, msg: err.Error(), cause: errors.Unwrap(err)}
}
