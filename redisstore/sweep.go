package redisstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// sweep removes expired keys until ctx ends. Several clients of a store do so; the
// jitter keeps them apart.
func (s *store) sweep(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("kv: a bug stopped the removal of expired keys; open the store again, and report the bug", "server", s.server.name, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	wait := s.sweepEvery
	for {
		timer := time.NewTimer(wait + rand.N(wait/2+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		removed, err := s.sweepStep(ctx)
		s.expired.Add(removed)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.logger.Warn("kv: expired keys were not removed", "server", s.server.name, "error", err)
			wait = max(s.sweepEvery, sweepAfterError)
		case removed == sweepKeys:
			wait = time.Millisecond
		default:
			wait = s.sweepEvery
		}
	}
}

const sweepAfterError = 5 * time.Second

func (s *store) sweepStep(ctx context.Context) (removed int64, err error) {
	m, err := s.exec(ctx, writes, scriptSweep, strconv.Itoa(sweepKeys))
	if err != nil {
		return 0, err
	}
	if len(m.List) != 2 || m.List[0].Kind != wire.Int {
		return 0, damaged()
	}
	return m.List[0].Int, nil
}
