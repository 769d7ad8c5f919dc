// Package hashtable is the table of the in-memory store: a hash table of records by key,
// the keys in their order, and the keys by deadline, which change together. It works on
// plain strings and does not know what they encode. All unsafe code of the in-memory
// store is here.
//
//	record.go     one key with its value and deadline
//	scalar.go     ready-made scalars, which are handed out without being copied
//	arena.go      memory for the scalars of one value
//	table.go      the hash table, which reads use without a lock
//	fetch.go      lookups of several records at once
//	hash.go       hashes of keys
//	slot.go       writes of one key, and of several keys at once
//	large.go      writes of so many keys that other calls go on meanwhile
//	snapshot.go   reads of many keys as of one moment
//	names.go      keys in their order, packed
//	deadlines.go  keys in the order of their deadlines, by hash
//	page.go       pages of keys and records
//	first.go      removal of the first key of a range
//	sweep.go      removal of expired records
//	evict.go      room for writes to a cache: which keys are evicted
//	use.go        reads of a cache, which note that a key is used
//	check.go      the invariants, for tests
//
// A read of one key takes no lock. A write locks its key's shard, and Table.mu only if a
// key is added or removed, or a deadline changes. Whoever locks several shards locks them
// in their order, and mu last.
package hashtable

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Config is what a table is made with.
type Config struct {
	Now      func() int64         // the clock; more than 0
	MaxKeys  int64                // live keys; 0: no limit
	MaxBytes int64                // as Bytes counts them; 0: no limit
	Wrote    func(bytes int64)    // told of bytes that were stored, many records at once, where there is MaxBytes; it must be quick
	Sooner   func(deadline int64) // told when a deadline becomes the soonest; it must be quick
}

// Table holds records by key. A group of slots is one line of the processor's
// cache, with a tag of each slot's hash to tell which to look at.
//
// A record never moves within a shard's groups. So a read that goes on while
// they are written to finds a key that is there all the time, and one that holds
// on to groups that were replaced sees the shard as it was at that moment.
type Table struct {
	common
	// What every call looks at is in no line of the processor's cache that writes
	// change, and the shards begin with a line.
	_      [lineBytes - unsafe.Sizeof(common{})%lineBytes]byte
	shards [shardCount]shard

	popping sync.Mutex // held by a caller that takes a first key; before all other locks

	mu    sync.RWMutex // after all shards' locks
	keys  int          // records in the table, expired ones included
	names names
	due   deadlines
	bytes atomic.Int64

	tidyFrom   string        // where TidyNext continues
	tombstones int           // records that stand for none, of a large batch
	turn       chan struct{} // held by the large batch that is under way
	marks      uint64        // the last one given; with turn

	reading chan struct{} // held by the snapshot that is open
	saved   atomic.Int64  // bytes that are saved for it
}

type common struct {
	config   Config
	hasher   hasher
	batching atomic.Int32 // batches that are half done: reads wait for their shard
	pending  atomic.Pointer[Large]
	tellAt   int64         // bytes that a shard tells Config.Wrote of at once
	undone   atomic.Uint64 // marks of batches that were undone are less
	evict    *evictor      // nil: the table is no cache
}

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
	wrote    int64              // bytes that Config.Wrote was not told of
	saved    map[string]*Record // for the open snapshot; nil: there is none
}

// group is 64 bytes. A slot's tag is in the byte of tags of the same number.
type group struct {
	tags  atomic.Uint64
	slots [groupSlots]atomic.Pointer[Record]
}

// NewTable makes an empty table.
func NewTable(c Config) *Table {
	tellAt := int64(math.MaxInt64)
	if c.MaxBytes > 0 && c.Wrote != nil {
		tellAt = c.MaxBytes / (shardCount * tellParts)
	}
	return &Table{common: common{config: c, hasher: newHasher(), tellAt: tellAt}, due: deadlines{soonest: never}, turn: make(chan struct{}, 1), reading: make(chan struct{}, 1)}
}

// A table's shards together keep at most such a part of MaxBytes from Config.Wrote.
const tellParts = 32

// nameWrites is how often a name is copied within the leaves, about, until it is in place.
const nameWrites = 4

// count counts a record that is about to be stored. The shard is locked.
func (t *Table) count(s *shard, bytes int64) {
	if s.wrote += bytes; s.wrote >= t.tellAt {
		t.config.Wrote(s.wrote)
		s.wrote = 0
	}
}

func (t *Table) hash(key string) uint64 { return t.hasher.hash(key) }

func shardOf(hash uint64) int { return int(hash >> (64 - shardBits)) }

func (t *Table) shard(hash uint64) *shard { return &t.shards[shardOf(hash)] }

func tagOf(hash uint64) uint64 { return tagOccupied | hash>>(64-shardBits-7)&0x7f }

// lockAll keeps everyone else from writing.
func (t *Table) lockAll() {
	for i := range t.shards {
		t.shards[i].mu.Lock()
	}
}

func (t *Table) unlockAll() {
	for i := range t.shards {
		t.shards[i].mu.Unlock()
	}
}

// Get returns the record of a key, live or not, or nil.
func (t *Table) Get(key string) *Record {
	hash := t.hash(key)
	s := t.shard(hash)
	if t.batching.Load() != 0 { // it may be half done with this key's shard
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	groups := s.groups.Load()
	if groups == nil {
		return nil
	}
	// As in find, for the group that nearly all keys are in.
	g := &(*groups)[hash&uint64(len(*groups)-1)]
	tags := g.tags.Load()
	for m := matches(tags, tagOf(hash)*tagOnes); m != 0; m &= m - 1 {
		if r := g.slots[bits.TrailingZeros64(m)/8].Load(); r != nil && r.Key() == key {
			if r.flags&flagMark != 0 {
				return t.seen(r)
			}
			return r
		}
	}
	if tags&overflowFlag == 0 {
		return nil
	}
	return t.sight(s.find(hash, key).record)
}

// Live counts the live keys without a walk.
func (t *Table) Live() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.due.n == 0 && t.pending.Load() == nil {
		return t.keys
	}
	return t.live(t.config.Now())
}

// live is Live, with t.mu.
func (t *Table) live(now int64) int {
	n := t.keys - t.due.passed(t, now)
	if b := t.pending.Load(); b != nil {
		n -= b.more(now)
	}
	return n
}

// Contended reports whether a large batch is under way, or somebody else has a lock that
// calls on several keys need. It does not wait.
func (t *Table) Contended() bool {
	if t.pending.Load() != nil || !t.mu.TryRLock() {
		return true
	}
	t.mu.RUnlock()
	return false
}

// Bytes is what the records count: their keys twice, their values, and Overhead
// for each of them.
func (t *Table) Bytes() int64 { return t.bytes.Load() }

// Counted is how many writes were counted. It is 0 once the table is retired.
func (t *Table) Counted() (n int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.counted
		s.mu.Unlock()
	}
	return n
}

// Retire returns how many writes were counted, and has no more of them counted here.
func (t *Table) Retire() (n int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.counted
		s.counted, s.retired = 0, true
		s.mu.Unlock()
	}
	return n
}

// place is where a record is; the zero value: nowhere.
type place struct {
	record *Record
	group  *group
	slot   int
}

// find needs no lock, but only who holds the shard's may rely on the place.
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

// store puts a record where the key's old one is, or anew; the shard has memory for it.
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

// shrink gives back the memory of a shard that has emptied, and tells whether it
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

// rebuild gives a shard groups for n records. Reads that are under way go on in
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
			for i := range *old {
				for j := range (*old)[i].slots {
					if r := (*old)[i].slots[j].Load(); r != nil {
						s.overflow += insert(groups, t.hash(r.Key()), r)
					}
				}
			}
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
