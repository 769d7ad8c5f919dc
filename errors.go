package extlibs

import (
	"fmt"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// What a failed call was about, for errors.Is. The error itself says which call,
// store and key, and what to do; it never contains a stored value.
//
// Scripts see ErrType as TypeError; ErrInvalid, ErrTooLarge and ErrOverflow as
// ValueError; ErrNotAllowed as PermissionError; ErrClosed, ErrConflict, functions
// nested too deep and the end of a context as RuntimeError; everything else as
// OSError. ErrNotFound never reaches a script.
var (
	ErrNotFound      = kverr.NotFound      // the key is absent or expired
	ErrType          = kverr.Type          // an argument or a value has the wrong type
	ErrInvalid       = kverr.Invalid       // the type is right, but the value is out of range or malformed
	ErrTooLarge      = kverr.TooLarge      // a value exceeds its limit of bytes or levels, or a call exceeds MaxOperationBytes
	ErrOverflow      = kverr.Overflow      // the sum is outside int64
	ErrClosed        = kverr.Closed        // the store or the registry is closed
	ErrInUse         = kverr.InUse         // another process, or another registry, has the file open
	ErrReplaced      = kverr.Replaced      // the file was deleted or moved under its store, or replaced by another
	ErrFull          = kverr.Full          // a limit of keys, bytes, open stores or created files is reached, or the disk is full
	ErrCorrupt       = kverr.Corrupt       // a checksum or the structure of the file is wrong, or its log is missing
	ErrFormat        = kverr.Format        // the file is not a store, or has a newer format
	ErrReadOnly      = kverr.ReadOnly      // a write without permission, to a read-only store, or to a replica
	ErrNotAllowed    = kverr.NotAllowed    // the host does not allow the path or URL
	ErrConflict      = kverr.Conflict      // a condition (Op.Must) does not hold, or update gave up after too many concurrent modifications
	ErrUnavailable   = kverr.Unavailable   // the store could not be reached; nothing was done
	ErrCommitUnknown = kverr.CommitUnknown // the outcome of the write is unknown: the context ended while it was in flight, or the final sync failed
)

// callError adds the name of a call, such as "get", to an error. Its text is built only when it
// is needed: most callers only use errors.Is.
type callError struct {
	call string
	err  error
}

func (e *callError) Error() string { return "kv." + e.call + ": " + e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// inCall adds the name of a call to err. It returns nil if err is nil.
func inCall(call string, err error) error {
	if err == nil {
		return nil
	}
	return &callError{call, err}
}

// storeError is an error of a store. Error shows the host's name of the store. Scripts get text
// with the name that they use, because the host's name can be a path that they must not learn.
type storeError struct {
	store, key string // key "": the error is not about a key
	err        error
}

// Errors of a closed store; their texts follow its name.
var (
	errClosed   = kverr.Errorf(ErrClosed, "is closed; call kv.open again")
	errReplaced = kverr.Errorf(ErrClosed, "is closed, because the host opened another default store; use Registry.Default")
)

func (e *storeError) Error() string { return e.text(e.store) }
func (e *storeError) Unwrap() error { return e.err }

func (e *storeError) text(store string) string {
	store = kverr.ShortenName(store)
	switch {
	case e.err == errClosed, e.err == errReplaced:
		return fmt.Sprintf("store %q %v", store, e.err)
	case e.err == ErrNotFound:
		return fmt.Sprintf("store %q has no key %q", store, shorten(e.key))
	case e.key == "":
		return fmt.Sprintf("store %q: %v", store, e.err)
	}
	return fmt.Sprintf("store %q, key %q: %v", store, shorten(e.key), e.err)
}
