package extlibs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paularlott/scriptling/object"
)

// Handle is an open store for Go code. Registry.Open and Registry.Default return it. The calls
// check keys, values and limits before the backend sees them, count, and add the store and the
// key to errors. Calls that are not methods of Store are derived from its methods.
//
// A key is 1 to MaxKeyBytes bytes of UTF-8. A ttl is 0 for no expiry, or from MinTTL to
// MaxTTL. docs/patterns.md describes patterns. Anything else is ErrInvalid. Besides the
// errors that a call names, every call can return ErrClosed, ErrCorrupt, ErrUnavailable
// and the error of the context; a write also ErrFull, ErrReadOnly, ErrReplaced and
// ErrCommitUnknown.
//
// A Handle is safe for concurrent use. All handles of a store share it.
type Handle struct {
	*openStore
	store     Store     // all of the store, or the part that the view shows
	fast      fastPath  // of the store; nil if it has none, and of a view
	observer  *observer // nil if calls are not observed
	view      bool
	prefix    string // of a view
	prefixErr error  // why no key can be in the view
}

// openStore is an open store, which a Handle and all views of it share.
type openStore struct {
	name     string // as errors show it
	backend  Store
	whole    Store // the backend, which waits without the interpreter's lock
	place    place
	opts     options
	updates  turns
	making   singleflight // the values that get_or_set is computing
	watching watching     // the callers that wait for changes
	popping  exclusive    // held by a pop_first that tries keys of a page
	script   onceObject   // the store as scripts see it
	counters counters
	lifecycle
}

// place is where a store has its entries.
type place uint8

const (
	inMemory place = iota
	inFile         // which no other process has open
	onServer       // whose entries other processes can change
)

// lifecycle is what the registry knows of an open store.
type lifecycle struct {
	owner     owner
	key       string        // in the registry: the name, or a URL with its password
	isDefault atomic.Bool   // it is the default store, or was until another one replaced it
	closed    atomic.Bool   // by the registry, which still has it as its default store
	gone      chan struct{} // closed when the store is
	closeErr  error         // of closing it; set before gone is closed
	shutOnce  sync.Once     // see Registry.shut
	orphaned  sync.Once     // a goroutine waits to log the error of closing it
}

// owner is the registry that a store is open in, as far as handles know it.
type owner interface {
	Default() *Handle
	closeNamed(ctx context.Context, h *Handle) error
}

// onceObject is an object for scripts that is made when the first of them asks.
type onceObject struct {
	once    sync.Once
	builtin *object.Builtin
}

func (o *onceObject) get(create func() *object.Builtin) *object.Builtin {
	o.once.Do(func() { o.builtin = create() })
	return o.builtin
}

// Name returns the store's name: the name given to Open, an absolute path for a file, a
// URL without user, password and query, or "default" for a default store in memory.
func (h *Handle) Name() string { return h.name }

// Close closes the store for all its holders, scripts and hosts: their calls fail with
// ErrClosed, and a store in memory loses its keys. It leaves the registry, so that the
// next Open opens it again, in memory as an empty store. Close waits for running calls.
// Closing twice is no error. Closing the default store or a view has no effect;
// Registry.Close closes the default store.
func (h *Handle) Close() error { return inCall("close", h.close(context.Background())) }

// close waits until ctx ends. The closing then continues.
func (h *Handle) close(ctx context.Context) error {
	if h.view || h.isDefault.Load() {
		return nil
	}
	if err := h.owner.closeNamed(ctx, h); err != nil {
		return h.inStore("", err)
	}
	return nil
}

// Get returns a copy of the value of a key, in the Go types that Encode lists. An absent
// key is ErrNotFound.
func (h *Handle) Get(ctx context.Context, key string) (any, error) {
	if h.observer != nil {
		return observed(ctx, h, "get", func(h *Handle) (any, error) { return h.Get(ctx, key) })
	}
	raw, r, err := h.read(ctx, key, NeedValue)
	if err != nil {
		return nil, h.inCall("get", key, err)
	}
	if v, ok := r.Scalar(); ok {
		return v, nil
	}
	v, err := h.decode(ctx, key, raw)
	return v, inCall("get", err)
}

// Set stores a value, of the Go types that Encode lists, under a key. It replaces the old
// value and its expiry. A ttl of 0 means no expiry; KeepTTL keeps the remaining time;
// otherwise it is from MinTTL to MaxTTL. A value of another type is ErrType; one that is
// larger than MaxValueBytes or nested more than MaxDepth levels is ErrTooLarge.
func (h *Handle) Set(ctx context.Context, key string, value any, ttl time.Duration) error {
	if h.observer != nil {
		return observedErr(ctx, h, "set", func(h *Handle) error { return h.Set(ctx, key, value, ttl) })
	}
	e, err := encodedGo(ctx, value, h.opts.maxValueBytes)
	if err == nil {
		err = h.set(ctx, key, e, ttl)
		e.Release()
	}
	return inCall("set", err)
}

// Add stores a value if the key is absent, as Set does, and reports whether it stored it.
func (h *Handle) Add(ctx context.Context, key string, value any, ttl time.Duration) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "add", func(h *Handle) (bool, error) { return h.Add(ctx, key, value, ttl) })
	}
	v, err := h.encode(ctx, value)
	if err != nil {
		return false, inCall("add", err)
	}
	r, err := h.apply(ctx, Op{Kind: OpAdd, Key: key, Value: v, TTL: ttl})
	return r.Applied, inCall("add", err)
}

// Clear removes all keys atomically. On a view it removes them page by page.
func (h *Handle) Clear(ctx context.Context) error {
	if h.observer != nil {
		return observedErr(ctx, h, "clear", func(h *Handle) error { return h.Clear(ctx) })
	}
	return inCall("clear", h.clear(ctx))
}

// Delete removes a key and reports whether it existed.
func (h *Handle) Delete(ctx context.Context, key string) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "delete", func(h *Handle) (bool, error) { return h.Delete(ctx, key) })
	}
	r, err := h.apply(ctx, Op{Kind: OpDelete, Key: key})
	return r.Applied, inCall("delete", err)
}

// Pop removes a key and returns its value. An absent key is ErrNotFound.
func (h *Handle) Pop(ctx context.Context, key string) (any, error) {
	if h.observer != nil {
		return observed(ctx, h, "pop", func(h *Handle) (any, error) { return h.Pop(ctx, key) })
	}
	old, err := h.pop(ctx, key)
	if err != nil {
		return nil, h.inCall("pop", key, err)
	}
	v, err := h.decodeCounted(ctx, key, old)
	return v, inCall("pop", err)
}

// pop removes a key and returns its value, or ErrNotFound. A value that could not be
// decoded within the limits stays.
func (h *Handle) pop(ctx context.Context, key string) (Value, error) {
	if h.place != inMemory { // the value can come from elsewhere, where this host's limits do not hold
		e, err := h.load(ctx, key, NeedValue)
		if err == nil {
			err = h.checkDecoded(ctx, e.Value)
			if err != nil {
				err = h.inStore(key, err)
			}
		}
		if err != nil {
			return Value{}, err
		}
	}
	r, err := h.apply(ctx, Op{Kind: OpDelete, Key: key, NeedOld: true})
	if err == nil && !r.Applied {
		err = ErrNotFound
	}
	return r.Old, err
}

// Exists reports whether a key is live.
func (h *Handle) Exists(ctx context.Context, key string) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "exists", func(h *Handle) (bool, error) { return h.Exists(ctx, key) })
	}
	_, _, err := h.read(ctx, key, 0)
	if err == ErrNotFound {
		return false, nil
	}
	return err == nil, inCall("exists", err)
}

// TTL returns the remaining time of a key, 0 for a key without expiry. An absent key is
// ErrNotFound.
func (h *Handle) TTL(ctx context.Context, key string) (time.Duration, error) {
	if h.observer != nil {
		return observed(ctx, h, "ttl", func(h *Handle) (time.Duration, error) { return h.TTL(ctx, key) })
	}
	e, err := h.load(ctx, key, NeedTTL)
	return e.TTL, h.inCall("ttl", key, err)
}

// Expire gives a live key a new ttl, 0 for none, and reports whether the key existed.
func (h *Handle) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "expire", func(h *Handle) (bool, error) { return h.Expire(ctx, key, ttl) })
	}
	r, err := h.apply(ctx, Op{Kind: OpExpire, Key: key, TTL: ttl})
	return r.Applied, inCall("expire", err)
}

// Incr adds delta to the number under a key and returns the sum. An absent key counts as
// 0 and takes ttl; an existing key keeps its remaining time. A value that is not an int
// is ErrType, a sum outside int64 is ErrOverflow; both leave the value unchanged.
func (h *Handle) Incr(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	if h.observer != nil {
		return observed(ctx, h, "incr", func(h *Handle) (int64, error) { return h.Incr(ctx, key, delta, ttl) })
	}
	r, err := h.apply(ctx, Op{Kind: OpIncrInt, Key: key, Value: encodeInt(delta), TTL: ttl})
	if err != nil {
		return 0, inCall("incr", err)
	}
	n, err := r.New.number()
	return n.Int, inCall("incr", err)
}

// IncrFloat is Incr for floats. An int under the key becomes a float.
func (h *Handle) IncrFloat(ctx context.Context, key string, delta float64, ttl time.Duration) (float64, error) {
	if h.observer != nil {
		return observed(ctx, h, "incr", func(h *Handle) (float64, error) { return h.IncrFloat(ctx, key, delta, ttl) })
	}
	r, err := h.apply(ctx, Op{Kind: OpIncr, Key: key, Value: encodeFloat(delta), TTL: ttl})
	if err != nil {
		return 0, inCall("incr", err)
	}
	n, err := r.New.number()
	return n.Float, inCall("incr", err)
}

// Stats returns the store's counters. If it fails, because ctx ended the wait for the backend
// or the store is closed, it still returns the counters that do not come from the backend
// and, for a store on a server that does not answer, Server.
func (h *Handle) Stats(ctx context.Context) (Stats, error) {
	s := h.counters.sum()
	if b, ok := h.backend.(interface{ sets() int64 }); ok { // those of the fast path
		s.Sets += b.sets()
	}
	n, err := h.whole.Len(ctx)
	if err != nil {
		if b, ok := h.backend.(StatsReporter); ok && h.place == onServer && !errors.Is(err, ErrClosed) {
			unlocked(ctx, func() error {
				if t, err := b.Stats(ctx); err == nil {
					s.Server = t.Server
				}
				return nil
			})
		}
		return s, inCall("stats", h.inStore("", err))
	}
	s.Keys = int64(n)
	t := Stats{Expired: -1, Evicted: -1, Bytes: -1, Commits: -1, Buffered: -1}
	if b, ok := h.backend.(StatsReporter); ok {
		err = unlocked(ctx, func() (err error) { t, err = b.Stats(ctx); return err })
		if err != nil {
			return s, inCall("stats", h.inStore("", err))
		}
	}
	s.Expired, s.Evicted, s.Bytes, s.Commits, s.Buffered = t.Expired, t.Evicted, t.Bytes, t.Commits, t.Buffered
	s.Server = t.Server
	return s, nil
}
