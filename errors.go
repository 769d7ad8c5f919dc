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
	ErrType          = kverr.Type          // an argument or a value of a type that does not fit
	ErrInvalid       = kverr.Invalid       // right type, but out of range or malformed
	ErrTooLarge      = kverr.TooLarge      // a value over its limit of bytes or levels, or a call over MaxOperationBytes
	ErrOverflow      = kverr.Overflow      // incr left the range of int64
	ErrClosed        = kverr.Closed        // a call on a closed store or registry
	ErrInUse         = kverr.InUse         // another process, or another registry, has the file open
	ErrReplaced      = kverr.Replaced      // the file was deleted or moved under its store, or replaced by another
	ErrFull          = kverr.Full          // a limit of keys, bytes, open stores or created files, or the disk
	ErrCorrupt       = kverr.Corrupt       // a checksum or the file's structure does not hold, or its log is missing
	ErrFormat        = kverr.Format        // some other file, or one of a newer format
	ErrReadOnly      = kverr.ReadOnly      // a write without permission, to a store of ReadOnly, or to a replica
	ErrNotAllowed    = kverr.NotAllowed    // a path or URL outside those the host allows
	ErrConflict      = kverr.Conflict      // an update that lost every one of its races
	ErrUnavailable   = kverr.Unavailable   // the store could not be reached: certainly not done
	ErrCommitUnknown = kverr.CommitUnknown // the wait for a write ended before its commit, or its last sync failed: it may be stored, or may yet be
)

// callError is the error of a call that has a name, such as "get". Its text is made when
// it is asked for: most callers only want to know what the error is.
type callError struct {
	call string
	err  error
}

func (e *callError) Error() string { return "kv." + e.call + ": " + e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// inCall returns err with the name of a call.
func inCall(call string, err error) error {
	if err == nil {
		return nil
	}
	return &callError{call, err}
}

// storeError is an error of a store. Its text names the store as the host knows it; text
// is for scripts, which can know it by another name and must not learn the host's.
type storeError struct {
	store, key string // key "": the error is not about one
	err        error
}

// Errors of a closed store; their texts follow its name.
var (
	errClosed   = kverr.Errorf(ErrClosed, "is closed; call kv.open again")
	errReplaced = kverr.Errorf(ErrClosed, "is closed, another one is the default store now; ask the registry for it")
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
