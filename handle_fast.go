package extlibs

import (
	"context"
	"time"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// fastPath is what a backend in memory offers in addition to Store: a read without an Entry and a
// write without an Op, for the calls that programs make most often. Only read and set use
// it. Where it does not apply they use the Store, whose errors say why.
type fastPath interface {
	// peek returns the live record of a key, or nil if the key is absent. It reports
	// false if it cannot tell. The key is not checked: an invalid one is absent.
	peek(key string) (r *hashtable.Record, ok bool)

	// setRaw stores a value under a key, as OpSet does, and reports true. It reports
	// false, and has changed nothing, if the arguments are invalid, a limit refuses the
	// write, or it would have to wait.
	setRaw(key string, e codec.Encoded, ttl time.Duration) bool
}

// read returns the value of a live key, else ErrNotFound itself. If the store has a fast
// path it also returns the key's record, whose scalar is ready-made.
func (h *Handle) read(ctx context.Context, key string, need Need) (Value, *hashtable.Record, error) {
	if h.fast != nil {
		r, ok := h.fast.peek(key)
		if r != nil {
			h.counters.of(key).hit()
			return Value{r.Value()}, r, nil
		}
		if ok {
			return Value{}, nil, h.miss(key)
		}
	}
	e, err := h.load(ctx, key, need)
	return e.Value, nil, err
}

// miss counts a read of an absent key, and returns ErrNotFound. An invalid key is not
// counted.
func (h *Handle) miss(key string) error {
	if err := h.checkKey(key); err != nil {
		return err
	}
	h.counters.of(key).misses.Add(1)
	return ErrNotFound
}

// set stores a value under a key. The fast path refuses KeepTTL.
func (h *Handle) set(ctx context.Context, key string, e codec.Encoded, ttl time.Duration) error {
	if h.fast != nil && h.fast.setRaw(key, e, ttl) {
		return nil
	}
	_, err := h.apply(ctx, setOp(key, Value{e.Raw()}, ttl))
	return err
}
