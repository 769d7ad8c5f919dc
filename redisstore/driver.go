package redisstore

import (
	"context"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// schemes are the schemes of the driver's URLs.
var schemes = []string{"redis", "rediss", "valkey", "valkeys", "redis+unix"}

func init() {
	for _, scheme := range schemes {
		extlibs.RegisterDriver(scheme, open)
	}
}

func open(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
	t, err := parse(c.URL, c.FromScript)
	if err != nil {
		return nil, err
	}
	t.reply = replyBytes(c)
	s := newStore(acquire(t), t, c)
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.warnOfEviction(ctx)
	return s, nil
}

// replyBytes is the most that a store needs in one reply: all that a call on many
// keys may hold, a value before and after a change, a page of the longest keys.
func replyBytes(c extlibs.OpenConfig) int64 {
	const noLimit = 1 << 40
	return 3*min(int64(c.MaxOperationBytes), noLimit) + 4*min(int64(c.MaxValueBytes), noLimit) + 2*pageKeys*extlibs.MaxKeyBytes
}

// warnOfEviction tells the host of a server that drops keys when it is full: it
// drops whole stores. Where the server does not tell, there is no warning.
func (s *store) warnOfEviction(ctx context.Context) {
	m, err := s.do(ctx, reads, wire.Request{Command: []string{"CONFIG", "GET", "maxmemory-policy"}})
	if err != nil {
		return
	}
	if policy := m.Lookup("maxmemory-policy"); strings.HasPrefix(policy, "allkeys-") {
		s.logger.Warn("kv: the server evicts keys when its memory is full, which can destroy whole stores, because a store is four keys; set maxmemory-policy to noeviction or volatile-*",
			"server", s.server.name, "policy", policy)
	}
}
