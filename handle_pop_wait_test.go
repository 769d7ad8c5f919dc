package extlibs_test

import (
	"bytes"
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

// Workers that wait, come and leave take each job once, and none sleeps beside a job.
func TestWaitingWorkersTakeEachJobOnce(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		jobs := kvtest.Sized(300, 2000, 20_000)
		const workers = 50
		working, stop := context.WithCancel(ctx)
		defer stop()
		var mu sync.Mutex
		taken, unknown := map[string]int{}, 0
		var running sync.WaitGroup
		for i := range workers {
			running.Go(func() {
				random := kvtest.Rand(t, uint64(i))
				o := extlibs.PopOptions{Prefix: "job:", Wait: -1}
				if i%5 == 0 {
					o = extlibs.PopOptions{Pattern: "*job:*[0-9]", Wait: -1}
				}
				for working.Err() == nil {
					mine, cancel := working, context.CancelFunc(func() {})
					if random.IntN(3) == 0 { // it gives up at any moment
						mine, cancel = context.WithTimeout(working, time.Duration(random.IntN(2000))*time.Microsecond)
					}
					item, err := h.PopFirst(mine, o)
					ended := mine.Err() != nil
					cancel()
					switch {
					case err == nil:
						mu.Lock()
						taken[item.Key]++
						mu.Unlock()
					case errors.Is(err, extlibs.ErrCommitUnknown): // the job can be taken and lost
						mu.Lock()
						unknown++
						mu.Unlock()
					case !ended:
						t.Errorf("PopFirst: %v", err)
					}
				}
			})
		}
		random := kvtest.Rand(t, workers)
		for i := 0; i < jobs; {
			if n := random.IntN(10); n < 3 {
				values := map[string]any{}
				for range n + 1 {
					if i < jobs {
						values[fmt.Sprintf("job:%06d", i)] = i
						i++
					}
				}
				if err := h.SetMany(ctx, values, 0); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := h.Set(ctx, fmt.Sprintf("job:%06d", i), i, 0); err != nil {
					t.Fatal(err)
				}
				i++
			}
			if random.IntN(5) == 0 {
				time.Sleep(100 * time.Microsecond) // the workers catch up, and wait
			}
		}
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			left, err := h.Count(ctx, "*")
			if left == 0 || err != nil || time.Since(began) > 30*time.Second {
				if left > 0 || err != nil {
					t.Errorf("%d jobs are left, although all workers wait (%v)", left, err)
				}
				break
			}
		}
		stop()
		running.Wait()
		if len(taken) > jobs || len(taken)+unknown < jobs {
			t.Errorf("of %d jobs %d are taken, and %d calls do not know", jobs, len(taken), unknown)
		}
		for key, n := range taken {
			if n != 1 {
				t.Errorf("%s was taken %d times", key, n)
			}
		}
		leavesNothing(t, h)
	})
}

func TestOneWaitingWorkerIsWokenForEachJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := extlibs.NewRegistry()
		h := mustOpen(t, r, ":memory:x")
		results := make(chan string, 10)
		for range 5 {
			go func() {
				item, err := h.PopFirst(ctx, extlibs.PopOptions{Prefix: "job:", Wait: time.Minute})
				if errors.Is(err, extlibs.ErrNotFound) {
					results <- "none"
					return
				}
				results <- item.Key
			}()
		}
		synctest.Wait()
		h.Set(ctx, "other", 1, 0)
		h.Set(ctx, "job:1", 1, 0)
		h.Set(ctx, "job:2", 1, 0)
		synctest.Wait()
		before := statsOf(t, h).Misses
		got := map[string]bool{<-results: true, <-results: true}
		if !got["job:1"] || !got["job:2"] || len(results) != 0 {
			t.Errorf("%v are taken, and %d more", got, len(results))
		}
		if n := extlibs.Waiting(h); n != 3 {
			t.Errorf("%d workers wait", n)
		}
		began := time.Now()
		for range 3 {
			if got := <-results; got != "none" {
				t.Errorf("it took %s", got)
			}
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("they waited %v", took)
		}
		if after := statsOf(t, h).Misses; after != before {
			t.Errorf("%d misses are counted for workers that waited", after-before)
		}
		leavesNothing(t, h)
		r.Close()
	})
}

func TestAScriptWaitsForAJob(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b)
		eval(t, p, `
def take():
    return str(store.sub("q:").pop_first("job:*", wait=60))
def last():
    return str(store.pop_first(wait=None, prefix="q:job", reverse=True))
def never():
    return str([store.pop_first("x*", 0.01), store.pop_first(wait=0, default=7), store.pop_first(default=8), store.pop_first("y", 0.01, "", False, 9)])
`)
		c := calls(p, "take")
		waiting(t, h, 1)
		eval(t, p, `store.set("q:job:2", {"n": 1})`)
		wantAnswer(t, c, "(job:2, {n: 1})")
		c = calls(p, "last")
		waiting(t, h, 1)
		eval(t, p, `store.set_many({"q:job:1": 1, "q:job:3": 3})`)
		wantAnswer(t, c, "(q:job:3, 3)")
		wantAnswer(t, calls(p, "take"), "(job:1, 1)")
		wantAnswer(t, calls(p, "never"), "[None, 7, 8, 9]")
		for argument, want := range map[string]string{`wait=-1`: "ValueError", `wait="1"`: "TypeError", `wait=True`: "TypeError"} {
			if clause, message := caught(t, p, "store.pop_first("+argument+")"); clause != want {
				t.Errorf("%s: %s %s", argument, clause, message)
			}
		}
		c = calls(p, "last")
		waiting(t, h, 1)
		eval(t, p, "store.close()")
		if a := <-c; a.err == nil {
			t.Error(a)
		}
		leavesNothing(t, h)
	})
}

func TestAWorkerFollowsTheDefaultStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := extlibs.NewRegistry()
		p := interpreter(r, &bytes.Buffer{})
		eval(t, p, "import scriptling.runtime.kv as kv\ndef take():\n    return str(kv.default.pop_first(wait=100))\n")
		c := calls(p, "take")
		synctest.Wait()
		r.Init("")
		r.Default().Set(ctx, "k", 1, 0)
		if a := <-c; a.value != "(k, 1)" {
			t.Error(a)
		}
		r.Close()
	})
}
