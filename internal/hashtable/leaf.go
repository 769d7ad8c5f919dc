package hashtable

import (
	"slices"
	"sort"
	"unsafe"
)

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

func newLeaf(key string) *leaf { return &leaf{[]uint16{0}, []byte(key)} }

// middle returns where a leaf of at least two keys is split: the number of keys that
// have half of its bytes, at least one and not all.
func (l *leaf) middle() int {
	n := len(l.begins)
	half := sort.Search(n, func(i int) bool { return int(l.begins[i]) >= len(l.data)/2 })
	return min(max(half, 1), n-1)
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
