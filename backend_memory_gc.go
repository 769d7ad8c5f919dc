package extlibs

import (
	"context"
	"runtime"
	"sync"

	"github.com/paularlott/scriptling/object"
)

// Go collects garbage when the heap has doubled. That would let a store at its limit of
// memory take twice the limit: its records, and as many that were replaced. So a store
// that holds much of its limit starts a collection itself, for each part of the limit
// that it has written. What others make of the host's heap it leaves to Go.
const (
	gcWritten = 8 // a collection for each such part of the limit that is written
	gcHeld    = 2 // where the store holds such a part of its limit

	gcCache = 4 << 20 // bytes that are written to a cache at least, which Go's smallest heap has too
)

// collecting is held by the writer that collects, of any store.
var collecting sync.Mutex

// gcAfter returns how many bytes are written between two collections. A cache is full most
// of the time, and a small one would collect all the time.
func (m *memory) gcAfter() int64 {
	if after := m.opts.memoryLimit() / gcWritten; !m.opts.evict || after > gcCache {
		return after
	}
	return gcCache
}

// wrote is told about bytes that were stored. It is called under a lock of the table.
func (m *memory) wrote(bytes int64) {
	held := int64(0)
	if st := m.state.Load(); st != nil {
		held = st.Bytes()
	}
	if m.unswept.Add(bytes) >= sweepWritten {
		m.unswept.Store(0)
		m.sweepDue.Store(true)
		m.littered.Store(true)
	}
	m.peak.Store(max(m.peak.Load(), held)) // of two writers the lower one can win: by what one shard wrote
	if m.written.Add(bytes) < m.gcAfter() {
		return
	}
	// What it held at its most may be garbage now, since deletes or a clear.
	if m.peak.Load() >= m.opts.memoryLimit()/gcHeld {
		m.gcDue.Store(true)
		m.littered.Store(true)
		m.written.Store(0)
		m.peak.Store(held)
	}
}

// collect sweeps and collects garbage, if it is time, before the writer continues. Other writers
// that come to the same point wait for it, so that they cannot outrun it.
func (m *memory) collect(ctx context.Context) {
	if !m.littered.Load() {
		return
	}
	object.RunBlocking(ctx, func() {
		m.littered.Store(false)
		if st := m.state.Load(); st != nil && m.sweepDue.Swap(false) {
			for n := 0; n < sweepSteps && m.reclaim(ctx, st); n++ {
			}
		}
		if m.gcDue.Load() {
			collecting.Lock()
			defer collecting.Unlock()
			if m.gcDue.Swap(false) {
				runtime.GC()
			}
		}
	})
}

// Keys that expire before the next sweep would fill the store to its limit. So after each
// such number of written bytes, writers remove expired keys, in at most sweepSteps steps.
const (
	sweepWritten = 16 << 20
	sweepSteps   = 64
)
