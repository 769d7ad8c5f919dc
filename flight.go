package extlibs

import (
	"context"
	"sync"
	"time"
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

// flyingKey marks the context of a function that get_or_set runs. A call in it
// waits for nobody: the one it would wait for may be the one that runs it, or one
// that waits for that.
type flyingKey struct{}

// getOrSetOnce is getOrSet where one of several callers at a time runs fn. The
// others wait, without the interpreter's lock, and get its value; where it failed
// they try themselves.
func (h *Handle) getOrSetOnce(ctx context.Context, key string, ttl time.Duration, fn func(context.Context) (Value, error)) (Value, error) {
	flying := ctx.Value(flyingKey{}) != nil
	inner := context.WithValue(ctx, flyingKey{}, true)
	run := func() (Value, error) {
		return h.getOrSet(ctx, key, ttl, func() (Value, error) { return fn(inner) })
	}
	for {
		e, err := h.load(ctx, key, NeedValue)
		if err != ErrNotFound {
			return e.Value, err
		}
		full := h.prefix + key
		fl, leads := h.whole.flights.join(full)
		switch {
		case leads:
			defer h.whole.flights.land(full, fl)
			fl.value, err = run()
			return fl.value, err
		case flying:
			return run()
		}
		wait := func() (any, error) { return nil, fl.wait(ctx) }
		if _, err := released(ctx, wait); err != nil {
			return Value{}, h.inStore(key, err)
		}
		if !fl.value.IsZero() {
			return fl.value, nil
		}
	}
}

func (fl *flight) wait(ctx context.Context) error {
	select {
	case <-fl.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
