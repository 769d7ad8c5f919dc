package extlibs

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Stats counts the operations on a store, or on all stores of a registry, since it was
// opened. A number that a backend does not know is less than 0; the sum over several
// stores includes the known numbers.
type Stats struct {
	Keys    int64 `json:"keys"`    // live keys now
	Hits    int64 `json:"hits"`    // reads of a live key; in memory, after some thousands, a sample of one in 16
	Misses  int64 `json:"misses"`  // reads of an absent or expired key
	Sets    int64 `json:"sets"`    // keys written
	Deletes int64 `json:"deletes"` // keys removed by a call
	Expired int64 `json:"expired"` // expired keys that were removed
	Evicted int64 `json:"evicted"` // keys that a cache removed to make room
	Bytes   int64 `json:"bytes"`   // in memory: keys, values and overhead; on disk: the file and its log
	Commits int64 `json:"commits"` // syncs and commits that made writes durable; many writes can share one

	Buffered int64 `json:"buffered"` // bytes of memory for changes that are in the log and not yet in the file

	Server *ServerStats `json:"server,omitempty"` // nil for a store that is not on a server
}

// ServerStats are the counters of the requests that a store sends to its server.
type ServerStats struct {
	RoundTrips    int64         `json:"round_trips"`   // requests that were answered
	RoundTripTime time.Duration `json:"round_trip_ns"` // sum of the times from a request to its answer
	Redirects     int64         `json:"redirects"`     // answers that named another node of a cluster
	Unavailable   int64         `json:"unavailable"`   // requests that failed with ErrUnavailable
	Unknown       int64         `json:"unknown"`       // requests that failed with ErrCommitUnknown
}

func (s *Stats) add(t Stats) {
	for _, n := range []struct {
		sum *int64
		add int64
	}{
		{&s.Keys, t.Keys}, {&s.Hits, t.Hits}, {&s.Misses, t.Misses}, {&s.Sets, t.Sets}, {&s.Deletes, t.Deletes},
		{&s.Expired, t.Expired}, {&s.Evicted, t.Evicted}, {&s.Bytes, t.Bytes}, {&s.Commits, t.Commits}, {&s.Buffered, t.Buffered},
	} {
		if *n.sum = max(*n.sum, 0); n.add > 0 {
			*n.sum += n.add
		}
	}
	if t.Server != nil {
		sum := *t.Server
		if s.Server != nil {
			sum.RoundTrips += s.Server.RoundTrips
			sum.RoundTripTime += s.Server.RoundTripTime
			sum.Redirects += s.Server.Redirects
			sum.Unavailable += s.Server.Unavailable
			sum.Unknown += s.Server.Unknown
		}
		s.Server = &sum
	}
}

// counters counts the calls on a store. Calls on different keys count in different
// lines of memory, and so do reads and writes, which then do not slow each other down.
type counters [8]counterLine

type counterLine struct {
	hits, misses  atomic.Int64
	_             [48]byte
	sets, deletes atomic.Int64
	_             [48]byte
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
