package hashtable

// Slot is the place of a key in a table, locked. Put and Delete change the table,
// the order of the keys, that of the deadlines and the counts atomically.
type Slot struct {
	t     *Table
	shard *shard
	hash  uint64
	at    place
	old   *Record // what others see at the place
	odd   bool    // it is not the record at the place
	now   int64
}

// Lock locks the slot of a key in a table. No other caller can write to the key, nor to
// the other keys of its shard, until Unlock. (A Slot that is returned is copied, which
// takes a sixth of a set.)
func (s *Slot) Lock(t *Table, key string) {
	hash := t.hash(key)
	shard := t.shard(hash)
	shard.mu.Lock()
	s.find(t, shard, hash, key)
}

// TryLock locks the slot of a key if no other caller has its shard locked, and reports
// whether it did.
func (s *Slot) TryLock(t *Table, key string) bool {
	hash := t.hash(key)
	shard := t.shard(hash)
	if !shard.mu.TryLock() {
		return false
	}
	s.t, s.shard, s.hash, s.now = t, shard, hash, 0
	s.at = shard.find(hash, key)
	s.old, s.odd = s.at.record, false
	if s.old != nil && s.old.flags&flagMark != 0 {
		s.seeThrough()
	}
	return true
}

func (s *Slot) find(t *Table, shard *shard, hash uint64, key string) {
	s.t, s.shard, s.hash, s.now = t, shard, hash, 0
	s.at = shard.find(hash, key)
	s.old, s.odd = s.at.record, false
	if s.old != nil && s.old.flags&flagMark != 0 {
		s.seeThrough()
	}
}

// seeThrough looks up what others see at a place with a marked record.
func (s *Slot) seeThrough() {
	s.old = s.t.seen(s.at.record)
	s.odd = s.old != s.at.record
}

// Busy returns a channel that is closed when the large batch that changes the key ends, or
// nil if there is none. The key cannot be written to until then.
func (s *Slot) Busy() <-chan struct{} {
	if !s.odd {
		return nil
	}
	return s.t.busy(s.at.record)
}

func (t *Table) busy(r *Record) <-chan struct{} {
	if r == nil || r.flags&flagMark == 0 {
		return nil
	}
	if b, _ := t.pendingEntry(r); b != nil && !b.blind {
		return b.ended
	}
	return nil
}

// Unlock ends the use of the slot.
func (s *Slot) Unlock() { s.shard.mu.Unlock() }

// Now returns the reading of the clock that decides whether the slot has expired.
func (s *Slot) Now() int64 {
	if s.now == 0 {
		s.now = s.t.config.Now()
	}
	return s.now
}

// Record returns the live record of the key, or nil.
func (s *Slot) Record() *Record {
	if r := s.old; r != nil && !(r.Deadline() != 0 && r.Deadline() <= s.Now()) {
		return r
	}
	return nil
}

// Exists reports whether there is a record, live or not.
func (s *Slot) Exists() bool { return s.at.record != nil }

// Put stores a record of the key, if the limits allow it. It is the last use of
// the slot before Unlock, as Delete is.
func (s *Slot) Put(r *Record) Limit { return s.PutIn(r, nil) }

// PutIn is Put for a write that has room in a cache, or nil.
func (s *Slot) PutIn(r *Record, room *Room) Limit {
	if s.Replace(r) {
		return None
	}
	if s.at.record == nil {
		s.t.makeRoom(s.shard, 1)
	}
	now := int64(0)
	if s.t.config.MaxKeys > 0 {
		now = s.Now()
	}
	return s.t.commit([]change{{s.hash, s.at, s.old, r}}, now, room)
}

// Replace is Put for the usual case: the key exists and keeps its deadline, so that only its
// record changes. In any other case it reports false and stores nothing. In a cache it notes
// that the record is used.
func (s *Slot) Replace(r *Record) bool {
	s.t.use(s.at)
	old := s.old
	if old == nil || s.odd || old.Deadline() != r.Deadline() {
		return false
	}
	size := r.Size()
	if grow := size - old.Size(); grow != 0 && !s.t.reserve(grow) {
		return false
	}
	s.t.save(s.shard, old.Key(), old)
	s.t.count(s.shard, size)
	s.at.group.slots[s.at.slot].Store(r)
	return true
}

// Count counts a write, under the lock that the caller has anyway. It reports false if the
// table is retired: the caller then counts the write elsewhere.
func (s *Slot) Count() bool {
	if s.shard.retired {
		return false
	}
	s.shard.counted++
	return true
}

// Delete removes the record of the key, live or not.
func (s *Slot) Delete() {
	if s.old != nil {
		s.t.commit([]change{{s.hash, s.at, s.old, nil}}, 0, nil)
		s.t.shrink(s.shard)
	}
}
