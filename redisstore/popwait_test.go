package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Workers of two hosts wait for the jobs of one server, which both hosts and a third add. Each
// job is taken once, and no wake is lost: the last jobs come one at a time, when all workers
// wait, and nothing but the wake lets one of them look.
func TestWorkersOfSeveralHostsTakeEachJobOnce(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	url := s.url(newName())
	a, b := hosts(t, url)
	other := openHandle(t, url)
	const workers, jobs, single = 8, 100, 40 // workers of each host
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	taken := make(chan string, jobs)
	var byHost [2]atomic.Int32
	var running sync.WaitGroup
	for i, h := range []*extlibs.Handle{a, b} {
		for range workers {
			running.Go(func() {
				for {
					item, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:", Wait: -1})
					if err != nil {
						if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
							t.Errorf("PopFirst: %v", err)
						}
						return
					}
					byHost[i].Add(1)
					taken <- item.Key
				}
			})
		}
	}
	seen := map[string]bool{}
	take := func(n int) {
		t.Helper()
		for range n {
			select {
			case key := <-taken:
				if seen[key] {
					t.Errorf("%s is taken twice", key)
				}
				seen[key] = true
			case <-ctx.Done():
				t.Fatalf("%d of %d jobs are taken, although all workers wait", len(seen), jobs)
			}
		}
	}
	writers := []*extlibs.Handle{a, b, other}
	next := 0
	add := func(n int) {
		t.Helper()
		values := map[string]any{}
		for range n {
			values[fmt.Sprintf("job:%03d", next)] = next
			next++
		}
		h := writers[next%len(writers)]
		err := error(nil)
		if n == 1 {
			for key, v := range values {
				err = h.Set(ctx, key, v, 0)
			}
		} else {
			err = h.SetMany(ctx, values, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for next < jobs-single { // bursts, which arrive while workers work, wait and begin to wait
		add(1 + next%6)
	}
	take(next)
	for next < jobs {
		inWait(t, 2*workers)
		add(1)
		take(1)
	}
	if len(seen) != jobs {
		t.Errorf("%d jobs are taken, want %d", len(seen), jobs)
	}
	if left, err := other.Count(ctx, "*"); left != 0 || err != nil {
		t.Errorf("%d jobs are left (%v)", left, err)
	}
	stop()
	running.Wait()
	if byHost[0].Load() == 0 || byHost[1].Load() == 0 {
		t.Logf("one host took all: %d and %d", byHost[0].Load(), byHost[1].Load())
	}
}
