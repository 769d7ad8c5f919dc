package extlibs

import (
	"context"
	"io"
	"os"
	"time"
)

// Store is the interface of backends. It is small: Handle derives all other calls from it. It
// uses encoded values, so a backend neither copies nor interprets them; and it is batched,
// paged and conditional, so a backend can be at the far end of a network.
//
// All methods are safe for concurrent use, and each is linearizable. Methods that wait obey
// ctx. After Close, every method except Close returns ErrClosed. A call that fails changes
// nothing, unless its error is ErrCommitUnknown. An expired key is absent for every method
// from its deadline on.
//
// Optional capabilities of a backend are StatsReporter, Backuper, Compacter, FileHolder,
// FirstPopper and Watcher. A Handle detects them; without one, the calls that need it return
// errors.ErrUnsupported, except that PopFirst reads pages and waiting calls poll. Package
// storetest tests a Store.
type Store interface {
	// Load returns the entry of a live key, or ErrNotFound.
	Load(ctx context.Context, key string, need Need) (Entry, error)

	// LoadMany returns the entries of the live keys among keys, in the order of keys.
	LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error)

	// Apply carries out one operation.
	Apply(ctx context.Context, op Op) (Result, error)

	// ApplyMany carries out operations in order: all of them or, if it returns an error, none.
	// No call sees only some of them done. An operation whose condition does not hold is not
	// an error; its Result has Applied == false. With Op.Must it is ErrConflict.
	ApplyMany(ctx context.Context, ops []Op) ([]Result, error)

	// Scan returns one page of live entries in the order of their keys' bytes, or in the
	// opposite order. A page is a consistent view; several pages are not.
	Scan(ctx context.Context, r Range) (Page, error)

	// Len returns the number of live keys, without walking them.
	Len(ctx context.Context) (int, error)

	// Clear removes all keys at once.
	Clear(ctx context.Context) error

	// Close releases the store and waits for its own goroutines. Closing twice
	// is no error.
	Close() error
}

// Need says which parts of an entry a reader wants, so that a backend need not send the
// others. 0 means the key alone. An entry can contain more than was requested.
type Need uint8

// What an entry has besides its key.
const (
	NeedValue Need = 1 << iota // Entry.Value
	NeedTTL                    // Entry.TTL

	NeedAll = NeedValue | NeedTTL
)

// Entry is a key with its value at the time of the read.
type Entry struct {
	Key   string
	Value Value
	TTL   time.Duration // remaining ttl; 0: no expiry
}

// Page is a part of a Range. A backend can end a page anywhere, even before the first
// match; it then sets More, and Range.Resume(Next) selects the rest.
type Page struct {
	Entries []Entry
	More    bool
	Next    string // if More: the last key that was visited
	Epoch   uint64 // changes with each Clear: pages of two epochs do not belong together
}

type (
	// StatsReporter is a backend that counts Expired, Evicted, Bytes, Commits and Buffered,
	// with -1 for a number that it does not know, and, if it is on a server, Server. The
	// Handle counts the other numbers. Stats returns when ctx ends.
	StatsReporter interface {
		Stats(ctx context.Context) (Stats, error)
	}

	// Backuper is a backend that can write a consistent copy of itself to w while it is in
	// use. See Handle.Backup.
	Backuper interface {
		Backup(ctx context.Context, w io.Writer) error
	}

	// Compacter is a backend that can free the space of deleted entries. See Handle.Compact.
	Compacter interface {
		Compact(ctx context.Context) error
	}

	// Watcher is a backend that reports changes of its keys. A Handle uses it while callers
	// wait, with one Watch at a time.
	Watcher interface {
		// Watch calls changed for each key that a call or a sweep changes, after Load
		// returns its new state, until stop is called. live reports whether the key
		// exists then. An empty key means that any key can have changed: after Clear, and
		// whenever changes can have been missed. Several changes of a key can be one
		// call; a call without a change is no error.
		//
		// Watch returns as soon as it reports all later changes, or when ctx ends. A watch
		// survives interruptions such as a lost connection. errors.ErrUnsupported means that
		// this store cannot be watched; the Handle then polls, as it does for a while after
		// any other error.
		//
		// changed does not block and does not use the store. Its calls can be concurrent.
		// stop can be called after Close. After stop has returned, changed is no longer
		// called, except for calls that are already running.
		Watch(ctx context.Context, changed func(key string, live bool)) (stop func(), err error)
	}

	// FileHolder is a backend that stores its data in a file. A Registry uses it to recognize
	// all names of one file.
	FileHolder interface {
		HoldsFile(info os.FileInfo) bool // as os.SameFile, for the file that is open now
	}

	// FirstPopper is a backend that can remove the first key of a range in one atomic call.
	// Handle.PopFirst otherwise reads a page and deletes one of its keys. It also does so if
	// the backend declines: PopFirst then returns done == false without an error, and has
	// changed nothing. A backend must decline if the value has more than maxBytes bytes, and
	// can decline if the call would take long.
	FirstPopper interface {
		// PopFirst removes the first live entry of r and returns it with its value and TTL;
		// if there is none, the error is ErrNotFound. r has neither a Match nor a Limit.
		PopFirst(ctx context.Context, r Range, maxBytes int) (e Entry, done bool, err error)
	}
)
