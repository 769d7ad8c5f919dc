// Package notify wakes the callers that wait for changes of a store.
//
// A store has one Hub, which is told each change after reads see it. A caller that waits
// registers a Watcher first, then reads the store, then waits for the Watcher: so it
// misses no change between its read and its wait.
//
//	hub.go      Hub: which callers wait for which keys
//	watcher.go  Watcher: one waiting caller
//
// A Hub knows neither values nor patterns: nothing that a script chooses, such as a
// pattern that takes long, runs under its lock. It knows no deadlines either: a key that
// expires changes when the sweeper removes it, and a caller that waits for an expiry sets
// a timer.
package notify

import "sync"

const (
	// maxKeys is how many changed keys a Watcher remembers before it loses track.
	maxKeys = 10_000

	// maxPending limits the bytes that the watchers of a Hub remember together.
	maxPending  = 32 << 20
	pendingCost = 64 // bytes of a remembered key besides its own
)

// Hub knows the watchers of one store. The zero Hub has none and is ready. Its methods
// are safe for concurrent use.
type Hub struct {
	mu       sync.Mutex
	closed   bool
	keys     map[string]*list        // watchers of one key
	prefixes map[string]*prefixGroup // watchers of a prefix
	lengths  map[int]int             // of the prefixes, and how many have that length
	pending  int                     // bytes that the watchers remember
}

// prefixGroup has the watchers of one prefix.
type prefixGroup struct {
	watchers int              // woken watchers included, which are in no list
	all      list             // told about every change
	queues   map[string]*list // by pattern: one of each is woken by a change
}

// Changed tells the watchers that a key changed. live reports whether the key exists now:
// a queue waits for keys to take, and is not told about removals.
func (h *Hub) Changed(key string, live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	if l := h.keys[key]; l != nil {
		for w := range l.each {
			w.signal()
		}
	}
	for n := range h.lengths {
		if n > len(key) {
			continue
		}
		g := h.prefixes[key[:n]]
		if g == nil {
			continue
		}
		for w := range g.all.each {
			w.remember(key)
		}
		if live {
			for _, q := range g.queues {
				q.wakeFirst()
			}
		}
	}
}

// Lost tells all watchers that any key can have changed, as after a clear or when
// changes can have been missed.
func (h *Hub) Lost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	for _, l := range h.keys {
		for w := range l.each {
			w.signal()
		}
	}
	for _, g := range h.prefixes {
		for w := range g.all.each {
			w.lose()
		}
		for _, q := range g.queues {
			for w := range q.each {
				w.signal()
			}
		}
	}
}

// Close closes the channels of all watchers, including later ones.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for l := range h.lists {
		for w := range l.each {
			w.end()
		}
	}
}

// Closed reports whether the Hub is closed.
func (h *Hub) Closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// lists visits all lists of watchers.
func (h *Hub) lists(yield func(*list) bool) {
	for _, l := range h.keys {
		if !yield(l) {
			return
		}
	}
	for _, g := range h.prefixes {
		if !yield(&g.all) {
			return
		}
		for _, q := range g.queues {
			if !yield(q) {
				return
			}
		}
	}
}

// join returns the watchers of a prefix for one more of them.
func (h *Hub) join(prefix string) *prefixGroup {
	g := h.prefixes[prefix]
	if g == nil {
		if h.prefixes == nil {
			h.prefixes, h.lengths = map[string]*prefixGroup{}, map[int]int{}
		}
		g = &prefixGroup{}
		h.prefixes[prefix] = g
		h.lengths[len(prefix)]++
	}
	g.watchers++
	return g
}

// leave is the end of a watcher of a prefix.
func (h *Hub) leave(prefix string, g *prefixGroup) {
	if g.watchers--; g.watchers > 0 {
		return
	}
	delete(h.prefixes, prefix)
	if h.lengths[len(prefix)]--; h.lengths[len(prefix)] == 0 {
		delete(h.lengths, len(prefix))
	}
}
