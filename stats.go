package extlibs

import (
	"encoding/json"
	"fmt"
)

// Stats counts what happened to a store, or to all stores of a registry, since
// it was opened.
type Stats struct {
	Keys    int64 `json:"keys"`    // live keys now
	Hits    int64 `json:"hits"`    // reads of a live key
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

// Stats returns the sum of the counters of all open stores.
func (r *Registry) Stats() Stats {
	s := r.Default().Stats()
	for _, h := range r.Stores() {
		s.add(h.Stats())
	}
	return s
}

// Var returns the counters of every open store, by name, as a variable for
// package expvar:
//
//	expvar.Publish("kv", extlibs.DefaultRegistry().Var())
func (r *Registry) Var() fmt.Stringer { return registryVar{r} }

type registryVar struct{ r *Registry }

// String returns the counters as JSON.
func (v registryVar) String() string {
	std := v.r.Default()
	all := map[string]Stats{std.Name(): std.Stats()}
	for _, h := range v.r.Stores() {
		all[h.Name()] = h.Stats()
	}
	b, err := json.Marshal(all)
	if err != nil {
		return "null" // a map of numbers: never
	}
	return string(b)
}
