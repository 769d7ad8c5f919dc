package hashtable

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	shardBits  = 6
	shardCount = 1 << shardBits

	groupSlots = 7
	lineBytes  = 64 // of the processor's cache

	// A shard doubles at 3/4 of its slots, and halves at 2/5 of those.
	growNumerator, growDenominator     = 3, 4
	shrinkNumerator, shrinkDenominator = 2, 5

	tagOccupied  = 0x80
	tagOnes      = 0x0101010101010101
	tagHighs     = 0x0080808080808080 // of the seven slots
	overflowFlag = 1 << 63            // the group was full once: look at the next one too
)

type shard struct {
	mu       sync.Mutex
	groups   atomic.Pointer[[]group] // its length is a power of two; nil: empty
	live     int
	overflow int   // groups with overflowFlag
	counted  int64 // writes, by Count
	retired  bool
	wrote    int64              // bytes not yet reported to Config.Wrote
	saved    map[string]*Record // for the open snapshot; nil: there is none
}

// group is 64 bytes. A slot's tag is in the byte of tags of the same number.
type group struct {
	tags  atomic.Uint64
	slots [groupSlots]atomic.Pointer[Record]
}

// place is where a record is; the zero value: nowhere.
type place struct {
	record *Record
	group  *group
	slot   int
}

// find needs no lock, but the place stays valid only while the shard is locked.
func (s *shard) find(hash uint64, key string) place {
	groups := s.groups.Load()
	if groups == nil {
		return place{}
	}
	g := *groups
	mask := uint64(len(g) - 1)
	pattern := tagOf(hash) * tagOnes
	for i, n := hash&mask, uint64(0); n <= mask; i, n = (i+1)&mask, n+1 {
		tags := g[i].tags.Load()
		for m := matches(tags, pattern); m != 0; m &= m - 1 {
			slot := bits.TrailingZeros64(m) / 8
			if r := g[i].slots[slot].Load(); r != nil && r.Key() == key {
				return place{r, &g[i], slot}
			}
		}
		if tags&overflowFlag == 0 {
			break
		}
	}
	return place{}
}

// matches has the high bit set in each byte of tags that is a slot's and, but for
// a rare one too many, equal to that of pattern.
func matches(tags, pattern uint64) uint64 {
	diff := tags ^ pattern
	return (diff - tagOnes) &^ diff & tagHighs
}

// findHash looks for a record by its key's hash. Where two keys share it, want
// tells them apart.
func (t *Table) findHash(hash uint64, want func(*Record) bool) place {
	groups := t.shard(hash).groups.Load()
	if groups == nil {
		return place{}
	}
	g := *groups
	mask := uint64(len(g) - 1)
	pattern := tagOf(hash) * tagOnes
	for i, n := hash&mask, uint64(0); n <= mask; i, n = (i+1)&mask, n+1 {
		tags := g[i].tags.Load()
		for m := matches(tags, pattern); m != 0; m &= m - 1 {
			slot := bits.TrailingZeros64(m) / 8
			if r := g[i].slots[slot].Load(); r != nil && t.hash(r.Key()) == hash && want(r) {
				return place{r, &g[i], slot}
			}
		}
		if tags&overflowFlag == 0 {
			break
		}
	}
	return place{}
}

// store replaces the key's record, or adds one; the shard has memory for it.
func (s *shard) store(hash uint64, old place, r *Record) {
	if old.record != nil {
		old.group.slots[old.slot].Store(r)
		return
	}
	s.overflow += insert(*s.groups.Load(), hash, r)
	s.live++
}

// remove takes out the record at a place.
func (s *shard) remove(old place) {
	g := old.group
	g.tags.Store(g.tags.Load() &^ (0xff<<(old.slot*8) | usedBit(old.slot)))
	g.slots[old.slot].Store(nil)
	s.live--
}

// makeRoom lets a shard take n more records.
func (t *Table) makeRoom(s *shard, n int) {
	groups := s.groups.Load()
	if groups == nil || s.live+n > roomIn(len(*groups)) || tooFull(s.overflow, len(*groups)) {
		t.rebuild(s, s.live+n)
	}
}

// shrink gives back the memory of a shard that has emptied, and reports whether it
// had.
func (t *Table) shrink(s *shard) bool {
	groups := s.groups.Load()
	if groups == nil || len(*groups) == 1 || s.live >= roomIn(len(*groups))*shrinkNumerator/shrinkDenominator {
		return false
	}
	t.rebuild(s, max(s.live, 1))
	return len(*s.groups.Load()) < len(*groups)
}

// roomIn is the number of records that n groups take before they grow.
func roomIn(n int) int { return n * groupSlots * growNumerator / growDenominator }

// tooFull reports that reads of absent keys would look at too many groups. Keys
// that come and go leave their flags.
func tooFull(overflow, groups int) bool { return groups > 4 && overflow*2 > groups }

// rebuild gives a shard groups for n records. Running reads continue in
// the old ones.
func (t *Table) rebuild(s *shard, n int) {
	size := 1
	for roomIn(size) < n {
		size *= 2
	}
	old := s.groups.Load()
	for {
		groups := make([]group, size)
		s.overflow = 0
		if old != nil {
			s.overflow = t.insertAll(groups, *old)
		}
		if !tooFull(s.overflow, size) {
			s.groups.Store(&groups)
			if t.evict != nil && old != nil {
				t.keepUsed(s, *old)
			}
			return
		}
		size *= 2
	}
}

// insertAll puts the records of the old groups into new ones, and returns how many groups
// overflow. It touches some records before it hashes their keys, so that their cache misses
// overlap: the write for which a shard grows waits for all of them.
func (t *Table) insertAll(groups, old []group) (overflowed int) {
	records := make([]*Record, 0, fetched)
	flush := func() {
		touch(records)
		for _, r := range records {
			overflowed += insert(groups, t.hash(r.Key()), r)
		}
		records = records[:0]
	}
	for i := range old {
		for j := range old[i].slots {
			if r := old[i].slots[j].Load(); r != nil {
				if records = append(records, r); len(records) == fetched {
					flush()
				}
			}
		}
	}
	flush()
	return overflowed
}

// touch loads records into the processor's cache. The result only keeps the loads.
//
//go:noinline
func touch(records []*Record) (flags uint8) {
	for _, r := range records {
		flags |= r.flags
	}
	return flags
}

// insert puts a record into a free slot. It returns how many groups it met that
// were full for the first time.
func insert(g []group, hash uint64, r *Record) (overflowed int) {
	mask := uint64(len(g) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		tags := g[i].tags.Load()
		if free := ^tags & tagHighs; free != 0 {
			slot := bits.TrailingZeros64(free) / 8
			g[i].slots[slot].Store(r) // before the tag that leads to it
			g[i].tags.Store(tags&^(0xff<<(slot*8)) | tagOf(hash)<<(slot*8))
			return overflowed
		}
		if tags&overflowFlag == 0 {
			g[i].tags.Store(tags | overflowFlag)
			overflowed++
		}
	}
}
