package hashtable

// Limit says which of a table's limits refuses a write.
type Limit uint8

// The limits.
const (
	None     Limit = iota // the write is done
	MaxBytes              // Config.MaxBytes
	MaxKeys               // Config.MaxKeys
)

// change is a Change of a record that has been found.
type change struct {
	hash uint64
	at   place
	old  *Record // what others see at the place
	next *Record
}

// alive is 1 for a record that is live, else 0. It is called with now == 0
// if there is no limit of keys.
func alive(r *Record, now int64) int {
	if r == nil || r.Deadline() != 0 && r.Deadline() <= now {
		return 0
	}
	return 1
}

// commit is the one way for keys to come, to go and to change their deadlines.
// Their shards are locked and have memory for them. room is that of the write, or nil.
func (t *Table) commit(changes []change, now int64, room *Room) Limit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.commitLocked(changes, now, room)
}

// commitLocked is commit for a caller that has t.mu.
func (t *Table) commitLocked(changes []change, now int64, room *Room) Limit {
	grow, more := int64(0), 0
	for i := range changes {
		c := &changes[i]
		grow += c.next.Size() - c.old.Size()
		more += alive(c.next, now) - alive(c.old, now)
	}
	if limit := t.admit(changes, grow, more, now, room); limit != None {
		return limit
	}
	if len(changes) > 1 {
		t.batching.Add(1)
		defer t.batching.Add(-1)
	}
	soonest := t.due.soonest
	for i := range changes {
		t.carryOut(&changes[i])
	}
	if t.due.n > 0 && t.due.soonest < soonest && t.config.Sooner != nil {
		t.config.Sooner(t.due.soonest)
	}
	return None
}

// admit takes what changes need of the limits, first out of their room. Table.mu is locked.
func (t *Table) admit(changes []change, grow int64, more int, now int64, room *Room) (limit Limit) {
	needKeys, needBytes := more, grow
	if t.evict != nil {
		needKeys += t.evict.held
	}
	if room != nil {
		needKeys -= room.keys
		needBytes -= room.bytes
	}
	switch limit := int(t.config.MaxKeys); {
	case limit > 0 && more > 0 && t.mostKeys()+needKeys > limit && t.live(now)+needKeys > limit:
		if room != nil {
			room.refused(changes, grow, more)
		}
		return MaxKeys
	case !t.reserve(needBytes):
		if room != nil {
			room.refused(changes, grow, more)
		}
		return MaxBytes
	case room != nil:
		room.bytes = 0 // they are those of the table now
		room.spent()
	}
	return None
}

// mostKeys is a quick upper limit of the live keys. It needs t.mu.
func (t *Table) mostKeys() int {
	if b := t.pending.Load(); b != nil {
		return t.keys + b.installed
	}
	return t.keys
}

func (t *Table) carryOut(c *change) {
	s, old, was, deadline := t.shard(c.hash), c.old, int64(0), int64(0)
	if r := c.at.record; r != nil && r.flags&flagMark != 0 {
		if b, i := t.pendingEntry(r); b != nil {
			t.save(s, r.Key(), old)
			b.set(i, c.next)
			return
		}
	}
	if c.at.record != nil {
		t.save(s, c.at.record.Key(), c.at.record)
	} else if c.next != nil {
		t.save(s, c.next.Key(), nil)
	}
	if old != nil {
		was = old.Deadline()
	}
	if c.next != nil {
		deadline = c.next.Deadline()
	}
	if was != 0 && was != deadline {
		t.due.remove(due{was, c.hash})
	}
	switch {
	case c.next != nil:
		t.count(s, c.next.Size())
		s.store(c.hash, c.at, c.next)
		switch {
		case old != nil:
		case c.at.record != nil: // a tombstone, which has its name
			t.keys++
			t.tombstones--
		default:
			t.keys++
			t.count(s, nameWrites*int64(c.next.keyLen))
			t.addName(c.next.Key(), c.hash)
		}
	case old != nil:
		t.count(s, old.Size()+nameWrites*int64(old.keyLen)) // garbage now
		s.remove(c.at)
		t.keys--
		t.names.remove(old.Key())
	}
	if deadline != 0 && was != deadline {
		t.due.add(t, due{deadline, c.hash})
	}
}

// addName notes the name of a key that is added.
func (t *Table) addName(key string, hash uint64) {
	if t.evict != nil {
		t.evict.arrived(hash, t.keys)
	}
	deadBytes := t.names.deadBytes
	if t.names.add(key); t.names.deadBytes != deadBytes {
		t.bytes.Add(t.names.deadBytes - deadBytes)
	}
}

// reserve takes the bytes that a write needs, or fails where the limit is in the
// way. It never goes above the limit, not even for a moment, so that no other
// write fails that would fit.
func (t *Table) reserve(grow int64) bool {
	limit := t.config.MaxBytes
	if grow <= 0 || limit <= 0 {
		if grow != 0 {
			t.bytes.Add(grow)
		}
		return true
	}
	for {
		bytes := t.bytes.Load()
		if bytes+grow > limit {
			return false
		}
		if t.bytes.CompareAndSwap(bytes, bytes+grow) {
			return true
		}
	}
}
