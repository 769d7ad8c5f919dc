package hashtable

import "math/bits"

// Bits of a group's tags say which of its slots were used, in a cache, since the hand of
// the clock passed them: the byte above the tags has one for each slot, below
// overflowFlag. Readers set them without a lock. A writer that changes the tags meanwhile
// can undo that, which makes no difference but to what is evicted first.

const usedShift = 8 * groupSlots

func usedBit(slot int) uint64 { return 1 << (usedShift + slot) }

// use notes that the record at a place was used.
func (p place) use() {
	if bit := usedBit(p.slot); p.group.tags.Load()&bit == 0 {
		p.group.tags.Or(bit)
	}
}

// clearUsed reports whether the record at a place was used, and forgets it. The shard is
// locked.
func (p place) clearUsed() bool {
	bit := usedBit(p.slot)
	if p.group.tags.Load()&bit == 0 {
		return false
	}
	p.group.tags.And(^bit)
	return true
}

// Use is Get for a cache: it notes that the record is used.
func (t *Table) Use(key string) *Record {
	hash := t.hash(key)
	s := t.shard(hash)
	if t.batching.Load() != 0 { // see Get
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	groups := s.groups.Load()
	if groups == nil {
		return nil
	}
	g := &(*groups)[hash&uint64(len(*groups)-1)]
	tags := g.tags.Load()
	for m := matches(tags, tagOf(hash)*tagOnes); m != 0; m &= m - 1 {
		slot := bits.TrailingZeros64(m) / 8
		if r := g.slots[slot].Load(); r != nil && r.Key() == key {
			if bit := usedBit(slot); tags&bit == 0 {
				g.tags.Or(bit)
			}
			return t.sight(r)
		}
	}
	if tags&overflowFlag == 0 {
		return nil
	}
	at := s.find(hash, key)
	if at.record != nil {
		at.use()
	}
	return t.sight(at.record)
}

// Use notes that the record of the slot, if there is one, is used.
func (s *Slot) Use() {
	if s.at.record != nil {
		s.at.use()
	}
}

// keepUsed sets the bits that groups had which a rebuild of the shard replaced.
func (t *Table) keepUsed(s *shard, old []group) {
	for i := range old {
		for j := range old[i].slots {
			if r := old[i].slots[j].Load(); r != nil && old[i].tags.Load()&usedBit(j) != 0 {
				s.find(t.hash(r.Key()), r.Key()).use()
			}
		}
	}
}
