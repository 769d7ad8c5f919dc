package extlibs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Handle is an open store, as Registry.Open and Registry.Default return it.
// It is a Store that checks keys, values and limits before its backend sees
// them, counts, and says in errors which store and key they are about. The
// methods that a backend does not have are derived from those it has, here and
// nowhere else.
//
// A Handle is safe for concurrent use. All handles of one store share it.
type Handle struct {
	registry *Registry
	name     string
	store    Store
	inMemory bool // calls never wait
	opts     options

	isDefault atomic.Bool
	closed    atomic.Bool            // by the registry, which still has it as its default store
	face      func() *object.Builtin // the store as scripts see it, made once
	counters  counters
}

var _ Store = (*Handle)(nil)

// Name returns the store's name: what Open was given, an absolute path for a
// file, and "default" for an in-memory default store.
func (h *Handle) Name() string { return h.name }

// Close closes the store at once and takes it out of the registry, so that the
// next Open opens it anew. Calls under way are finished first. Closing twice is
// no error, and closing the default store does nothing: Registry.Close does
// that.
func (h *Handle) Close() error { return inCall("close", h.close()) }

func (h *Handle) close() error {
	if h.isDefault.Load() {
		return nil
	}
	if err := h.registry.closeNamed(h); err != nil {
		return h.about("", err)
	}
	return nil
}

// Stats returns the store's counters.
func (h *Handle) Stats() Stats {
	s := h.counters.sum()
	if b, ok := h.store.(interface{ Stats() Stats }); ok {
		s.add(b.Stats())
	}
	if n, err := h.store.Len(context.Background()); err == nil {
		s.Keys = int64(n)
	}
	return s
}

// Load implements Store.
func (h *Handle) Load(ctx context.Context, key string) (Entry, error) {
	if err := checkKey(key); err != nil {
		return Entry{}, err
	}
	e, err := h.load(ctx, key)
	switch {
	case err == nil:
		h.counters.of(key).hits.Add(1)
		return e, nil
	case err == ErrNotFound || errors.Is(err, ErrNotFound):
		h.counters.of(key).misses.Add(1)
		return Entry{}, ErrNotFound
	}
	return Entry{}, h.about(key, err)
}

// LoadMany implements Store.
func (h *Handle) LoadMany(ctx context.Context, keys []string) ([]Entry, error) {
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
	}
	entries, err := blocking(ctx, h, func() ([]Entry, error) { return h.store.LoadMany(ctx, keys) })
	if err != nil {
		return nil, h.about("", err)
	}
	c := h.counters.of("")
	c.hits.Add(int64(len(entries)))
	c.misses.Add(int64(len(keys) - len(entries)))
	return entries, nil
}

// Apply implements Store.
func (h *Handle) Apply(ctx context.Context, op Op) (Result, error) {
	if err := h.checkOp(&op); err != nil {
		return Result{}, err
	}
	r, err := h.apply(ctx, op)
	if err != nil {
		return Result{}, h.about(op.Key, err)
	}
	h.count(&op, r)
	return r, nil
}

// ApplyMany implements Store.
func (h *Handle) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	for i := range ops {
		if err := h.checkOp(&ops[i]); err != nil {
			return nil, err
		}
	}
	results, err := blocking(ctx, h, func() ([]Result, error) { return h.store.ApplyMany(ctx, ops) })
	if err != nil {
		return nil, h.about("", err)
	}
	for i, r := range results {
		h.count(&ops[i], r)
	}
	return results, nil
}

// Scan implements Store. Match is called when the page has been read.
func (h *Handle) Scan(ctx context.Context, r Range) (Page, error) {
	match := r.Match
	if match == nil {
		return h.page(ctx, r)
	}
	r.Match = nil // a caller's code never runs inside a backend
	page, err := h.page(ctx, r)
	page.Entries = slices.DeleteFunc(page.Entries, func(e Entry) bool { return !match(e.Key) })
	return page, err
}

// page reads a page, whose Match is our own.
func (h *Handle) page(ctx context.Context, r Range) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, h.about("", err)
	}
	page, err := blocking(ctx, h, func() (Page, error) { return h.store.Scan(ctx, r) })
	if err != nil {
		return Page{}, h.about("", err)
	}
	return page, nil
}

// Len implements Store.
func (h *Handle) Len(ctx context.Context) (int, error) {
	n, err := blocking(ctx, h, func() (int, error) { return h.store.Len(ctx) })
	if err != nil {
		return 0, h.about("", err)
	}
	return n, nil
}

// Clear implements Store: it removes all keys at once.
func (h *Handle) Clear(ctx context.Context) error {
	_, err := blocking(ctx, h, func() (any, error) { return nil, h.store.Clear(ctx) })
	if err != nil {
		return h.about("", err)
	}
	return nil
}

// blocking runs a call of the backend that may wait. Where ctx is that of a
// script, other threads of its interpreter run on meanwhile.
func blocking[T any](ctx context.Context, h *Handle, call func() (T, error)) (v T, err error) {
	if h.inMemory {
		return call()
	}
	return released(ctx, call)
}

func released[T any](ctx context.Context, call func() (T, error)) (v T, err error) {
	object.RunBlocking(ctx, func() { v, err = call() })
	return v, err
}

// load and apply keep the calls in memory, which never wait, free of closures.
func (h *Handle) load(ctx context.Context, key string) (Entry, error) {
	if h.inMemory {
		return h.store.Load(ctx, key)
	}
	return released(ctx, func() (Entry, error) { return h.store.Load(ctx, key) })
}

func (h *Handle) apply(ctx context.Context, op Op) (Result, error) {
	if h.inMemory {
		return h.store.Apply(ctx, op)
	}
	return released(ctx, func() (Result, error) { return h.store.Apply(ctx, op) })
}

func (h *Handle) count(op *Op, r Result) {
	switch {
	case !r.Applied:
	case op.Kind == OpDelete:
		h.counters.of(op.Key).deletes.Add(1)
	case op.Kind != OpExpire:
		h.counters.of(op.Key).sets.Add(1)
	}
}

func checkKey(key string) error {
	switch {
	case key == "":
		return kverr.Errorf(ErrInvalid, "key is empty; use 1 to %d bytes", MaxKeyBytes)
	case len(key) > MaxKeyBytes:
		return kverr.Errorf(ErrInvalid, "key has %d bytes; use 1 to %d", len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return kverr.Errorf(ErrInvalid, "key is not valid UTF-8")
	}
	return nil
}

func (h *Handle) checkOp(op *Op) error {
	if err := checkKey(op.Key); err != nil {
		return err
	}
	if op.TTL < 0 || op.TTL > MaxTTL {
		return kverr.Errorf(ErrInvalid, "ttl is %v; use 0 (no expiry) up to 100 years", op.TTL)
	}
	if op.Value.IsZero() && (op.Kind == OpSet || op.Kind == OpAdd || op.Kind == OpSwap) {
		return kverr.Errorf(ErrInvalid, "the operation has no value; use Encode")
	}
	if op.Value.Len() > h.opts.maxValueBytes {
		return kverr.Errorf(ErrTooLarge, "value is larger than %d bytes; split it over several keys", h.opts.maxValueBytes)
	}
	return nil
}

// about completes a backend's error with the store and the key.
func (h *Handle) about(key string, err error) error {
	switch {
	case errors.Is(err, ErrClosed) && h.registry.std.Load() == h:
		return kverr.Errorf(ErrClosed, "the default store is closed; the host has to call InitKVStore again")
	case errors.Is(err, ErrClosed) && h.isDefault.Load():
		return kverr.Errorf(ErrClosed, "store %q is closed, another one is the default store now; ask the registry for it", h.name)
	case errors.Is(err, ErrClosed):
		return kverr.Errorf(ErrClosed, "store %q is closed; call kv.open again", h.name)
	case key == "":
		return fmt.Errorf("store %q: %w", h.name, err)
	}
	return fmt.Errorf("store %q, key %q: %w", h.name, shorten(key), err)
}

// scan calls each for the live entries that a pattern selects, in order, at
// most limit of them where limit is more than 0. Where the store is cleared
// between two pages it calls restart and begins again, so that nobody sees half
// of what was there.
func (h *Handle) scan(ctx context.Context, p *pattern, limit int, after string, keysOnly bool, restart func(), each func(Entry) error) error {
	if p.exact {
		return h.scanOne(ctx, p.prefix, after, each)
	}
	r := Range{Prefix: p.prefix, After: after, Match: p.match, KeysOnly: keysOnly, Limit: limit}
	epoch, found := uint64(0), 0
	for {
		page, err := h.page(ctx, r)
		if err != nil {
			return err
		}
		if r.After != after && page.Epoch != epoch {
			restart()
			r.After, r.Limit, found = after, limit, 0
			continue
		}
		epoch = page.Epoch
		for _, e := range page.Entries {
			if err := each(e); err != nil {
				return err
			}
		}
		found += len(page.Entries)
		if !page.More || (limit > 0 && found >= limit) {
			return nil
		}
		r.After = page.Next
		if limit > 0 {
			r.Limit = limit - found
		}
	}
}

func (h *Handle) scanOne(ctx context.Context, key, after string, each func(Entry) error) error {
	if key <= after || checkKey(key) != nil {
		return nil
	}
	e, err := h.load(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return h.about(key, err)
	}
	return each(e)
}

// number counts the live keys that a pattern selects.
func (h *Handle) number(ctx context.Context, p *pattern) (int, error) {
	if p.all() {
		return h.Len(ctx)
	}
	n := 0
	err := h.scan(ctx, p, 0, "", true, func() { n = 0 }, func(Entry) error { n++; return nil })
	return n, err
}

// How often update runs its function, and from when on it makes way for others.
const (
	updateAttempts = 200
	updateEager    = 4
	updateBackoff  = 100 * time.Microsecond
)

// update replaces the value of a key by what fn makes of it. fn runs outside
// the store and runs again if the key has changed meanwhile. fn gets the zero
// Value for an absent key; an error of fn ends the update and is returned as it is.
func (h *Handle) update(ctx context.Context, key string, fn func(old Value) (Value, error)) (Value, error) {
	for attempt := range updateAttempts {
		if attempt >= updateEager {
			wait := func() (any, error) { return nil, backOff(ctx, min(attempt, updateAttempts/4)) }
			if _, err := released(ctx, wait); err != nil {
				return Value{}, h.about(key, err)
			}
		}
		e, err := h.Load(ctx, key)
		if err != nil && err != ErrNotFound {
			return Value{}, err
		}
		value, err := fn(e.Value)
		if err != nil {
			return Value{}, err
		}
		r, err := h.Apply(ctx, Op{Kind: OpSwap, Key: key, Value: value, Old: e.Value})
		if err != nil {
			return Value{}, err
		}
		if r.Applied {
			return value, nil
		}
	}
	return Value{}, h.about(key, kverr.Errorf(ErrConflict, "the key changed during each of %d runs of the function; does the function write it itself?", updateAttempts))
}

// getOrSet returns the value of a key, or stores and returns what fn makes. Of
// several callers at once each gets the value that was kept.
func (h *Handle) getOrSet(ctx context.Context, key string, ttl time.Duration, fn func() (Value, error)) (Value, error) {
	e, err := h.Load(ctx, key)
	if err != ErrNotFound {
		return e.Value, err
	}
	value, err := fn()
	if err != nil {
		return Value{}, err
	}
	r, err := h.Apply(ctx, Op{Kind: OpAdd, Key: key, Value: value, TTL: ttl})
	return r.kept(value), err
}

// kept is the value after an OpAdd.
func (r Result) kept(added Value) Value {
	if r.Applied {
		return added
	}
	return r.Old
}
