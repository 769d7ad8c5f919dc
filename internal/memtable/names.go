package memtable

import (
	"slices"
	"sort"
	"strings"
	"unsafe"
)

// names is the set of the keys in the order of their bytes: a sorted list of
// leaves, each of which holds its keys packed one behind the other. Names of
// records that a sweep has removed stay until compact comes by.
type names struct {
	leaves []*leaf
	n      int    // names, dead ones included
	dead   int    // names without a record
	added  uint64 // names that have ever come
}

// Bounds of a leaf. It is split above either.
const (
	leafKeys  = 128
	leafBytes = 8 << 10
)

// leaf holds at least one key. It may exceed leafBytes by one key: two of the
// longest ones still begin where a uint16 can say.
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
	l.data = slices.Delete(l.data, begin, end)
	l.begins = slices.Delete(l.begins, i, i+1)
	for j := i; j < len(l.begins); j++ {
		l.begins[j] -= uint16(end - begin)
	}
}

func (l *leaf) full() bool {
	return len(l.begins) > leafKeys || len(l.data) > leafBytes && len(l.begins) > 1
}

// part copies keys i to j into a leaf of their own size.
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
		x.leaves = append(x.leaves, &leaf{})
		at = 0
	}
	l := x.leaves[at]
	i, found := l.search(key)
	if found { // a dead one comes back
		x.dead--
		return
	}
	x.n++
	x.added++
	l.insert(i, key)
	if !l.full() {
		return
	}
	// Keys that come in their order leave full leaves behind, others half full ones.
	n := len(l.begins)
	cut := n / 2
	switch i {
	case n - 1:
		cut = n - 1
	case 0:
		cut = 1
	}
	x.leaves[at] = l.part(0, cut)
	x.leaves = slices.Insert(x.leaves, at+1, l.part(cut, n))
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
	l.remove(i)
	if len(l.begins) <= leafKeys/4 {
		x.merge(at)
	}
}

// merge joins a leaf that has few keys with a neighbour, if there is room.
func (x *names) merge(at int) {
	l := x.leaves[at]
	if len(l.begins) == 0 {
		x.leaves = slices.Delete(x.leaves, at, at+1)
		return
	}
	for _, first := range []int{at - 1, at} {
		if first < 0 || first+1 >= len(x.leaves) {
			continue
		}
		a, b := x.leaves[first], x.leaves[first+1]
		if len(a.begins)+len(b.begins) <= leafKeys/2 && len(a.data)+len(b.data) <= leafBytes/2 {
			p := packer{}
			p.addAll(a)
			p.addAll(b)
			x.leaves = slices.Replace(x.leaves, first, first+2, p.leaves()...)
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
	p, kept, had := packer{}, 0, 0
	for _, l := range x.leaves[first:end] {
		had += len(l.begins)
		live(l, func(key string) { kept++; p.add(key) })
	}
	x.leaves = slices.Replace(x.leaves, first, end, p.leaves()...)
	x.n -= had - kept
	x.dead -= had - kept
	if next == "" {
		x.leaves = slices.Clip(x.leaves)
	}
	return next
}
