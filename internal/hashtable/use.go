package hashtable

// Bits of a group's tags say which of its slots were used, in a cache, since the hand of
// the clock passed them: the byte above the tags has one for each slot, below
// overflowFlag. Readers set them without a lock. A writer that changes the tags meanwhile
// can undo that, which makes no difference but to what is evicted first.

const usedShift = 8 * groupSlots

func usedBit(slot int) uint64 { return 1 << (usedShift + slot) }

// use notes, in a cache, that the record at a place, if there is one, was used.
func (t *Table) use(at place) {
	if t.evict != nil && at.record != nil {
		at.use()
	}
}

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
