package crafted

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"
)

// A mutant is a valid file with one thing in it made wrong, the way an attacker
// or a disk that lies about its syncs would: not by chance alone, but at the
// fields that an engine believes.
type mutant struct {
	what    string
	content []byte
	forged  []string // keys whose records were replaced by other valid ones
	counts  bool     // what was changed is a number of keys or a deadline
	older   bool     // the header before the last one says that it is the last
}

const (
	headerBytes  = 16
	elementBytes = 16

	flagBranch   = 1
	flagLeaf     = 2
	flagMeta     = 4
	flagFreelist = 16
)

var order = binary.NativeEndian

// image is a file of pages under mutation.
type image struct {
	b    []byte
	size int // of a page
	n    int // pages
	kind map[uint16][]int
}

func newImage(b []byte) *image {
	m := &image{b: b, size: int(order.Uint32(b[headerBytes+8:])), kind: map[uint16][]int{}}
	m.n = int(order.Uint64(m.b[m.meta()*m.size+headerBytes+40:]))
	for id := 2; id < m.n; {
		p := m.page(id)
		if int(order.Uint64(p)) != id { // of a page that was free before it was ever written
			id++
			continue
		}
		flags := order.Uint16(p[8:])
		m.kind[flags] = append(m.kind[flags], id)
		id += 1 + int(order.Uint32(p[12:]))
	}
	return m
}

func (m *image) page(id int) []byte { return m.b[id*m.size:] }

// meta is the meta page that counts.
func (m *image) meta() int {
	if order.Uint64(m.b[headerBytes+48:]) > order.Uint64(m.b[m.size+headerBytes+48:]) {
		return 0
	}
	return 1
}

// seal makes the checksums of the meta pages right again.
func (m *image) seal() {
	for i := range 2 {
		meta := m.b[i*m.size+headerBytes:]
		sum := fnv.New64a()
		sum.Write(meta[:56])
		order.PutUint64(meta[56:], sum.Sum64())
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// any returns a page number: of a page of any kind, or of none.
func (m *image) any(r *rand.Rand, self int) uint64 {
	kind := pick(r, uint16(flagBranch), flagLeaf, flagFreelist)
	if ids := m.kind[kind]; len(ids) > 0 && r.IntN(4) > 0 {
		return uint64(pick(r, ids...))
	}
	return pick(r, uint64(self), 0, 1, 2, uint64(r.IntN(m.n)), uint64(m.n), uint64(m.n)-1, 1<<40, ^uint64(0), ^uint64(0)-1)
}

func wrong16(r *rand.Rand, n uint16) uint16 {
	return pick(r, 0, 1, n-1, n+1, n*2, 0x7FFF, 0xFFFE, 0xFFFF, uint16(r.Uint32()))
}

func wrong32(r *rand.Rand, n uint32) uint32 {
	return pick(r, 0, 1, n-1, n+1, n+16, n*2, 1<<16, 1<<31-1, 1<<31, 0xFFFFFFFF, r.Uint32(), n^1<<r.IntN(12))
}

func wrong64(r *rand.Rand, n uint64) uint64 {
	return pick(r, 0, 1, 2, n-1, n+1, n*2, 1<<32, 1<<62, 1<<63, ^uint64(0), ^uint64(0)-1, r.Uint64())
}

// ofKind picks a page in use.
func (m *image) ofKind(r *rand.Rand) int {
	for {
		if ids := m.kind[pick(r, uint16(flagBranch), flagLeaf, flagLeaf, flagFreelist)]; len(ids) > 0 {
			return pick(r, ids...)
		}
	}
}

// mutate makes the mutant of a number.
func mutate(base []byte, number uint64) mutant {
	r := rand.New(rand.NewPCG(number, 7))
	m := newImage(bytes.Clone(base))
	out := mutant{}
	out.what = m.change(r, &out)
	if r.IntN(4) == 0 && len(m.b) == len(base) {
		func() {
			defer func() { recover() }() // where the first one has left nothing to change
			out.what += "; " + m.change(r, &out)
		}()
	}
	out.content = m.b
	return out
}

func (m *image) change(r *rand.Rand, out *mutant) string {
	switch r.IntN(11) {
	case 0: // the header
		at := pick(r, 32, 32, 16, 40, 48, 24, 8, 12)
		var was, now uint64
		for i := range 2 {
			if only := r.IntN(4); only > 1 && only-2 != i {
				continue
			}
			field := m.b[i*m.size+headerBytes+at:]
			if at == 8 || at == 12 {
				was = uint64(order.Uint32(field))
				now = uint64(wrong32(r, uint32(was)))
				order.PutUint32(field, uint32(now))
				continue
			}
			was = order.Uint64(field)
			now = pick(r, wrong64(r, was), m.any(r, i))
			order.PutUint64(field, now)
		}
		m.seal()
		first, second := order.Uint64(m.b[headerBytes+48:]), order.Uint64(m.b[m.size+headerBytes+48:])
		out.older = at == 48 && (first+1 == second || second+1 == first)
		return fmt.Sprintf("header at %d: %#x, not %#x", at, now, was)
	case 1: // a page's header
		id := m.ofKind(r)
		p := m.page(id)
		switch r.IntN(4) {
		case 0:
			order.PutUint64(p, m.any(r, id))
			return fmt.Sprintf("page %d: number %d", id, order.Uint64(p))
		case 1:
			order.PutUint16(p[8:], pick(r, 0, flagBranch, flagLeaf, flagMeta, flagFreelist, flagBranch|flagLeaf, uint16(r.Uint32())))
			return fmt.Sprintf("page %d: flags %#x", id, order.Uint16(p[8:]))
		case 2:
			order.PutUint16(p[10:], wrong16(r, order.Uint16(p[10:])))
			return fmt.Sprintf("page %d: count %d", id, order.Uint16(p[10:]))
		default:
			order.PutUint32(p[12:], wrong32(r, order.Uint32(p[12:])))
			return fmt.Sprintf("page %d: overflow %d", id, order.Uint32(p[12:]))
		}
	case 2, 3: // an element's place, sizes and flags
		id := m.ofKind(r)
		p := m.page(id)
		at := headerBytes + elementBytes*r.IntN(max(1, int(order.Uint16(p[10:])))) + pick(r, 0, 4, 8, 12)
		was := order.Uint32(p[at:])
		order.PutUint32(p[at:], wrong32(r, was))
		out.counts = true
		return fmt.Sprintf("page %d at %d: %#x, not %#x", id, at, order.Uint32(p[at:]), was)
	case 4: // a child
		if len(m.kind[flagBranch]) == 0 {
			return m.change(r, out)
		}
		id := pick(r, m.kind[flagBranch]...)
		p := m.page(id)
		at := headerBytes + elementBytes*r.IntN(max(1, int(order.Uint16(p[10:])))) + 8
		was := order.Uint64(p[at:])
		order.PutUint64(p[at:], m.any(r, id))
		return fmt.Sprintf("branch %d: child %d, not %d", id, order.Uint64(p[at:]), was)
	case 5: // a leaf turned into a branch, with children
		id := pick(r, m.kind[flagLeaf]...)
		p := m.page(id)
		n := int(order.Uint16(p[10:]))
		order.PutUint16(p[8:], flagBranch)
		child := m.any(r, id)
		if r.IntN(2) == 0 {
			child = uint64(id)
		}
		for i := range n {
			e := p[headerBytes+i*elementBytes:]
			position, key := order.Uint32(e[4:]), order.Uint32(e[8:])
			order.PutUint32(e, position)
			order.PutUint32(e[4:], key)
			order.PutUint64(e[8:], child)
		}
		return fmt.Sprintf("leaf %d: a branch to %d", id, child)
	case 6: // the list of free pages
		id := pick(r, m.kind[flagFreelist]...)
		p := m.page(id)
		n := int(order.Uint16(p[10:]))
		switch {
		case r.IntN(4) == 0:
			order.PutUint16(p[10:], 0xFFFF)
			order.PutUint64(p[headerBytes:], pick(r, uint64(n), 1<<20, 1<<24, 1<<32, 1<<60, ^uint64(0)))
			return fmt.Sprintf("free list %d: %d pages", id, order.Uint64(p[headerBytes:]))
		default:
			at := headerBytes + 8*r.IntN(max(1, n))
			order.PutUint64(p[at:], m.any(r, id))
			return fmt.Sprintf("free list %d at %d: %d", id, at, order.Uint64(p[at:]))
		}
	case 7: // a write that went elsewhere, or never came
		from, to := m.ofKind(r), m.ofKind(r)
		if r.IntN(5) == 0 {
			clear(m.page(to)[:m.size])
			return fmt.Sprintf("page %d: zeros", to)
		}
		copy(m.page(to)[:m.size], m.page(from)[:m.size])
		if r.IntN(3) > 0 {
			order.PutUint64(m.page(to), uint64(to))
		}
		return fmt.Sprintf("page %d: a copy of %d", to, from)
	case 8: // any byte
		at := r.IntN(m.n * m.size)
		was := m.b[at]
		m.b[at] ^= pick(r, 0xFF, byte(1)<<r.IntN(8))
		out.counts = true
		return fmt.Sprintf("byte %d: %#x, not %#x", at, m.b[at], was)
	case 9: // another record, with a checksum
		for range 100 {
			id := pick(r, m.kind[flagLeaf]...)
			p := m.page(id)
			n := int(order.Uint16(p[10:]))
			if n == 0 {
				continue
			}
			t := headerBytes + elementBytes*r.IntN(n)
			key := t + int(order.Uint32(p[t+4:]))
			record := key + int(order.Uint32(p[t+8:]))
			end := record + int(order.Uint32(p[t+12:]))
			if end > len(p) || end-record < 20 || p[record] > 1 {
				continue
			}
			header := 1 + 8*int(p[record])
			sum := crc32.MakeTable(crc32.Castagnoli)
			if order := binary.BigEndian; order.Uint32(p[record+header:]) != crc32.Update(crc32.Checksum(p[key:record+header], sum), sum, p[record+header+4:end]) {
				continue
			}
			for range pick(r, 1, 1, 8) {
				p[pick(r, record+r.IntN(header), record+header+4+r.IntN(end-record-header-4))] = byte(r.Uint32())
			}
			if p[record] > 1 {
				p[record] = pick(r, 0, byte(1))
			}
			header = 1 + 8*int(p[record])
			binary.BigEndian.PutUint32(p[record+header:], crc32.Update(crc32.Checksum(p[key:record+header], sum), sum, p[record+header+4:end]))
			out.forged, out.counts = append(out.forged, string(p[key:record])), true
			return fmt.Sprintf("page %d: another record of %.20q", id, p[key:record])
		}
		return "nothing"
	default: // the length
		n := pick(r, m.size*r.IntN(m.n), r.IntN(m.n*m.size), m.size*m.n)
		if r.IntN(3) == 0 {
			m.b = m.b[:max(1, n)]
			m.b = append(m.b, make([]byte, max(0, 4*m.size-len(m.b)))...) // other changes need something to change
			return fmt.Sprintf("cut at %d", n)
		}
		clear(m.b[n:])
		return fmt.Sprintf("zeros from %d", n)
	}
}
