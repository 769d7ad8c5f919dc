package extlibs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scriptling-kv/extlibs"
)

func TestMaxKeysBoundsTheLiveKeys(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		if b.cache {
			t.Skip("evicts; TestACacheNeverRefusesAWrite has its limit of keys")
		}
		const limit = 10
		clock := newClock()
		h := b.open(t, clock.option(), extlibs.MaxKeys(limit))
		for i := range limit {
			ttl := time.Duration(0)
			if i < 3 {
				ttl = time.Minute
			}
			if err := h.Set(ctx, fmt.Sprint(i), i, ttl); err != nil {
				t.Fatalf("key %d: %v", i, err)
			}
		}
		full := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, extlibs.ErrFull) {
				t.Errorf("%s: %v, want ErrFull", what, err)
			}
			if n, _ := h.Store().Len(ctx); n > limit {
				t.Errorf("%s: Len is %d", what, n)
			}
		}
		room := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		full("set of a new key", h.Set(ctx, "new", 1, 0))
		_, err := h.Add(ctx, "new", 1, 0)
		full("add of a new key", err)
		_, err = h.Incr(ctx, "new", 1, 0)
		full("incr of a new key", err)
		full("a batch with a new key", h.SetMany(ctx, map[string]any{"9": "changed", "new": 1}, 0))
		if v, _ := h.Get(ctx, "9"); v != int64(9) {
			t.Errorf("the batch that failed left %v", v)
		}
		room("set of a key that is there", h.Set(ctx, "9", "again", 0))
		_, err = h.Delete(ctx, "9")
		room("delete", err)
		room("set after a delete", h.Set(ctx, "new", 1, 0))
		full("one more", h.Set(ctx, "newer", 1, 0))

		clock.Advance(time.Hour)
		for i := range 3 {
			room("set over an expired key", h.Set(ctx, fmt.Sprint("late", i), 1, 0))
		}
		full("one more", h.Set(ctx, "newer", 1, 0))
		full("set of an expired key in a full store", h.Set(ctx, "0", 1, 0))
		full("a batch of an expired key in a full store", h.SetMany(ctx, map[string]any{"0": 1, "9": 2}, 0))
		room("clear", h.Clear(ctx))
		room("set after clear", h.Set(ctx, "newer", 1, 0))
	})
}

func TestAClosedRegistryLeavesNoGoroutine(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		before := goleak.IgnoreCurrent()
		r := newRegistry(append([]extlibs.Option{extlibs.SweepInterval(time.Millisecond)}, b.options...)...)
		h := mustOpen(t, r, b.storeName(t))
		for _, h := range []*extlibs.Handle{h, r.Default()} {
			for i := range 100 {
				if err := h.Set(ctx, fmt.Sprint(i), i, time.Duration(i+1)*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		goleak.VerifyNone(t, before)
	})
}
