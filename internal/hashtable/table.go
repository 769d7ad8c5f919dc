// Package hashtable is the table of the in-memory store: a hash table of records by key,
// the keys in their order, and the keys by deadline, which change together. It works on
// plain strings and does not know what they encode. All unsafe code of the in-memory
// store is here.
//
//	record.go     one key with its value and deadline
//	scalar.go     ready-made scalars, which are handed out without being copied
//	arena.go      memory for the scalars of one value
//	table.go      Table, and reads of one key, which take no lock
//	shard.go      the hash table: groups of slots, and how they grow
//	fetch.go      lookups of several records at once
//	hash.go       hashes of keys
//	slot.go       writes of one key
//	batch.go      writes of several keys at once
//	commit.go     changes of keys, and the limits that refuse them
//	large.go      writes of many keys, during which other calls run
//	snapshot.go   reads of many keys as of one moment
//	names.go      keys in their order
//	branch.go     runs of leaves of keys, and how a key's leaf is found
//	leaf.go       some keys, packed
//	deadlines.go  keys in the order of their deadlines, by hash
//	page.go       pages of keys and records
//	first.go      removal of the first key of a range
//	sweep.go      removal of expired records
//	evict.go      which keys a cache evicts
//	room.go       room for writes to a cache
//	use.go        notes of a cache that a key is used
//	check.go      the invariants, for tests
//
// A read of one key takes no lock. A write locks its key's shard, and Table.mu only if a key
// is added or removed, or a deadline changes. A caller that locks several shards locks them in
// their order, and mu last.
package hashtable

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Config is the configuration of a table.
type Config struct {
	Now      func() int64         // the clock; more than 0
	MaxKeys  int64                // live keys; 0: no limit
	MaxBytes int64                // as Bytes counts them; 0: no limit
	Wrote    func(bytes int64)    // called with the number of stored bytes, for many records at once, if there is MaxBytes; it must be quick
	Sooner   func(deadline int64) // called when a deadline becomes the earliest; it must be quick
}

// Table holds records by key. A group of slots is one line of the processor's
// cache, with a tag of each slot's hash to tell which to look at.
//
// A record never moves within a shard's groups. Therefore a read that is concurrent with
// writes finds a key that exists the whole time, and a read of groups that were replaced
// meanwhile sees the shard as of that moment.
type Table struct {
	common
	// What every call looks at is in no line of the processor's cache that writes
	// change, and the shards begin with a line.
	_      [lineBytes - unsafe.Sizeof(common{})%lineBytes]byte
	shards [shardCount]shard

	popping sync.Mutex // held by a caller that takes a first key; before all other locks

	index
	turn    chan struct{} // held by the large batch that is under way
	marks   uint64        // the last one given; with turn
	reading chan struct{} // held by the snapshot that is open
	saved   atomic.Int64  // bytes that are saved for it
}

// index is what a table knows of all shards together.
type index struct {
	mu         sync.RWMutex // after all shards' locks
	keys       int          // records in the table, expired ones included
	names      names
	due        deadlines
	bytes      atomic.Int64
	tidyFrom   string // where TidyNext continues
	tombstones int    // records of a large batch that mark a key as absent
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

// NewTable returns an empty table.
func NewTable(c Config) *Table {
	tellAt := int64(math.MaxInt64)
	if c.MaxBytes > 0 && c.Wrote != nil {
		tellAt = c.MaxBytes / (shardCount * tellParts)
	}
	return &Table{common: common{config: c, hasher: newHasher(), tellAt: tellAt}, index: index{due: deadlines{soonest: never}}, turn: make(chan struct{}, 1), reading: make(chan struct{}, 1)}
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

// Get returns the record of a key, live or not, or nil. In a cache it notes that the record
// is used.
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
		slot := bits.TrailingZeros64(m) / 8
		if r := g.slots[slot].Load(); r != nil && r.Key() == key {
			if t.evict != nil {
				place{r, g, slot}.use()
			}
			if r.flags&flagMark != 0 {
				return t.seen(r)
			}
			return r
		}
	}
	if tags&overflowFlag == 0 {
		return nil
	}
	at := s.find(hash, key)
	t.use(at)
	return t.sight(at.record)
}

// Live returns the number of live keys, without a walk.
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

// Contended reports whether a large batch runs, or another caller has a lock that calls on
// several keys need. It does not block.
func (t *Table) Contended() bool {
	if t.pending.Load() != nil || !t.mu.TryRLock() {
		return true
	}
	t.mu.RUnlock()
	return false
}

// Bytes returns what the records count: their keys twice, their values, and Overhead for each
// of them.
func (t *Table) Bytes() int64 { return t.bytes.Load() }

// Counted returns how many writes were counted. It is 0 once the table is retired.
func (t *Table) Counted() (n int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.counted
		s.mu.Unlock()
	}
	return n
}

// Retire returns how many writes were counted, and ends the counting in this table.
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
