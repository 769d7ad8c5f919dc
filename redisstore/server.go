package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// server is a client of one database of a server, a cluster or a primary that
// sentinels name. The stores there share it.
type server struct {
	name     string // without credentials
	identity identity
	tls      *tls.Config
	limit    atomic.Int64 // bytes of one reply
	requests budget

	users  int  // guarded by servers
	byHost bool // a host's URL led to it; guarded by servers

	nodes     nodes
	routes    routes
	sentinels *sentinels // nil: the addresses are those of the data
}

var servers struct {
	sync.Mutex
	open map[identity]*server
}

// acquire returns the client of a server. It does not connect yet.
func acquire(t target) *server {
	servers.Lock()
	defer servers.Unlock()
	s := servers.open[t.identity]
	if s == nil {
		s = &server{name: t.name, identity: t.identity, tls: t.tls}
		s.requests.most = t.identity.inFlight()
		s.routes.seeds = t.identity.addresses()
		if t.identity.sentinel != "" {
			s.sentinels = newSentinels(s)
		}
		if servers.open == nil {
			servers.open = map[identity]*server{}
		}
		servers.open[t.identity] = s
	}
	s.users++
	s.byHost = s.byHost || !t.script
	s.limit.Store(max(s.limit.Load(), t.reply))
	return s
}

// release closes the client with its last store.
func (s *server) release() {
	servers.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(servers.open, s.identity)
	}
	servers.Unlock()
	if last {
		if s.sentinels != nil {
			s.sentinels.close()
		}
		s.nodes.close()
	}
}

// budget limits the bytes of requests that callers have under way, since a server
// that hangs lets them pile up. One request is always let through.
type budget struct {
	most int64
	used atomic.Int64
}

func (b *budget) take(n int64) bool {
	if used := b.used.Add(n); used > b.most && used != n {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// maxRedirects limits what one call follows: a slot that moves takes two.
const maxRedirects = 5

// do sends a request to the node that has the slot of a store, and follows where it
// points. An error is a *wire.Lost, an *unreachable, or one with a kind.
func (s *server) do(ctx context.Context, r *route, req wire.Request) (wire.Result, error) {
	size := req.Bytes()
	if !s.requests.take(size) {
		return wire.Result{}, fmt.Errorf("%w: other calls to the server hold %d bytes, and it is slow or hangs; try again later, or raise MaxInFlightBytes in the host", extlibs.ErrUnavailable, s.requests.used.Load())
	}
	defer s.requests.give(size)
	large := req.Large || size > largeRequest
	var again retry
	for redirects := 0; ; {
		c := r.conn.Load()
		if c == nil || large || !c.Usable() {
			var err error
			if c, err = s.connect(ctx, r.slot, large); err != nil {
				return wire.Result{}, err
			}
			if !large {
				r.conn.Store(c)
			}
		}
		result, err := r.figures.timed(ctx, c, req)
		for err == nil && result.Kind == wire.Error && redirects <= maxRedirects {
			to, ask := redirection(result.Text, c.Address())
			if to == "" {
				break
			}
			redirects++
			r.figures.redirects.Add(1)
			if !ask {
				s.routes.moved(r.slot, to)
			}
			if c, err = s.node(ctx, to, large); err != nil {
				return wire.Result{}, err
			}
			if !ask && !large {
				r.conn.Store(c)
			}
			asked := req
			asked.Asking = ask
			result, err = r.figures.timed(ctx, c, asked)
		}
		switch {
		case err != nil || result.Kind != wire.Error:
			return result, err
		case result.Code() == "MOVED" || result.Code() == "ASK":
			return result, fmt.Errorf("%w: the server redirects the call endlessly; check that the nodes of the cluster agree on the slots", extlibs.ErrUnavailable)
		case result.Code() == "TRYAGAIN" && again.wait(ctx): // nothing was done
			continue
		case result.Code() == "READONLY" && s.sentinels != nil:
			s.sentinels.doubt()
		}
		return result, nil
	}
}
