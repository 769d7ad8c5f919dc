package extlibs

import (
	"context"
	"sync"
	"time"
)

// singleflight is the calls of get_or_set that compute a value in this process, one for
// each key. Other callers wait for the value.
type singleflight struct {
	mu    sync.Mutex
	calls map[string]*computation
}

// computation is a call that runs its function while other callers wait for the value.
type computation struct {
	done  chan struct{} // closed at the end, when value is set
	value Value         // none if the call failed
}

// sharedPoll is how often a caller that waits for a computation reads a store on a server.
// Most computations end before a watch of the server has begun.
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
	c = &computation{done: make(chan struct{})}
	s.calls[key] = c
	return c, true
}

func (s *singleflight) finish(key string, c *computation) {
	s.mu.Lock()
	delete(s.calls, key)
	s.mu.Unlock()
	close(c.done)
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
	var changed <-chan struct{}
	poll := sharedPoll
	if h.place != onServer {
		w, err := h.newWaiter(ctx, h.watching.hub.WatchKey(h.prefix+key), key, time.Time{})
		if err != nil {
			return Value{}, err
		}
		defer w.close()
		e, err := h.load(ctx, key, NeedValue) // it can have been stored before the watch
		if err != ErrNotFound {
			return e.Value, err
		}
		changed, poll = w.w.C(), 0
	}
	if err := unlocked(ctx, func() error { return awaitEither(ctx, poll, c.done, changed) }); err != nil {
		return Value{}, h.inStore(key, err)
	}
	return c.result(), nil
}
