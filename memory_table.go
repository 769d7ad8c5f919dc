package extlibs

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A record is a key with its value and deadline in one block without pointers:
// one allocation for all three, one place in memory for a read to fetch, and
// nothing for the garbage collector to follow. It never changes; a new value is
// a new record. The type stands for the block's first byte:
//
//	2 bytes  length of the key
//	4 bytes  length of the value; the highest bit: there is a deadline
//	8 bytes  deadline, if there is one
//	key, value
type record byte

const (
	recordKeyLen   = 0
	recordValueLen = 2
	recordHeader   = 6
	recordDeadline = 8
	deadlineFlag   = 1 << 31

	maxRecordValue = deadlineFlag - 1 // bytes of a value
)

func newRecord(key string, value Value, deadline int64) *record {
	header, valueLen := recordHeader, uint32(value.Len())
	if deadline != 0 {
		header += recordDeadline
		valueLen |= deadlineFlag
	}
	b := make([]byte, header+len(key)+value.Len())
	binary.NativeEndian.PutUint16(b[recordKeyLen:], uint16(len(key)))
	binary.NativeEndian.PutUint32(b[recordValueLen:], valueLen)
	if deadline != 0 {
		binary.NativeEndian.PutUint64(b[recordHeader:], uint64(deadline))
	}
	copy(b[header:], key)
	copy(b[header+len(key):], value.data)
	return (*record)(unsafe.SliceData(b))
}

// part returns n bytes of the record at an offset, as a string that shares them.
func (r *record) part(offset, n int) string {
	if n == 0 { // there is no byte to point to
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(r), offset)), n)
}

func (r *record) lengths() (header, key, value int, deadline bool) {
	head := unsafe.Slice((*byte)(r), recordHeader)
	v := binary.NativeEndian.Uint32(head[recordValueLen:])
	header = recordHeader
	if v&deadlineFlag != 0 {
		header += recordDeadline
	}
	return header, int(binary.NativeEndian.Uint16(head)), int(v &^ deadlineFlag), v&deadlineFlag != 0
}

func (r *record) key() string {
	header, n, _, _ := r.lengths()
	return r.part(header, n)
}

func (r *record) value() Value {
	header, key, n, _ := r.lengths()
	return Value{r.part(header+key, n)}
}

// deadline is in nanoseconds after the store's base; 0: none.
func (r *record) deadline() int64 {
	if _, _, _, has := r.lengths(); !has {
		return 0
	}
	return int64(binary.NativeEndian.Uint64(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(r), recordHeader)), recordDeadline)))
}

// size is what the record takes of the store's limit of bytes.
func (r *record) size() int64 {
	if r == nil {
		return 0
	}
	_, key, value, _ := r.lengths()
	return entryBytes(key, value)
}

// entryBytes is what an entry takes of the limit. Its key stands in the record and
// in the index.
func entryBytes(key, value int) int64 { return int64(2*key + value + entryOverhead) }

// table is a hash table of records by key. Reads take no lock: a group of slots
// is one line of cache, with a tag of each slot's hash to tell which to look at.
// Writes lock one of the shards.
//
// A record never moves within a shard's groups. So a read that goes on while
// they are written to finds a key that is there all the time, and one that holds
// on to groups that were replaced sees the shard as it was at that moment.
type table struct {
	seed   maphash.Seed
	shards [shardCount]shard
}

const (
	shardBits  = 6
	shardCount = 1 << shardBits

	groupSlots = 7

	// A shard grows at 3/4 of its slots, and shrinks at a fifth of those.
	growNumerator, growDenominator = 3, 4
	shrinkDenominator              = 5

	tagOccupied  = 0x80
	tagOnes      = 0x0101010101010101
	tagHighs     = 0x0080808080808080 // of the seven slots
	overflowFlag = 1 << 63            // the group was full once: look at the next one too
)

type shard struct {
	mu       sync.Mutex
	groups   atomic.Pointer[[]group] // its length is a power of two; nil: empty
	live     int
	overflow int // groups with overflowFlag
	_        [32]byte
}

// group is 64 bytes. A slot's tag is in the byte of tags of the same number.
type group struct {
	tags  atomic.Uint64
	slots [groupSlots]atomic.Pointer[record]
}

func newTable() *table { return &table{seed: maphash.MakeSeed()} }

func (t *table) hash(key string) uint64 { return maphash.String(t.seed, key) }

func shardOf(hash uint64) int { return int(hash >> (64 - shardBits)) }

func (t *table) shard(hash uint64) *shard { return &t.shards[shardOf(hash)] }

func tagOf(hash uint64) uint64 { return tagOccupied | hash>>(64-shardBits-7)&0x7f }

// lockAll keeps everyone else from writing.
func (t *table) lockAll() {
	for i := range t.shards {
		t.shards[i].mu.Lock()
	}
}

func (t *table) unlockAll() {
	for i := range t.shards {
		t.shards[i].mu.Unlock()
	}
}

// load returns the record of a key, or nil.
func (t *table) load(key string) *record {
	hash := t.hash(key)
	return t.find(hash, key).record
}

// place is where a record is; the zero value: nowhere.
type place struct {
	record *record
	group  *group
	slot   int
}

// find needs no lock, but only who holds the shard's may rely on the place.
func (t *table) find(hash uint64, key string) place {
	groups := t.shard(hash).groups.Load()
	if groups == nil {
		return place{}
	}
	g := *groups
	mask := uint64(len(g) - 1)
	pattern := tagOf(hash) * tagOnes
	for i, n := hash&mask, uint64(0); n <= mask; i, n = (i+1)&mask, n+1 {
		tags := g[i].tags.Load()
		diff := tags ^ pattern
		for m := (diff - tagOnes) &^ diff & tagHighs; m != 0; m &= m - 1 {
			slot := bits.TrailingZeros64(m) / 8
			if r := g[i].slots[slot].Load(); r != nil && r.key() == key {
				return place{r, &g[i], slot}
			}
		}
		if tags&overflowFlag == 0 {
			break
		}
	}
	return place{}
}

// put stores a record where the key's old one is, or anew.
func (t *table) put(hash uint64, old place, r *record) {
	if old.record != nil {
		old.group.slots[old.slot].Store(r)
		return
	}
	s := t.shard(hash)
	groups := s.groups.Load()
	if groups == nil || s.live+1 > roomIn(len(*groups)) || tooFull(s.overflow, len(*groups)) {
		groups = t.rebuild(s, s.live+1)
	}
	s.overflow += insert(*groups, hash, r)
	s.live++
}

// remove takes out the record at a place.
func (t *table) remove(hash uint64, old place) {
	g := old.group
	g.tags.Store(g.tags.Load() &^ (0xff << (old.slot * 8)))
	g.slots[old.slot].Store(nil)
	s := t.shard(hash)
	s.live--
	if n := len(*s.groups.Load()); n > 1 && s.live < roomIn(n)/shrinkDenominator {
		t.rebuild(s, s.live+s.live/2)
	}
}

// roomIn is the number of records that n groups take before they grow.
func roomIn(n int) int { return n * groupSlots * growNumerator / growDenominator }

// tooFull reports that reads of absent keys would look at too many groups. Keys
// that come and go leave the flags behind.
func tooFull(overflow, groups int) bool { return groups > 4 && overflow*2 > groups }

// rebuild gives a shard groups for n records. Reads that are under way go on in
// the old ones.
func (t *table) rebuild(s *shard, n int) *[]group {
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
						s.overflow += insert(groups, t.hash(r.key()), r)
					}
				}
			}
		}
		if !tooFull(s.overflow, size) {
			s.groups.Store(&groups)
			return &groups
		}
		size *= 2
	}
}

// insert puts a record into a free slot. It returns how many groups it met that
// were full for the first time.
func insert(g []group, hash uint64, r *record) (overflowed int) {
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
