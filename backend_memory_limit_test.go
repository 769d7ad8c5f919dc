package extlibs_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC() // the first one only makes room for what it found
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a store counts is what the process pays, whatever the sizes of keys and
// values are: entries of each kind fill a store, and the heap grows by no more
// than the limit and a quarter.
func TestAStoreAtItsLimitOfMemoryTakesNoMoreOfTheProcess(t *testing.T) {
	const limit = 16 << 20
	for _, size := range []struct{ key, value int }{{8, 1}, {8, 100}, {200, 1}, {16, 64 << 10}} {
		t.Run(fmt.Sprintf("keys of %d, values of %d bytes", size.key, size.value), func(t *testing.T) {
			before := heapBytes()
			r := newRegistry(extlibs.MaxMemoryBytes(limit))
			h := mustOpen(t, r, ":memory:full")
			padding := strings.Repeat("k", size.key)
			n := 0
			var err error
			for ; err == nil && n < 1<<20; n++ {
				var v extlibs.Value
				if v, err = extlibs.Encode(strings.Repeat("v", size.value)); err == nil {
					_, err = h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprintf("%d%s", n, padding)[:max(size.key, 7)], Value: v})
				}
			}
			if !errors.Is(err, extlibs.ErrFull) {
				t.Fatalf("write %d: %v", n, err)
			}
			grown := int64(heapBytes()) - int64(before)
			t.Logf("%d keys, %d bytes counted, the heap grew by %d", n, statsOf(t, h).Bytes, grown)
			if grown > limit+limit*2/5 {
				t.Errorf("the heap grew by %d bytes, the limit is %d", grown, limit)
			}
			if err := h.Clear(ctx); err != nil {
				t.Fatal(err)
			}
			if left := int64(heapBytes()) - int64(before); left > limit/8 {
				t.Errorf("%d bytes are left after clear", left)
			}
			runtime.KeepAlive(h)
			r.Close()
		})
	}
}

func TestTheLimitOfOpenStoresBoundsMemoryAndNamesItself(t *testing.T) {
	const stores = 1000
	before := heapBytes()
	r := newRegistry(extlibs.MaxStores(stores))
	defer r.Close()
	for i := range stores {
		mustOpen(t, r, fmt.Sprint(":memory:", i))
	}
	for i := range 10_000 {
		if _, err := r.Open(ctx, fmt.Sprint(":memory:more", i)); !errors.Is(err, extlibs.ErrFull) {
			t.Fatalf("store %d beyond the limit: %v", i, err)
		}
	}
	if grown := int64(heapBytes()) - int64(before); grown > stores*64<<10 {
		t.Errorf("%d empty stores take %d bytes", stores, grown)
	}
}
