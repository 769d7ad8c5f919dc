package extlibs

import (
	"context"
	"time"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// CompareAndSwap stores value if the live value of key equals old, types
// included (1 is not 1.0), and reports whether it did. The order of the members
// of sets and dicts does not matter. ttl replaces the time left, 0 makes the key
// permanent, KeepTTL leaves it. An absent key equals nothing: Add stores there.
func (h *Handle) CompareAndSwap(ctx context.Context, key string, old, value any, ttl time.Duration) (bool, error) {
	was, err := h.encode(ctx, old)
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

// CompareAndDelete removes key if its live value equals old, as CompareAndSwap
// compares them, and reports whether it did.
func (h *Handle) CompareAndDelete(ctx context.Context, key string, old any) (bool, error) {
	was, err := h.encode(ctx, old)
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
			wait := func() (any, error) { return nil, backOff(ctx, min(attempt, updateAttempts/4)) }
			if _, err := runBlocking(ctx, wait); err != nil {
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
	return false, h.inStore(op.Key, kverr.Errorf(ErrConflict, "the key changed during each of %d comparisons", updateAttempts))
}
