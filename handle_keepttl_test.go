package extlibs_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func TestKeepTTLKeepsTheRemainingTime(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		whole := b.open(t, clock.option())
		for name, h := range map[string]*extlibs.Handle{"store": whole, "view": whole.Sub("v:")} {
			if err := h.SetMany(ctx, map[string]any{"a": 1, "b": strings.Repeat("x", 100_000), "expired": 1}, time.Minute); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Expire(ctx, "expired", 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if err := h.Set(ctx, "permanent", 1, 0); err != nil {
				t.Fatal(err)
			}
			clock.Advance(20 * time.Second)
			type profile struct{ Name string }
			for i, set := range []func(key string) error{
				func(key string) error { return h.Set(ctx, key, "new", extlibs.KeepTTL) },
				func(key string) error { return extlibs.SetAs(ctx, h, key, profile{"ann"}, extlibs.KeepTTL) },
				func(key string) error {
					return h.SetMany(ctx, map[string]any{key: strings.Repeat("y", 100_000)}, extlibs.KeepTTL)
				},
			} {
				for key, want := range map[string]time.Duration{"a": 40 * time.Second, "b": 40 * time.Second, "permanent": 0, "absent": 0, "expired": 0} {
					if err := set(key); err != nil {
						t.Fatalf("%s, call %d, %s: %v", name, i, key, err)
					}
					if left, err := h.TTL(ctx, key); left != want || err != nil {
						t.Errorf("%s, call %d: %s has %v left, %v, want %v", name, i, key, left, err, want)
					}
				}
				if _, err := h.DeleteMany(ctx, []string{"absent", "expired"}); err != nil {
					t.Fatal(err)
				}
			}
			clock.Advance(40 * time.Second)
			if keys, err := h.Keys(ctx, extlibs.ListOptions{}); err != nil || !strings.HasPrefix(strings.Join(keys, " "), "permanent") {
				t.Errorf("%s: %q, %v", name, keys, err)
			}
			refused := map[string]error{
				"Expire":   second(h.Expire(ctx, "permanent", extlibs.KeepTTL)),
				"Add":      second(h.Add(ctx, "new", 1, extlibs.KeepTTL)),
				"Incr":     second(h.Incr(ctx, "new", 1, extlibs.KeepTTL)),
				"GetOrSet": second(h.GetOrSet(ctx, "new", func() (any, error) { return 1, nil }, extlibs.KeepTTL)),
				"Set":      h.Set(ctx, "new", 1, -2),
			}
			for call, err := range refused {
				if !errors.Is(err, extlibs.ErrInvalid) {
					t.Errorf("%s of KeepTTL: %v", call, err)
				}
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// Concurrent writes that keep the ttl and calls that change it: no ttl appears that no call
// gave, and none is lost.
func TestKeepTTLIsAtomicWithExpire(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		clock := newClock()
		h := b.open(t, clock.option())
		if err := h.Set(ctx, "k", 0, time.Hour); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for n := range 200 {
					var err error
					switch (i + n) % 3 {
					case 0:
						err = h.Set(ctx, "k", n, extlibs.KeepTTL)
					case 1:
						err = h.SetMany(ctx, map[string]any{"k": n, "other": 1}, extlibs.KeepTTL)
					default:
						_, err = h.Expire(ctx, "k", time.Duration(1+n%2)*time.Hour)
					}
					if err != nil {
						t.Error(err)
					}
					if left, err := h.TTL(ctx, "k"); left != time.Hour && left != 2*time.Hour || err != nil {
						t.Errorf("%v left, %v", left, err)
					}
				}
			})
		}
		wg.Wait()
	})
}
