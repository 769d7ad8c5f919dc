package extlibs

import (
	"context"
	"io"
	"os"
	"time"
)

// Store is what a backend implements. It is small because everything that can
// be derived from it is derived once, in Handle; it speaks of encoded values,
// so that a backend neither copies nor interprets them, and it is batched,
// paged and conditional, so that a backend may be at the far end of a network.
//
// All methods are safe for concurrent use and, taken one at a time,
// linearizable. Calls that wait obey ctx. After Close every method but Close
// returns an error that is ErrClosed. A call that fails changes nothing, unless
// its error is ErrCommitUnknown. An expired key is absent for every method from
// its deadline on.
//
// What else a backend may be able to do is in StatsReporter, Backuper, Compacter
// and FileHolder. A Handle finds out by itself, and says errors.ErrUnsupported for
// what its backend is not able to do. Package storetest proves a Store.
type Store interface {
	// Load returns the entry of a live key, else an error that is ErrNotFound.
	Load(ctx context.Context, key string, need Need) (Entry, error)

	// LoadMany returns the entries of those keys that are live, in the order
	// of keys.
	LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error)

	// Apply carries out one operation.
	Apply(ctx context.Context, op Op) (Result, error)

	// ApplyMany carries out operations in their order: all of them or, where
	// it returns an error, none. No call sees some of them done and others
	// not. An operation whose condition does not hold is no error; its result
	// says so.
	ApplyMany(ctx context.Context, ops []Op) ([]Result, error)

	// Scan returns one page of live entries in the order of their keys' bytes.
	// A page is a consistent view; several pages are not.
	Scan(ctx context.Context, r Range) (Page, error)

	// Len returns the number of live keys, without walking them.
	Len(ctx context.Context) (int, error)

	// Clear removes all keys at once.
	Clear(ctx context.Context) error

	// Close releases the store and waits for its own goroutines. Closing twice
	// is no error.
	Close() error
}

// Need says what a caller wants to know of the entries that it reads, so that a
// backend need not send the rest. 0 is the key alone. An entry may hold more
// than was asked for.
type Need uint8

// What an entry has besides its key.
const (
	NeedValue Need = 1 << iota // Entry.Value
	NeedTTL                    // Entry.TTL

	NeedAll = NeedValue | NeedTTL
)

// Entry is a key with its value, as it was when it was read.
type Entry struct {
	Key   string
	Value Value
	TTL   time.Duration // time left, more than 0; 0: no expiry
}

// Range asks Store.Scan for a page: keys that start with Prefix, follow After (if
// it is not empty) and satisfy Match (if it is not nil).
type Range struct {
	Prefix string
	After  string
	Match  func(key string) bool // must not block nor use a store
	Limit  int                   // most entries on the page; 0: as the store likes
	Need   Need                  // what the entries have to hold besides their keys
}

// Page is a part of a Range. A store ends a page where it likes, even before
// the first match, and says so with More: the next page starts after Next.
type Page struct {
	Entries []Entry
	More    bool
	Next    string // the last key that was looked at, where More
	Epoch   uint64 // changes with each Clear: pages of two epochs do not belong together
}

type (
	// StatsReporter is a backend that counts what only it can see: Expired,
	// Bytes, Commits and Buffered, -1 for one that it does not know. The other
	// counters are the Handle's. It does not wait longer than ctx.
	StatsReporter interface {
		Stats(ctx context.Context) (Stats, error)
	}

	// Backuper is a backend that writes a consistent copy of itself to w while
	// it is in use. See Handle.Backup.
	Backuper interface {
		Backup(ctx context.Context, w io.Writer) error
	}

	// Compacter is a backend that gives back the room of what was deleted. See
	// Handle.Compact.
	Compacter interface {
		Compact(ctx context.Context) error
	}

	// FileHolder is a backend in a file. A Registry asks it, so that all names
	// of one file are one store.
	FileHolder interface {
		HoldsFile(info os.FileInfo) bool // as os.SameFile, for the file that is open now
	}
)
