package hashtable

// Limit says which of a table's limits refuses a write.
type Limit uint8

// The limits.
const (
	None     Limit = iota // the write is done
	MaxBytes              // Config.MaxBytes
	MaxKeys               // Config.MaxKeys
)

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

// Busy returns a channel, if a large batch has decided what becomes of the key, that
// is closed when the batch ends. The key cannot be written to until then.
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

// Now is the one reading of the clock that the slot is judged by.
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

// Replace is Put for the usual case: the key exists and keeps its deadline, so that
// nothing but its record changes. In any other it reports false and does nothing.
func (s *Slot) Replace(r *Record) bool {
	old := s.old
	if old == nil || s.odd || old.Deadline() != r.Deadline() {
		return false
	}
	size := r.size()
	if grow := size - old.size(); grow != 0 && !s.t.reserve(grow) {
		return false
	}
	s.t.save(s.shard, old.Key(), old)
	s.t.count(s.shard, size)
	s.at.group.slots[s.at.slot].Store(r)
	return true
}

// Count counts a write, under the lock that it has anyway. It reports false where the
// table is retired: the write is one to be counted elsewhere.
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

// Batch is the places of several keys, locked.
type Batch struct {
	t      *Table
	locked [shardCount]bool
	now    int64
}

// Change is what a batch makes of one key.
type Change struct {
	Key  string
	Next *Record // nil: the key is removed
}

// LockAll locks the slots of n keys, which may repeat.
func (t *Table) LockAll(n int, key func(i int) string) *Batch {
	b := &Batch{t: t}
	for i := range n {
		b.locked[shardOf(t.hash(key(i)))] = true
	}
	for i, locked := range b.locked {
		if locked {
			t.shards[i].mu.Lock()
		}
	}
	return b
}

// Unlock ends the use of the batch.
func (b *Batch) Unlock() {
	for i, locked := range b.locked {
		if locked {
			b.t.shards[i].mu.Unlock()
		}
	}
}

// Now is the one reading of the clock that all of the batch is judged by.
func (b *Batch) Now() int64 {
	if b.now == 0 {
		b.now = b.t.config.Now()
	}
	return b.now
}

// Record returns the live record of one of the keys, or nil.
func (b *Batch) Record(key string) *Record {
	hash := b.t.hash(key)
	if r := b.t.sight(b.t.shard(hash).find(hash, key).record); r != nil && !(r.Deadline() != 0 && r.Deadline() <= b.Now()) {
		return r
	}
	return nil
}

// Busy is Slot.Busy for one of the keys.
func (b *Batch) Busy(key string) <-chan struct{} {
	if b.t.pending.Load() == nil {
		return nil
	}
	hash := b.t.hash(key)
	return b.t.busy(b.t.shard(hash).find(hash, key).record)
}

// Commit makes changes, each of another key that is locked: all of them or, where
// a limit is in the way, none. No read sees some of them done and others not. room is that
// of the batch in a cache, or nil.
func (b *Batch) Commit(changes []Change, room *Room) Limit {
	t := b.t
	var growth [shardCount]int
	all := make([]change, len(changes))
	find := func(i int) place { return t.shard(all[i].hash).find(all[i].hash, changes[i].Key) }
	for i, c := range changes {
		all[i] = change{hash: t.hash(c.Key), next: c.Next}
		if c.Next != nil && find(i).record == nil {
			growth[shardOf(all[i].hash)]++
		}
	}
	for i, n := range growth {
		if n > 0 {
			t.makeRoom(&t.shards[i], n)
		}
	}
	for i := range all {
		all[i].at = find(i)
		all[i].old = t.sight(all[i].at.record)
		if t.evict != nil && all[i].old != nil {
			all[i].at.use()
		}
	}
	limit := t.commit(all, b.Now(), room)
	for i, locked := range b.locked {
		if locked {
			t.shrink(&t.shards[i])
		}
	}
	return limit
}

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
		grow += c.next.size() - c.old.size()
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
		t.count(s, c.next.size())
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
		t.count(s, old.size()+nameWrites*int64(old.keyLen)) // garbage now
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
