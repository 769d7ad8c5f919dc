package extlibs_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func TestTheGoCallsReadWhatTheyWrote(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t, newClock().option())
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(got, want any) {
			t.Helper()
			if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", want, want) {
				t.Errorf("got %T %v, want %T %v", got, got, want, want)
			}
		}
		ok(h.Set(ctx, "k", "v", time.Minute))
		v, err := h.Get(ctx, "k")
		ok(err)
		want(v, "v")
		left, err := h.TTL(ctx, "k")
		ok(err)
		want(left, time.Minute)
		exists, err := h.Exists(ctx, "k")
		ok(err)
		want(exists, true)
		added, err := h.Add(ctx, "k", "other", 0)
		ok(err)
		want(added, false)
		added, err = h.Add(ctx, "new", "other", time.Hour)
		ok(err)
		want(added, true)
		changed, err := h.Expire(ctx, "k", 0)
		ok(err)
		want(changed, true)
		left, err = h.TTL(ctx, "k")
		ok(err)
		want(left, time.Duration(0))
		popped, err := h.Pop(ctx, "new")
		ok(err)
		want(popped, "other")
		deleted, err := h.Delete(ctx, "new")
		ok(err)
		want(deleted, false)
		n, err := h.Incr(ctx, "n", 5, time.Hour)
		ok(err)
		want(n, int64(5))
		n, err = h.Incr(ctx, "n", -7, 0)
		ok(err)
		want(n, int64(-2))
		left, err = h.TTL(ctx, "n")
		ok(err)
		want(left, time.Hour)
		f, err := h.IncrFloat(ctx, "n", 0.5, 0)
		ok(err)
		want(f, -1.5)
		updated, err := h.Update(ctx, "k", func(old any, ok bool) (any, error) { return fmt.Sprint(old, ok), nil })
		ok(err)
		want(updated, "vtrue")
		updated, err = h.Update(ctx, "fresh", func(old any, ok bool) (any, error) { return fmt.Sprint(old, ok), nil })
		ok(err)
		want(updated, "<nil> false")
		kept, err := h.GetOrSet(ctx, "k", func() (any, error) { return nil, errors.New("is not called") }, 0)
		ok(err)
		want(kept, "vtrue")
		kept, err = h.GetOrSet(ctx, "made", func() (any, error) { return 1, nil }, time.Hour)
		ok(err)
		want(kept, int64(1))
		ok(h.SetMany(ctx, map[string]any{"m:1": 1, "m:2": 2, "m:3": 3}, 0))
		many, err := h.GetMany(ctx, []string{"m:1", "absent", "m:3"})
		ok(err)
		want(many, map[string]any{"m:1": int64(1), "m:3": int64(3)})
		keys, err := h.Keys(ctx, extlibs.ListOptions{Pattern: "m:*", After: "m:1", Limit: 1})
		ok(err)
		want(keys, []string{"m:2"})
		items, err := h.Items(ctx, extlibs.ListOptions{Pattern: "m:[13]"})
		ok(err)
		want(items, []extlibs.Item{{Key: "m:1", Value: int64(1)}, {Key: "m:3", Value: int64(3)}})
		count, err := h.Count(ctx, "m:*")
		ok(err)
		want(count, 3)
		gone, err := h.DeleteMany(ctx, []string{"m:1", "absent", "m:1", "m:2"})
		ok(err)
		want(gone, 2)
		count, err = h.Count(ctx, "")
		ok(err)
		want(count, 5)
		ok(h.Clear(ctx))
		keys, err = h.Keys(ctx, extlibs.ListOptions{})
		ok(err)
		want(len(keys), 0)
	})
}

// everyGoCall makes each call of a handle that takes a key.
func everyGoCall(h *extlibs.Handle, key string) map[string]error {
	errs := map[string]error{"set": h.Set(ctx, key, 1, 0), "set_many": h.SetMany(ctx, map[string]any{key: 1}, 0)}
	_, errs["get"] = h.Get(ctx, key)
	_, errs["add"] = h.Add(ctx, key, 1, 0)
	_, errs["delete"] = h.Delete(ctx, key)
	_, errs["pop"] = h.Pop(ctx, key)
	_, errs["exists"] = h.Exists(ctx, key)
	_, errs["ttl"] = h.TTL(ctx, key)
	_, errs["expire"] = h.Expire(ctx, key, 0)
	_, errs["incr"] = h.Incr(ctx, key, 1, 0)
	_, errs["update"] = h.Update(ctx, key, func(any, bool) (any, error) { return 1, nil })
	_, errs["get_or_set"] = h.GetOrSet(ctx, key, func() (any, error) { return 1, nil }, 0)
	_, errs["get_many"] = h.GetMany(ctx, []string{"fine", key})
	_, errs["delete_many"] = h.DeleteMany(ctx, []string{"fine", key})
	return errs
}

func TestAKeyOutOfRangeIsErrInvalidInEveryCall(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for name, key := range map[string]string{
			"empty": "", "too long": strings.Repeat("k", extlibs.MaxKeyBytes+1), "not UTF-8": "a\xff",
		} {
			for call, err := range everyGoCall(h, key) {
				if !errors.Is(err, extlibs.ErrInvalid) || !strings.HasPrefix(err.Error(), "kv."+call+": ") || len(err.Error()) > 500 {
					t.Errorf("%s with a key that is %s: %v", call, name, err)
				}
			}
		}
		if n, err := h.Store().Len(ctx); n != 0 || err != nil {
			t.Errorf("Len is %d, %v", n, err)
		}
		for call, err := range everyGoCall(h, strings.Repeat("k", extlibs.MaxKeyBytes)) {
			if err != nil && !errors.Is(err, extlibs.ErrNotFound) {
				t.Errorf("%s with the longest key: %v", call, err)
			}
		}
	})
}

func TestATTLOutOfRangeIsErrInvalidInEveryCall(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for _, ttl := range []time.Duration{extlibs.KeepTTL, -2, -time.Hour, extlibs.MaxTTL + 1, math.MaxInt64, math.MinInt64} {
			_, add := h.Add(ctx, "k", 1, ttl)
			_, expire := h.Expire(ctx, "k", ttl)
			_, incr := h.Incr(ctx, "k", 1, ttl)
			_, getOrSet := h.GetOrSet(ctx, "k", func() (any, error) { return 1, nil }, ttl)
			calls := map[string]error{"add": add, "expire": expire, "incr": incr, "get_or_set": getOrSet}
			if ttl != extlibs.KeepTTL {
				calls["set"], calls["set_many"] = h.Set(ctx, "k", 1, ttl), h.SetMany(ctx, map[string]any{"k": 1}, ttl)
			}
			for call, err := range calls {
				if !errors.Is(err, extlibs.ErrInvalid) {
					t.Errorf("%s with ttl %d: %v", call, ttl, err)
				}
			}
		}
		if n, err := h.Store().Len(ctx); n != 0 || err != nil {
			t.Errorf("Len is %d, %v", n, err)
		}
		if err := h.Set(ctx, "k", 1, extlibs.MaxTTL); err != nil {
			t.Errorf("the longest ttl: %v", err)
		}
		if left, err := h.TTL(ctx, "k"); err != nil || left <= extlibs.MaxTTL-time.Hour {
			t.Errorf("%v left, %v", left, err)
		}
	})
}

func TestAnOperationWithoutAValueIsErrInvalid(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for _, kind := range []extlibs.OpKind{extlibs.OpSet, extlibs.OpAdd, extlibs.OpSwap} {
			if _, err := h.Store().Apply(ctx, extlibs.Op{Kind: kind, Key: "k"}); !errors.Is(err, extlibs.ErrInvalid) {
				t.Errorf("operation %d: %v", kind, err)
			}
			if _, err := h.Store().ApplyMany(ctx, []extlibs.Op{{Kind: kind, Key: "k"}}); !errors.Is(err, extlibs.ErrInvalid) {
				t.Errorf("operation %d in a batch: %v", kind, err)
			}
		}
		if n, err := h.Store().Len(ctx); n != 0 || err != nil {
			t.Errorf("Len is %d, %v", n, err)
		}
	})
}

func TestUpdateEndsWithItsFunctionsError(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		if err := h.Set(ctx, "k", 1, 0); err != nil {
			t.Fatal(err)
		}
		mine := errors.New("mine")
		if _, err := h.Update(ctx, "k", func(any, bool) (any, error) { return 2, mine }); err != mine {
			t.Errorf("Update: %v", err)
		}
		if _, err := h.GetOrSet(ctx, "new", func() (any, error) { return 2, mine }, 0); err != mine {
			t.Errorf("GetOrSet: %v", err)
		}
		if _, err := h.Update(ctx, "k", func(any, bool) (any, error) { return func() {}, nil }); !errors.Is(err, extlibs.ErrType) {
			t.Errorf("Update to what cannot be stored: %v", err)
		}
		if v, err := h.Get(ctx, "k"); v != int64(1) || err != nil {
			t.Errorf("the value is %v, %v", v, err)
		}
		if n, err := h.Store().Len(ctx); n != 1 || err != nil {
			t.Errorf("Len is %d, %v", n, err)
		}
	})
}

func TestUpdateLosesNothingAndMayUseTheStore(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		const workers, times = 6, 25
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range times {
					_, err := h.Update(ctx, "n", func(old any, ok bool) (any, error) {
						if _, err := h.Incr(ctx, "runs", 1, 0); err != nil {
							return nil, err
						}
						if !ok {
							return 1, nil
						}
						return old.(int64) + 1, nil
					})
					if err != nil {
						t.Errorf("Update: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if v, err := h.Get(ctx, "n"); v != int64(workers*times) || err != nil {
			t.Errorf("the value is %v, %v; want %d", v, err, workers*times)
		}
		if runs, err := h.Get(ctx, "runs"); err != nil || runs.(int64) < workers*times {
			t.Errorf("the function ran %v times, %v", runs, err)
		}
	})
}

func TestAnUpdateThatAlwaysLosesIsErrConflict(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	runs := 0
	_, err := h.Update(ctx, "k", func(any, bool) (any, error) {
		runs++
		return -1, h.Set(ctx, "k", runs, 0) // changes what it is to replace
	})
	if !errors.Is(err, extlibs.ErrConflict) || runs < 10 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if v, _ := h.Get(ctx, "k"); v != int64(runs) {
		t.Errorf("the value is %v", v)
	}
}

func TestGetOrSetKeepsOneValueForAll(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		for round := range 20 {
			var got [4]any
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					v, err := h.GetOrSet(ctx, fmt.Sprint(round), func() (any, error) { return i, nil }, 0)
					if err != nil {
						t.Errorf("GetOrSet: %v", err)
					}
					got[i] = v
				})
			}
			wg.Wait()
			if slices.ContainsFunc(got[:], func(v any) bool { return v == nil || v != got[0] }) {
				t.Errorf("round %d: the callers got %v", round, got)
			}
		}
	})
}

func TestIncrOfAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		if err := h.SetMany(ctx, map[string]any{"str": "1", "float": 1.5, "max": int64(math.MaxInt64)}, 0); err != nil {
			t.Fatal(err)
		}
		for key, kind := range map[string]error{"str": extlibs.ErrType, "max": extlibs.ErrOverflow} {
			if _, err := h.Incr(ctx, key, 1, 0); !errors.Is(err, kind) || !strings.Contains(err.Error(), fmt.Sprintf("key %q", key)) {
				t.Errorf("Incr of %s: %v", key, err)
			}
		}
		if v, err := h.Incr(ctx, "float", 1, 0); !errors.Is(err, extlibs.ErrType) {
			t.Errorf("Incr of a float: %v, %v", v, err)
		}
	})
}

func TestACallThatFailsStoresNothingOfABatch(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		err := h.SetMany(ctx, map[string]any{"a": 1, "b": []any{func() {}}}, 0)
		if !errors.Is(err, extlibs.ErrType) || !strings.Contains(err.Error(), `value["b"][0]`) {
			t.Errorf("SetMany: %v", err)
		}
		if n, err := h.Store().Len(ctx); n != 0 || err != nil {
			t.Errorf("Len is %d, %v", n, err)
		}
	})
}

func TestStatsCountWhatHappened(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		r := b.registry(t, clock.option())
		h := mustOpen(t, r, b.storeName(t))
		h.Set(ctx, "a", 1, 0)
		h.SetMany(ctx, map[string]any{"b": 1, "c": 1}, 0)
		h.Incr(ctx, "n", 1, time.Minute)
		h.Add(ctx, "a", 1, 0) // is there
		h.Get(ctx, "a")
		h.Get(ctx, "absent")
		h.GetMany(ctx, []string{"a", "b", "absent"})
		h.Delete(ctx, "b")
		h.Delete(ctx, "absent")
		clock.Advance(time.Hour)
		s := statsOf(t, h)
		if s.Keys != 2 || s.Hits != 3 || s.Misses != 2 || s.Sets != 4 || s.Deletes != 1 || s.Bytes == 0 {
			t.Errorf("stats are %+v", s)
		}
		if (s.Commits > 0) != b.persistent && !b.delayed {
			t.Errorf("%d commits", s.Commits)
		}
		r.Default().Set(ctx, "k", 1, 0)
		if all := statsOf(t, r); all.Sets != 5 || all.Keys != 3 {
			t.Errorf("stats of the registry are %+v", all)
		}
	})
}
