package hashtable

import "math/bits"

// A cache evicts keys when its limits refuse a write. It chooses them as S3-FIFO does,
// without a list of its keys:
//
//   - A read or an overwrite sets a bit of the key's slot, see use.go.
//   - A new key is among the arrivals, in their order. The oldest arrivals go first while
//     there are more of them than their share; one that was used meanwhile stays.
//   - All other keys are under the hand of a clock, which passes the slots in the order of
//     their hashes. It evicts a key that was not used since it passed it last.
//   - The ghost remembers hashes of evicted keys. A key that comes back soon is not among
//     the arrivals again, and the share grows if it left as an arrival, and shrinks if it
//     left under the hand. So the share finds its size: small where most keys are read
//     once, large where keys are read for some time and then never again.
type evictor struct {
	turn chan struct{} // held by the caller that makes room

	// With Table.mu:
	arrivals ring
	share    int      // of the keys that can be arrivals, in 1/shareUnit
	ghosts   [2]ghost // by where the keys were evicted
	held     int      // keys that a Room can add

	// With turn:
	shard, group, slot int // the hand
}

const (
	shareUnit   = 1 << 20
	firstShare  = shareUnit / 10
	leastShare  = shareUnit / 50
	mostShare   = shareUnit * 9 / 10
	shareGrow   = 20 // tenths of a key's part for each return of an arrival
	shareShrink = 18 // the same for each return of another key
	returnParts = 10 // a return within as many evictions as such a part of the keys changes the share
)

// NewCache returns an empty table that evicts. Its limits refuse a write as the limits of
// every table do; a Room then makes room for it.
func NewCache(c Config) *Table {
	t := NewTable(c)
	t.evict = &evictor{turn: make(chan struct{}, 1), share: firstShare}
	return t
}

// arrived notes that a key was added to a table with so many keys. Table.mu is locked.
func (e *evictor) arrived(hash uint64, keys int) {
	part, soon := shareUnit/max(keys, 1), max(1, keys/returnParts)
	arrivalAge, wasArrival := e.ghosts[fromArrivals].take(hash)
	oldAge, wasOld := e.ghosts[fromHand].take(hash)
	if wasArrival && arrivalAge < soon {
		e.share = min(e.share+part*shareGrow/10, mostShare)
	}
	if wasOld && oldAge < soon {
		e.share = max(e.share-part*shareShrink/10, leastShare)
	}
	if wasArrival || wasOld {
		return
	}
	e.arrivals.push(hash)
	if e.arrivals.n > 2*e.most(keys)+stepKeys { // the table is not full yet
		e.arrivals.pop()
	}
}

// most returns how many arrivals stay.
func (e *evictor) most(keys int) int { return int(int64(keys) * int64(e.share) / shareUnit) }

// ring is a queue of hashes.
type ring struct {
	hashes []uint64 // its length is a power of two
	first  int
	n      int
}

const leastRing = 16

func (q *ring) push(hash uint64) {
	if q.n == len(q.hashes) {
		q.resize(max(2*q.n, leastRing))
	}
	q.hashes[(q.first+q.n)&(len(q.hashes)-1)] = hash
	q.n++
}

func (q *ring) pop() (hash uint64, ok bool) {
	if q.n == 0 {
		return 0, false
	}
	hash = q.hashes[q.first]
	q.first = (q.first + 1) & (len(q.hashes) - 1)
	if q.n--; len(q.hashes) > leastRing && q.n < len(q.hashes)/8 {
		q.resize(len(q.hashes) / 2)
	}
	return hash, true
}

func (q *ring) resize(size int) {
	hashes := make([]uint64, size)
	for i := range q.n {
		hashes[i] = q.hashes[(q.first+i)&(len(q.hashes)-1)]
	}
	q.hashes, q.first = hashes, 0
}

// ghost remembers a quarter to a half as many evicted keys as the table has: for each a part of its
// hash, and when it was evicted. It forgets at random.
type ghost struct {
	entries []uint32 // 16 bits of the hash, never 0, and 16 bits of time
	count   int      // evictions, which are its time
}

// Where a key was evicted.
const (
	fromArrivals = iota
	fromHand
)

const (
	ghostTimeBits = 16
	ghostParts    = 4 // of the keys: the part that is remembered at least, at most twice that. More make Zipf worse
	leastGhosts   = 64
)

// unit returns the logarithm of the evictions that one unit of time has: the time spans
// several times the entries.
func (g *ghost) unit() int { return max(0, bits.Len(uint(len(g.entries)))-ghostTimeBits+4) }

func (g *ghost) of(hash uint64) (entry *uint32, tag uint32) {
	return &g.entries[hash&uint64(len(g.entries)-1)], max(uint32(hash>>32)&0xffff, 1) << ghostTimeBits
}

// put remembers a key that was evicted from a table that has so many keys.
func (g *ghost) put(hash uint64, keys int) {
	if n := len(g.entries); n < leastGhosts || n < keys/ghostParts || n > 4*max(keys, leastGhosts) {
		size := leastGhosts
		for size < keys/ghostParts {
			size *= 2
		}
		*g = ghost{entries: make([]uint32, size)}
	}
	g.count++
	entry, tag := g.of(hash)
	*entry = tag | uint32(g.count>>g.unit())&0xffff
}

// take forgets a key, and returns how many others were evicted since it was, if it is
// remembered.
func (g *ghost) take(hash uint64) (age int, ok bool) {
	if len(g.entries) == 0 {
		return 0, false
	}
	entry, tag := g.of(hash)
	e := *entry
	if e&^0xffff != tag {
		return 0, false
	}
	*entry = 0
	return int(uint16(g.count>>g.unit())-uint16(e)) << g.unit(), true
}
