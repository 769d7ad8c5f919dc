package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/redisstore/internal/wire"
)

// figures counts, for one store, what extlibs.ServerStats has.
type figures struct {
	roundTrips, nanoseconds         atomic.Int64
	redirects, unavailable, unknown atomic.Int64
}

// timed sends a request, and counts its round trip if there is an answer.
func (f *figures) timed(ctx context.Context, c *wire.Conn, req wire.Request) (wire.Result, error) {
	began := time.Now()
	r, err := c.Do(ctx, req)
	if err == nil {
		f.roundTrips.Add(1)
		f.nanoseconds.Add(int64(time.Since(began)))
	}
	return r, err
}

// failed counts the error of a request.
func (f *figures) failed(err error) {
	switch {
	case errors.Is(err, extlibs.ErrUnavailable):
		f.unavailable.Add(1)
	case errors.Is(err, extlibs.ErrCommitUnknown):
		f.unknown.Add(1)
	}
}

func (f *figures) stats() *extlibs.ServerStats {
	return &extlibs.ServerStats{
		RoundTrips: f.roundTrips.Load(), RoundTripTime: time.Duration(f.nanoseconds.Load()),
		Redirects: f.redirects.Load(), Unavailable: f.unavailable.Load(), Unknown: f.unknown.Load(),
	}
}

// failure counts the error of a request and gives it its kind.
func (s *store) failure(a access, err error) error {
	err = failure(a, err)
	s.route.figures.failed(err)
	return err
}
