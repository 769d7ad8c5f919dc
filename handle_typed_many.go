package extlibs

import (
	"context"
	"iter"
	"time"
)

// ItemOf is an Item whose value is a T.
type ItemOf[T any] struct {
	Key   string
	Value T
	TTL   time.Duration // remaining; 0: no expiry
}

// All returns an iterator over the live keys that o selects, as Handle.All does, with values
// as Get returns them. A value that does not fit is ErrType, which names its key and the
// field; it is the last element.
func All[T any](ctx context.Context, h *Handle, o ListOptions) iter.Seq2[ItemOf[T], error] {
	if h.observer != nil {
		return observedSeq(ctx, h, "all", func(h *Handle) iter.Seq2[ItemOf[T], error] { return All[T](ctx, h, o) })
	}
	return func(yield func(ItemOf[T], error) bool) {
		s, err := o.compile()
		if err != nil {
			yield(ItemOf[T]{}, inCall("all", err))
			return
		}
		for e, err := range h.entries(ctx, s, NeedAll) {
			item := ItemOf[T]{Key: e.Key, TTL: e.TTL}
			if err == nil {
				item.Value, err = typedOf[T](ctx, h, e.Key, e.Value)
			}
			if err != nil {
				yield(ItemOf[T]{}, inCall("all", err))
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// GetMany returns the values of the live keys among keys, all as of one moment, with values
// as Get returns them. If one of them does not fit, the error is ErrType and names its key
// and the field. The limit is that of Handle.GetMany.
func GetMany[T any](ctx context.Context, h *Handle, keys []string) (map[string]T, error) {
	if h.observer != nil {
		return observed(ctx, h, "get_many", func(h *Handle) (map[string]T, error) { return GetMany[T](ctx, h, keys) })
	}
	values, err := getMany(ctx, h, keys, func(ctx context.Context, key string, v Value) (T, error) {
		out, err := decodeTypedCounted[T](ctx, v)
		if err != nil {
			return out, h.inStore(key, err)
		}
		return out, nil
	})
	return values, inCall("get_many", err)
}

// Add stores a value as SetAs does if the key is absent, and reports whether it stored it.
func Add[T any](ctx context.Context, h *Handle, key string, value T, ttl time.Duration) (bool, error) {
	if h.observer != nil {
		return observed(ctx, h, "add", func(h *Handle) (bool, error) { return Add(ctx, h, key, value, ttl) })
	}
	v, err := encodeTyped(ctx, h, value)
	if err != nil {
		return false, inCall("add", err)
	}
	r, err := h.apply(ctx, Op{Kind: OpAdd, Key: key, Value: v, TTL: ttl})
	return r.Applied, inCall("add", err)
}

// GetOrSet returns the value of a key as Get does; if the key is absent, it stores the result
// of fn as SetAs does, and returns it as Get would. Concurrent callers can each run fn; all
// of them get the one value that was stored. If fn returns an error, GetOrSet stores nothing
// and returns that error unchanged. A value that does not fit is ErrType.
func GetOrSet[T any](ctx context.Context, h *Handle, key string, fn func() (T, error), ttl time.Duration) (T, error) {
	if h.observer != nil {
		return observed(ctx, h, "get_or_set", func(h *Handle) (T, error) { return GetOrSet(ctx, h, key, fn, ttl) })
	}
	var fnErr error
	value, err := h.getOrSet(ctx, key, ttl, func() (Value, error) {
		var v T
		if v, fnErr = fn(); fnErr != nil {
			return Value{}, fnErr
		}
		return encodeTyped(ctx, h, v)
	})
	var v T
	if fnErr != nil {
		return v, fnErr
	}
	if err == nil {
		v, err = typedOf[T](ctx, h, key, value)
	}
	return v, inCall("get_or_set", err)
}

// typedOf is decodeTyped for a value that was read under key.
func typedOf[T any](ctx context.Context, h *Handle, key string, v Value) (T, error) {
	out, err := decodeTyped[T](ctx, h, v)
	if err != nil {
		return out, h.inStore(key, err)
	}
	return out, nil
}
