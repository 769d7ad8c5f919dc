package extlibs_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// Keys are made permanent in batches: half of them before they expire, half
// of them after it, while a sweep removes them.
func TestAKeyMadePermanentDuringASweepIsNotLost(t *testing.T) {
	const batch = 1000
	forEachBackend(t, func(t *testing.T, b backend) {
		keys := kvtest.Sized(20_000, 60_000, 60_000)
		if b.persistent {
			keys = kvtest.Sized(8000, 20_000, 20_000)
		}
		clock := newClock()
		h := b.open(t, clock.option(), extlibs.SweepInterval(time.Millisecond))
		ops := func(kind extlibs.OpKind, from int, ttl time.Duration) []extlibs.Op {
			ops := make([]extlibs.Op, batch)
			for i := range ops {
				ops[i] = extlibs.Op{Kind: kind, Key: fmt.Sprintf("key:%06d", from+i), TTL: ttl}
				if kind == extlibs.OpSet {
					ops[i].Value = extlibs.RawValue("\x01")
				}
			}
			return ops
		}
		for from := 0; from < keys; from += batch {
			if _, err := h.Store().ApplyMany(ctx, ops(extlibs.OpSet, from, time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		for from := 0; from < keys; from += batch {
			kind := extlibs.OpExpire
			if from >= keys/2 {
				kind = extlibs.OpSet
			}
			if from == keys/2 {
				clock.Advance(2 * time.Hour)
				// The sweeper's timer runs in real time, which this deadline ends.
				must(t, h.Set(ctx, "alarm", 1, time.Millisecond))
				kvtest.Within(t, 30*time.Second, func() {
					// In memory a sweep has ended before the statistics show it.
					for b.persistent && statsOf(t, h).Expired == 0 {
						runtime.Gosched()
					}
				})
			}
			runtime.Gosched() // to the sweeper, where there is one processor
			results, err := h.Store().ApplyMany(ctx, ops(kind, from, 0))
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range results {
				if !r.Applied {
					t.Fatalf("key %d was not there", from+i)
				}
			}
		}
		clock.Advance(time.Hour)
		if n, err := h.Count(ctx, "key:*"); n != keys || err != nil {
			t.Errorf("%d of %d keys are there, %v", n, keys, err)
		}
		if statsOf(t, h).Expired == 0 {
			t.Error("no sweep ran")
		}
	})
}
