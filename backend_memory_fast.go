package extlibs

import (
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// The fast path of the in-memory store: reads hand out a record, whose scalar is
// ready-made, and writes build the record straight from what was encoded, with one
// allocation.

// peek implements fastPath.
func (m *memory) peek(key string) (r *hashtable.Record, ok bool) {
	st := m.state.Load()
	if st == nil {
		return nil, false
	}
	if r = st.Get(key); r != nil && r.Deadline() != 0 {
		r, _ = m.live(st, key, r)
	}
	return r, true
}

// setRaw implements fastPath.
func (m *memory) setRaw(key string, e codec.Encoded, ttl time.Duration) bool {
	st := m.state.Load()
	if st == nil || m.littered.Load() || len(key) == 0 || len(key) > MaxKeyBytes {
		return false
	}
	if e.Kind == 0 && len(e.Body) > smallValue && int64(len(e.Body)) > m.opts.decodedBytes()/(codec.MaxGrowth+1) {
		return false // it can be too large once decoded
	}
	deadline := int64(0)
	if ttl != 0 {
		if ttl < MinTTL || ttl > MaxTTL {
			return false
		}
		deadline = deadlineAfter(m.now(), ttl)
	}
	r := newRecord(0, key, e, deadline)
	var s hashtable.Slot
	if len(r.Value()) > m.opts.maxValueBytes || !s.TryLock(st.Table, key) {
		return false
	}
	if !s.Replace(r) { // which cannot panic
		stored := m.put(st, &s, key, r)
		if stored {
			m.watched.tell(key, true)
		}
		return stored
	}
	m.count(&s)
	s.Unlock()
	m.watched.tell(key, true)
	return true
}

// put is the rest of setRaw where more than a record changes. It unlocks the slot.
func (m *memory) put(st *memoryState, s *hashtable.Slot, key string, r *hashtable.Record) bool {
	defer m.unlock(st, s)
	if !s.Exists() && !utf8.ValidString(key) || s.Busy() != nil || s.Put(r) != hashtable.None {
		return false
	}
	m.count(s)
	return true
}

// count counts a value that setRaw has stored: in the table, where that takes least.
func (m *memory) count(s *hashtable.Slot) {
	if !s.Count() {
		m.late.Add(1)
	}
}

// sets returns how many values setRaw has stored.
func (m *memory) sets() int64 {
	m.replacing.Lock()
	defer m.replacing.Unlock()
	n := m.counted + m.late.Load()
	if st := m.state.Load(); st != nil {
		n += st.Counted()
	}
	return n
}
