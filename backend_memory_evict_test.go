package extlibs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// openCache returns a cache with a limit of bytes.
func openCache(t testing.TB, limit int64, opts ...extlibs.Option) *extlibs.Handle {
	r := newRegistry(append(opts, extlibs.MaxCacheBytes(limit))...)
	t.Cleanup(func() { r.Close() })
	return mustOpen(t, r, ":cache:test")
}

// checkCache checks that a cache is within its limits, and that it has all keys that came
// and neither left nor were removed.
func checkCache(t testing.TB, h *extlibs.Handle, limit, came, left int64) {
	t.Helper()
	s := statsOf(t, h)
	if s.Bytes > limit {
		t.Errorf("the cache takes %d bytes, its limit is %d", s.Bytes, limit)
	}
	if s.Keys+s.Evicted+s.Expired != came-left {
		t.Errorf("%d keys are there, %d were evicted and %d expired; %d came and %d left", s.Keys, s.Evicted, s.Expired, came, left)
	}
}

func TestACacheNeverRefusesAWrite(t *testing.T) {
	for name, opts := range map[string][]extlibs.Option{"bytes": nil, "keys": {extlibs.MaxKeys(100)}} {
		t.Run(name, func(t *testing.T) {
			const limit = 100_000
			h := openCache(t, limit, opts...)
			came := int64(0)
			add := func(err error) {
				t.Helper()
				must(t, err)
				came++
				checkCache(t, h, limit, came, 0)
			}
			for i := range 500 {
				add(h.Set(ctx, fmt.Sprint("set", i), xs(i), 0))
				_, err := h.Incr(ctx, fmt.Sprint("incr", i), 1, time.Hour)
				add(err)
				_, err = h.Add(ctx, fmt.Sprint("add", i), []any{1, 2}, 0)
				add(err)
				_, err = h.GetOrSet(ctx, fmt.Sprint("made", i), func() (any, error) { return i, nil }, time.Hour)
				add(err)
				_, err = h.Update(ctx, fmt.Sprint("update", i), func(any, bool) (any, error) { return xs(100), nil })
				add(err)
				add(h.SetMany(ctx, map[string]any{fmt.Sprint("many", i): 1}, 0))
			}
			if n := statsOf(t, h).Evicted; n < 1000 {
				t.Errorf("only %d keys were evicted", n)
			}
			for i := range 200 { // values that need most of the cache
				add(h.Set(ctx, fmt.Sprint("large", i), xs(limit*(i%10)/11), 0))
			}
			must(t, h.Clear(ctx))
			if s := statsOf(t, h); s.Keys != 0 || s.Bytes != 0 {
				t.Errorf("after clear: %+v", s)
			}
		})
	}
}

func TestOneValueThatIsTooLargeForACacheChangesNothing(t *testing.T) {
	const limit = 50_000
	h := openCache(t, limit)
	for i := range 100 {
		must(t, h.Set(ctx, fmt.Sprint(i), i, 0))
	}
	before := statsOf(t, h)
	values := map[string]any{"a": 1, "b": xs(limit)}
	for i := range 400 {
		values[fmt.Sprint("more", i)] = i
	}
	_, addErr := h.Add(ctx, "k", xs(limit), 0)
	for what, err := range map[string]error{
		"set": h.Set(ctx, "k", xs(limit), 0), "add": addErr, "overwrite": h.Set(ctx, "1", xs(limit), 0),
		"set_many": h.SetMany(ctx, map[string]any{"a": 1, "b": xs(limit)}, 0), "a large batch": h.SetMany(ctx, values, 0),
	} {
		if !errors.Is(err, extlibs.ErrTooLarge) || !strings.Contains(fmt.Sprint(err), "MaxCacheBytes") {
			t.Errorf("%s: %v, want ErrTooLarge that names MaxCacheBytes", what, err)
		}
	}
	if after := statsOf(t, h); after.Keys != before.Keys || after.Bytes != before.Bytes || after.Evicted != 0 {
		t.Errorf("the calls that failed changed %+v to %+v", before, after)
	}
}

// A batch is stored as a whole. Of one that is larger than the cache a part is evicted at
// once, and no key keeps an older value.
func TestABatchIsAtomicWhileACacheEvicts(t *testing.T) {
	const limit = 100_000
	for _, keys := range []int{10, 200, 250, 400, 1000, 3000} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			h := openCache(t, limit)
			came := int64(0)
			for i := range 300 {
				must(t, h.Set(ctx, fmt.Sprint("old", i), xs(300), 0))
				came++
			}
			for round := range 5 {
				values := map[string]any{}
				for i := range keys {
					values[fmt.Sprint("batch", i)] = round
				}
				had := map[string]bool{}
				got, err := h.GetMany(ctx, keysOfMap(values))
				must(t, err)
				for k := range got {
					had[k] = true
				}
				must(t, h.SetMany(ctx, values, 0))
				came += int64(keys - len(had))
				s := statsOf(t, h)
				if s.Bytes > limit {
					t.Fatalf("%d bytes", s.Bytes)
				}
				got, err = h.GetMany(ctx, keysOfMap(values))
				must(t, err)
				for k, v := range got {
					if v != int64(round) {
						t.Fatalf("round %d: %s holds %v", round, k, v)
					}
				}
				if keys <= 400 && len(got) != keys {
					t.Fatalf("round %d: %d of %d keys of a batch that fits are there", round, len(got), keys)
				}
				if len(got) == 0 {
					t.Fatalf("round %d: nothing is left of the batch", round)
				}
			}
			if keys <= 400 {
				checkCache(t, h, limit, came, 0)
			}
		})
	}
}

func keysOfMap(m map[string]any) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func TestExpiredKeysLeaveACacheBeforeLiveOnes(t *testing.T) {
	const limit = 100_000
	clock := newClock()
	h := openCache(t, limit, clock.option(), extlibs.SweepInterval(time.Hour))
	for i := 0; statsOf(t, h).Bytes < limit/2; i++ {
		must(t, h.Set(ctx, fmt.Sprint("live", i), i, 0))
	}
	live := statsOf(t, h).Keys
	for i := 0; statsOf(t, h).Bytes < limit*9/10; i++ {
		must(t, h.Set(ctx, fmt.Sprint("soon", i), i, time.Second))
		if i%2 == 0 {
			has(t, h, fmt.Sprint("soon", i)) // being used does not save it
		}
	}
	soon := statsOf(t, h).Keys - live
	clock.Advance(time.Minute)
	for i := range soon {
		must(t, h.Set(ctx, fmt.Sprint("next", i), i, 0))
	}
	s := statsOf(t, h)
	if s.Evicted != 0 || s.Expired == 0 || s.Keys != live+soon {
		t.Errorf("%d live keys and %d that expired, then as many new ones: %+v", live, soon, s)
	}
}

// Counters and updates of a cache that is full lose nothing: the key that a call is about is
// not evicted for that call. Every key that came is there or counted.
func TestConcurrentCallsOnAFullCacheAreCountedExactly(t *testing.T) {
	const limit = 60_000
	h := openCache(t, limit, extlibs.MaxKeys(300))
	random := kvtest.Rand(t)
	var came, left atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		r := rand.New(rand.NewPCG(random.Uint64(), uint64(w)))
		wg.Go(func() {
			for range 300 {
				key := fmt.Sprint(r.IntN(700))
				switch r.IntN(9) {
				case 0, 1, 2:
					stored, err := h.Add(ctx, key, xs(r.IntN(500)), 0)
					must(t, err)
					if stored {
						came.Add(1)
					}
				case 3:
					existed, err := h.Delete(ctx, key)
					must(t, err)
					if existed {
						left.Add(1)
					}
				case 4:
					n, err := h.Incr(ctx, fmt.Sprint("counter", w, ":", r.IntN(20)), 1, 0)
					must(t, err)
					if n == int64(1) { // new, or evicted since
						came.Add(1)
					}
				case 5:
					ops := make([]extlibs.Op, 1+r.IntN(2)*300)
					for i := range ops {
						v, err := extlibs.Encode(i)
						must(t, err)
						ops[i] = extlibs.Op{Kind: extlibs.OpAdd, Key: fmt.Sprint(r.IntN(700)), Value: v}
					}
					results, err := h.Store().ApplyMany(ctx, ops)
					must(t, err)
					for _, result := range results {
						if result.Applied {
							came.Add(1)
						}
					}
				default:
					_, err := h.Get(ctx, key)
					if err != nil && !errors.Is(err, extlibs.ErrNotFound) {
						t.Error(err)
					}
				}
				if s := statsOf(t, h); s.Bytes > limit || s.Keys > 300 {
					t.Errorf("%d keys, %d bytes", s.Keys, s.Bytes)
				}
			}
		})
	}
	wg.Wait()
	checkCache(t, h, limit, came.Load(), left.Load())
}

func TestAKeyThatIsUsedAllTheTimeIsNotEvicted(t *testing.T) {
	h := openCache(t, 20_000)
	for i := range 2000 {
		n, err := h.Incr(ctx, "counter", 1, 0)
		must(t, err)
		if n != int64(i+1) {
			t.Fatalf("call %d returns %v", i+1, n)
		}
		must(t, h.Set(ctx, fmt.Sprint("other", i), xs(i%500), 0))
	}
}

func TestAWatcherIsToldOfEvictions(t *testing.T) {
	h := openCache(t, 20_000)
	must(t, h.Set(ctx, "first", 1, 0))
	done := make(chan any)
	go func() {
		v, err := h.WaitChange(ctx, "first", 1)
		must(t, err)
		done <- v
	}()
	for i := 0; ; i++ {
		select {
		case v := <-done:
			if v != nil {
				t.Errorf("the key holds %v", v)
			}
			return
		default:
			// A key that was read is evicted only in favor of others that were read, too.
			must(t, h.Set(ctx, fmt.Sprint("other", i), xs(1000), 0))
			_, err := h.Get(ctx, fmt.Sprint("other", i))
			must(t, err)
		}
	}
}

func TestNamesAndOptionsOfCaches(t *testing.T) {
	r := newRegistry(extlibs.StoreOptions(":cache:small*", extlibs.MaxCacheBytes(5000)), extlibs.MaxStores(6))
	defer r.Close()
	for _, name := range []string{":cache:", ":cache", "cache:x", ":cache:" + xs(1025)} {
		if _, err := r.Open(ctx, name); !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "cache") {
			t.Errorf("Open(%.20q): %v", name, err)
		}
	}
	if err := r.Init(":cache:x"); !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "Evict") {
		t.Errorf("Init: %v", err)
	}
	for name, opt := range map[string]extlibs.StoreOption{":cache:a": extlibs.MaxMemoryBytes(1000), ":memory:a": extlibs.MaxCacheBytes(1000)} {
		if _, err := r.OpenWith(ctx, name, opt); !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "Bytes") {
			t.Errorf("OpenWith(%s): %v", name, err)
		}
	}
	overflows := func(h *extlibs.Handle, bytes int) {
		t.Helper()
		for i := range bytes / 1000 {
			must(t, h.Set(ctx, fmt.Sprint(i), xs(1000), 0))
		}
		if s := statsOf(t, h); s.Evicted == 0 || s.Bytes > int64(bytes) {
			t.Errorf("%s: %+v", h.Name(), s)
		}
	}
	overflows(mustOpen(t, r, ":cache:small"), 6000)
	h, err := r.OpenWith(ctx, ":memory:a", extlibs.MaxCacheBytes(7000), extlibs.Evict())
	must(t, err)
	overflows(h, 8000)
	if again, err := r.OpenWith(ctx, ":memory:a", extlibs.Evict()); again != h || err != nil {
		t.Errorf("the same options again: %v", err)
	}
	if _, err := r.OpenWith(ctx, ":memory:a", extlibs.MaxCacheBytes(8000)); !errors.Is(err, extlibs.ErrInUse) {
		t.Errorf("other options: %v", err)
	}
	must(t, r.Init("", extlibs.Evict(), extlibs.MaxCacheBytes(9000)))
	overflows(r.Default(), 10_000)
	if a, b := mustOpen(t, r, ":cache:x"), mustOpen(t, r, ":cache:x"); a != b {
		t.Error("one name is two stores")
	}
	if a, b := mustOpen(t, r, ":cache:x"), mustOpen(t, r, ":memory:x"); a == b {
		t.Error("a cache and a store in memory are one store")
	}
	for i := range 3 {
		if _, err := r.Open(ctx, fmt.Sprint(":cache:", i)); (i < 2) != (err == nil) {
			t.Errorf("store %d of the limit: %v", 5+i, err)
		}
	}
	if s, err := r.Stats(ctx); err != nil || s.Evicted == 0 || !strings.Contains(r.Var().String(), `"evicted":`) {
		t.Errorf("%+v, %v", s, err)
	}
}

// Names of expired keys that are left in the index count, wherever they are, and a write
// that needs their bytes gets them, in every store in memory.
func TestAFullStoreGetsTheBytesOfDeadNames(t *testing.T) {
	for _, name := range []string{":memory:x", ":cache:x"} {
		clock := newClock()
		r := newRegistry(clock.option(), extlibs.MaxMemoryBytes(1<<20), extlibs.MaxCacheBytes(1<<20), extlibs.SweepInterval(time.Hour))
		h := mustOpen(t, r, name)
		for i := range 5000 {
			must(t, h.Set(ctx, fmt.Sprintf("k%05d", i), 1, 0))
		}
		for i := range 300 {
			must(t, h.Set(ctx, fmt.Sprintf("z%05d", i), 1, time.Second))
		}
		clock.Advance(time.Minute)
		kvtest.Within(t, time.Minute, func() {
			for i := 5000; i < 20_000; i++ {
				if err := h.Set(ctx, fmt.Sprintf("k%05d", i), 1, 0); err != nil {
					if !errors.Is(err, extlibs.ErrFull) {
						t.Error(err)
					}
					return
				}
			}
		})
		r.Close()
	}
}
