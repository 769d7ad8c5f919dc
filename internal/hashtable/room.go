package hashtable

import "context"

const (
	stepKeys   = 64 // keys that one step evicts at most
	stepGroups = 64 // groups that a step passes at most
	spareKeys  = 16 // keys that a step evicts beyond what the write needs, so that the next writes need no step
	spareParts = 128
)

// Room is the memory that evictions have freed for one write. Other writes cannot take it. A
// table has one Room at a time.
type Room struct {
	t *Table

	// What it has, and what the write that was refused needs.
	bytes, needBytes int64
	keys, needKeys   int
	keep             []uint64 // hashes of the keys that the write is about
	now              int64
	victims          int // keys that were removed for the write
	passed           int // shards that the hand has passed since the last of them

	Evicted int          // live keys that were evicted
	Expired int          // expired keys that were removed
	Removed func(string) // told each key that was removed; nil: not wanted. It must be quick
}

// TryRoom begins a Room if there is none.
func (t *Table) TryRoom() *Room {
	select {
	case t.evict.turn <- struct{}{}:
		return &Room{t: t}
	default:
		return nil
	}
}

// Room begins a Room. It waits for the one before it until ctx ends. End has to follow,
// before the caller waits for anything else.
func (t *Table) Room(ctx context.Context) (*Room, error) {
	select {
	case t.evict.turn <- struct{}{}:
		return &Room{t: t}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// End releases the rest of the room to other writes.
func (r *Room) End() {
	r.t.mu.Lock()
	r.spent()
	r.t.mu.Unlock()
	<-r.t.evict.turn
}

// spent gives back what the room has. Table.mu is locked.
func (r *Room) spent() {
	if r.bytes != 0 {
		r.t.bytes.Add(-r.bytes)
	}
	r.t.evict.held -= r.keys
	r.bytes, r.keys = 0, 0
}

// refused notes what a write needs. Table.mu is locked.
func (r *Room) refused(changes []change, bytes int64, keys int) {
	r.needBytes, r.needKeys = 0, 0
	if r.t.config.MaxBytes > 0 {
		r.needBytes = max(bytes, 0)
	}
	if r.t.config.MaxKeys > 0 {
		r.needKeys = max(keys, 0)
	}
	r.keep = r.keep[:0]
	for i := range changes {
		r.keep = append(r.keep, changes[i].hash)
	}
	r.victims, r.passed = 0, 0
}

// Step evicts some keys for the write that the limits refused last, but none of the keys of
// that write. enough reports that the write can be tried again; with more == false there is
// nothing left to evict.
func (r *Room) Step(now int64) (enough, more bool) {
	r.now = now
	for range stepKeys {
		hash, queued, done := r.next()
		if done {
			return true, true
		}
		if !queued {
			r.moveHand()
			break
		}
		r.evictArrival(hash)
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	r.takeFree()
	return r.enough(), r.passed <= 3*shardCount
}

// next returns the oldest arrival, if there are more of them than their share, unless there
// is room enough.
func (r *Room) next() (hash uint64, queued, done bool) {
	t, e := r.t, r.t.evict
	t.mu.Lock()
	defer t.mu.Unlock()
	r.takeFree()
	if done = r.done(); !done && e.arrivals.n > e.most(t.keys) {
		hash, queued = e.arrivals.pop()
	}
	return hash, queued, done
}

// takeFree takes what is free anyway, as far as the write needs it. Table.mu is locked.
func (r *Room) takeFree() {
	t := r.t
	for r.bytes < r.needBytes {
		bytes := t.bytes.Load()
		free := min(t.config.MaxBytes-bytes, r.needBytes-r.bytes)
		if free <= 0 {
			break
		}
		if t.bytes.CompareAndSwap(bytes, bytes+free) {
			r.bytes += free
		}
	}
	if r.keys < r.needKeys {
		if free := min(int(t.config.MaxKeys)-t.live(r.now)-t.evict.held, r.needKeys-r.keys); free > 0 {
			r.keys += free
			t.evict.held += free
		}
	}
}

func (r *Room) enough() bool { return r.bytes >= r.needBytes && r.keys >= r.needKeys }

// done reports whether evictions end: they free a little more than the write needs.
func (r *Room) done() bool {
	if !r.enough() {
		return false
	}
	spare := r.victims < spareKeys && r.bytes-r.needBytes < r.t.config.MaxBytes/spareParts
	if r.needKeys > 0 && r.keys-r.needKeys >= int(r.t.config.MaxKeys/spareParts) {
		spare = false
	}
	return !spare
}

// evictArrival evicts the oldest arrival, unless it was used since it arrived.
func (r *Room) evictArrival(hash uint64) {
	s := r.t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := r.t.findHash(hash, func(*Record) bool { return true })
	if at.record == nil || r.spared(at.record, hash) {
		return
	}
	if at.clearUsed() && !r.expired(at.record) {
		return
	}
	r.remove(s, at, hash, fromArrivals)
	r.t.shrink(s)
}

// moveHand moves the hand on, at most to the end of a shard. Once it has passed all of the
// table without an eviction, while others use keys as quickly, it evicts used ones too.
func (r *Room) moveHand() {
	t, e := r.t, r.t.evict
	s := &t.shards[e.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 0; n < stepGroups; n++ {
		groups := s.groups.Load()
		if groups == nil || e.group >= len(*groups) {
			e.shard, e.group, e.slot = (e.shard+1)%shardCount, 0, 0
			r.passed++
			break
		}
		if r.pass(s, &(*groups)[e.group]) {
			break
		}
		e.group, e.slot = e.group+1, 0
	}
	t.shrink(s)
}

// pass moves the hand over the rest of a group. It stops early if there is room enough.
func (r *Room) pass(s *shard, g *group) (done bool) {
	if g.tags.Load()&tagHighs == 0 {
		return false
	}
	for e := r.t.evict; e.slot < groupSlots; {
		slot := e.slot
		e.slot++
		record := g.slots[slot].Load()
		if record == nil {
			continue
		}
		hash := r.t.hash(record.Key())
		at := place{record, g, slot}
		if r.spared(record, hash) {
			continue
		}
		if at.clearUsed() && r.passed <= shardCount && !r.expired(record) {
			continue
		}
		if r.remove(s, at, hash, fromHand); r.done() {
			return true
		}
	}
	return false
}

// spared reports whether a record must stay: the write is about it, or it is no record
// that readers see.
func (r *Room) spared(record *Record, hash uint64) bool {
	if record.flags&(flagMark|flagTombstone) != 0 {
		if b, _ := r.t.pendingEntry(record); b != nil || record.Tombstone() {
			return true
		}
	}
	for _, k := range r.keep {
		if k == hash {
			return true
		}
	}
	return false
}

func (r *Room) expired(record *Record) bool { return alive(record, r.now) == 0 }

// remove removes a record and takes the room that it had. Its shard is locked.
func (r *Room) remove(s *shard, at place, hash uint64, from int) {
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	expired := r.expired(at.record)
	t.carryOut(&change{hash: hash, at: at, old: at.record})
	r.bytes += at.record.Size()
	r.victims++
	r.passed = 0
	if expired {
		r.Expired++
	} else {
		r.Evicted++
		if t.config.MaxKeys > 0 {
			r.keys++
			t.evict.held++
		}
		t.evict.ghosts[from].put(hash, t.keys)
	}
	if r.Removed != nil {
		r.Removed(at.record.Key())
	}
}
