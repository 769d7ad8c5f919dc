package extlibs

import (
	"slices"
	"time"
)

// Call is a call on a store, after it has returned.
type Call struct {
	Store    string        // Handle.Name
	Name     string        // of the call as in scripts and errors, such as "get_or_set"
	Keys     int           // keys that the store was asked for, or that it returned
	Bytes    int           // of the encoded values that it read or wrote
	Duration time.Duration // including its callbacks, and the loop over an iterator
	Err      error         // nil if the key is absent
}

// Observe makes a registry call fn after each call on its stores, by scripts and by Go code,
// for metrics and traces. Without Observe and SlowCalls, calls have no extra cost; with them
// a call in memory takes a few hundred nanoseconds more. Given several times, each function
// is called.
//
// fn runs on the goroutine of the caller, outside all locks, and without the lock of the
// interpreter whose script made the call. So it must be safe for concurrent use, and the
// caller waits for it. It can use stores: calls that it makes are not observed, unless it
// makes them on another goroutine. If fn panics, the call is not affected, and the Logger
// receives the first panic of each store.
func Observe(fn func(Call)) Option {
	return registryOption(func(o *options) {
		if fn != nil {
			o.observers = append(slices.Clip(o.observers), fn)
		}
	})
}

// SlowCalls makes a store warn its Logger of each call that takes d or longer, with the
// store, the call, the number of keys and bytes, the duration and the error. Calls that
// wait for a key, such as wait and watch, are left out. d of zero or less means no warnings,
// the default.
func SlowCalls(d time.Duration) StoreOption {
	return StoreOption{"SlowCalls", allStores, func(o *storeOptions) { o.slowCalls = max(d, 0) }}
}
