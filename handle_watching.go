package extlibs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/internal/notify"
)

// waits are the calls that can wait for changes.
var waits = map[string]bool{"wait": true, "wait_change": true, "watch": true, "pop_first": true}

// watching connects the callers that wait for changes of an open store with its backend,
// which is watched while there are any.
type watching struct {
	hub     notify.Hub
	mu      sync.Mutex
	callers int
	feed    *feed         // nil: the backend is not watched
	ended   chan struct{} // closed when the feed before is stopped; nil: there was none
}

// feed is a watch of a backend, or the attempt to begin one.
type feed struct {
	began  chan struct{} // closed when stop or err is set
	stop   func()
	err    error              // callers poll
	cancel context.CancelFunc // of the attempt
}

// changed is what backends call.
func (w *watching) changed(key string, live bool) {
	if key == "" {
		w.hub.Lost()
		return
	}
	w.hub.Changed(key, live)
}

// join adds a caller that waits for changes, and returns when the backend reports all later
// ones. It reports whether the caller has to poll instead. leave has to follow, unless
// there is an error, which is that of ctx.
func (h *openStore) join(ctx context.Context) (polls bool, err error) {
	w := &h.watching
	w.mu.Lock()
	w.callers++
	if w.feed == nil || w.feed.failed() {
		w.feed = h.watchBackend()
	}
	f := w.feed
	w.mu.Unlock()
	select {
	case <-f.began:
	default:
		err = unlocked(ctx, func() error { return awaitEither(ctx, 0, f.began, nil) })
		if err != nil {
			h.leave()
			return false, err
		}
	}
	return f.err != nil, nil
}

// failed reports whether the attempt has failed and another one can succeed.
func (f *feed) failed() bool {
	select {
	case <-f.began:
		return f.err != nil && !errors.Is(f.err, errors.ErrUnsupported)
	default:
		return false
	}
}

// watchBackend begins a watch. watching.mu is locked.
func (h *openStore) watchBackend() *feed {
	w := &h.watching
	f := &feed{began: make(chan struct{}), cancel: func() {}}
	b, ok := h.backend.(Watcher)
	switch {
	case !ok:
		f.err = errors.ErrUnsupported
		close(f.began)
	case h.place != onServer: // it does not block
		f.stop, f.err = b.Watch(context.Background(), w.changed)
		close(f.began)
	default:
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(context.Background())
		before := w.ended
		go func() {
			defer close(f.began)
			if before != nil {
				<-before
			}
			f.stop, f.err = b.Watch(ctx, w.changed)
		}()
	}
	return f
}

// leave is the end of a caller that joined. The last one ends the watch.
func (h *openStore) leave() {
	w := &h.watching
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.callers--; w.callers > 0 {
		return
	}
	f := w.feed
	w.feed = nil
	f.cancel()
	if h.place != onServer {
		f.end()
		return
	}
	ended := make(chan struct{})
	w.ended = ended
	go func() {
		defer close(ended)
		<-f.began
		f.end()
	}()
}

func (f *feed) end() {
	if f.stop != nil {
		f.stop()
	}
}

// How often a caller that polls reads the store: first after pollFirst, then after twice
// the time, up to pollLast.
const (
	pollFirst = 10 * time.Millisecond
	pollLast  = time.Second

	// outageLimit is how long reads of a waiting caller can fail with ErrUnavailable, as
	// while a server restarts, before the call fails.
	outageLimit = 10 * time.Second
)

// waiter is a caller that waits for changes.
type waiter struct {
	h     *Handle
	w     *notify.Watcher
	until time.Time // zero: as long as the context allows
	key   string    // for errors; "": not about one key
	polls bool
	pause time.Duration // before the next read, while it polls or reads fail
	fails time.Time     // since when reads have failed; zero: they do not
}

// newWaiter returns a caller that waits until a time. close has to follow.
func (h *Handle) newWaiter(ctx context.Context, w *notify.Watcher, key string, until time.Time) (*waiter, error) {
	if h.watching.hub.Closed() {
		w.Close()
		return nil, h.inStore(key, ErrClosed)
	}
	polls, err := h.join(ctx)
	if err != nil {
		w.Close()
		return nil, h.inStore(key, err)
	}
	return &waiter{h: h, w: w, until: until, key: key, polls: polls, pause: pollFirst}, nil
}

func (w *waiter) close() {
	w.w.Close()
	w.h.leave()
}

// passed reports whether a time has come; the zero time never comes.
func passed(until time.Time) bool { return !until.IsZero() && !time.Now().Before(until) }

// wait waits for a change, for a time that is not 0, or until w.until, without the
// interpreter's lock.
func (w *waiter) wait(ctx context.Context, limit time.Duration) error {
	if w.polls && (limit == 0 || w.pause < limit) {
		limit = w.pause
		w.pause = min(2*w.pause, pollLast)
	}
	if !w.until.IsZero() {
		if left := max(time.Until(w.until), 1); limit == 0 || left < limit {
			limit = left
		}
	}
	err := unlocked(ctx, func() error { return awaitEither(ctx, limit, w.w.C(), nil) })
	if err == nil && w.h.watching.hub.Closed() {
		err = ErrClosed
	}
	if err != nil {
		return w.h.inStore(w.key, err)
	}
	return nil
}

// retry returns nil if a read can be tried again after a pause, which it sets: err is nil, or
// the store has not been unavailable for long.
func (w *waiter) retry(err error) (pause time.Duration, failed error) {
	switch {
	case err == nil:
		w.fails = time.Time{}
		return 0, nil
	case !errors.Is(err, ErrUnavailable) || passed(w.until):
		return 0, err
	case w.fails.IsZero():
		w.fails, w.pause = time.Now(), pollFirst
	case time.Since(w.fails) > outageLimit:
		return 0, err
	default:
		w.pause = min(2*w.pause, pollLast)
	}
	return w.pause, nil
}
