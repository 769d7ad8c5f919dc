package extlibs

import (
	"context"
	"sync"
)

// flights are the calls of get_or_set under way in this process, by key.
type flights struct {
	mu     sync.Mutex
	leader map[string]*flight
}

// flight is one call that runs its function while others wait for the value.
type flight struct {
	done  chan struct{} // closed at the end, when value is set
	value Value         // none if the call failed
}

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
	fl := &flight{done: make(chan struct{})}
	f.leader[key] = fl
	return fl, true
}

func (f *flights) land(key string, fl *flight) {
	f.mu.Lock()
	delete(f.leader, key)
	f.mu.Unlock()
	close(fl.done)
}

func (fl *flight) wait(ctx context.Context) error {
	select {
	case <-fl.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
