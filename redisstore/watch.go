package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// A script that changes keys publishes them, on one of two sharded channels of the store,
// in the same moment: so a host that has received a key reads its new state. A host that listens
// can miss messages while its connection is broken or moves to another node. So after each
// new subscription it reports that any key can have changed.

const (
	// watchCheck is how often a watch makes sure that its connection is alive and leads to
	// the node that the calls of the store use.
	watchCheck = 5 * time.Second

	rewatchFirst = 2 * time.Millisecond // before the second attempt to connect again
	rewatchLast  = time.Second
)

// watch listens to the channels of a store.
type watch struct {
	s       *store
	changed func(key string, live bool)
	end     context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	sub     *wire.Subscription // the last one
	ended   bool
}

// Watch implements extlibs.Watcher.
func (s *store) Watch(ctx context.Context, changed func(key string, live bool)) (stop func(), err error) {
	if s.channelsOf == quietly {
		return nil, errors.ErrUnsupported
	}
	sub, err := s.subscribe(ctx)
	if err != nil {
		return nil, err
	}
	w := &watch{s: s, changed: changed, sub: sub}
	ctx, w.end = context.WithCancel(context.Background())
	w.running.Go(func() { w.run(ctx, sub) })
	w.running.Go(func() { w.check(ctx) })
	s.watch.Store(w)
	if s.closed.Load() {
		w.stop()
	}
	return w.stop, nil
}

// stop ends a watch. Stopping twice is no error.
func (w *watch) stop() {
	w.end()
	w.mu.Lock()
	w.ended = true
	w.sub.Close()
	w.mu.Unlock()
	w.running.Wait()
}

// run listens until the watch ends, and connects again when the connection does.
func (w *watch) run(ctx context.Context, sub *wire.Subscription) {
	live := w.s.channels()[0]
	pause := time.Duration(0)
	for {
		began := time.Now()
		sub.Listen(func(channel, key string) { w.changed(key, channel == live && key != "") })
		if time.Since(began) > rewatchLast {
			pause = 0
		}
		for {
			if !sleep(ctx, pause) {
				return
			}
			pause = min(max(2*pause, rewatchFirst), rewatchLast)
			var err error
			if sub, err = w.s.subscribe(ctx); err == nil {
				break
			}
		}
		if !w.follow(sub) {
			return
		}
		w.changed("", false)
	}
}

// follow notes a new connection, and reports whether the watch continues.
func (w *watch) follow(sub *wire.Subscription) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		sub.Close()
		return false
	}
	w.sub = sub
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// check ends connections that are dead or lead to a node that is no longer the primary.
func (w *watch) check(ctx context.Context) {
	for sleep(ctx, watchCheck) {
		w.mu.Lock()
		sub := w.sub
		w.mu.Unlock()
		if address := w.s.usedNode(ctx); address != "" && address != sub.Address() {
			sub.Close()
			continue
		}
		sub.Check(watchCheck)
	}
}

// usedNode returns the address of the node that the calls of the store use, "" if unknown.
func (s *store) usedNode(ctx context.Context) string {
	if s.server.sentinels != nil {
		address, _ := s.server.sentinels.primary(ctx)
		return address
	}
	if c := s.route.conn.Load(); c != nil && c.Usable() {
		return c.Address()
	}
	return ""
}

// subscribe connects to the node that has the slot of the store.
func (s *store) subscribe(ctx context.Context) (*wire.Subscription, error) {
	c, err := s.server.connect(ctx, s.route.slot, false)
	if err != nil {
		return nil, s.failure(reads, err)
	}
	address := c.Address()
	if used := s.usedNode(ctx); used != "" {
		address = used
	}
	for range maxRedirects {
		sub, err := wire.Subscribe(ctx, s.server.dialling(address), s.channels()...)
		var refused *wire.Refused
		switch {
		case err == nil:
			return sub, nil
		case !errors.As(err, &refused):
			return nil, s.failure(reads, &unreachable{err})
		}
		to, ask := redirection(refused.Text, address)
		if to == "" || ask {
			if strings.HasPrefix(refused.Text, "NOPERM") || strings.HasPrefix(refused.Text, "ERR unknown command") {
				return nil, fmt.Errorf("%w: the server says: %.200s", errors.ErrUnsupported, refused.Text)
			}
			return nil, s.failure(reads, err)
		}
		s.server.routes.moved(s.route.slot, to)
		address = to
	}
	return nil, s.failure(reads, &unreachable{errors.New("it redirects endlessly")})
}
