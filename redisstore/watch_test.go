package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// hosts opens a store as two hosts.
func hosts(t *testing.T, url string) (a, b *extlibs.Handle) {
	return openHandle(t, url), openHandle(t, url)
}

// listeners returns how many connections to a server listen to channels.
func (s *testServer) listeners(t *testing.T) int {
	t.Helper()
	m := s.command(t, "CLIENT", "LIST", "TYPE", "PUBSUB")
	list, err := m.ToString()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(list, "\n")
}

// realServer starts a server with channels, or skips the test.
func realServer(t *testing.T, settings ...string) *testServer {
	t.Helper()
	s := startServer(t, settings...)
	if s.mini != nil {
		t.Skip("channels need redis-server or valkey-server on PATH; install one")
	}
	return s
}

func TestAWriteOfAnotherHostWakesWaitingCallers(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	url := s.url(newName())
	a, b := hosts(t, url)
	ctx := t.Context()
	var waited sync.WaitGroup
	for i := range 20 {
		waited.Go(func() {
			if v, err := a.Wait(ctx, fmt.Sprint("k", i)); v != int64(i) || err != nil {
				t.Error(v, err)
			}
		})
	}
	changes := a.Sub("s:").Watch(ctx, extlibs.WatchOptions{Pattern: "*x"})
	if n := s.listeners(t); n != 1 {
		t.Errorf("%d connections listen", n)
	}
	values := map[string]any{}
	for i := range 20 {
		values[fmt.Sprint("k", i)] = i
	}
	values["s:x"] = 7
	if err := b.SetMany(ctx, values, 0); err != nil {
		t.Fatal(err)
	}
	waited.Wait()
	for c, err := range changes {
		if want := (extlibs.Change{Key: "x", Value: int64(7)}); c != want || err != nil {
			t.Error(c, err)
		}
		break
	}
	for range 1000 {
		if s.listeners(t) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := s.listeners(t); n != 0 {
		t.Errorf("%d connections still listen", n)
	}
}

// The databases of a server share its channels, but the stores in them share nothing.
func TestAWatchHearsItsOwnDatabaseOnly(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	name := newName()
	ctx := t.Context()
	a, b := openHandle(t, "redis://"+s.addr+"/0/"+name), openHandle(t, "redis://"+s.addr+"/1/"+name)
	for _, pair := range [][2]*extlibs.Handle{{a, b}, {b, a}} {
		changes := pair[0].Watch(ctx, extlibs.WatchOptions{})
		for _, h := range pair[1:] {
			h.Set(ctx, "other", 1, 0)
			h.SetMany(ctx, map[string]any{"other": 1, "more": 2}, 0)
			h.Delete(ctx, "other")
			h.Clear(ctx)
		}
		pair[0].Set(ctx, "own", 1, 0)
		for c, err := range changes {
			if c.Key != "own" || err != nil {
				t.Error(c, err)
			}
			break
		}
	}
}

func TestWithoutRightsToChannelsWaitingCallersPoll(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	s.command(t, "ACL", "SETUSER", "deaf", "on", ">geheim", "~{t*}:*", "resetchannels", "+@all")
	name := newName()
	var log bytes.Buffer
	var mu sync.Mutex
	deaf := openHandle(t, "redis://deaf:geheim@"+s.addr+"/0/"+name, extlibs.Logger(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))))
	mu.Lock()
	if !strings.Contains(log.String(), "channels") || !strings.Contains(log.String(), "{"+name+"}:*") || strings.Contains(log.String(), "geheim") {
		t.Errorf("the log says %s", log.String())
	}
	mu.Unlock()
	ctx := t.Context()
	other := openHandle(t, s.url(name))
	done := make(chan struct{})
	var watched atomic.Int32
	watch := deaf.Watch(ctx, extlibs.WatchOptions{Prefix: "w:"})
	go func() {
		defer close(done)
		if v, err := deaf.Wait(ctx, "k"); v != "v" || err != nil {
			t.Error(v, err)
		}
		var changes []extlibs.Change
		for c, err := range watch {
			if err != nil {
				t.Error(err)
				return
			}
			if changes = append(changes, c); len(changes) == 2 {
				break
			}
			watched.Store(1)
		}
		if want := []extlibs.Change{{Key: "w:1", Value: int64(1)}, {Key: "w:1", Deleted: true}}; !slices.Equal(changes, want) {
			t.Error(changes)
		}
	}()
	time.Sleep(30 * time.Millisecond)
	other.Set(ctx, "w:1", 1, 0)
	other.Set(ctx, "k", "v", 0)
	for watched.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	deaf.Delete(ctx, "w:1")
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not poll")
	}
	if denied := s.command(t, "ACL", "LOG"); len(denied.String()) > 0 {
		if list, _ := denied.ToArray(); len(list) > 0 {
			t.Errorf("the server refused %d commands", len(list))
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// No wake is lost while the connections to the server break all the time.
func TestNoWakeIsLostWhileConnectionsBreak(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	url := s.url(newName())
	a, b := hosts(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asleep := time.AfterFunc(20*time.Second, cancel) // unless a player continues
	defer asleep.Stop()
	c := s.client(t)
	killing, stop := context.WithCancel(ctx)
	var killer sync.WaitGroup
	killer.Go(func() {
		for killing.Err() == nil {
			for _, kind := range []string{"pubsub", "normal"} {
				if kind == "normal" && testing.Short() {
					continue
				}
				c.Do(ctx, c.B().Arbitrary("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").Build())
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	// The two hosts play a ball back and forth: each waits for the other's write.
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	play := func(h *extlibs.Handle, own, other string) {
		for i := range rounds {
			retried(t, func() error { return h.Set(ctx, own, i, 0) })
			asleep.Reset(20 * time.Second)
			for got := any(nil); got == nil || got.(int64) < int64(i); { // the other can be one ahead
				var err error
				before := got
				if got, err = h.WaitChange(ctx, other, before); err != nil {
					if ctx.Err() != nil {
						t.Errorf("round %d: it was not woken", i)
						cancel()
						return
					}
					got = before // a first read failed, which the call says
				}
			}
		}
	}
	var players sync.WaitGroup
	players.Go(func() { play(a, "a", "b") })
	players.Go(func() { play(b, "b", "a") })
	players.Wait()
	stop()
	killer.Wait()
}

// retried repeats a write that a broken connection made fail or unknown.
func retried(t *testing.T, write func() error) {
	for {
		err := write()
		if err == nil || !errors.Is(err, extlibs.ErrUnavailable) && !errors.Is(err, extlibs.ErrCommitUnknown) {
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}

func TestAWaitSurvivesARestartOfTheServer(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	url := s.url(newName())
	a, b := hosts(t, url)
	ctx := t.Context()
	done := make(chan error, 1)
	go func() {
		_, err := a.Wait(ctx, "k")
		done <- err
	}()
	for s.listeners(t) == 0 {
		time.Sleep(time.Millisecond)
	}
	s.kill()
	time.Sleep(100 * time.Millisecond)
	s.start(t)
	retried(t, func() error { return b.Set(ctx, "k", 1, 0) })
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it sleeps on")
	}
}

func TestClosingAStoreEndsItsWatch(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	h := openHandle(t, s.url(newName()))
	done := make(chan error, 1)
	go func() {
		_, err := h.Wait(t.Context(), "k")
		done <- err
	}()
	for s.listeners(t) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, extlibs.ErrClosed) {
		t.Error(err)
	}
	for s.listeners(t) != 0 {
		time.Sleep(time.Millisecond)
	}
}
