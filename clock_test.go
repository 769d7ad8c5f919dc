package extlibs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// strangeClocks are readings that no file's deadline can hold as they are, and some
// that one can.
func strangeClocks(r *rand.Rand) []time.Time {
	clocks := []time.Time{
		{}, time.Unix(0, 0), time.Unix(0, 1), time.Unix(-60, 0), time.Unix(-100*365*86400, 0),
		time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2163, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2262, 4, 11, 0, 0, 0, 0, time.UTC), time.Unix(0, 1<<63-1), time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for range 8 {
		clocks = append(clocks, time.Date(r.IntN(4000), 1, r.IntN(365), 0, 0, 0, r.IntN(1e9), time.UTC))
	}
	return clocks
}

// agree fails where the calls disagree about which keys are live.
func agree(t *testing.T, h *extlibs.Handle, what string, want ...string) {
	t.Helper()
	keys, err := h.Keys(ctx, extlibs.ListOptions{})
	if err != nil || fmt.Sprint(keys) != fmt.Sprint(want) {
		t.Errorf("%s: keys: %v, %v; want %v", what, keys, err, want)
	}
	if n, err := h.Count(ctx, "*"); n != len(want) || err != nil {
		t.Errorf("%s: count: %d, %v; want %d", what, n, err, len(want))
	}
	for _, key := range want {
		if _, err := h.Get(ctx, key); err != nil {
			t.Errorf("%s: get %s: %v", what, key, err)
		}
		if n, err := h.Incr(ctx, key, 1, 0); err != nil || n == int64(1) {
			t.Errorf("%s: incr %s: %v, %v: it takes the key for absent", what, key, n, err)
		}
		if added, err := h.Add(ctx, key, 1, 0); added || err != nil {
			t.Errorf("%s: add %s: %v, %v", what, key, added, err)
		}
		left, err := h.TTL(ctx, key)
		if err != nil || key != "forever" && left <= 0 {
			t.Errorf("%s: ttl of %s: %v, %v", what, key, left, err)
		}
	}
}

func TestNoClockMakesCallsDisagreeOrAStoreThatDoesNotOpen(t *testing.T) {
	for _, at := range strangeClocks(kvtest.Rand(t)) {
		forEachBackend(t, func(t *testing.T, b backend) {
			var off atomic.Int64
			clock := extlibs.Clock(func() time.Time { return at.Add(time.Duration(off.Load())) })
			path := b.storeName(t)
			h := mustOpen(t, b.registry(t, clock), path)
			all := []string{"day", "forever", "long", "short"}
			for key, ttl := range map[string]time.Duration{"day": 24 * time.Hour, "forever": 0, "long": extlibs.MaxTTL, "short": time.Millisecond} {
				if err := h.Set(ctx, key, 1, ttl); err != nil {
					t.Errorf("%v: set %s: %v", at, key, err)
				}
			}
			agree(t, h, fmt.Sprint(at), all...)
			if b.persistent {
				aside := filepath.Join(t.TempDir(), "crashed.db")
				copyCrashed(t, path, aside)
				if again, err := b.registry(t, clock).Open(ctx, aside); err != nil {
					t.Errorf("%v: after a crash: %v", at, err)
				} else {
					agree(t, again, fmt.Sprint(at, " after a crash"), all...)
					again.Close()
				}
				if err := h.Close(); err != nil {
					t.Errorf("%v: close: %v", at, err)
				}
				h = mustOpen(t, b.registry(t, clock), path)
				agree(t, h, fmt.Sprint(at, " after a close"), all...)
			}
		})
	}
}

func TestKeysExpireAndAreSweptByAClockBefore1970(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(-60, 0), time.Unix(-1e9, 0), time.Unix(0, 0)} {
		forEachBackend(t, func(t *testing.T, b backend) {
			synctest.Test(t, func(t *testing.T) {
				var off atomic.Int64
				clock := extlibs.Clock(func() time.Time { return at.Add(time.Duration(off.Load())) })
				h := mustOpen(t, b.registry(t, clock), b.storeName(t))
				for key, ttl := range map[string]time.Duration{"forever": 0, "long": time.Hour, "short": time.Minute} {
					if err := h.Set(ctx, key, 1, ttl); err != nil {
						t.Fatal(err)
					}
				}
				off.Store(int64(time.Minute) - 1)
				agree(t, h, fmt.Sprint(at), "forever", "long", "short")
				off.Store(int64(time.Minute))
				agree(t, h, fmt.Sprint(at), "forever", "long")
				time.Sleep(2 * extlibs.DefaultSweepInterval)
				if s := statsOf(t, h); s.Expired != 1 {
					t.Errorf("%v: %d keys were swept, want 1", at, s.Expired)
				}
			})
		})
	}
}

// A deadline that is further away than a timer can reach must not keep the sweeper from
// the near ones.
func TestAFarDeadlineDoesNotStopTheSweeper(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		synctest.Test(t, func(t *testing.T) {
			h := mustOpen(t, b.registry(t), b.storeName(t))
			for key, ttl := range map[string]time.Duration{"far": extlibs.MaxTTL, "near": time.Minute} {
				if err := h.Set(ctx, key, 1, ttl); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute + 2*extlibs.DefaultSweepInterval)
			if s := statsOf(t, h); s.Expired != 1 {
				t.Errorf("%d keys were swept, want 1", s.Expired)
			}
		})
	})
}

// copyCrashed copies the two files of a store that is open, as a crash leaves them.
func copyCrashed(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-log"} {
		data, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to+suffix, data)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
