package extlibs_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// looksContext counts how often it is checked, and ends after so many looks.
type looksContext struct {
	context.Context
	looks, after atomic.Int64
}

func (c *looksContext) Err() error {
	if c.looks.Add(1) > c.after.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

// A hostile pattern takes milliseconds for each long key: between two checks of the
// context at most one of them is matched, on each backend and in each call.
func TestAPatternLooksAtTheContextAtEachLongKey(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		const keys = 12
		for i := range keys {
			must(t, h.Set(ctx, strings.Repeat("a", 32760-i), 1, 0))
		}
		pattern := strings.Repeat("{*?}", 253) + "{b,c}"
		for name, call := range map[string]func(ctx context.Context) error{
			"Count": func(ctx context.Context) error { _, err := h.Count(ctx, pattern); return err },
			"Keys": func(ctx context.Context) error {
				_, err := h.Keys(ctx, extlibs.ListOptions{Pattern: pattern})
				return err
			},
			"Items": func(ctx context.Context) error {
				_, err := h.Items(ctx, extlibs.ListOptions{Pattern: pattern})
				return err
			},
			"DeleteMatching": func(ctx context.Context) error { _, err := h.DeleteMatching(ctx, pattern); return err },
			"view":           func(ctx context.Context) error { _, err := h.Sub("a").Count(ctx, pattern); return err },
			"All": func(ctx context.Context) error {
				for _, err := range h.All(ctx, extlibs.ListOptions{Pattern: pattern}) {
					return err
				}
				return nil
			},
		} {
			all := looksContext{Context: ctx}
			all.after.Store(1 << 40)
			if err := call(&all); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			looks := all.looks.Load()
			if looks < keys {
				t.Errorf("%s checked its context %d times for %d long keys", name, looks, keys)
			}
			ending := looksContext{Context: ctx}
			ending.after.Store(looks / 2)
			if err := call(&ending); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s with a context that ends on the way: %v", name, err)
			}
		}
	})
}
