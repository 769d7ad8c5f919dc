package extlibs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// flights are the calls of get_or_set under way in this process, by key.
type flights struct {
	mu      sync.Mutex
	leader  map[string]*flight
	waiting atomic.Int64 // callers that wait for any of them
}

// flight is one call that runs its function while others wait for the value.
type flight struct {
	done    chan struct{} // closed at the end, when value is set
	value   Value         // none if the call failed
	changed chan struct{} // closed when the key is written; guarded by flights.mu
}

// flightPoll is how often a caller that waits for another one looks at a store that
// other processes write to.
const flightPoll = 100 * time.Millisecond

// join returns the flight of a key, and whether the caller leads it.
func (f *flights) join(key string) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.leader[key]; fl != nil {
		return fl, false
	}
	if f.leader == nil {
		f.leader = map[string]*flight{}
	}
	fl := &flight{done: make(chan struct{}), changed: make(chan struct{})}
	f.leader[key] = fl
	return fl, true
}

func (f *flights) land(key string, fl *flight) {
	f.mu.Lock()
	delete(f.leader, key)
	f.mu.Unlock()
	close(fl.done)
}

// watch returns a channel that is closed when the key of a flight is written from now
// on. unwatch ends each watch.
func (f *flights) watch(fl *flight) <-chan struct{} {
	f.waiting.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	return fl.changed
}

func (f *flights) unwatch() { f.waiting.Add(-1) }

// wrote wakes the callers that wait for a key, which has been written.
func (f *flights) wrote(prefix, key string) {
	if f.waiting.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.leader[prefix+key]; fl != nil {
		close(fl.changed)
		fl.changed = make(chan struct{})
	}
}

// wait waits for the end of the flight, a write, or so long, where that is not 0.
func (fl *flight) wait(ctx context.Context, changed <-chan struct{}, poll time.Duration) error {
	var look <-chan time.Time
	if poll > 0 {
		timer := time.NewTimer(poll)
		defer timer.Stop()
		look = timer.C
	}
	select {
	case <-fl.done:
	case <-changed:
	case <-look:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// result is the value of a flight that has ended well.
func (fl *flight) result() Value {
	select {
	case <-fl.done:
		return fl.value
	default:
		return Value{}
	}
}
