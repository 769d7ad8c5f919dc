package extlibs

import (
	"context"
	"iter"
	"time"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ListOptions selects keys for Keys, Items and All. The zero value selects all.
type ListOptions struct {
	Pattern string // glob, as in "user:*"; "" is "*"
	Limit   int    // most keys returned; 0: all; less is ErrInvalid
	After   string // only keys behind this one
}

func (o ListOptions) compile() (*glob.Pattern, error) {
	if o.Limit < 0 {
		return nil, kverr.Errorf(ErrInvalid, "limit is %d; use 0 (all) or more", o.Limit)
	}
	if o.Pattern == "" {
		return &glob.Pattern{}, nil
	}
	return glob.Compile(o.Pattern)
}

// Item is a key with its decoded value.
type Item struct {
	Key   string
	Value any
}

// Get returns the value of a key, in the Go types that Encode lists. It is the
// caller's own copy. An absent key is ErrNotFound.
func (h *Handle) Get(ctx context.Context, key string) (any, error) {
	if r := h.record(key); r != nil {
		if v, ok := r.Box(); ok {
			return v, nil
		}
		return h.decoded(ctx, "get", key, RawValue(r.Value()), nil, nil)
	}
	e, err := h.load(ctx, key, NeedValue)
	if err != nil {
		return nil, h.inCall("get", key, err)
	}
	v, err := h.decode(ctx, key, e.Value)
	return v, inCall("get", err)
}

// Set stores a value, of the Go types that Encode lists, under a key and replaces
// what was there and its expiry. A ttl of 0 is none; otherwise it is from MinTTL
// to MaxTTL. A value of another type is ErrType, one that is larger than
// MaxValueBytes or nested more than MaxDepth levels is ErrTooLarge.
func (h *Handle) Set(ctx context.Context, key string, value any, ttl time.Duration) error {
	if h.memory != nil {
		if done, err := h.setGo(ctx, key, value, ttl); done {
			return inCall("set", err)
		}
	}
	_, err := h.applyGo(ctx, OpSet, key, value, ttl)
	return inCall("set", err)
}

// Add is Set if the key is absent, and reports whether it was.
func (h *Handle) Add(ctx context.Context, key string, value any, ttl time.Duration) (bool, error) {
	r, err := h.applyGo(ctx, OpAdd, key, value, ttl)
	return r.Applied, inCall("add", err)
}

func (h *Handle) applyGo(ctx context.Context, kind OpKind, key string, value any, ttl time.Duration) (Result, error) {
	v, err := h.encode(ctx, value)
	if err != nil {
		return Result{}, err
	}
	return h.apply(ctx, Op{Kind: kind, Key: key, Value: v, TTL: ttl})
}

// Clear removes all keys at once; those of a view it removes page by page.
func (h *Handle) Clear(ctx context.Context) error { return inCall("clear", h.clear(ctx)) }

// Delete removes a key and reports whether it was there.
func (h *Handle) Delete(ctx context.Context, key string) (bool, error) {
	r, err := h.apply(ctx, Op{Kind: OpDelete, Key: key})
	return r.Applied, inCall("delete", err)
}

// Pop removes a key and returns its value. An absent key is ErrNotFound.
func (h *Handle) Pop(ctx context.Context, key string) (any, error) {
	old, err := h.pop(ctx, key)
	if err != nil {
		return nil, h.inCall("pop", key, err)
	}
	v, err := h.decodeCounted(ctx, key, old)
	return v, inCall("pop", err)
}

// Exists reports whether a key is live.
func (h *Handle) Exists(ctx context.Context, key string) (bool, error) {
	_, err := h.load(ctx, key, 0)
	if err == ErrNotFound {
		return false, nil
	}
	return err == nil, inCall("exists", err)
}

// TTL returns the time that a key has left, 0 for a key without expiry. An
// absent key is ErrNotFound.
func (h *Handle) TTL(ctx context.Context, key string) (time.Duration, error) {
	e, err := h.load(ctx, key, NeedTTL)
	return e.TTL, h.inCall("ttl", key, err)
}

// Expire gives a live key a new ttl, 0 for none, and reports whether there was
// one.
func (h *Handle) Expire(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	r, err := h.apply(ctx, Op{Kind: OpExpire, Key: key, TTL: ttl})
	return r.Applied, inCall("expire", err)
}

// Incr adds delta to the number under a key and returns the sum. An absent key
// counts as 0 and takes ttl; otherwise the time left stays. A value that is not
// an int is ErrType, a sum beyond int64 is ErrOverflow; both leave it unchanged.
func (h *Handle) Incr(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	r, err := h.apply(ctx, Op{Kind: OpIncrInt, Key: key, Value: encodeInt(delta), TTL: ttl})
	if err != nil {
		return 0, inCall("incr", err)
	}
	n, err := r.New.number()
	return n.Int, inCall("incr", err)
}

// IncrFloat is Incr for floats. An int under the key becomes a float.
func (h *Handle) IncrFloat(ctx context.Context, key string, delta float64, ttl time.Duration) (float64, error) {
	r, err := h.apply(ctx, Op{Kind: OpIncr, Key: key, Value: encodeFloat(delta), TTL: ttl})
	if err != nil {
		return 0, inCall("incr", err)
	}
	n, err := r.New.number()
	return n.Float, inCall("incr", err)
}

// Update replaces the value of a key by what fn makes of it, atomically, and
// returns the new one: fn runs without any lock, may use the store, and runs again
// if the key changed meanwhile, at most 200 times, then the error is ErrConflict.
// Updates of one key by many callers of this process take turns after a few runs,
// unless a run takes long.
// ok is false for an absent key, which gets no expiry; otherwise the time left
// stays. An error of fn ends the update, changes nothing and is returned as it is.
func (h *Handle) Update(ctx context.Context, key string, fn func(old any, ok bool) (any, error)) (any, error) {
	var fnErr error
	value, err := h.update(ctx, key, func(old Value) (Value, error) {
		var v any
		if !old.IsZero() {
			var err error
			if v, err = h.decode(ctx, key, old); err != nil {
				return Value{}, err
			}
		}
		var next any
		if next, fnErr = fn(v, !old.IsZero()); fnErr != nil {
			return Value{}, fnErr
		}
		return h.encode(ctx, next)
	})
	return h.decoded(ctx, "update", key, value, err, fnErr)
}

// GetOrSet returns the value of a key, or stores and returns what fn makes. Two
// callers at once may both run fn; both get the one value that was kept. An
// error of fn stores nothing and is returned as it is.
func (h *Handle) GetOrSet(ctx context.Context, key string, fn func() (any, error), ttl time.Duration) (any, error) {
	var fnErr error
	value, err := h.getOrSet(ctx, key, ttl, func() (Value, error) {
		var v any
		if v, fnErr = fn(); fnErr != nil {
			return Value{}, fnErr
		}
		return h.encode(ctx, v)
	})
	return h.decoded(ctx, "get_or_set", key, value, err, fnErr)
}

func (h *Handle) decoded(ctx context.Context, call, key string, value Value, err, fnErr error) (any, error) {
	if fnErr != nil {
		return nil, fnErr
	}
	if err != nil {
		return nil, inCall(call, err)
	}
	v, err := h.decode(ctx, key, value)
	return v, inCall(call, err)
}

// Keys returns the live keys that o selects, sorted by their bytes. More than
// MaxOperationBytes of them is ErrTooLarge: page with Limit and After, or use All.
func (h *Handle) Keys(ctx context.Context, o ListOptions) ([]string, error) {
	p, err := o.compile()
	if err != nil {
		return nil, inCall("keys", err)
	}
	var keys []string
	err = h.collect(ctx, p, o.Limit, o.After, 0, func() { keys = nil }, func(e Entry) error {
		keys = append(keys, e.Key)
		return nil
	})
	if err != nil {
		return nil, inCall("keys", err)
	}
	return keys, nil
}

// Items returns the live keys that o selects with their values, sorted by key and
// bounded as those of Keys.
func (h *Handle) Items(ctx context.Context, o ListOptions) ([]Item, error) {
	p, err := o.compile()
	if err != nil {
		return nil, inCall("items", err)
	}
	var items []Item
	err = h.collect(ctx, p, o.Limit, o.After, NeedValue, func() { items = nil }, func(e Entry) error {
		v, err := h.decodeCounted(ctx, e.Key, e.Value)
		if err != nil {
			return err
		}
		items = append(items, Item{e.Key, v})
		return nil
	})
	if err != nil {
		return nil, inCall("items", err)
	}
	return items, nil
}

// Count returns the number of live keys that pattern selects, page by page. "" and
// "*" are all of them: a store, but not a view, knows their number without a walk.
func (h *Handle) Count(ctx context.Context, pattern string) (int, error) {
	p, err := ListOptions{Pattern: pattern}.compile()
	if err != nil {
		return 0, inCall("count", err)
	}
	n, err := h.countMatching(ctx, p)
	return n, inCall("count", err)
}

// All returns the live keys that o selects with their values, in order, for range.
// It holds one page of them at a time and runs the loop's body outside every
// lock; so it may change the store. Each page is of one moment. A key that is
// there all the time comes exactly once. An error comes last, with no Item.
func (h *Handle) All(ctx context.Context, o ListOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		p, err := o.compile()
		if err == nil {
			err = h.walk(ctx, p, o.Limit, o.After, NeedValue, func(e Entry) (bool, error) {
				v, err := h.decode(ctx, e.Key, e.Value)
				if err != nil {
					return false, err
				}
				return yield(Item{e.Key, v}, nil), nil
			})
		}
		if err != nil {
			yield(Item{}, inCall("all", err))
		}
	}
}

// DeleteMatching removes the keys that pattern selects and returns how many it
// removed, also where it fails. It goes page by page: keys that are set meanwhile
// may stay. "*" is all keys; an empty pattern is ErrType and removes none.
func (h *Handle) DeleteMatching(ctx context.Context, pattern string) (int, error) {
	p, err := removalPattern(pattern)
	if err != nil {
		return 0, inCall("delete_matching", err)
	}
	n, err := h.deleteMatching(ctx, p)
	return n, inCall("delete_matching", err)
}

// GetMany returns the values of those keys that are live, all of one moment.
// More than MaxOperationBytes is ErrTooLarge, as for SetMany and DeleteMany.
func (h *Handle) GetMany(ctx context.Context, keys []string) (map[string]any, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	once, err := held.distinct(keys)
	if err != nil {
		return nil, inCall("get_many", h.inStore("", err))
	}
	entries, err := h.loadHeld(ctx, &held, once, NeedValue)
	if err != nil {
		return nil, inCall("get_many", err)
	}
	values := make(map[string]any, len(entries))
	for _, e := range entries {
		if err := held.takeDecoded(e.Value); err != nil {
			return nil, inCall("get_many", h.inStore(damagedKey(e.Key, err), err))
		}
		if values[e.Key], err = h.decodeCounted(ctx, e.Key, e.Value); err != nil {
			return nil, inCall("get_many", err)
		}
	}
	return values, nil
}

// SetMany stores all values with one ttl: all of them or, where it returns an
// error, none, unless that is ErrCommitUnknown. On disk it is one durable write.
func (h *Handle) SetMany(ctx context.Context, values map[string]any, ttl time.Duration) error {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	ops := make([]Op, 0, held.most(len(values), budgetOpBytes))
	for key, value := range values {
		v, err := h.encode(ctx, value)
		if err != nil {
			return inCall("set_many", codec.At(err, codec.KeyStep(key)))
		}
		op := Op{Kind: OpSet, Key: key, Value: v, TTL: ttl}
		if err := held.takeOp(&op); err != nil {
			return inCall("set_many", err)
		}
		ops = append(ops, op)
	}
	_, err := h.applyMany(ctx, ops)
	return inCall("set_many", err)
}

// DeleteMany removes keys, all in one step, and returns how many were there.
func (h *Handle) DeleteMany(ctx context.Context, keys []string) (int, error) {
	n, err := h.deleteMany(ctx, keys)
	return n, inCall("delete_many", err)
}

// Stats returns the store's counters. Where it fails, because ctx ended the wait
// for the backend or the store is closed, they are those that the backend has no
// part in.
func (h *Handle) Stats(ctx context.Context) (Stats, error) {
	h = h.whole
	s := h.counters.sum()
	if h.memory != nil {
		s.Sets += h.memory.sets()
	}
	n, err := h.len(ctx)
	if err != nil {
		return s, inCall("stats", err)
	}
	s.Keys = int64(n)
	if b, ok := h.store.(StatsReporter); !ok {
		s.Expired, s.Bytes, s.Commits, s.Buffered = -1, -1, -1, -1
	} else {
		t, err := blocking(ctx, h, func() (Stats, error) { return b.Stats(ctx) })
		if err != nil {
			return s, inCall("stats", h.inStore("", err))
		}
		s.Expired, s.Bytes, s.Commits, s.Buffered = t.Expired, t.Bytes, t.Commits, t.Buffered
	}
	return s, nil
}
