package hashtable

import (
	"slices"
	"sort"
	"strings"
	"unsafe"
)

// names is the set of the keys in the order of their bytes: a sorted list of
// leaves, each of which holds its keys packed one after the other. Short names of
// records that a sweep has removed are dead, and stay until compact removes them.
type names struct {
	leaves    []*leaf
	n         int    // names, dead ones included
	dead      int    // names without a record
	deadBytes int64  // what the dead names count, see deadSize
	added     uint64 // names that have ever come
}

// Limits of a leaf: it has at most leafKeys keys, and at most leafBytes bytes unless
// it has only one key. So each of its keys begins at most leafBytes after its first
// byte, however long the keys are.
const (
	leafKeys  = 128
	leafBytes = 8 << 10
)

// A key's offset in its leaf is a uint16.
const _ = uint16(leafBytes)

// leaf holds at least one key.
type leaf struct {
	begins []uint16 // of the keys in data
	data   []byte
}

func (l *leaf) end(i int) int {
	if i+1 < len(l.begins) {
		return int(l.begins[i+1])
	}
	return len(l.data)
}

// key returns the i-th key. It is valid as long as the leaf does not change.
func (l *leaf) key(i int) string {
	b := l.data[l.begins[i]:l.end(i)]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (l *leaf) search(key string) (i int, found bool) {
	return sort.Find(len(l.begins), func(i int) int {
		if at := l.key(i); key <= at {
			if key == at {
				return 0
			}
			return -1
		}
		return 1
	})
}

// fits reports whether one more key fits into the leaf.
func (l *leaf) fits(key string) bool {
	return len(l.begins) < leafKeys && len(l.data)+len(key) <= leafBytes
}

// insert adds a key that fits.
func (l *leaf) insert(i int, key string) {
	begin := len(l.data)
	if i < len(l.begins) {
		begin = int(l.begins[i])
	}
	end := begin + len(key)
	l.data = append(l.data, key...)
	copy(l.data[end:], l.data[begin:])
	copy(l.data[begin:], key)
	l.begins = slices.Insert(l.begins, i, uint16(begin))
	for j := i + 1; j < len(l.begins); j++ {
		l.begins[j] += uint16(len(key))
	}
}

func (l *leaf) remove(i int) {
	begin, end := int(l.begins[i]), l.end(i)
	l.data = trim(slices.Delete(l.data, begin, end))
	l.begins = trim(slices.Delete(l.begins, i, i+1))
	for j := i; j < len(l.begins); j++ {
		l.begins[j] -= uint16(end - begin)
	}
}

// trimmed is how many unused elements a slice may always keep.
const trimmed = 32

// trim gives back the memory of a slice that has less than half of its capacity in use.
func trim[E any](s []E) []E {
	if cap(s) <= 2*len(s)+trimmed {
		return s
	}
	return append(make([]E, 0, len(s)+len(s)/4), s...)
}

// part copies keys i to j into a leaf of their size.
func (l *leaf) part(i, j int) *leaf {
	from, to := int(l.begins[i]), l.end(j-1)
	p := &leaf{slices.Clone(l.begins[i:j]), slices.Clone(l.data[from:to])}
	for k := range p.begins {
		p.begins[k] -= uint16(from)
	}
	return p
}

// find returns the leaf that a key belongs to.
func (x *names) find(key string) int {
	last := len(x.leaves) - 1
	if last < 0 || key >= x.leaves[last].key(0) { // keys often come in their order
		return last
	}
	return max(0, sort.Search(last, func(i int) bool { return key < x.leaves[i].key(0) })-1)
}

// add notes the name of a record.
func (x *names) add(key string) {
	at := x.find(key)
	if at < 0 {
		x.n++
		x.added++
		x.leaves = append(x.leaves, newLeaf(key))
		return
	}
	l := x.leaves[at]
	i, found := l.search(key)
	if found { // a dead one comes back
		x.dead--
		x.deadBytes -= deadSize(key)
		return
	}
	x.n++
	x.added++
	if l.fits(key) {
		l.insert(i, key)
		return
	}
	// Keys that come in their order leave full leaves, others half full ones.
	n := len(l.begins)
	switch {
	case i == n:
		x.leaves[at] = l.part(0, n)
		x.leaves = slices.Insert(x.leaves, at+1, newLeaf(key))
		return
	case i == 0:
		x.leaves = slices.Insert(x.leaves, at, newLeaf(key))
		return
	}
	cut := l.middle()
	left, right := l.part(0, cut), l.part(cut, n)
	switch {
	case i <= cut && left.fits(key):
		left.insert(i, key)
	case i >= cut && right.fits(key):
		right.insert(i-cut, key)
	default: // the key needs a leaf between its neighbors
		x.leaves[at] = l.part(0, i)
		x.leaves = slices.Insert(x.leaves, at+1, newLeaf(key), l.part(i, n))
		return
	}
	x.leaves[at] = left
	x.leaves = slices.Insert(x.leaves, at+1, right)
}

func newLeaf(key string) *leaf { return &leaf{[]uint16{0}, []byte(key)} }

// middle returns where a leaf of at least two keys is split: the number of keys that
// have half of its bytes, at least one and not all.
func (l *leaf) middle() int {
	n := len(l.begins)
	half := sort.Search(n, func(i int) bool { return int(l.begins[i]) >= len(l.data)/2 })
	return min(max(half, 1), n-1)
}

// remove forgets the name of a record.
func (x *names) remove(key string) {
	at := x.find(key)
	if at < 0 {
		return
	}
	l := x.leaves[at]
	i, found := l.search(key)
	if !found {
		return
	}
	x.n--
	if len(l.begins) > 1 {
		l.remove(i)
		if len(l.begins) <= leafKeys/4 {
			x.merge(at)
		}
		return
	}
	x.leaves = trim(slices.Delete(x.leaves, at, at+1))
	if at < len(x.leaves) { // its neighbors are neighbors now
		x.merge(at)
	}
}

// merge joins a leaf that has few keys with a neighbor, if both fit.
func (x *names) merge(at int) {
	for _, first := range []int{at - 1, at} {
		if first < 0 || first+1 >= len(x.leaves) {
			continue
		}
		a, b := x.leaves[first], x.leaves[first+1]
		if len(a.begins)+len(b.begins) <= leafKeys/2 && len(a.data)+len(b.data) <= leafBytes/2 {
			p := packer{}
			p.addAll(a)
			p.addAll(b)
			x.leaves = trim(slices.Replace(x.leaves, first, first+2, p.leaves()...))
			return
		}
	}
}

// packer makes full leaves of keys that come in their order.
type packer struct {
	done []*leaf
	next leaf
}

func (p *packer) add(key string) {
	if n := len(p.next.begins); n == leafKeys || n > 0 && len(p.next.data)+len(key) > leafBytes {
		p.flush()
	}
	p.next.begins = append(p.next.begins, uint16(len(p.next.data)))
	p.next.data = append(p.next.data, key...)
}

func (p *packer) addAll(l *leaf) {
	for i := range l.begins {
		p.add(l.key(i))
	}
}

// flush ends a leaf, with memory of just its size.
func (p *packer) flush() {
	if n := len(p.next.begins); n > 0 {
		p.done = append(p.done, p.next.part(0, n))
		p.next.begins, p.next.data = p.next.begins[:0], p.next.data[:0]
	}
}

func (p *packer) leaves() []*leaf {
	p.flush()
	return p.done
}

// compact leaves out dead names of some leaves, from the leaf that holds a key
// on, and packs the rest. It returns the key to go on from, "" at the end.
func (x *names) compact(from string, leaves int, live func(l *leaf, each func(key string))) (next string) {
	first := x.find(from)
	if first < 0 {
		return ""
	}
	if first > 0 && len(x.leaves[first-1].begins) < leafKeys/2 {
		first-- // what the last slice left over
	}
	end := min(first+leaves, len(x.leaves))
	if end < len(x.leaves) {
		next = strings.Clone(x.leaves[end].key(0))
	}
	p, dropped, droppedBytes := packer{}, 0, int64(0)
	for _, l := range x.leaves[first:end] {
		dropped += len(l.begins)
		droppedBytes += int64(len(l.data))
		live(l, func(key string) {
			dropped--
			droppedBytes -= int64(len(key))
			p.add(key)
		})
	}
	x.leaves = trim(slices.Replace(x.leaves, first, end, p.leaves()...))
	x.n -= dropped
	x.dead -= dropped
	x.deadBytes -= droppedBytes + int64(dropped)*deadOverhead
	return next
}

// A name of at most shortName bytes stays in its leaf when a sweep removes its record:
// removing it then takes longer than the rest of the sweep. It counts deadSize bytes
// of the table's limit until it is removed.
const (
	shortName    = 64
	deadOverhead = 8
)

func deadSize(name string) int64 { return int64(len(name)) + deadOverhead }

// die notes that a sweep removed the record of a name.
func (x *names) die(key string) {
	if len(key) > shortName {
		x.remove(key)
		return
	}
	x.dead++
	x.deadBytes += deadSize(key)
}

// untidy reports whether more names are dead than may stay.
func (x *names) untidy() bool { return x.dead > x.n/maxDead }

const maxDead = 8 // the part of the names that may stay dead
