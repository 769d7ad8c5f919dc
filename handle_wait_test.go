package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// waiting waits until n callers wait for changes of a store.
func waiting(t testing.TB, h *extlibs.Handle, n int) {
	t.Helper()
	for range 10_000 {
		if extlibs.Waiting(h) == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d callers wait, want %d", extlibs.Waiting(h), n)
}

// leavesNothing fails the test if a store still has waiting callers.
func leavesNothing(t testing.TB, h *extlibs.Handle) {
	t.Helper()
	waiting(t, h, 0)
	if extlibs.Watched(h) {
		t.Error("the store is still watched although no caller waits")
	}
}

// answer is what a call that waits returned.
type answer struct {
	value any
	err   error
}

func inBackground(call func() (any, error)) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		v, err := call()
		c <- answer{v, err}
	}()
	return c
}

// wantAnswer waits for a value.
func wantAnswer(t testing.TB, c <-chan answer, want any) {
	t.Helper()
	select {
	case a := <-c:
		if a.value != want || a.err != nil {
			t.Errorf("it returned %v (%v), want %v", a.value, a.err, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody woke it")
	}
}

func wantError(t testing.TB, c <-chan answer, want error) {
	t.Helper()
	select {
	case a := <-c:
		if !errors.Is(a.err, want) {
			t.Errorf("it returned %v, %v, want %v", a.value, a.err, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody woke it")
	}
}

// Each way to change a key, on a store with the keys "k" = "old", without expiry, and
// "mortal", whose time ends soon; with what the key holds afterwards.
var waysToChange = []struct {
	name   string
	key    string
	want   any
	change func(h *extlibs.Handle) error
}{
	{"set", "new", "v", func(h *extlibs.Handle) error { return h.Set(ctx, "new", "v", 0) }},
	{"set with a ttl", "new", "v", func(h *extlibs.Handle) error { return h.Set(ctx, "new", "v", time.Minute) }},
	{"set of an existing key", "k", "v", func(h *extlibs.Handle) error { return h.Set(ctx, "k", "v", 0) }},
	{"add", "new", int64(1), func(h *extlibs.Handle) error { _, err := h.Add(ctx, "new", 1, 0); return err }},
	{"incr", "new", int64(5), func(h *extlibs.Handle) error { _, err := h.Incr(ctx, "new", 5, 0); return err }},
	{"delete", "k", nil, func(h *extlibs.Handle) error { _, err := h.Delete(ctx, "k"); return err }},
	{"pop", "k", nil, func(h *extlibs.Handle) error { _, err := h.Pop(ctx, "k"); return err }},
	{"clear", "k", nil, func(h *extlibs.Handle) error { return h.Clear(ctx) }},
	{"clear of a view", "k", nil, func(h *extlibs.Handle) error { return h.Sub("").Clear(ctx) }},
	{"a view", "a:b", "v", func(h *extlibs.Handle) error { return h.Sub("a:").Set(ctx, "b", "v", 0) }},
	{"update", "k", "v", func(h *extlibs.Handle) error {
		_, err := h.Update(ctx, "k", func(any, bool) (any, error) { return "v", nil })
		return err
	}},
	{"compare and swap", "k", "v", func(h *extlibs.Handle) error {
		_, err := h.CompareAndSwap(ctx, "k", "old", "v", 0)
		return err
	}},
	{"compare and delete", "k", nil, func(h *extlibs.Handle) error {
		_, err := h.CompareAndDelete(ctx, "k", "old")
		return err
	}},
	{"set many", "many 7", "v", func(h *extlibs.Handle) error { return setSome(h, 10) }},
	{"a large batch", "many 7", "v", func(h *extlibs.Handle) error { return setSome(h, 2000) }},
	{"delete many", "k", nil, func(h *extlibs.Handle) error { _, err := h.DeleteMany(ctx, []string{"j", "k"}); return err }},
	{"delete matching", "k", nil, func(h *extlibs.Handle) error { _, err := h.DeleteMatching(ctx, "k*"); return err }},
	{"a batch of Go code", "k", nil, func(h *extlibs.Handle) error {
		_, err := h.Store().ApplyMany(ctx, []extlibs.Op{{Kind: extlibs.OpDelete, Key: "k"}, {Kind: extlibs.OpDelete, Key: "j"}})
		return err
	}},
	{"expiry", "mortal", nil, func(*extlibs.Handle) error { return nil }},
	{"a shorter ttl", "k", nil, func(h *extlibs.Handle) error { _, err := h.Expire(ctx, "k", 20*time.Millisecond); return err }},
}

func setSome(h *extlibs.Handle, n int) error {
	values := map[string]any{}
	for i := range n {
		values[fmt.Sprint("many ", i)] = "v"
	}
	return h.SetMany(ctx, values, 0)
}

func TestEachChangeWakesWaitingCallers(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		for _, tt := range waysToChange {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				h := b.open(t, extlibs.SweepInterval(10*time.Millisecond))
				if err := h.Set(ctx, "k", "old", 0); err != nil {
					t.Fatal(err)
				}
				old, _ := h.Get(ctx, tt.key)
				if tt.name == "expiry" {
					old = "old"
					if err := h.Set(ctx, tt.key, old, 2*time.Second); err != nil {
						t.Fatal(err)
					}
				}
				callers := 2
				changed := inBackground(func() (any, error) { return h.WaitChange(ctx, tt.key, old) })
				var found <-chan answer
				if old == nil {
					found = inBackground(func() (any, error) { return h.Wait(ctx, tt.key) })
					callers++
				}
				seen := inBackground(func() (any, error) {
					for c, err := range h.Sub("").Watch(ctx, extlibs.WatchOptions{Prefix: tt.key[:1]}) {
						if err != nil || c.Lost || c.Key == tt.key {
							return c, err
						}
					}
					return nil, nil
				})
				waiting(t, h, callers)
				if err := tt.change(h); err != nil {
					t.Fatal(err)
				}
				wantAnswer(t, changed, tt.want)
				if old == nil {
					wantAnswer(t, found, tt.want)
				}
				want := extlibs.Change{Key: tt.key, Value: tt.want, Deleted: tt.want == nil}
				if tt.name == "clear" {
					want = extlibs.Change{Lost: true}
				}
				if tt.name == "a shorter ttl" { // a change itself: the value can still be live
					<-seen
				} else {
					wantAnswer(t, seen, want)
				}
				leavesNothing(t, h)
			})
		}
	})
}

func TestAWaitThatNeedNotWaitReturnsAtOnce(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		if err := h.Set(ctx, "k", map[string]any{"a": 1, "b": 2}, 0); err != nil {
			t.Fatal(err)
		}
		if err := h.Set(ctx, "none", nil, 0); err != nil {
			t.Fatal(err)
		}
		cancelled, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if v, err := h.Wait(ctx, "k"); err != nil || len(v.(map[string]any)) != 2 {
			t.Error(v, err)
		}
		for _, old := range []any{nil, 1, map[string]any{"a": 1}, map[string]any{"a": 1, "b": 2.0}} {
			if v, err := h.WaitChange(ctx, "k", old); err != nil || len(v.(map[string]any)) != 2 {
				t.Error(old, v, err)
			}
		}
		for key, old := range map[string]any{"k": map[string]any{"b": 2, "a": 1}, "absent": nil, "none": nil} {
			if v, err := h.WaitChange(cancelled, key, old); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(key, v, err)
			}
		}
		if v, err := h.WaitChange(ctx, "none", 1); v != nil || err != nil {
			t.Error(v, err)
		}
		for _, err := range []error{second(h.Wait(ctx, "")), second(h.WaitChange(ctx, "", nil)), second(h.WaitChange(ctx, "a\xff", nil))} {
			if !errors.Is(err, extlibs.ErrInvalid) {
				t.Error(err)
			}
		}
		if err := second(h.WaitChange(ctx, "k", make(chan int))); !errors.Is(err, extlibs.ErrType) {
			t.Error(err)
		}
		leavesNothing(t, h)
	})
}

func TestTheEndOfTheContextOrOfTheStoreEndsAWait(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		for name, end := range map[string]func(r *extlibs.Registry, h *extlibs.Handle, cancel func()) error{
			"context":  func(_ *extlibs.Registry, _ *extlibs.Handle, cancel func()) error { cancel(); return context.Canceled },
			"store":    func(_ *extlibs.Registry, h *extlibs.Handle, _ func()) error { h.Close(); return extlibs.ErrClosed },
			"registry": func(r *extlibs.Registry, _ *extlibs.Handle, _ func()) error { r.Close(); return extlibs.ErrClosed },
		} {
			t.Run(name, func(t *testing.T) {
				r := b.registry(t)
				h := mustOpen(t, r, b.storeName(t))
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				var all []<-chan answer
				for i := range 100 {
					key := fmt.Sprint(i % 7)
					all = append(all,
						inBackground(func() (any, error) { return h.Wait(ctx, key) }),
						inBackground(func() (any, error) { return h.Sub("s:").WaitChange(ctx, key, nil) }),
						inBackground(func() (any, error) {
							for _, err := range h.Watch(ctx, extlibs.WatchOptions{Pattern: "x*"}) {
								return nil, err
							}
							return nil, nil
						}))
				}
				h.Watch(ctx, extlibs.WatchOptions{}) // and no loop
				waiting(t, h, len(all)+1)
				want := end(r, h, cancel)
				for _, c := range all {
					wantError(t, c, want)
				}
				cancel()
				leavesNothing(t, h)
			})
		}
	})
}

// A writer that changes the key between a caller's read and its wait wakes it.
func TestNoChangeIsMissedBetweenAReadAndAWait(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		last := int64(kvtest.Sized(200, 2000, 20_000))
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for seen := any(nil); seen != last; {
					ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
					next, err := h.WaitChange(ctx, "n", seen)
					cancel()
					if err != nil {
						t.Errorf("after %v: %v", seen, err)
						return
					}
					seen = next
				}
			})
		}
		for range last {
			if _, err := h.Incr(ctx, "n", 1, 0); err != nil {
				t.Error(err)
			}
		}
		readers.Wait()
		leavesNothing(t, h)
	})
}

func TestWatchReportsWhatKeysHoldAfterTheirLastChange(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		random := kvtest.Rand(t)
		watch := h.Sub("a:").Watch(ctx, extlibs.WatchOptions{Pattern: "*[0-9]", Prefix: "k"})
		last := map[string]any{}
		for i := range 500 {
			key := fmt.Sprint("k", random.IntN(10))
			if random.IntN(3) == 0 {
				h.Sub("a:").Delete(ctx, key)
				last[key] = nil
			} else {
				h.Sub("a:").Set(ctx, key, i, 0)
				last[key] = int64(i)
			}
			h.Set(ctx, "a:j1", i, 0)
			h.Set(ctx, "a:kx", i, 0)
			h.Set(ctx, "k1", i, 0)
		}
		h.Set(ctx, "a:k~9", 0, 0)
		seen := map[string]any{}
		for c, err := range watch {
			if err != nil || c.Lost || c.Deleted != (c.Value == nil) {
				t.Fatal(c, err)
			}
			if c.Key == "k~9" {
				break
			}
			seen[c.Key] = c.Value
		}
		for key, want := range last {
			if got, ok := seen[key]; got != want || !ok && want != nil {
				t.Errorf("%s: %v, want %v", key, got, want)
			}
			delete(seen, key)
		}
		if len(seen) > 0 {
			t.Errorf("changes of other keys: %v", seen)
		}
		for _, err := range watch {
			if !errors.Is(err, extlibs.ErrInvalid) {
				t.Errorf("a second loop: %v", err)
			}
		}
		leavesNothing(t, h)
	})
}

func TestAWatchThatIsSlowLosesTrackAndSaysSo(t *testing.T) {
	h := backends[0].open(t)
	watch := h.Watch(ctx, extlibs.WatchOptions{})
	for i := range 20_000 {
		if err := h.Set(ctx, fmt.Sprint(i), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for c, err := range watch {
		switch n++; {
		case err != nil:
			t.Fatal(err)
		case n == 1 && !c.Lost:
			t.Fatalf("the first change is %v", c)
		case n == 1:
			// The body of the loop can write to the store that it watches.
			if err := h.Set(ctx, "again", true, 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if c.Key != "again" || c.Value != true {
			t.Errorf("after it lost track: %v", c)
		}
		break
	}
	if err := errorOf(h.Watch(ctx, extlibs.WatchOptions{Pattern: "[a"})); !errors.Is(err, extlibs.ErrInvalid) {
		t.Error(err)
	}
	leavesNothing(t, h)
}

func errorOf(watch func(func(extlibs.Change, error) bool)) (err error) {
	watch(func(_ extlibs.Change, e error) bool { err = e; return false })
	return err
}

// A key's deadline wakes a caller exactly, whenever the sweeper comes.
func TestAWaitKnowsTheDeadlineOfTheValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := extlibs.NewRegistry(extlibs.SweepInterval(time.Hour))
		h := mustOpen(t, r, ":memory:x")
		h.Set(ctx, "k", 1, 90*time.Second)
		began := time.Now()
		if v, err := h.WaitChange(ctx, "k", 1); v != nil || err != nil || time.Since(began) != 90*time.Second {
			t.Errorf("%v, %v after %v", v, err, time.Since(began))
		}
		leavesNothing(t, h)
		r.Close()
	})
}
