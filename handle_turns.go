package extlibs

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// turns are the queues of updates that lost against others, by key. While there is a
// queue for a key, the updates of this process run one after the other, so that each
// succeeds however many there are. A turn is no lock: other writes of the key continue,
// and a turn that lasts too long passes to the next update. So a function that
// waits for another update of the key, or makes one, delays it but cannot block it.
type turns struct {
	waiting atomic.Int64 // turns in all queues
	mu      sync.Mutex
	queues  map[string][]*turn // the first of each has the turn
}

// turn is the place of one update in a queue.
type turn struct {
	all  *turns
	key  string
	wake chan struct{} // it may have become the first or the second

	time time.Duration // that a run can take in any case

	// Guarded by all.mu.
	until time.Time // the first keeps the turn up to here
	lost  bool      // it kept the turn for too long
}

// A run of the function loses the turn after turnTime and turnRuns times as long as the
// longest run so far. An update that lost it queues again, at most turnLosses times, and
// has turnGrowth times the time then: a slow disk is no reason to starve. If it is still
// too slow, it probably waits for itself.
const (
	turnTime   = 20 * time.Millisecond
	turnRuns   = 4
	turnLosses = 3
	turnGrowth = 4
)

// join takes a place in the queue of a key, or nil if there is none and it need not
// be made. losses is how many turns the update has lost.
func (ts *turns) join(key string, create bool, losses int) *turn {
	if !create && ts.waiting.Load() == 0 {
		return nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	queue := ts.queues[key]
	if !create && len(queue) == 0 {
		return nil
	}
	if ts.queues == nil {
		ts.queues = map[string][]*turn{}
	}
	t := &turn{all: ts, key: key, wake: make(chan struct{}, 1), time: turnTime}
	for range losses {
		t.time *= turnGrowth
	}
	t.until = time.Now().Add(t.time)
	ts.queues[key] = append(queue, t)
	ts.waiting.Add(1)
	return t
}

// wait waits until t is the first of its queue. If it has lost its turn already, because
// it took too long to begin, keep says so.
func (t *turn) wait(ctx context.Context) error {
	for {
		first, left := t.place()
		if first {
			return nil
		}
		if err := awaitEither(ctx, left, t.wake, nil); err != nil {
			return err
		}
	}
}

// place reports whether t is the first, and takes the turn from one that kept it for
// too long. Where t is the second, left is how long the first may keep it.
func (t *turn) place() (first bool, left time.Duration) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	queue := t.all.queues[t.key]
	if len(queue) > 1 && queue[1] == t {
		if left = time.Until(queue[0].until); left > 0 {
			return false, left
		}
		queue[0].lost = true
		t.all.remove(queue[0])
	}
	queue = t.all.queues[t.key]
	return t.lost || len(queue) > 0 && queue[0] == t, 0
}

// keep gives t, the first, time for another run, and reports whether it still has the
// turn. longest is that of its runs so far.
func (t *turn) keep(longest time.Duration) bool {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.until = time.Now().Add(t.time + turnRuns*longest)
	return !t.lost
}

// hold gives t, the first, a longer time.
func (t *turn) hold(d time.Duration) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.until = time.Now().Add(d)
}

// leave gives up the place; nil has none.
func (t *turn) leave() {
	if t == nil {
		return
	}
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.all.remove(t)
}

// remove takes a turn out of its queue. ts.mu is locked.
func (ts *turns) remove(t *turn) {
	queue := ts.queues[t.key]
	i := slices.Index(queue, t)
	if i < 0 {
		return
	}
	ts.waiting.Add(-1)
	queue = slices.Delete(queue, i, i+1)
	if len(queue) == 0 {
		delete(ts.queues, t.key)
		return
	}
	ts.queues[t.key] = queue
	if i == 0 {
		queue[0].until = time.Now().Add(queue[0].time)
	}
	for _, next := range queue[:min(2, len(queue))] {
		select {
		case next.wake <- struct{}{}:
		default:
		}
	}
}
