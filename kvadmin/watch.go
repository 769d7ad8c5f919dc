package kvadmin

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Limits of watches.
const (
	maxWatches = 200              // at a time, of a handler
	aliveEvery = 15 * time.Second // after which a quiet stream gets a line, and Allow is asked again
)

// watches are the streams of a handler.
type watches struct {
	mu      sync.Mutex
	count   int
	stop    chan struct{} // closed when a server shuts down; then new for later watches
	servers map[*http.Server]bool
}

// begin counts a watch and returns a channel that is closed when the server of the request
// shuts down: a shutdown waits for requests, and a watch would not end.
func (w *watches) begin(r *http.Request) (stop <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count == maxWatches {
		return nil, fail(http.StatusServiceUnavailable, "busy", "%d clients watch stores, the maximum; try again later", maxWatches)
	}
	w.count++
	if w.stop == nil {
		w.stop = make(chan struct{})
	}
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && !w.servers[server] {
		if w.servers == nil {
			w.servers = map[*http.Server]bool{}
		}
		w.servers[server] = true
		server.RegisterOnShutdown(w.shutdown)
	}
	return w.stop, nil
}

func (w *watches) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
}

func (w *watches) shutdown() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		close(w.stop)
		w.stop = nil
	}
}

// watcher gets the changes of a store.
type watcher struct {
	ready  func() error
	change func(e extlibs.Entry, gone bool) error // e has the key alone if gone
	lost   func() error
	alive  func() error
}

// follow calls w for the changes of the selected keys that are not hidden, until an error, or
// the end of the context, which is none.
func (q *request) follow(ctx context.Context, s selection, w watcher) error {
	stop, err := q.watches.begin(q.r)
	if err != nil {
		return err
	}
	defer q.watches.end()
	ctx, cancel := context.WithCancel(ctx)
	changes := make(chan extlibs.Change)
	ended := make(chan error, 1)
	iterator := q.store.Watch(ctx, extlibs.WatchOptions{Prefix: s.prefix, Pattern: s.pattern})
	var loop sync.WaitGroup
	loop.Go(func() {
		for c, err := range iterator {
			if err != nil {
				ended <- err
				return
			}
			select {
			case changes <- c:
			case <-ctx.Done():
			}
		}
	})
	defer loop.Wait()
	defer cancel()
	if err := w.ready(); err != nil {
		return err
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		select {
		case c := <-changes:
			err = q.changed(ctx, c, w)
		case <-alive.C:
			if err = q.allow(Action{Kind: Watch, Store: q.name}); err == nil {
				err = w.alive()
			}
		case err = <-ended:
		case <-stop:
			return nil
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// changed passes on one change.
func (q *request) changed(ctx context.Context, c extlibs.Change, w watcher) error {
	switch {
	case c.Lost:
		return w.lost()
	case q.hides(c.Key):
		return nil
	}
	e, err := q.store.Store().Load(ctx, c.Key, extlibs.NeedAll)
	switch {
	case errors.Is(err, extlibs.ErrNotFound):
		return w.change(extlibs.Entry{Key: c.Key}, true)
	case err != nil:
		return err
	}
	return w.change(e, false)
}
