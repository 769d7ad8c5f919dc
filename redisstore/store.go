package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

const (
	formatVersion = "2"
	formatBefore  = "1" // which is migrated

	pageKeys  = 1000    // most entries of a page
	pageBytes = 1 << 20 // bytes of payloads after which a page ends
)

// store is a store on a server.
type store struct {
	server *server
	route  route
	keys   []string // v, i, d, m
	limits limits
	logger *slog.Logger

	channelsOf int                   // the database, or quietly
	watch      atomic.Pointer[watch] // the last one
	closed     atomic.Bool
	calls      calls

	seen    seen
	sweeper sweeper
}

// limits are the host's.
type limits struct {
	keys           int // 0: none
	callKeys       int // of one call
	operationBytes int
}

func (l *limits) check(keys int) error {
	if keys > l.callKeys {
		return fmt.Errorf("%w: a call on a server takes at most %d keys, because it blocks the server's other clients; this one has %d; use fewer keys at a time, or raise MaxCallKeys in the host", extlibs.ErrTooLarge, l.callKeys, keys)
	}
	return nil
}

func newStore(s *server, t target, c extlibs.OpenConfig) *store {
	slot := "{" + t.store + "}:"
	st := &store{
		server: s, keys: []string{slot + "v", slot + "i", slot + "d", slot + "m"},
		limits: limits{max(c.MaxKeys, 0), t.identity.callKeys(), max(c.MaxOperationBytes, 1)},
		logger: c.Logger, channelsOf: s.identity.db,
	}
	st.sweeper.init(max(c.SweepInterval, time.Millisecond))
	st.route.slot = slotOf(t.store)
	return st
}

// open checks the format and starts the sweeper.
func (s *store) open(ctx context.Context) error {
	reply, err := s.exec(ctx, writes, scriptOpen, formatVersion, formatBefore)
	if err != nil {
		return err
	}
	if len(reply.List) != 3 || reply.List[0].Kind != wire.Text {
		return damaged()
	}
	switch format := reply.List[0].Text; format {
	case formatVersion:
	case formatBefore:
		if err := s.migrate(ctx); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w: the store has format %.20q, this version of the library reads %s; update the library", extlibs.ErrFormat, format, formatVersion)
	}
	if reply.List[1].Int == 1 {
		if err := s.reindex(ctx); err != nil {
			return err
		}
	}
	if reply.List[2].Int != 1 {
		s.channelsOf = quietly
		s.logger.Warn("kv: waiting calls poll the store, and other hosts are not notified of this host's writes, because the server user lacks permission for the store's channels; grant them with ACL SETUSER",
			"server", s.server.name, "channels", "&"+strings.TrimSuffix(s.keys[0], "v")+"*")
	}
	s.sweeper.start(s)
	return nil
}

// migrate gives a store of the format before the one of this version.
func (s *store) migrate(ctx context.Context) error {
	for cursor := "0"; ; {
		m, err := s.exec(ctx, writes, scriptMigrate, cursor, formatVersion)
		if err != nil {
			return err
		}
		if m.Kind != wire.Text {
			return damaged()
		}
		if cursor = m.Text; cursor == "0" {
			return nil
		}
	}
}

// reindex rebuilds the index from the values, page by page. Other calls continue.
func (s *store) reindex(ctx context.Context) error {
	counts := make([]int64, 2)
	for i, sc := range []*script{scriptUnindex, scriptIndex} {
		for cursor := "0"; ; {
			m, err := s.exec(ctx, writes, sc, cursor)
			if err != nil {
				return err
			}
			if len(m.List) != 2 {
				return damaged()
			}
			n, _ := m.List[1].Number()
			counts[i] += n
			if cursor = m.List[0].Text; cursor == "0" {
				break
			}
		}
	}
	s.logger.Warn("kv: the index of the store did not match its values and was rebuilt; another program, or a user without all permissions, has written to its keys",
		"server", s.server.name, "added", counts[1], "removed", counts[0])
	return nil
}

// exec runs a script.
func (s *store) exec(ctx context.Context, a access, sc *script, args ...string) (wire.Reply, error) {
	return s.run(ctx, a, sc, false, args)
}

// run runs a script, a large one over a separate connection.
func (s *store) run(ctx context.Context, a access, sc *script, large bool, args []string) (wire.Reply, error) {
	sc = sc.publishing(s.channelsOf)
	words := make([]string, 0, 3+sc.keys+len(args))
	words = append(words, "EVALSHA", sc.sha, sc.numKeys)
	words = append(words, s.keys[:sc.keys]...)
	words = append(words, args...)
	r, err := s.send(ctx, a, wire.Request{Command: words, Large: large})
	if err == nil && r.Code() == "NOSCRIPT" {
		words[0], words[1] = "EVAL", sc.text
		r, err = s.send(ctx, a, wire.Request{Command: words, Large: large})
	}
	if err == nil && r.Kind == wire.Error {
		err = refusal(r.Text)
	}
	return r.Reply, err
}

// do sends a command.
func (s *store) do(ctx context.Context, a access, req wire.Request) (wire.Result, error) {
	r, err := s.send(ctx, a, req)
	if err == nil && r.Kind == wire.Error {
		err = refusal(r.Text)
	}
	return r, err
}

// send sends a request, and gives its failure a kind.
func (s *store) send(ctx context.Context, a access, req wire.Request) (wire.Result, error) {
	s.calls.begin()
	defer s.calls.end()
	if s.closed.Load() {
		return wire.Result{}, extlibs.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return wire.Result{}, fmt.Errorf("not done: %w", err)
	}
	r, err := s.server.do(ctx, &s.route, req)
	switch {
	case err != nil:
		err = s.failure(a, err)
	case r.Kind == wire.Error:
		s.route.figures.failed(refusal(r.Text))
	}
	return r, err
}

// Close implements extlibs.Store. Calls under way get their answer if it comes soon.
func (s *store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if w := s.watch.Load(); w != nil {
		w.stop()
	}
	s.sweeper.stop()
	s.calls.wait(closeWait)
	s.server.release()
	return nil
}

// closeWait is how long Close waits for answers.
const closeWait = time.Second

// calls counts the calls under way.
type calls struct {
	mu    sync.Mutex
	count int
	none  chan struct{} // closed when count is 0; nil: nothing waits for that
}

func (c *calls) begin() {
	c.mu.Lock()
	c.count++
	c.mu.Unlock()
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count--; c.count == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// wait waits until no call is under way, or for d.
func (c *calls) wait(d time.Duration) {
	c.mu.Lock()
	if c.count == 0 {
		c.mu.Unlock()
		return
	}
	none := make(chan struct{})
	c.none = none
	c.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-none:
	case <-timer.C:
	}
}

// Stats implements extlibs.StatsReporter. What other hosts removed is not in it; -1 is unknown.
func (s *store) Stats(context.Context) (extlibs.Stats, error) {
	return extlibs.Stats{Expired: s.sweeper.expired.Load(), Evicted: -1, Bytes: -1, Commits: -1, Buffered: -1, Server: s.route.figures.stats()}, nil
}
