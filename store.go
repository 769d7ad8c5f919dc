package extlibs

import (
	"context"
	"time"
)

// Store is what a backend implements. It is small because everything that can
// be derived from it is derived once, in Handle; it speaks of encoded values,
// so that a backend neither copies nor interprets them, and it is batched,
// paged and conditional, so that a backend may be at the far end of a network.
//
// All methods are safe for concurrent use and, taken one at a time,
// linearizable. Calls that wait obey ctx. After Close every method but Close
// returns an error that is ErrClosed. A call that fails changes nothing.
// An expired key is absent for every method from its deadline on.
//
// Package storetest proves a Store.
type Store interface {
	// Load returns the entry of a live key, else an error that is ErrNotFound.
	Load(ctx context.Context, key string) (Entry, error)

	// LoadMany returns the entries of those keys that are live, in the order
	// of keys.
	LoadMany(ctx context.Context, keys []string) ([]Entry, error)

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

// Entry is a key with its value, as it was when it was read.
type Entry struct {
	Key   string
	Value Value
	TTL   time.Duration // time left, more than 0; 0: no expiry
}

// Range asks Scan for a page: keys that start with Prefix, follow After (if it
// is not empty) and satisfy Match (if it is not nil).
type Range struct {
	Prefix   string
	After    string
	Match    func(key string) bool // must not block nor use a store
	Limit    int                   // most entries on the page; 0: as the store likes
	KeysOnly bool                  // entries need neither Value nor TTL
}

// Page is a part of a Range. A store ends a page where it likes, even before
// the first match, and says so with More: the next page starts after Next.
type Page struct {
	Entries []Entry
	More    bool
	Next    string // the last key that was looked at, where More
	Epoch   uint64 // changes with each Clear: pages of two epochs do not belong together
}
