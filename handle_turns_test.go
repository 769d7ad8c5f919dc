package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
)

// hurried updates a key without a pause until it is told to stop: an update that takes
// longer loses against it each time.
func hurried(t *testing.T, h *extlibs.Handle, key string, stop *atomic.Bool) {
	for !stop.Load() {
		if _, err := h.Update(ctx, key, func(old any, ok bool) (any, error) {
			n, _ := old.(int64)
			return n + 1, nil
		}); err != nil {
			t.Errorf("a hurried update: %v", err)
			return
		}
	}
}

// A slow function loses against quick ones each time, unless it gets its turn.
func TestEachUpdateGetsItsTurn(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		if b.delayed {
			t.Skip("as the one before")
		}
		_, h := scripted(t, b)
		var stop atomic.Bool
		var quick, slow sync.WaitGroup
		for range 3 {
			quick.Go(func() { hurried(t, h, "n", &stop) })
		}
		var runs [8]int
		for i := range runs {
			slow.Go(func() {
				_, err := h.Update(ctx, "n", func(old any, ok bool) (any, error) {
					runs[i]++
					n, _ := old.(int64)
					for deadline := time.Now().Add(2 * time.Millisecond); time.Now().Before(deadline); {
					}
					return n + 1, nil
				})
				if err != nil {
					t.Errorf("a slow update: %v", err)
				}
			})
		}
		slow.Wait()
		stop.Store(true)
		quick.Wait()
		for _, n := range runs {
			if n > 50 {
				t.Errorf("the slow updates took %v runs", runs)
				break
			}
		}
	})
}

func TestManyWritersOfOneKeyAllSucceed(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		const writers, each = 64, 20
		r := b.registry(t)
		name := b.storeName(t)
		h := mustOpen(t, r, name)
		var all sync.WaitGroup
		for i := range writers {
			if i%8 != 0 { // the others are scripts
				all.Go(func() {
					for range each {
						if _, err := h.Update(ctx, "n", func(old any, ok bool) (any, error) {
							n, _ := old.(int64)
							return n + 1, nil
						}); err != nil {
							t.Errorf("writer %d: %v", i, err)
						}
					}
				})
				continue
			}
			p := interpreter(r, &bytes.Buffer{})
			eval(t, p, fmt.Sprintf("writer%d = None", i))
			must(t, p.SetVar("name", name))
			all.Go(func() {
				if _, err := p.Eval(fmt.Sprintf("import scriptling.runtime.kv as kv\nstore = kv.open(name)\nfor i in range(%d):\n    store.update('n', lambda n: n + 1, 0)", each)); err != nil {
					t.Errorf("script %d: %v", i, err)
				}
			})
		}
		all.Wait()
		if n, err := h.Get(ctx, "n"); n != int64(writers*each) || err != nil {
			t.Errorf("%v after %d updates (%v)", n, writers*each, err)
		}
	})
}

// The function of an update may update the same key, or wait for one who does: it gets
// an ErrConflict in the end, but nothing stands still.
func TestAnUpdateInAnUpdateOfTheSameKeyDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustOpen(t, newRegistry(), ":memory:nested")
		inner := 0
		began := time.Now()
		_, err := h.Update(ctx, "k", func(any, bool) (any, error) {
			done := make(chan error)
			go func() { // not even the same goroutine
				_, err := h.Update(ctx, "k", func(any, bool) (any, error) { inner++; return inner, nil })
				done <- err
			}()
			return "outer", <-done
		})
		if !errors.Is(err, extlibs.ErrConflict) {
			t.Errorf("an update that is in its own way: %v", err)
		}
		if v, err := h.Get(ctx, "k"); v != int64(200) || err != nil {
			t.Errorf("the updates inside left %v (%v)", v, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A caller that waits for its turn obeys its context, and leaves the queue.
func TestAWaitForATurnObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := mustOpen(t, newRegistry(), ":memory:turns")
		slow := func(ctx context.Context) error {
			_, err := h.Update(ctx, "k", func(old any, ok bool) (any, error) {
				time.Sleep(10 * time.Second)
				n, _ := old.(int64)
				return n + 1, nil
			})
			return err
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if err := slow(ctx); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				short, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				if err := slow(short); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestACallerThatWaitsInGetOrSetSeesASet(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		h := mustOpen(t, r, name)
		host := func(n int) *scriptling.Scriptling {
			p := interpreter(r, &bytes.Buffer{})
			eval(t, p, fmt.Sprintf("host%d = None", n))
			must(t, p.SetVar("name", name))
			eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.open(name)")
			return p
		}
		for i, write := range []func(key string) error{
			func(key string) error { return h.Set(ctx, key, "set", 0) },
			func(key string) error { return h.Set(ctx, key, "set", time.Hour) },
			func(key string) error { return h.SetMany(ctx, map[string]any{key: "set", "other": 1}, 0) },
			func(key string) error { _, err := h.Add(ctx, key, "set", 0); return err },
			func(key string) error { return h.Sub("wait").Set(ctx, key[len("wait"):], "set", 0) },
			func(key string) error { return errors.Join(h.Clear(ctx), h.Set(ctx, key, "set", 0)) },
			func(key string) error {
				_, err := h.Update(ctx, key, func(any, bool) (any, error) { return "set", nil })
				return err
			},
		} {
			key := fmt.Sprint("waited", i)
			started, release := make(chan struct{}), make(chan struct{})
			leader, waiter := host(2*i), host(2*i+1)
			leader.RegisterFunc("make", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
				close(started)
				object.RunBlocking(ctx, func() { <-release })
				return object.NewString("made")
			})
			var all sync.WaitGroup
			all.Go(func() { eval(t, leader, fmt.Sprintf("result = store.get_or_set(%q, make)", key)) })
			<-started
			got := make(chan struct{})
			all.Go(func() {
				defer close(got)
				eval(t, waiter, fmt.Sprintf("result = store.get_or_set(%q, lambda: 'not me')", key))
			})
			// Whether the waiter has begun to wait or not, it sees the write.
			if i%2 == 0 {
				waiting(t, h, 1)
				if _, err := h.Delete(ctx, key); err != nil { // it looks, and waits again
					t.Error(err)
				}
			}
			must(t, write(key))
			select {
			case <-got:
			case <-time.After(30 * time.Second):
				t.Errorf("write %d: the caller still waits", i)
			}
			close(release)
			all.Wait()
			if a, b := text(t, leader, "result"), text(t, waiter, "result"); a != "set" || b != "set" {
				t.Errorf("write %d: the callers got %q and %q", i, a, b)
			}
		}
		leavesNothing(t, h)
	})
}

func TestUpdateSaysThatItsFunctionGotNone(t *testing.T) {
	p, _ := scripted(t, backends[0])
	eval(t, p, `store.set("none", None)
def raises(old):
    raise ValueError("mine")
def nested(old):
    return store.set(old, 1)
`)
	const told = "(the key is absent, so fn was called with None; pass a default, as in update(key, fn, 0))"
	for _, c := range []struct {
		call string
		told bool
	}{
		{`store.update("absent", lambda old: old + 1)`, true},
		{`store.update("absent", lambda old: len(old))`, true},
		{`store.sub("a").update("bsent", lambda old: old + 1)`, true},
		{`store.update("absent", lambda old: old + 1, None)`, true},
		{`store.update("none", lambda old: old + 1)`, false}, // the key is there
		{`store.update("absent", lambda old: old + 1, "x")`, false},
		{`store.update("absent", raises)`, false},
		{`store.update("absent", nested)`, false},
	} {
		clause, message := caught(t, p, c.call)
		if clause == "" || bytes.Contains([]byte(message), []byte(told)) != c.told {
			t.Errorf("%s raised %s %q", c.call, clause, message)
		}
	}
}
