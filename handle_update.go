package extlibs

import (
	"context"
	"time"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Update atomically replaces the value of a key with the result of fn and returns the new
// value. fn runs without locks and can use the store. It runs again if the key changed
// meanwhile, at most 200 times; then the error is ErrConflict. After a few runs,
// concurrent updates of one key in this process queue for their turns, unless a run takes
// long. ok is false for an absent key, which gets no expiry; an existing key keeps its
// remaining time. If fn returns an error, Update changes nothing and returns that error
// unchanged.
func (h *Handle) Update(ctx context.Context, key string, fn func(old any, ok bool) (any, error)) (any, error) {
	if h.observer != nil {
		return observed(ctx, h, "update", func(h *Handle) (any, error) { return h.Update(ctx, key, fn) })
	}
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

// GetOrSet returns the value of a key; if the key is absent, it stores and returns the
// result of fn. Two concurrent callers can both run fn; both get the one value that was
// stored. If fn returns an error, GetOrSet stores nothing and returns that error
// unchanged.
func (h *Handle) GetOrSet(ctx context.Context, key string, fn func() (any, error), ttl time.Duration) (any, error) {
	if h.observer != nil {
		return observed(ctx, h, "get_or_set", func(h *Handle) (any, error) { return h.GetOrSet(ctx, key, fn, ttl) })
	}
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

// update replaces the value of a key by the result of fn. fn runs outside the store and
// runs again if the key has changed meanwhile. fn gets the zero Value for an absent key; an
// error of fn ends the update and is returned unchanged.
func (h *Handle) update(ctx context.Context, key string, fn func(old Value) (Value, error)) (Value, error) {
	runs := h.newAttempts(ctx, key)
	defer runs.end()
	for range updateAttempts {
		if err := runs.begin(ctx); err != nil {
			return Value{}, h.inStore(key, err)
		}
		e, err := h.load(ctx, key, NeedValue)
		if err != nil && err != ErrNotFound {
			return Value{}, err
		}
		value, err := fn(e.Value)
		if err != nil {
			return Value{}, err
		}
		r, err := h.apply(ctx, Op{Kind: OpSwap, Key: key, Value: value, Old: e.Value})
		if err != nil {
			return Value{}, err
		}
		if r.Applied {
			return value, nil
		}
		runs.inVain()
	}
	return Value{}, h.inStore(key, kverr.Errorf(ErrConflict, "the key changed during each of %d runs of fn; try again, and check whether fn writes the key itself", updateAttempts))
}

// getOrSet returns the value of a key, or stores and returns what fn makes. Of
// several callers at once each gets the value that was kept.
func (h *Handle) getOrSet(ctx context.Context, key string, ttl time.Duration, fn func() (Value, error)) (Value, error) {
	e, err := h.load(ctx, key, NeedValue)
	if err != ErrNotFound {
		return e.Value, err
	}
	value, err := fn()
	if err != nil {
		return Value{}, err
	}
	r, err := h.apply(ctx, Op{Kind: OpAdd, Key: key, Value: value, TTL: ttl, NeedOld: true})
	return r.kept(value), err
}

// kept is the value after an OpAdd.
func (r Result) kept(added Value) Value {
	if r.Applied {
		return added
	}
	return r.Old
}

// CompareAndSwap stores value if the live value of the key equals old, and reports whether it
// did. Types matter (1 is not 1.0); the order of the members of sets and dicts does not. ttl
// replaces the remaining time: 0 makes the key permanent, KeepTTL keeps the time. For an
// absent key it reports false, whatever old is; use Add for it.
func (h *Handle) CompareAndSwap(ctx context.Context, key string, old, value any, ttl time.Duration) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "compare_and_set", func(h *Handle) (bool, error) { return h.CompareAndSwap(ctx, key, old, value, ttl) })
	}
	was, err := h.encodeOld(ctx, old)
	if err != nil {
		return false, inCall("compare_and_set", err)
	}
	next, err := h.encode(ctx, value)
	if err != nil {
		return false, inCall("compare_and_set", err)
	}
	done, err := h.compareAndSwap(ctx, key, was, next, ttl)
	return done, inCall("compare_and_set", err)
}

// CompareAndDelete removes a key if its live value equals old, and reports whether it
// did. It compares as CompareAndSwap does.
func (h *Handle) CompareAndDelete(ctx context.Context, key string, old any) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "compare_and_delete", func(h *Handle) (bool, error) { return h.CompareAndDelete(ctx, key, old) })
	}
	was, err := h.encodeOld(ctx, old)
	if err != nil {
		return false, inCall("compare_and_delete", err)
	}
	done, err := h.compareAndDelete(ctx, key, was)
	return done, inCall("compare_and_delete", err)
}

func (h *Handle) compareAndSwap(ctx context.Context, key string, old, value Value, ttl time.Duration) (bool, error) {
	op := Op{Kind: OpSwapTTL, Key: key, Value: value, TTL: ttl}
	if ttl == KeepTTL {
		op.Kind, op.TTL = OpSwap, 0
	}
	return h.applyIfEqual(ctx, op, old)
}

func (h *Handle) compareAndDelete(ctx context.Context, key string, old Value) (bool, error) {
	return h.applyIfEqual(ctx, Op{Kind: OpDeleteIf, Key: key}, old)
}

// applyIfEqual carries out an operation that compares encodings where the values
// are equal. It tries old's own encoding first, which is the one that is stored
// but for the order of members; then the one that it found.
func (h *Handle) applyIfEqual(ctx context.Context, op Op, old Value) (bool, error) {
	op.Old, op.NeedOld = old, true
	var want codec.Sum // of old, once there is something to compare it with
	compared := false
	for attempt := range updateAttempts {
		if attempt >= updateEager {
			if err := backOff(ctx, attempt); err != nil {
				return false, h.inStore(op.Key, err)
			}
		}
		r, err := h.apply(ctx, op)
		if err != nil || r.Applied {
			return r.Applied, err
		}
		if r.Old.IsZero() {
			return false, nil
		}
		if !compared {
			if want, err = codec.Digest(ctx, old.data); err != nil {
				return false, err
			}
			compared = true
		}
		found, err := codec.Digest(ctx, r.Old.data)
		if err != nil {
			return false, h.inStore(op.Key, err)
		}
		if found != want {
			return false, nil
		}
		op.Old = r.Old
	}
	return false, h.inStore(op.Key, kverr.Errorf(ErrConflict, "the key changed during each of %d comparisons; try again", updateAttempts))
}
