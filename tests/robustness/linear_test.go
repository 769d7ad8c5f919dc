package robustness

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/kvtest/linear"
)

func TestSmallHistoriesAreLinearizable(t *testing.T) { testHistories(t, linear.OneKey, 2, 15) }

// The same for batches on several keys, of which many have conditions, and LoadMany.
func TestSmallHistoriesOfBatchesAreLinearizable(t *testing.T) {
	testHistories(t, linear.Batches, 3, 12)
}

// A few goroutines make random calls on some keys, and a checker looks for an order of them
// that explains all answers.
func testHistories(t *testing.T, calls linear.Calls, keys, each int) {
	for kind, store := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r, name := newStore(t, kind)
			h := mustOpen(t, r, name)
			rounds := kvtest.Sized(20, 60, 1000)
			if store.inFile {
				rounds = kvtest.Sized(5, 15, 300)
			}
			for round := range rounds {
				c := linear.Config{
					Store: h.Store(), Clients: 4, Each: each,
					Rand: func(client uint64) *rand.Rand { return kvtest.Rand(t, uint64(round), client) },
				}
				for k := range keys {
					c.Keys = append(c.Keys, fmt.Sprint(round, "-", k))
				}
				history, notDone := calls.History(t, c)
				if notDone > 0 {
					t.Errorf("round %d: %d calls were not done", round, notDone)
				}
				calls.Check(t, history)
			}
		})
	}
}
