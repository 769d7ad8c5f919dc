package redisstore

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sweepKeys = 500 // expired keys removed in one script

	sweepAfterError = 5 * time.Second
	maxSweepWait    = time.Minute // after sweeps that found nothing, or failed
)

// sweeper removes expired keys. It asks the server when the earliest known deadline has
// passed, and not at all without one: each host removes the keys whose deadlines it set.
type sweeper struct {
	every   time.Duration
	expired atomic.Int64

	next    atomic.Int64  // when the nearest deadline passes, in nanoseconds since began
	sooner  chan struct{} // has room for one: next has become earlier
	began   time.Time
	end     context.CancelFunc
	running sync.WaitGroup
}

func (w *sweeper) init(every time.Duration) {
	w.every, w.began, w.sooner = every, time.Now(), make(chan struct{}, 1)
	w.next.Store(0) // the server is asked once, which tells
}

// expect takes note of a key that expires after a time; 0 is never.
func (w *sweeper) expect(ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	at := int64(time.Since(w.began) + ttl)
	for {
		next := w.next.Load()
		if at >= next {
			return
		}
		if w.next.CompareAndSwap(next, at) {
			break
		}
	}
	select {
	case w.sooner <- struct{}{}:
	default:
	}
}

func (w *sweeper) start(s *store) {
	ctx, end := context.WithCancel(context.Background())
	w.end = end
	w.running.Go(func() { w.run(ctx, s) })
}

func (w *sweeper) stop() {
	if w.end != nil {
		w.end()
	}
	w.running.Wait()
}

// run sweeps until ctx ends. Several clients of a store do so; the jitter keeps them
// apart.
func (w *sweeper) run(ctx context.Context, s *store) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("kv: a bug stopped the removal of expired keys; open the store again, and report the bug", "server", s.server.name, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	least := w.every // between two sweeps
	for {
		if !w.waits(ctx, least) {
			return
		}
		removed, next, err := s.sweepStep(ctx)
		w.expired.Add(removed)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.logger.Warn("kv: expired keys were not removed", "server", s.server.name, "error", err)
			least = min(max(2*least, sweepAfterError), maxSweepWait)
			w.expect(time.Nanosecond)
		case removed == sweepKeys:
			least = time.Millisecond
			w.expect(time.Nanosecond)
		case removed == 0:
			least = min(2*least, maxSweepWait)
		default:
			least = w.every
		}
		w.expect(next)
	}
}

// waits waits at least for a time, and until the nearest deadline has passed.
func (w *sweeper) waits(ctx context.Context, least time.Duration) bool {
	timer := time.NewTimer(least + rand.N(least/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	for {
		left := time.Duration(w.next.Load()) - time.Since(w.began)
		if left <= 0 {
			w.next.Store(math.MaxInt64) // what is set from now on counts for the next sweep
			return true
		}
		timer.Reset(left)
		select {
		case <-ctx.Done():
			return false
		case <-w.sooner:
		case <-timer.C:
		}
	}
}

// sweepStep returns how many keys it removed, and the time until the next deadline.
func (s *store) sweepStep(ctx context.Context) (removed int64, next time.Duration, err error) {
	m, err := s.exec(ctx, writes, scriptSweep, strconv.Itoa(sweepKeys))
	if err != nil {
		return 0, 0, err
	}
	if len(m.List) != 2 {
		return 0, 0, damaged()
	}
	removed, ok1 := m.List[0].Number()
	left, ok2 := m.List[1].Number()
	if !ok1 || !ok2 {
		return 0, 0, damaged()
	}
	if left == 0 {
		left = 1
	}
	return removed, time.Duration(left) * time.Microsecond, nil
}
