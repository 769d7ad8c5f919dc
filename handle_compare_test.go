package extlibs_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func TestCompareAndSwapComparesValuesAndTypes(t *testing.T) {
	t.Parallel()
	dict := func(first, second string) extlibs.Dict {
		return extlibs.Dict{{Key: first, Value: 1}, {Key: second, Value: extlibs.Set{first, second, 3}}, {Key: 4, Value: nil}}
	}
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for i, tt := range []struct {
			stored, old any
			equal       bool
		}{
			{1, 1, true}, {1, 1.0, false}, {1, true, false}, {nil, nil, true}, {nil, false, false},
			{"1", []byte("1"), false}, {"\xff", "\xff", true}, {"\xff", []byte("\xff"), false},
			{[]any{1, 2}, []any{1, 2}, true}, {[]any{1, 2}, []any{2, 1}, false}, {[]any{1}, extlibs.Tuple{1}, false},
			{extlibs.Set{1, 2, 3}, extlibs.Set{3, 1, 2}, true}, {extlibs.Set{1, 2}, extlibs.Set{1, 3}, false},
			{extlibs.Set{1, 2}, []any{1, 2}, false}, {extlibs.Set{}, extlibs.Set{}, true},
			{dict("a", "b"), extlibs.Dict{{Key: 4, Value: nil}, {Key: "b", Value: extlibs.Set{3, "b", "a"}}, {Key: "a", Value: 1}}, true},
			{dict("a", "b"), dict("b", "a"), false},
			{map[string]any{"a": 1, "b": 2}, map[string]any{"b": 2, "a": 1}, true},
			{map[string]any{"a": 1, "b": 2}, map[string]any{"a": 2, "b": 1}, false},
			{[]any{map[string]any{"a": 1, "b": extlibs.Set{1, 2}}}, []any{map[string]any{"b": extlibs.Set{2, 1}, "a": 1}}, true},
		} {
			key := fmt.Sprint(i)
			if err := h.Set(ctx, key, tt.stored, 0); err != nil {
				t.Fatal(err)
			}
			done, err := h.CompareAndSwap(ctx, key, tt.old, "new", extlibs.KeepTTL)
			if err != nil || done != tt.equal {
				t.Errorf("swap of %v for %v: %v, %v", tt.stored, tt.old, done, err)
			}
			if v, _ := h.Get(ctx, key); (v == "new") != tt.equal {
				t.Errorf("after the swap of %v for %v the key holds %v", tt.stored, tt.old, v)
			}
			if err := h.Set(ctx, key, tt.stored, 0); err != nil {
				t.Fatal(err)
			}
			if done, err := h.CompareAndDelete(ctx, key, tt.old); err != nil || done != tt.equal {
				t.Errorf("delete of %v for %v: %v, %v", tt.stored, tt.old, done, err)
			}
			if there, _ := h.Exists(ctx, key); there == tt.equal {
				t.Errorf("after the delete of %v for %v the key is there: %v", tt.stored, tt.old, there)
			}
		}
	})
}

func TestCompareAndSwapSetsOrKeepsTheTimeLeft(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		h := b.open(t, clock.option())
		for _, tt := range []struct{ ttl, want time.Duration }{
			{extlibs.KeepTTL, time.Hour}, {time.Minute, time.Minute}, {0, 0},
		} {
			if err := h.Set(ctx, "k", 1, time.Hour); err != nil {
				t.Fatal(err)
			}
			done, err := h.CompareAndSwap(ctx, "k", 1, 2, tt.ttl)
			if left, _ := h.TTL(ctx, "k"); !done || err != nil || left != tt.want {
				t.Errorf("ttl %v: %v, %v, %v left", tt.ttl, done, err, left)
			}
		}
		if done, err := h.CompareAndSwap(ctx, "absent", nil, 1, 0); done || err != nil {
			t.Errorf("swap of an absent key: %v, %v", done, err)
		}
		if done, err := h.CompareAndDelete(ctx, "absent", nil); done || err != nil {
			t.Errorf("delete of an absent key: %v, %v", done, err)
		}
		if _, err := h.CompareAndSwap(ctx, "k", 2, 3, -2); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("a negative ttl: %v", err)
		}
	})
}

func TestALockOfCompareAndDeleteHasOneHolder(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		var holders, got atomic.Int32
		var wg sync.WaitGroup
		for worker := range 6 {
			wg.Go(func() {
				for range 20 {
					token := map[string]any{"worker": worker, "of": 6, "more": extlibs.Set{1, 2, 3}}
					if added, err := h.Add(ctx, "lock", token, 0); err != nil || !added {
						continue
					}
					if holders.Add(1) != 1 {
						t.Error("two hold the lock")
					}
					got.Add(1)
					holders.Add(-1)
					if done, err := h.CompareAndDelete(ctx, "lock", token); !done || err != nil {
						t.Errorf("the holder cannot let go: %v, %v", done, err)
					}
					if done, err := h.CompareAndDelete(ctx, "lock", "another token"); done || err != nil {
						t.Errorf("another let go: %v, %v", done, err)
					}
				}
			})
		}
		wg.Wait()
		if got.Load() == 0 {
			t.Error("nobody got the lock")
		}
	})
}

func TestAnErrorAboutOldSaysSo(t *testing.T) {
	h := backends[0].open(t)
	function := []any{func() {}}
	_, swap := h.CompareAndSwap(ctx, "k", function, 1, 0)
	_, remove := h.CompareAndDelete(ctx, "k", function)
	_, wait := h.WaitChange(ctx, "k", function)
	for call, err := range map[string]error{"compare_and_set": swap, "compare_and_delete": remove, "wait_change": wait} {
		if want := "kv." + call + ": cannot store a func() at old[0]"; !errors.Is(err, extlibs.ErrType) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := h.CompareAndSwap(ctx, "k", 1, function, 0); err == nil || !strings.Contains(err.Error(), "at value[0]") {
		t.Errorf("the new value: %v", err)
	}
}
