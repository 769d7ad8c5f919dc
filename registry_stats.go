package extlibs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Stats returns the sum of the counters of all open stores. It asks them concurrently. If
// some fail, the error names them, and the sum has the others.
func (r *Registry) Stats(ctx context.Context) (Stats, error) {
	var sum Stats
	var errs []error
	for _, s := range r.allStats(ctx) {
		sum.add(s.Stats)
		errs = append(errs, s.err)
	}
	return sum, errors.Join(errs...)
}

type namedStats struct {
	name string
	Stats
	err error
}

func (r *Registry) allStats(ctx context.Context) []namedStats {
	stores := append(r.Stores(), r.Default())
	all := make([]namedStats, len(stores))
	var wg sync.WaitGroup
	for i, h := range stores {
		wg.Go(func() {
			s, err := h.Stats(ctx)
			all[i] = namedStats{h.name, s, err}
		})
	}
	wg.Wait()
	return all
}

// Var returns the counters of every open store, by name, as a variable for
// package expvar:
//
//	expvar.Publish("kv", extlibs.DefaultRegistry().Var())
//
// If a store does not answer within a second, only the counters that do not come from its
// backend are included. A number less than 0 is unknown.
func (r *Registry) Var() fmt.Stringer { return registryVar{r} }

const varTimeout = 1 * time.Second

type registryVar struct{ r *Registry }

// String returns the counters as JSON.
func (v registryVar) String() string {
	ctx, cancel := context.WithTimeout(context.Background(), varTimeout)
	defer cancel()
	byName := map[string]Stats{}
	for _, s := range v.r.allStats(ctx) {
		if other, taken := byName[s.name]; taken { // one URL with two passwords
			s.add(other)
		}
		byName[s.name] = s.Stats
	}
	b, err := json.Marshal(byName)
	if err != nil {
		return "null" // a map of numbers: never
	}
	return string(b)
}
