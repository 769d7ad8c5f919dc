package extlibs

import (
	"context"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs/internal/codec"
)

// GetMany returns the values of the live keys among keys, all as of one moment. More than
// MaxOperationBytes is ErrTooLarge, also for SetMany and DeleteMany.
func (h *Handle) GetMany(ctx context.Context, keys []string) (map[string]any, error) {
	if h.observer != nil {
		return observed(ctx, h, "get_many", func(h *Handle) (map[string]any, error) { return h.GetMany(ctx, keys) })
	}
	values, err := getMany(ctx, h, keys, h.decodeCounted)
	return values, inCall("get_many", err)
}

// decoder makes a T of a value that was read under key, whose decoded size a budget has
// counted.
type decoder[T any] func(ctx context.Context, key string, v Value) (T, error)

func getMany[T any](ctx context.Context, h *Handle, keys []string, decode decoder[T]) (map[string]T, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	once, err := held.distinct(len(keys), slices.Values(keys))
	if err != nil {
		return nil, h.inStore("", err)
	}
	entries, err := h.loadDecodable(ctx, &held, once)
	if err != nil {
		return nil, err
	}
	return decodeEach(ctx, entries, decode)
}

// loadDecodable returns the entries of keys, which held has counted. It counts their values,
// encoded and decoded.
func (h *Handle) loadDecodable(ctx context.Context, held *budget, keys []string) ([]Entry, error) {
	entries, err := h.loadHeld(ctx, held, keys, NeedValue)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if err := held.takeDecoded(entries[i].Value); err != nil {
			return nil, h.inStore(damagedKey(entries[i].Key, err), err)
		}
	}
	return entries, nil
}

func decodeEach[T any](ctx context.Context, entries []Entry, decode decoder[T]) (map[string]T, error) {
	values := make(map[string]T, len(entries))
	for _, e := range entries {
		v, err := decode(ctx, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		values[e.Key] = v
	}
	return values, nil
}

// SetMany stores all values with one ttl, or with KeepTTL each with the remaining time of its
// key, atomically: if it returns an error other than ErrCommitUnknown, it stored none of
// them. On disk it is one durable write.
func (h *Handle) SetMany(ctx context.Context, values map[string]any, ttl time.Duration) error {
	if h.observer != nil {
		return observedErr(ctx, h, "set_many", func(h *Handle) error { return h.SetMany(ctx, values, ttl) })
	}
	held := newBudget(ctx, h.opts.maxOperationBytes)
	ops := make([]Op, 0, held.most(len(values), budgetOpBytes))
	for key, value := range values {
		v, err := h.encode(ctx, value)
		if err != nil {
			return inCall("set_many", codec.At(err, codec.KeyStep(key)))
		}
		op := setOp(key, v, ttl)
		if err := held.takeOp(&op); err != nil {
			return inCall("set_many", err)
		}
		ops = append(ops, op)
	}
	_, err := h.applyMany(ctx, ops)
	return inCall("set_many", err)
}

// DeleteMany removes keys atomically and returns how many of them existed.
func (h *Handle) DeleteMany(ctx context.Context, keys []string) (int, error) {
	if h.observer != nil {
		return observed(ctx, h, "delete_many", func(h *Handle) (int, error) { return h.DeleteMany(ctx, keys) })
	}
	n, err := h.deleteMany(ctx, keys)
	return n, inCall("delete_many", err)
}

func (h *Handle) deleteMany(ctx context.Context, keys []string) (int, error) {
	return h.deleteKeys(ctx, keys, h.applyMany)
}

func (h *Handle) deleteKeys(ctx context.Context, keys []string, apply func(context.Context, []Op) ([]Result, error)) (int, error) {
	results, err := apply(ctx, deletions(keys))
	n := 0
	for _, r := range results {
		if r.Applied {
			n++
		}
	}
	return n, err
}

func deletions(keys []string) []Op {
	ops := make([]Op, len(keys))
	for i, key := range keys {
		ops[i] = Op{Kind: OpDelete, Key: key}
	}
	return ops
}
