package extlibs

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// UpdateMany atomically changes several keys. fn gets the values of the keys that exist, and
// returns the new values: a key that is missing from the returned map is removed; a key that
// is not among keys, or a nil map, is ErrInvalid. UpdateMany returns what fn returned.
//
// The change is serializable: it takes effect only if none of keys has changed since fn's
// values were read, including keys that fn does not change and absent keys. Otherwise fn runs
// again, at most 200 times; then the error is ErrConflict. fn runs without locks and can use
// the store. Concurrent updates take turns as those of Update do. Existing keys keep their
// remaining time, new ones get no expiry. If fn returns an error, UpdateMany changes nothing
// and returns that error unchanged.
//
// On a server, all keys of a store are in one slot, and MaxCallKeys limits their number.
// More than MaxOperationBytes is ErrTooLarge.
func (h *Handle) UpdateMany(ctx context.Context, keys []string, fn func(values map[string]any) (map[string]any, error)) (map[string]any, error) {
	if h.observer != nil {
		return observed(ctx, h, "update_many", func(h *Handle) (map[string]any, error) { return h.UpdateMany(ctx, keys, fn) })
	}
	held := newBudget(ctx, h.opts.maxOperationBytes)
	once, err := held.distinct(len(keys), slices.Values(keys))
	if err != nil {
		return nil, inCall("update_many", h.inStore("", err))
	}
	var returned map[string]any
	var fnErr error
	err = h.updateMany(ctx, held, once, func(entries []Entry, held *budget) (map[string]Value, error) {
		values, err := decodeEach(ctx, entries, h.decodeCounted)
		if err != nil {
			return nil, err
		}
		if returned, fnErr = fn(values); fnErr != nil {
			return nil, fnErr
		}
		if returned == nil {
			return nil, kverr.Errorf(ErrInvalid, "fn returned a nil map, so nothing was changed; return the new values, or an empty map to remove all of the keys")
		}
		if len(returned) > len(once) {
			return nil, notOfKeys(maps.Keys(returned), once)
		}
		next := make(map[string]Value, len(returned))
		for key, value := range returned {
			v, err := h.encode(ctx, value)
			if err != nil {
				return nil, codec.At(err, codec.KeyStep(key))
			}
			if err := held.take(v.Len()); err != nil {
				return nil, h.inStore("", err)
			}
			next[key] = v
		}
		return next, nil
	})
	switch {
	case fnErr != nil:
		return nil, fnErr
	case err != nil:
		return nil, inCall("update_many", err)
	}
	return returned, nil
}

// updateMany changes distinct keys, which held has counted. fn gets the entries of the
// existing keys, decodable within held, and returns the new values. It runs outside the
// store; its error ends the call and is returned unchanged.
func (h *Handle) updateMany(ctx context.Context, held budget, keys []string, fn func([]Entry, *budget) (map[string]Value, error)) error {
	runs := h.newAttempts(ctx, keys...)
	defer runs.end()
	for range updateAttempts {
		if err := runs.begin(ctx); err != nil {
			return h.inStore("", err)
		}
		held := held // of this run
		entries, err := h.loadDecodable(ctx, &held, keys)
		if err != nil {
			return err
		}
		next, err := fn(entries, &held)
		if err != nil {
			return err
		}
		ops, err := h.changesOf(keys, entries, next, &held)
		if err != nil {
			return err
		}
		_, err = h.applyPage(ctx, ops)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		runs.inVain()
	}
	return h.inStore("", kverr.Errorf(ErrConflict, "a key changed during each of %d runs of fn; try again, and check whether fn writes one of them itself", updateAttempts))
}

// changesOf returns the operations that give keys their next values if they still hold
// entries. entries are in the order of keys.
func (h *Handle) changesOf(keys []string, entries []Entry, next map[string]Value, held *budget) ([]Op, error) {
	ops, named := make([]Op, len(keys)), 0
	for i, key := range keys {
		op := &ops[i]
		op.Key, op.Must = key, true
		if len(entries) > 0 && entries[0].Key == key {
			op.Old, entries = entries[0].Value, entries[1:]
		}
		value, ok := next[key]
		switch {
		case ok:
			named++
			op.Kind, op.Value = OpSwap, value
			if value == op.Old {
				op.Kind, op.Value = OpCheck, Value{}
			}
		case op.Old.IsZero():
			op.Kind = OpCheck
		default:
			op.Kind = OpDeleteIf
		}
		if err := held.takeOp(op); err != nil {
			return nil, h.inStore("", err)
		}
	}
	if named < len(next) {
		return nil, notOfKeys(maps.Keys(next), keys)
	}
	return ops, nil
}

// notOfKeys returns the error of a function that returned a value for a key that is not one
// of its call.
func notOfKeys(returned iter.Seq[string], keys []string) error {
	known := make(map[string]struct{}, len(keys))
	for _, key := range keys {
		known[key] = struct{}{}
	}
	var foreign []string // the first one
	for key := range returned {
		if _, ok := known[key]; !ok && (len(foreign) == 0 || key < foreign[0]) {
			foreign = append(foreign[:0], key)
		}
	}
	return kverr.Errorf(ErrInvalid, "fn returned a value for the key %q, which is not one of keys, so nothing was changed; name all keys in keys", shorten(strings.Join(foreign, "")))
}
