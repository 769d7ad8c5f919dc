package bbpage

import (
	"bytes"
	"encoding/binary"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// A page begins with a header: its number, flags, count of elements, and the number
// of overflow pages, which follow it in the file and belong to it. In a branch or leaf
// a table of elements comes next, then their keys and values, one after the other and
// without a gap.
const (
	pageHeaderBytes = 16

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageMeta     = 0x04
	pageFreelist = 0x10

	elementBytes      = 16 // in the table of a branch or leaf
	bucketHeaderBytes = 16 // root page and sequence, before an inline page
	bucketFlag        = 1  // of a leaf's element

	maxTreeDepth     = 64 // bbolt's trees have fewer levels than a page number has bits
	largePageEntries = 4  // maximum in a page with overflow pages: bbolt splits others
)

// MaxKeyBytes is the size of the longest key that bbolt stores.
const MaxKeyBytes = 32768

// NodePages returns the maximum number of pages of a node whose entries have at most entry
// bytes of key and value.
func NodePages(entry, pageSize int64) int64 {
	return (pageHeaderBytes + largePageEntries*(elementBytes+entry) + pageSize - 1) / pageSize
}

// LeastEntryBytes is less than the size of any entry of a leaf.
const LeastEntryBytes = elementBytes

var order = binary.NativeEndian

// page is a page with its overflow pages, or an inline bucket's page. Its methods index
// what the page says; where that is false they panic, with Go's own checks, and never
// read outside the page.
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
	t := pageHeaderBytes + i*elementBytes
	e := p[t : t+elementBytes]
	at, n := t+int(order.Uint32(e[4:]))+int(order.Uint32(e[8:])), int(order.Uint32(e[12:]))
	return p[at : at+n]
}

func (p page) elementFlags(i int) uint32 { return order.Uint32(p[pageHeaderBytes+i*elementBytes:]) }
func (p page) child(i int) uint64        { return order.Uint64(p[pageHeaderBytes+i*elementBytes+8:]) }

// entry returns an entry of a leaf that can be damaged, and the offset of its end. ok
// reports whether the entry is within the page.
func (p page) entry(i int) (key, value []byte, end uint64, ok bool) {
	t := uint64(pageHeaderBytes + i*elementBytes)
	if t+elementBytes > uint64(len(p)) {
		return nil, nil, 0, false
	}
	e := p[t : t+elementBytes]
	at, k, v := t+uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	if k == 0 || k > MaxKeyBytes {
		return nil, nil, 0, false
	}
	end = at + k + v
	if end > uint64(len(p)) {
		return nil, nil, end, false
	}
	return p[at : at+k], p[at+k : end], end, true
}

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

// childFor returns the element of a branch whose subtree contains key, or would.
func (p page) childFor(key []byte) int {
	i, exact := p.search(key)
	if !exact && i > 0 {
		i--
	}
	return i
}

// span is the range of keys that a page can hold: low, which is its first key, to high,
// exclusive. nil means no limit.
type span struct{ low, high []byte }

// below returns the span of a branch's child.
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

// verifyLayout adds up the elements of a page, of which p only needs to hold the first
// page, and returns the size of all of it. bbolt lays out entries in exactly one way, so
// that a wrong count, position or size does not fit the others.
func (p page) verifyLayout(id, pageSize uint64) (size uint64, err error) {
	kind, n := p.flags(), p.count()
	at := uint64(pageHeaderBytes + n*elementBytes)
	if kind != pageBranch && kind != pageLeaf || p.id() != id {
		return 0, errPage(id, "is not the expected page")
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
		if uint64(t)+uint64(position) != at || key == 0 || key > MaxKeyBytes {
			return 0, errPage(id, "has an entry in the wrong place")
		}
		at += uint64(key) + uint64(value)
	}
	if max(1, (at+pageSize-1)/pageSize) != p.overflow()+1 {
		return 0, errPage(id, "has a wrong length")
	}
	return at, nil
}

// verifyKeys verifies the keys and the flags of a page whose layout has been verified.
// The first key of a page is also in its branch; bbolt relies on it, and so does a
// reader that does not find a key.
func (p page) verifyKeys(id uint64, keys span, flags uint32) error {
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
		return errPage(id, "has a first key that does not match its parent")
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

// verifyInline verifies the page of an inline bucket, whose entry is in the page home.
func (p page) verifyInline(home, pageSize uint64) error {
	if len(p) < pageHeaderBytes {
		return errPage(home, "contains an incomplete bucket")
	}
	size, err := p.verifyLayout(0, pageSize)
	if err != nil {
		return err
	}
	if p.flags() != pageLeaf || p.overflow() != 0 || size != uint64(len(p)) {
		return errPage(home, "contains an incomplete bucket")
	}
	return p.verifyKeys(0, span{}, 0)
}
