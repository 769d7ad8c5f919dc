package extlibs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// singleflight is the calls of get_or_set that compute a value in this process, one for
// each key. Other callers wait for the value.
type singleflight struct {
	mu      sync.Mutex
	calls   map[string]*computation
	waiting atomic.Int64 // callers that wait for any of them
}

// computation is a call that runs its function while other callers wait for the value.
type computation struct {
	done    chan struct{} // closed at the end, when value is set
	value   Value         // none if the call failed
	changed chan struct{} // closed when the key is written; guarded by singleflight.mu
}

// sharedPoll is how often a waiting caller looks at a store that other processes write
// to.
const sharedPoll = 100 * time.Millisecond

// start returns the computation for a key, and whether it is new. The caller that
// started it calls finish.
func (s *singleflight) start(key string) (c *computation, started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[key]; c != nil {
		return c, false
	}
	if s.calls == nil {
		s.calls = map[string]*computation{}
	}
	c = &computation{done: make(chan struct{}), changed: make(chan struct{})}
	s.calls[key] = c
	return c, true
}

func (s *singleflight) finish(key string, c *computation) {
	s.mu.Lock()
	delete(s.calls, key)
	s.mu.Unlock()
	close(c.done)
}

// watch returns a channel that is closed at the next write of the key. Each watch ends
// with unwatch.
func (s *singleflight) watch(c *computation) <-chan struct{} {
	s.waiting.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.changed
}

func (s *singleflight) unwatch() { s.waiting.Add(-1) }

// wrote wakes the callers that wait for a key, which has been written.
func (s *singleflight) wrote(prefix, key string) {
	if s.waiting.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[prefix+key]; c != nil {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// wait waits for the end of the computation or for a write, at most for poll if that is
// not 0.
func (c *computation) wait(ctx context.Context, changed <-chan struct{}, poll time.Duration) error {
	return awaitEither(ctx, poll, c.done, changed)
}

// awaitEither waits for either channel, or for a time that is not 0. Its error is that of ctx.
func awaitEither(ctx context.Context, limit time.Duration, a, b <-chan struct{}) error {
	var timeout <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-a:
	case <-b:
	case <-timeout:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// result returns the value, or none if the computation has not ended or has failed.
func (c *computation) result() Value {
	select {
	case <-c.done:
		return c.value
	default:
		return Value{}
	}
}

// getOrSetOnce is getOrSet where of several callers at a time one runs fn. The others
// wait, without the interpreter's lock, and get its value. If it fails, the next one
// runs fn.
func (h *Handle) getOrSetOnce(ctx context.Context, key string, ttl time.Duration, fn func(context.Context) (Value, error)) (Value, error) {
	nested := ctx.Value(computingKey{}) != nil
	inner := context.WithValue(ctx, computingKey{}, true)
	run := func() (Value, error) {
		return h.getOrSet(ctx, key, ttl, func() (Value, error) { return fn(inner) })
	}
	full := h.prefix + key
	for {
		e, err := h.load(ctx, key, NeedValue)
		if err != ErrNotFound {
			return e.Value, err
		}
		c, started := h.making.start(full)
		switch {
		case started:
			defer h.making.finish(full, c)
			c.value, err = run()
			return c.value, err
		case nested:
			return run()
		}
		value, err := h.await(ctx, c, key)
		if err != nil || !value.IsZero() {
			return value, err
		}
	}
}

// await waits for the value of a key that another caller computes, or that anybody
// stores. It returns none if that caller failed, or the key is absent again.
func (h *Handle) await(ctx context.Context, c *computation, key string) (Value, error) {
	changed := h.making.watch(c)
	defer h.making.unwatch()
	e, err := h.load(ctx, key, NeedValue) // it can have been stored before the watch
	if err != ErrNotFound {
		return e.Value, err
	}
	poll := time.Duration(0)
	if h.place == onServer {
		poll = sharedPoll
	}
	if err := unlocked(ctx, func() error { return c.wait(ctx, changed, poll) }); err != nil {
		return Value{}, h.inStore(key, err)
	}
	return c.result(), nil
}
