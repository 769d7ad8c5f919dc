package boltfile

import (
	"bytes"
	"encoding/binary"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// The engine's pages. Each begins with a header: its number, flags, count of
// elements, and the number of pages that it takes beside its first. In a branch
// or leaf a table of elements follows, then their keys and values, one after the
// other and without a gap.
const (
	pageHeaderBytes = 16

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageMeta     = 0x04
	pageFreelist = 0x10

	elementBytes      = 16 // in the table of a branch or leaf
	bucketHeaderBytes = 16 // root page and sequence, before an inline page
	bucketFlag        = 1  // of a leaf's element

	maxTreeDepth     = 64 // the engine's trees have less levels than a page number has bits
	largePageEntries = 4  // most that a page has which is longer than one: the engine splits others
)

var order = binary.NativeEndian

// page is a page of the engine's with the pages that it takes beside its first,
// or an inline bucket's. Its methods index what the page says; where that is
// false they panic, with Go's own checks, and never look outside the page.
type page []byte

func (p page) id() uint64       { return order.Uint64(p) }
func (p page) flags() uint16    { return order.Uint16(p[8:]) }
func (p page) count() int       { return int(order.Uint16(p[10:])) }
func (p page) overflow() uint64 { return uint64(order.Uint32(p[12:])) }

func (p page) key(i int) []byte {
	t := pageHeaderBytes + i*elementBytes
	e := p[t : t+elementBytes]
	at, n := order.Uint32(e), order.Uint32(e[4:])
	if p.flags() != pageBranch {
		at, n = order.Uint32(e[4:]), order.Uint32(e[8:])
	}
	return p[t+int(at) : t+int(at)+int(n)]
}

func (p page) value(i int) []byte {
	at, n := p.valueAt(i)
	return p[at : at+n]
}

// valueAt is where a leaf has the value of an element.
func (p page) valueAt(i int) (at, n int) {
	t := pageHeaderBytes + i*elementBytes
	e := p[t : t+elementBytes]
	return t + int(order.Uint32(e[4:])) + int(order.Uint32(e[8:])), int(order.Uint32(e[12:]))
}

func (p page) elementFlags(i int) uint32 { return order.Uint32(p[pageHeaderBytes+i*elementBytes:]) }
func (p page) child(i int) uint64        { return order.Uint64(p[pageHeaderBytes+i*elementBytes+8:]) }

// search returns the first element whose key is not less than key.
func (p page) search(key []byte) (i int, exact bool) {
	low, high := 0, p.count()
	for low < high {
		middle := (low + high) / 2
		switch c := bytes.Compare(p.key(middle), key); {
		case c < 0:
			low = middle + 1
		case c == 0:
			return middle, true
		default:
			high = middle
		}
	}
	return low, false
}

// childFor returns the element of a branch below which key is, or would be.
func (p page) childFor(key []byte) int {
	i, exact := p.search(key)
	if !exact && i > 0 {
		i--
	}
	return i
}

// span is the keys that a page may hold: those from low on, which is the first
// of them, to before high. nil is no bound.
type span struct{ low, high []byte }

// below is the span of a branch's child.
func (p page) below(i int, s span) span {
	s.low = p.key(i)
	if i+1 < p.count() {
		s.high = p.key(i + 1)
	}
	return s
}

func errPage(id uint64, what string) error {
	return kverr.Errorf(kverr.Corrupt, "the file is damaged: page %d %s; restore it from a backup", id, what)
}

// extent adds up the elements of a page, of which p needs to hold the first page
// only, and returns how long all of it is. The engine lays out entries in one
// way, so that a wrong count, place or size does not fit the others.
func (p page) extent(id uint64, pageSize int) (size uint64, err error) {
	kind, n := p.flags(), p.count()
	at := uint64(pageHeaderBytes + n*elementBytes)
	if kind != pageBranch && kind != pageLeaf || p.id() != id {
		return 0, errPage(id, "is not the page that it should be")
	}
	if at > uint64(len(p)) || n == 0 && kind == pageBranch || n > largePageEntries && p.overflow() > 0 {
		return 0, errPage(id, "has a wrong number of entries")
	}
	for i := range n {
		t := pageHeaderBytes + i*elementBytes
		e := p[t : t+elementBytes]
		position, key, value := order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		if kind == pageBranch {
			position, key, value = order.Uint32(e), order.Uint32(e[4:]), 0
		}
		if uint64(t)+uint64(position) != at || key == 0 || key > bolt.MaxKeySize {
			return 0, errPage(id, "has an entry in the wrong place")
		}
		at += uint64(key) + uint64(value)
	}
	if length := uint64(pageSize); max(1, (at+length-1)/length) != p.overflow()+1 {
		return 0, errPage(id, "has a wrong length")
	}
	return at, nil
}

// judge checks the keys and flags of a page whose extent has been found right.
// The first key of a page stands in its branch as well; the engine relies on it,
// and so may a reader who does not find a key.
func (p page) judge(id uint64, keys span, flags uint32) error {
	n := p.count()
	if n == 0 {
		if keys.low != nil {
			return errPage(id, "is empty")
		}
		return nil
	}
	leaf := p.flags() == pageLeaf
	last := p.key(0)
	if keys.low != nil && !bytes.Equal(last, keys.low) {
		return errPage(id, "does not begin with the key that it should")
	}
	for i := range n {
		if leaf && p.elementFlags(i) != flags {
			return errPage(id, "has an entry of the wrong kind")
		}
		if i == 0 {
			continue
		}
		key := p.key(i)
		if bytes.Compare(last, key) >= 0 {
			return errPage(id, "has its keys in the wrong order")
		}
		last = key
	}
	if keys.high != nil && bytes.Compare(last, keys.high) >= 0 {
		return errPage(id, "has its keys in the wrong order")
	}
	return nil
}
