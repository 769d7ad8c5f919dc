package extlibs

import (
	"sync"
	"sync/atomic"
	"time"
)

// A sweeper removes expired keys in the background. It owns no goroutine while
// it waits, only one timer for the whole store.
type sweeper struct {
	interval time.Duration // least pause between two sweeps
	pause    time.Duration // pause between two steps of one sweep, for others to write
	jumps    bool          // the clock of the deadlines may jump: look again after interval

	// step removes a bounded number of expired keys. It returns the time until
	// the next deadline, 0 if more has expired already, or less than 0 if
	// nothing will expire.
	step func() time.Duration

	// failed is told what step panicked with.
	failed func(p any)

	soonest atomic.Int64 // fires in nanoseconds since 1970, for a look without mu; 0: not set
	sweeps
}

// sweeps says when a sweeper runs next.
type sweeps struct {
	mu       sync.Mutex
	timer    *time.Timer
	fires    time.Time // when timer fires; zero: it is not set
	sweeping bool
	ended    time.Time // end of the last sweep
	wanted   time.Time // earliest sweep asked for while sweeping; zero: none
	running  sync.WaitGroup
	closed   bool
}

// expect makes sure that a sweep happens soon after in has passed.
func (s *sweeper) expect(in time.Duration) {
	at := time.Now().Add(within(in))
	if soonest := s.soonest.Load(); soonest != 0 && at.UnixNano() >= soonest {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case s.sweeping:
		s.wanted = earlier(s.wanted, at)
	default:
		s.arm(at)
	}
}

// within limits the time until a sweep, so that no time of a timer overflows. A
// deadline may be further away.
func within(in time.Duration) time.Duration { return min(max(in, 0), MaxTTL) }

// notBefore keeps the interval to the last sweep.
func (s *sweeper) notBefore(at time.Time) time.Time {
	if next := s.ended.Add(s.interval); at.Before(next) {
		return next
	}
	return at
}

// arm sets the timer unless it fires earlier anyway.
func (s *sweeper) arm(at time.Time) {
	if s.jumps {
		if soon := time.Now().Add(s.interval); soon.Before(at) {
			at = soon
		}
	}
	at = s.notBefore(at)
	if s.fires.IsZero() {
		s.running.Add(1)
	} else if !at.Before(s.fires) || !s.timer.Stop() {
		return // where it has just fired, the sweep that follows finds the key
	}
	s.fires = at
	s.soonest.Store(at.UnixNano())
	s.timer = time.AfterFunc(time.Until(at), s.run)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (s *sweeper) run() {
	defer s.running.Done()
	s.mu.Lock()
	s.fires = time.Time{}
	s.soonest.Store(0)
	s.sweeping = true
	for !s.closed {
		s.mu.Unlock()
		next := s.guardedStep()
		if next == 0 {
			time.Sleep(s.pause)
		}
		s.mu.Lock()
		if next != 0 {
			if next > 0 {
				s.wanted = earlier(s.wanted, time.Now().Add(within(next)))
			}
			break
		}
	}
	s.sweeping = false
	s.ended = time.Now()
	if !s.closed && !s.wanted.IsZero() {
		s.arm(s.wanted)
	}
	s.wanted = time.Time{}
	s.mu.Unlock()
}

// guardedStep is step. Where it panics, nothing will expire.
func (s *sweeper) guardedStep() (next time.Duration) {
	defer func() {
		if p := recover(); p != nil {
			s.failed(p)
			next = -1
		}
	}()
	return s.step()
}

// close stops the sweeper and waits for a step that is running.
func (s *sweeper) close() {
	s.mu.Lock()
	s.closed = true
	if !s.fires.IsZero() && s.timer.Stop() {
		s.fires = time.Time{}
		s.running.Done()
	}
	s.mu.Unlock()
	s.running.Wait()
}
