package extlibs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what happened to a store, or to all stores of a registry, since
// it was opened.
type Stats struct {
	Keys    int64 `json:"keys"`    // live keys now
	Hits    int64 `json:"hits"`    // reads of a live key; in memory, beyond some thousands, by a sample of one in 16
	Misses  int64 `json:"misses"`  // reads of an absent or expired key
	Sets    int64 `json:"sets"`    // keys written
	Deletes int64 `json:"deletes"` // keys removed by a call
	Expired int64 `json:"expired"` // keys removed because their time was over
	Bytes   int64 `json:"bytes"`   // in memory: keys, values and overhead; on disk: the file
	Commits int64 `json:"commits"` // transactions written to disk
}

func (s *Stats) add(t Stats) {
	s.Keys += t.Keys
	s.Hits += t.Hits
	s.Misses += t.Misses
	s.Sets += t.Sets
	s.Deletes += t.Deletes
	s.Expired += t.Expired
	s.Bytes += t.Bytes
	s.Commits += t.Commits
}

// counters counts the calls on a store. Calls on different keys count in different
// lines of memory, so that they do not slow each other down.
type counters [8]counterLine

type counterLine struct {
	hits, misses, sets, deletes atomic.Int64
	_                           [32]byte
}

func (c *counters) of(key string) *counterLine {
	if key == "" {
		return &c[0]
	}
	return &c[int(key[len(key)-1])%len(c)]
}

// Hits are counted one by one up to exactHits in each line. From then on one in
// sampledHits counts for all of them: an atomic addition for each would keep the
// processor from fetching the memory of the next key meanwhile.
const (
	exactHits   = 4096
	sampledHits = 16
)

func (l *counterLine) hit() {
	if l.hits.Load() < exactHits {
		l.hits.Add(1)
	} else if rand.Uint32()%sampledHits == 0 {
		l.hits.Add(sampledHits)
	}
}

func (c *counters) sum() (s Stats) {
	for i := range c {
		s.Hits += c[i].hits.Load()
		s.Misses += c[i].misses.Load()
		s.Sets += c[i].sets.Load()
		s.Deletes += c[i].deletes.Load()
	}
	return s
}

// Stats returns the sum of the counters of all open stores, also where it could
// not ask some of them: the error says which. It asks them all at once.
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
// A store that does not answer within a second is there with those counters that
// its backend has no part in.
func (r *Registry) Var() fmt.Stringer { return registryVar{r} }

const varTimeout = 1 * time.Second

type registryVar struct{ r *Registry }

// String returns the counters as JSON.
func (v registryVar) String() string {
	ctx, cancel := context.WithTimeout(context.Background(), varTimeout)
	defer cancel()
	byName := map[string]Stats{}
	for _, s := range v.r.allStats(ctx) {
		s.add(byName[s.name]) // of one URL with two passwords
		byName[s.name] = s.Stats
	}
	b, err := json.Marshal(byName)
	if err != nil {
		return "null" // a map of numbers: never
	}
	return string(b)
}
