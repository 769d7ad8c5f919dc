package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func signalled(w *Watcher) bool {
	select {
	case _, open := <-w.C():
		return open
	default:
		return false
	}
}

func empty(t *testing.T, h *Hub) {
	t.Helper()
	if len(h.keys)+len(h.prefixes)+len(h.lengths)+h.pending != 0 {
		t.Errorf("closed watchers left %d keys, %d prefixes, %d lengths, %d bytes", len(h.keys), len(h.prefixes), len(h.lengths), h.pending)
	}
}

func TestAChangeIsToldToItsWatchersAndToNoOthers(t *testing.T) {
	var h Hub
	key, all, some, other := h.WatchKey("a:9"), h.WatchPrefix(""), h.WatchPrefix("a:"), h.WatchPrefix("b:")
	second := h.WatchKey("a:9")
	h.Changed("a:9", true)
	h.Changed("a:8", false)
	h.Changed("a", false)
	for w, want := range map[*Watcher][]string{key: nil, second: nil, all: {"a", "a:8", "a:9"}, some: {"a:8", "a:9"}, other: nil} {
		keys, lost := w.Take()
		slices.Sort(keys)
		if !slices.Equal(keys, want) || lost {
			t.Errorf("%q was told %q, %v, want %q", w.name, keys, lost, want)
		}
		if got := signalled(w); got != (w != other) {
			t.Errorf("%q was signalled: %v", w.name, got)
		}
	}
	h.Lost()
	if keys, lost := other.Take(); len(keys) != 0 || !lost || !signalled(other) || !signalled(key) {
		t.Errorf("after a change of all: %q, %v", keys, lost)
	}
	key.Close()
	h.Changed("a:9", true)
	if signalled(key) || !signalled(second) {
		t.Error("the end of a watcher is not its own")
	}
	for _, w := range []*Watcher{key, second, all, some, other} {
		w.Close()
		w.Close()
	}
	empty(t, &h)
}

func TestAWatcherLosesTrackAtItsLimit(t *testing.T) {
	var h Hub
	w := h.WatchPrefix("")
	for i := range maxKeys {
		h.Changed(fmt.Sprint(i), true)
		h.Changed(fmt.Sprint(i), true)
	}
	if keys, lost := w.Take(); len(keys) != maxKeys || lost {
		t.Fatal(len(keys), lost)
	}
	for i := range maxKeys + 2 {
		h.Changed(fmt.Sprint(i), true)
	}
	if keys, lost := w.Take(); len(keys) != 0 || !lost {
		t.Fatal(len(keys), lost)
	}
	h.Changed("again", true)
	if keys, lost := w.Take(); !slices.Equal(keys, []string{"again"}) || lost {
		t.Fatal(keys, lost)
	}
	w.Close()
	empty(t, &h)
}

func TestWatchersThatNobodyReadsTakeALimitedMemory(t *testing.T) {
	var h Hub
	watchers := make([]*Watcher, 100)
	for i := range watchers {
		watchers[i] = h.WatchPrefix("")
	}
	key := make([]byte, 8<<10)
	for i := range 200 {
		key[0], key[1] = byte(i), byte(i>>8)
		h.Changed(string(key), true)
	}
	if h.pending > maxPending {
		t.Errorf("%d bytes are remembered", h.pending)
	}
	lost := 0
	for _, w := range watchers {
		keys, missed := w.Take()
		if len(keys) != 200 && !missed {
			t.Fatalf("%d of 200 keys, and it does not say that it lost track", len(keys))
		}
		if missed {
			lost++
		}
		w.Close()
	}
	if lost == 0 || lost == len(watchers) {
		t.Errorf("%d of %d lost track", lost, len(watchers))
	}
	empty(t, &h)
}

func TestALossIsToldToEachWatcher(t *testing.T) {
	var h Hub
	key, prefix, queue := h.WatchKey("a"), h.WatchPrefix("b"), h.Queue("c", "")
	h.Lost()
	for name, w := range map[string]*Watcher{"of a key": key, "of a prefix": prefix, "in a queue": queue} {
		if !signalled(w) {
			t.Errorf("the watcher %s is not told", name)
		}
	}
	if keys, lost := prefix.Take(); len(keys) != 0 || !lost {
		t.Error(keys, lost)
	}
	for _, w := range []*Watcher{key, prefix, queue} {
		w.Close()
	}
	empty(t, &h)
}

func TestTheEndOfAHubWakesAllForGood(t *testing.T) {
	var h Hub
	if h.Closed() {
		t.Error("it begins closed")
	}
	woken := h.Queue("", "")
	h.Changed("a", true)
	signalled(woken)
	before := []*Watcher{h.WatchKey("a"), h.WatchPrefix(""), h.Queue("", ""), woken}
	h.Close()
	h.Close()
	if !h.Closed() {
		t.Error("it is open")
	}
	h.Changed("a", true)
	h.Lost()
	woken.Requeue()
	for _, w := range append(before, h.WatchKey("a"), h.Queue("", "")) {
		if _, open := <-w.C(); open {
			t.Error("a signal")
		}
		if w.queue != nil {
			w.Requeue()
		}
		w.Close()
	}
	empty(t, &h)
}

func TestAQueueWakesOneForEachChange(t *testing.T) {
	var h Hub
	a, b, c := h.Queue("job:", "*"), h.Queue("job:", "*"), h.Queue("job:", "*c")
	h.Changed("job:1", false) // nothing to take
	h.Changed("other", true)
	h.Changed("job:1", true)
	if got := []bool{signalled(a), signalled(b), signalled(c)}; !slices.Equal(got, []bool{true, false, true}) {
		t.Fatal(got)
	}
	c.Requeue() // the key does not match its pattern
	a.Close()   // it did not take the key: the next one can
	if !signalled(b) {
		t.Fatal("the wake of one who left is lost")
	}
	b.Took()
	b.Close()
	if signalled(c) {
		t.Fatal("a key that was taken wakes another queue")
	}
	h.Changed("job:c", true)
	if !signalled(c) {
		t.Fatal("it was not woken for its key")
	}
	c.Requeue()
	h.Changed("job:c", true)
	if !signalled(c) {
		t.Fatal("it is not in the queue again")
	}
	h.Lost()
	c.Close()
	empty(t, &h)
}

// The queue of a prefix outlives its last waiting watcher as long as another one, that was
// woken, can come back.
func TestAWokenWatcherFindsItsQueueAgain(t *testing.T) {
	var h Hub
	a, b := h.Queue("", ""), h.Queue("", "")
	h.Changed("k", true)
	b.Close()
	if !signalled(a) {
		t.Fatal("not woken")
	}
	a.Requeue()
	h.Changed("k", true)
	if !signalled(a) {
		t.Fatal("it waits in an unknown queue")
	}
	a.Close()
	empty(t, &h)
}

// Workers that take jobs and leave at any moment never sleep beside a job.
func TestNoJobIsLeftWhileAWorkerWaits(t *testing.T) {
	random := kvtest.Rand(t)
	for range 200 {
		seed := random.Uint64()
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			var h Hub
			var mu sync.Mutex
			jobs, taken := 0, 0
			take := func() bool {
				mu.Lock()
				defer mu.Unlock()
				if jobs == 0 {
					return false
				}
				jobs--
				taken++
				return true
			}
			workers, all := 1+random.IntN(5), 1+random.IntN(10)
			leave := make([]chan struct{}, workers)
			work := func(leave chan struct{}) (left bool) {
				w := h.Queue("", "")
				defer w.Close()
				for {
					select {
					case <-leave: // perhaps after it was woken
						return true
					default:
					}
					woken := w.Woken()
					if take() {
						if woken {
							w.Took()
						}
						return false
					}
					if woken {
						w.Requeue()
						continue // a job can have come before that
					}
					select {
					case <-w.C():
					case <-leave:
						return true
					}
				}
			}
			for i := range leave {
				leave[i] = make(chan struct{})
				go func() {
					for !work(leave[i]) {
					}
				}()
			}
			left := 0
			for range all {
				if random.IntN(3) > 0 {
					synctest.Wait() // the workers wait
				}
				mu.Lock()
				jobs++
				mu.Unlock()
				h.Changed("job", true)
				if random.IntN(3) == 0 && left < workers-1 {
					close(leave[left])
					left++
				}
			}
			synctest.Wait()
			if jobs != 0 || taken != all {
				t.Errorf("%d of %d jobs are left beside %d workers", jobs, all, workers-left)
			}
			for ; left < workers; left++ {
				close(leave[left])
			}
			synctest.Wait()
			empty(t, &h)
		})
	}
}
