package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/scriptling-kv/extlibs"
)

// inWait waits until n calls that goroutines of a test make wait for a change.
func inWait(t *testing.T, n int) {
	t.Helper()
	found := 0
	for began := time.Now(); time.Since(began) < time.Minute; runtime.Gosched() {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		found = 0
		_, text, _ := strings.Cut(profile.String(), "\n")
		for _, alike := range strings.Split(text, "\n\n") { // "7 @ address ...", and the stack
			if strings.Contains(alike, "extlibs.(*waiter).wait+") && strings.Contains(alike, "."+t.Name()+".") {
				goroutines := 0
				fmt.Sscan(alike, &goroutines)
				found += goroutines
			}
		}
		if found == n {
			return
		}
	}
	t.Fatalf("%d calls wait, want %d", found, n)
}

// connections returns how many connections a server has, and how many of them listen to
// channels.
func connections(t *testing.T, c rueidis.Client) (all, listening int) {
	t.Helper()
	var lines [2]int
	for i, kind := range []string{"NORMAL", "PUBSUB"} {
		list, err := c.Do(t.Context(), c.B().Arbitrary("CLIENT", "LIST", "TYPE", kind).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = strings.Count(list, "\n")
	}
	return lines[0] + lines[1], lines[1]
}

// However many callers of a process wait, one connection listens and one makes the calls. All
// callers wake, and no connection listens when no caller waits.
func TestAThousandWaitersShareASubscription(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	url := s.url(newName())
	writer, own := openHandle(t, url), s.client(t)
	const waiters, rounds = 1000, 2
	const most = 3 // connections: the test's own, one for the calls of this process, and one that listens
	h := openHandle(t, url)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	for round := range rounds {
		var waiting sync.WaitGroup
		values := map[string]any{}
		for i := range waiters {
			key := fmt.Sprintf("%d:%d", round, i)
			call := func() error { _, err := h.Wait(ctx, key); return err }
			switch i % 4 {
			case 0:
				key = "job:" + key
				call = func() error {
					_, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:", Wait: -1})
					return err
				}
			case 1:
				call = func() error { _, err := h.WaitChange(ctx, key, nil); return err }
			case 2:
				call = func() error {
					for c, err := range h.Watch(ctx, extlibs.WatchOptions{Prefix: key}) {
						if err != nil || c.Key == key {
							return err
						}
					}
					return nil
				}
			}
			values[key] = i
			waiting.Go(func() {
				if err := call(); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			})
		}
		inWait(t, waiters)
		all, listening := connections(t, own)
		if listening != 1 || all > most {
			t.Errorf("%d connections, %d of them listen; want at most %d, and 1", all, listening, most)
		}
		began := time.Now()
		if err := writer.SetMany(ctx, values, 0); err != nil {
			t.Fatal(err)
		}
		waiting.Wait()
		t.Logf("%d callers and %d connections; the last caller returned after %v", waiters, all, time.Since(began))
		for listening > 0 && ctx.Err() == nil {
			_, listening = connections(t, own)
		}
		if listening > 0 {
			t.Errorf("%d connections listen although no caller waits", listening)
		}
	}
}
