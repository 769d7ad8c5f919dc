package hashtable

import (
	"context"
	"sync/atomic"
)

// Large is a batch of so many keys that other callers must not wait until all of them are
// stored. Install stores some keys at a time, in the order of their hashes, while other calls
// run. The stored records are marked: until Commit, whose time does not depend on the number of
// keys, readers and writers see the previous record of the key, which the batch keeps. A table
// has one such batch at a time.
//
// All parts of the table except visibility describe the state after the batch: the number of
// keys, the names, and the deadlines. Therefore Commit only ends the batch and counts its
// changes.
type Large struct {
	t       *Table
	first   uint64 // mark of the first entry; the others follow
	hashes  []uint64
	key     func(i int) string
	blind   bool
	entries []entry
	ended   chan struct{} // closed when the batch is committed or undone

	// With t.mu:
	installed int
	bytes     int64 // what Commit adds to the bytes of the table
	plain     int   // keys without a deadline that the batch adds
	due       []duePair
}

// entry is what others see of a key until the batch is committed, and what they see
// then. next changes only before the mark can be found.
type entry struct {
	old  atomic.Pointer[Record]
	next *Record
}

// duePair holds the deadlines of an entry: of next and of old. 0: none.
type duePair struct{ next, old int64 }

// InstallKeys is the maximum number of keys of a large batch that are stored under one lock.
const InstallKeys = 32

// Hash returns the hash of a key, which orders the keys of a large batch.
func (t *Table) Hash(key string) uint64 { return t.hash(key) }

// Begin begins a large batch of keys with these hashes, which ascend. It waits for the batch
// before it until ctx ends. End has to follow. While a blind batch runs, other callers can
// write to its keys, and the batch replaces what they wrote; so what it stores must not depend
// on the values of its keys.
func (t *Table) Begin(ctx context.Context, hashes []uint64, key func(i int) string, blind bool) (*Large, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.marks++ // 0 is no mark
	b := &Large{t: t, first: t.marks, hashes: hashes, key: key, blind: blind, entries: make([]entry, len(hashes)), ended: make(chan struct{})}
	t.marks += uint64(len(hashes))
	t.pending.Store(b)
	return b, nil
}

// End ends a batch. If it is not committed it is undone.
func (b *Large) End() {
	defer func() { <-b.t.turn }()
	select {
	case <-b.ended:
		for i := 0; i < len(b.entries); {
			i = b.clean(i)
		}
	default:
		defer close(b.ended)
		b.undo()
	}
}

// Mark returns the mark of the i-th record.
func (b *Large) Mark(i int) Mark { return Mark(b.first + uint64(i)) }

// Tombstone returns what Install stores for a key that the batch removes.
func (b *Large) Tombstone(i int) *Record {
	r := build(b.key(i), nil, "", 0, 0, 0, b.Mark(i))
	r.flags |= flagTombstone
	return r
}

// Install stores the next keys, from the i-th on, and returns the index of the first
// remaining one. next is called with the live record of each, or nil, and returns the record
// to store, with the mark of the key; if the batch does not change the key, that is the live
// record. next must be quick. An error ends Install.
func (b *Large) Install(i int, now int64, next func(i int, live *Record) (*Record, error)) (int, error) {
	t := b.t
	s := t.shard(b.hashes[i])
	room := InstallKeys // others may have added keys since there was room for all
	if i == 0 || t.shard(b.hashes[i-1]) != s {
		room = max(room, b.absent(i))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.makeRoom(s, room)
	t.mu.Lock()
	defer t.mu.Unlock()
	for end := min(i+InstallKeys, len(b.hashes)); i < end && t.shard(b.hashes[i]) == s; i++ {
		at := s.find(b.hashes[i], b.key(i))
		live := at.record
		if alive(live, now) == 0 {
			live = nil
		}
		r, err := next(i, live)
		if err != nil {
			return i, err
		}
		b.install(s, i, at, r)
	}
	return i, nil
}

// absent returns how many keys from the i-th on are to be in the shard of that one, and
// are not.
func (b *Large) absent(i int) (n int) {
	for s := b.t.shard(b.hashes[i]); i < len(b.hashes) && b.t.shard(b.hashes[i]) == s; i++ {
		if s.find(b.hashes[i], b.key(i)).record == nil {
			n++
		}
	}
	return n
}

// install stores one record. The batch before it has left no tombstones.
func (b *Large) install(s *shard, i int, at place, next *Record) {
	t, e, old := b.t, &b.entries[i], at.record
	e.old.Store(old)
	e.next = next
	was, deadline := old.deadline(), next.Deadline()
	if was != 0 && was != deadline {
		t.due.remove(due{was, b.hashes[i]})
	}
	t.count(s, next.Size())
	t.save(s, b.key(i), old)
	s.store(b.hashes[i], at, next)
	if old == nil {
		t.count(s, nameWrites*int64(next.keyLen))
		t.addName(b.key(i), b.hashes[i])
	}
	t.keys += next.count() - old.count()
	if next.Tombstone() {
		t.tombstones++
	}
	if deadline != 0 && was != deadline {
		t.due.add(t, due{deadline, b.hashes[i]})
	}
	b.installed = i + 1
	b.count(i, next, 1)
	b.count(i, old, -1)
}

// count counts what an entry adds, 1, or what it replaces, -1.
func (b *Large) count(i int, r *Record, sign int) {
	if r.count() == 0 {
		return
	}
	b.bytes += int64(sign) * r.Size()
	d := r.Deadline()
	if d == 0 {
		b.plain += sign
		return
	}
	if b.due == nil {
		b.due = make([]duePair, len(b.entries))
	}
	if sign > 0 {
		b.due[i].next = d
	} else {
		b.due[i].old = d
	}
}

// uncount takes back what count counted.
func (b *Large) uncount(i int, r *Record, sign int) {
	switch {
	case r.count() == 0:
		return
	case r.Deadline() == 0:
		b.plain -= sign
	case sign > 0:
		b.due[i].next = 0
	default:
		b.due[i].old = 0
	}
	b.bytes -= int64(sign) * r.Size()
}

// more returns how many more live keys there are once the batch is committed. It needs
// t.mu.
func (b *Large) more(now int64) int {
	n := b.plain
	for _, d := range b.due {
		if d.next > now {
			n++
		}
		if d.old > now {
			n--
		}
	}
	return n
}

// set replaces what others see of a key while the batch is under way. The shard and
// t.mu are locked.
func (b *Large) set(i int, next *Record) {
	e := &b.entries[i]
	b.uncount(i, e.old.Load(), -1)
	e.old.Store(next)
	b.count(i, next, -1)
}

// Commit makes the whole batch visible atomically, or nothing if a limit refuses it. room is
// the Room of the batch in a cache, or nil.
func (b *Large) Commit(room *Room) Limit {
	t := b.t
	t.lockAll()
	defer t.unlockAll()
	t.mu.Lock()
	defer t.mu.Unlock()
	now, more := int64(0), 0
	if t.config.MaxKeys > 0 {
		now = t.config.Now()
		more = b.more(now)
	}
	if limit := t.admit(nil, b.bytes, more, now, room); limit != None {
		return limit
	}
	t.pending.Store(nil)
	close(b.ended)
	if t.due.n > 0 && b.due != nil && t.config.Sooner != nil {
		t.config.Sooner(t.due.soonest)
	}
	return None
}

// Old returns the record of the i-th key that the committed batch replaced, or nil.
func (b *Large) Old(i int) *Record { return b.entries[i].old.Load() }

// clean removes the tombstones of some keys of a committed batch, from the i-th on, and
// returns the first key that is left.
func (b *Large) clean(i int) int {
	for i < len(b.entries) && !b.entries[i].next.Tombstone() {
		i++
	}
	if i == len(b.entries) {
		return i
	}
	t, s := b.t, b.t.shard(b.hashes[i])
	s.mu.Lock()
	defer s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for end := min(i+InstallKeys, len(b.entries)); i < end && t.shard(b.hashes[i]) == s; i++ {
		next := b.entries[i].next
		if at := s.find(b.hashes[i], b.key(i)); at.record == next && next.Tombstone() {
			t.save(s, next.Key(), next)
			s.remove(at)
			t.names.remove(next.Key())
			t.tombstones--
		}
	}
	if i == len(b.entries) || t.shard(b.hashes[i]) != s {
		t.shrink(s)
	}
	return i
}

// undo puts back what the keys of a batch that was not committed held.
func (b *Large) undo() {
	t := b.t
	for i := 0; i < b.installed; {
		i = b.undoSome(i)
	}
	t.lockAll()
	defer t.unlockAll()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.undone.Store(b.first + uint64(len(b.entries))) // before its records count as committed
	t.pending.Store(nil)
	if t.due.n > 0 && t.config.Sooner != nil {
		t.config.Sooner(t.due.soonest)
	}
}

func (b *Large) undoSome(i int) int {
	t, s := b.t, b.t.shard(b.hashes[i])
	s.mu.Lock()
	defer s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for end := min(i+InstallKeys, b.installed); i < end && t.shard(b.hashes[i]) == s; i++ {
		e := &b.entries[i]
		old, next := e.old.Load(), e.next
		at := s.find(b.hashes[i], b.key(i))
		was, deadline := next.Deadline(), old.deadline()
		if was != 0 && was != deadline {
			t.due.remove(due{was, b.hashes[i]})
		}
		if old == nil {
			s.remove(at)
			t.names.remove(next.Key())
		} else {
			s.store(b.hashes[i], at, old)
		}
		if next.Tombstone() {
			t.tombstones--
		}
		t.keys += old.count() - next.count()
		if deadline != 0 && was != deadline {
			t.due.add(t, due{deadline, b.hashes[i]})
		}
		// Its entry counts no more: what others make of the key is in the table.
		b.uncount(i, old, -1)
		b.uncount(i, next, 1)
		e.old.Store(old)
	}
	if i == b.installed || t.shard(b.hashes[i]) != s {
		t.shrink(s)
	}
	return i
}

// pendingEntry returns the batch that a marked record belongs to, and the number of
// its entry, if that batch is under way.
func (t *Table) pendingEntry(r *Record) (b *Large, i int) {
	if b = t.pending.Load(); b != nil {
		if i := r.mark() - b.first; i < uint64(len(b.entries)) {
			return b, int(i)
		}
	}
	return nil, 0
}

// seen returns what others than its batch see of a marked record that was found in a
// table, or nil.
func (t *Table) seen(r *Record) *Record {
	for {
		if b, i := t.pendingEntry(r); b != nil {
			return b.entries[i].old.Load()
		}
		if r.mark() < t.undone.Load() { // it can have been put back after it was found
			hash := t.hash(r.Key())
			again := t.shard(hash).find(hash, r.Key()).record
			if again != r {
				if r = again; r != nil && r.flags&flagMark != 0 {
					continue
				}
				return r
			}
		}
		if r.Tombstone() {
			return nil
		}
		return r
	}
}

// sight is seen for any record, marked or not, or nil.
func (t *Table) sight(r *Record) *Record {
	if r != nil && r.flags&flagMark != 0 {
		return t.seen(r)
	}
	return r
}

// settled reports whether all records in the table are what readers see. It needs t.mu.
func (t *Table) settled() bool { return t.tombstones == 0 && t.pending.Load() == nil }
