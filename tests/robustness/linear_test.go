package robustness

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
	"github.com/scriptling-kv/extlibs/internal/kvtest/linear"
)

// A few goroutines make random calls on two keys, and a checker looks for an order of them
// that explains all answers.
func TestSmallHistoriesAreLinearizable(t *testing.T) {
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
				history, notDone := linear.History(t, linear.Config{
					Store: h.Store(), Clients: 4, Calls: 15, Keys: []string{fmt.Sprint(round, "-0"), fmt.Sprint(round, "-1")},
					Rand: func(client uint64) *rand.Rand { return kvtest.Rand(t, uint64(round), client) },
				})
				if notDone > 0 {
					t.Errorf("round %d: %d calls were not done", round, notDone)
				}
				linear.Check(t, history)
			}
		})
	}
}

// The same for batches on several keys, of which many have conditions, and LoadMany.
func TestSmallHistoriesOfBatchesAreLinearizable(t *testing.T) {
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
				history, notDone := linear.BatchHistory(t, linear.Config{
					Store: h.Store(), Clients: 4, Calls: 12, Keys: []string{fmt.Sprint(round, "-0"), fmt.Sprint(round, "-1"), fmt.Sprint(round, "-2")},
					Rand: func(client uint64) *rand.Rand { return kvtest.Rand(t, uint64(round), client) },
				})
				if notDone > 0 {
					t.Errorf("round %d: %d calls were not done", round, notDone)
				}
				linear.CheckBatches(t, history)
			}
		})
	}
}
