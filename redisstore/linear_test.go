package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/kvtest/linear"
)

func TestHistoriesWithCutsAreLinearizable(t *testing.T) { testHistories(t, linear.OneKey, 2) }

// The same for batches on several keys, of which many have conditions, and LoadMany.
func TestHistoriesOfBatchesWithCutsAreLinearizable(t *testing.T) {
	testHistories(t, linear.Batches, 3)
}

// Cuts before and after requests make some outcomes unknown; a call that is said
// not to be done is left out, so that its effect would be one without a cause.
func testHistories(t *testing.T, calls linear.Calls, keys int) {
	s := startServer(t)
	p := startProxy(t, s.addr)
	h := openHandle(t, "redis://"+p.Addr().String()+"/0/"+newName(), extlibs.SweepInterval(time.Hour))
	unknown, refused := 0, 0
	for round := range kvtest.Sized(8, 40, 400) {
		c := linear.Config{
			Store: h.Store(), Clients: 4, Each: 12,
			Rand: func(client uint64) *rand.Rand { return kvtest.Rand(t, uint64(round), client) },
			Before: func(client, call int, r *rand.Rand) {
				if client == 0 && call%5 == 2 {
					p.cutNext([]string{"before", "after"}[r.IntN(2)])
				}
			},
		}
		for k := range keys {
			c.Keys = append(c.Keys, fmt.Sprint(round, "-", k))
		}
		history, notDone := calls.History(t, c)
		p.cutNext("")
		refused += notDone
		for _, op := range history {
			if op.Output.(linear.Outcome).Unknown {
				unknown++
			}
		}
		calls.Check(t, history)
	}
	if unknown == 0 {
		t.Error("no outcome was unknown: this shows nothing")
	}
	t.Logf("%d outcomes were unknown, %d calls were not done", unknown, refused)
}
