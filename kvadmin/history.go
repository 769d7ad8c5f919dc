package kvadmin

import (
	"context"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// Samples of the counters of stores.
const (
	sampleEvery = 2 * time.Second
	sampleCount = 150              // five minutes
	sampleAfter = 10 * time.Minute // sampling ends this long after the last request
)

// sample is what a store did between two readings of its counters.
type sample struct {
	At   int64    `json:"at"`   // seconds since 1970
	Ops  float64  `json:"ops"`  // operations per second
	Hits *float64 `json:"hits"` // part of the reads that found a key, 0 to 1; null: there were no reads
}

// history samples the counters of the open stores while a page shows them.
type history struct {
	registry *extlibs.Registry

	mu      sync.Mutex
	running bool
	seen    time.Time // the last request
	stores  map[*extlibs.Handle]*samples
}

// samples are those of one store.
type samples struct {
	last extlibs.Stats
	at   time.Time
	list []sample
}

// touch starts sampling, or continues it.
func (h *history) touch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = time.Now()
	if h.running {
		return
	}
	h.running, h.stores = true, map[*extlibs.Handle]*samples{}
	h.takeLocked(h.seen)
	time.AfterFunc(sampleEvery, h.tick)
}

// tick takes samples, and again later unless there has been no request for a while.
func (h *history) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.seen) > sampleAfter {
		h.running, h.stores = false, nil
		return
	}
	h.takeLocked(now)
	time.AfterFunc(sampleEvery, h.tick)
}

// noBackend is a context that has ended: with it Handle.Stats does not ask the backend, and
// returns the counters of the handle.
var noBackend = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// takeLocked takes a sample of each open store. h.mu is locked.
func (h *history) takeLocked(now time.Time) {
	open := map[*extlibs.Handle]*samples{}
	for _, store := range append(h.registry.Stores(), h.registry.Default()) {
		s := h.stores[store]
		stats, _ := store.Stats(noBackend)
		if s == nil {
			s = &samples{}
		} else {
			s.add(now, stats)
		}
		s.last, s.at = stats, now
		open[store] = s
	}
	h.stores = open
}

// add appends what a store did since the last reading.
func (s *samples) add(now time.Time, stats extlibs.Stats) {
	elapsed := now.Sub(s.at).Seconds()
	if elapsed <= 0 {
		return
	}
	hits, misses := stats.Hits-s.last.Hits, stats.Misses-s.last.Misses
	n := sample{At: now.Unix(), Ops: float64(hits+misses+stats.Sets-s.last.Sets+stats.Deletes-s.last.Deletes) / elapsed}
	if hits+misses > 0 {
		ratio := float64(hits) / float64(hits+misses)
		n.Hits = &ratio
	}
	if len(s.list) == sampleCount {
		s.list = append(s.list[:0], s.list[1:]...)
	}
	s.list = append(s.list, n)
}

// of returns the samples of a store, the oldest first.
func (h *history) of(store *extlibs.Handle) []sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.stores[store]; s != nil {
		return append([]sample{}, s.list...)
	}
	return []sample{}
}
