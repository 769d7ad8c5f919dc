package extlibs_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"go.uber.org/goleak"
)

func TestACloseAgainstRunningCallsGivesAnswersOrErrClosed(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	for _, name := range []string{"memory", "bolt", "interval"} {
		r, path := interpreterStores[name](t)
		h := mustOpen(t, r, path)
		value, _ := extlibs.Encode("v")
		for round := range rounds {
			var calls sync.WaitGroup
			started := make(chan struct{}, 8)
			for g := range 8 {
				calls.Go(func() {
					for i := 0; ; i++ {
						var err error
						switch key := fmt.Sprintf("k%d", i%10); (g + i) % 5 {
						case 0:
							_, err = h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: value, TTL: time.Millisecond})
						case 1:
							_, err = h.Store().Load(ctx, key, extlibs.NeedAll)
						case 2:
							_, err = h.Store().Scan(ctx, extlibs.Range{})
						case 3:
							_, err = h.Store().Len(ctx)
						case 4:
							err = h.Clear(ctx)
						}
						if i == 0 {
							started <- struct{}{}
						}
						if errors.Is(err, extlibs.ErrClosed) {
							return
						}
						if err != nil && !errors.Is(err, extlibs.ErrNotFound) {
							t.Errorf("%s, round %d: %v", name, round, err)
							return
						}
					}
				})
			}
			for range 8 {
				<-started
			}
			if err := h.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
			calls.Wait()
			h = mustOpen(t, r, path)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAThousandOpensWithAFastSweepLeaveNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := newRegistry(extlibs.SweepInterval(time.Millisecond), extlibs.Durability(extlibs.Interval(time.Millisecond)))
	value, _ := extlibs.Encode(1)
	path := filepath.Join(t.TempDir(), "kv.db")
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	for i := range rounds {
		name := path
		if i%2 == 0 {
			name = ":memory:s"
		}
		h := mustOpen(t, r, name)
		for k := range 3 {
			if _, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprint(k), Value: value, TTL: time.Duration(k+1) * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Store().Load(ctx, "1", extlibs.NeedAll); !errors.Is(err, extlibs.ErrClosed) {
			t.Fatalf("a call on a stale handle: %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAHundredThousandOpensOfOneNameTakeNoMemory(t *testing.T) {
	r := newRegistry()
	defer r.Close()
	path := filepath.Join(t.TempDir(), "kv.db")
	for _, name := range []string{":memory:s", path} {
		first := mustOpen(t, r, name)
		before := heapBytes()
		for range 100_000 {
			if h, err := r.Open(ctx, name); h != first || err != nil {
				t.Fatalf("another store: %v", err)
			}
		}
		if grown := int64(heapBytes()) - int64(before); grown > 1<<20 {
			t.Errorf("%s: the heap grew by %d bytes", name, grown)
		}
	}
}
