package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func TestStatsHaveTheRequestsToTheServerAndTheirFailures(t *testing.T) {
	s := startServer(t)
	p := startProxy(t, s.addr)
	ctx := t.Context()
	h := openHandle(t, "redis://"+p.Addr().String()+"/0/"+newName(), extlibs.SweepInterval(time.Hour))
	other := openHandle(t, "redis://"+p.Addr().String()+"/0/"+newName(), extlibs.SweepInterval(time.Hour))
	stats := func(h *extlibs.Handle) extlibs.ServerStats {
		t.Helper()
		st, err := h.Stats(ctx)
		if st.Server == nil {
			t.Fatalf("the store is not on a server (%v)", err)
		}
		return *st.Server
	}
	before := stats(h)
	for range 10 {
		if err := h.Set(ctx, "k", 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	after := stats(h)
	if n := after.RoundTrips - before.RoundTrips; n < 10 || n > 15 || after.RoundTripTime <= before.RoundTripTime || after.RoundTripTime > time.Minute {
		t.Errorf("%d round trips of 10 sets, in %v after %v", n, after.RoundTripTime, before.RoundTripTime)
	}
	p.cutNext("after")
	if err := h.Set(ctx, "k", 2, 0); !errors.Is(err, extlibs.ErrCommitUnknown) {
		t.Fatal(err)
	}
	p.Close() // no connection from now on
	if err := h.Set(ctx, "k", 3, 0); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Fatal(err)
	}
	if now := stats(h); now.Unknown != 1 || now.Unavailable < 1 || now.RoundTrips < after.RoundTrips {
		t.Errorf("with the server gone: %+v", now)
	}
	if now := stats(other); now.Unknown != 0 {
		t.Errorf("another store there: %+v", now)
	}
}
