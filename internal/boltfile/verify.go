package boltfile

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"io"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The engine keeps no checksums of its pages and believes what they say: a
// damaged one can make it miss keys, loop until the memory is gone, or write over
// pages that are in use. So a file is looked at before the engine may use it.
//
// Three facts make a plain walk of the pages enough. The engine lays the entries
// of a page out one after the other in one way only, so a wrong count, position
// or size does not fit the others. Each page up to the high-water mark is either
// in one place of a tree or free, so a wrong page number makes one page appear
// twice and another one never. And our records carry checksums that include
// their keys, while the number of keys is on file, and each deadline is there
// twice.
const (
	maxTreeDepth = 64 // the engine's trees have less levels than a page number has bits

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10

	elementBytes      = 16 // in the table of a branch or leaf
	bucketHeaderBytes = 16 // root page and sequence, before an inline page
	bucketFlag        = 1  // of a leaf's element
)

// VerifyAllBytes bounds the time that opening a file takes: the leaves of a
// larger one are not read. A damaged record there is found when it is read, by
// its checksum, and a damaged page when the engine, or Backup, comes to it. Tests
// change it.
var VerifyAllBytes int64 = 4 << 20

func errPage(id uint64, what string) error {
	return kverr.Errorf(kverr.Corrupt, "the file is damaged: page %d %s; restore it from a backup", id, what)
}

// verifier walks the pages of a file that nothing writes.
type verifier struct {
	file   io.ReaderAt
	meta   metaPage
	leaves bool     // read all leaves, and account for all pages
	used   []uint64 // one bit for each page that has been seen
	levels [maxTreeDepth][]byte
}

// verify checks the structure of a file: with leaves everything, else all but
// what is below the lowest branches of the trees.
func verify(file io.ReaderAt, meta metaPage, leaves bool) error {
	v := &verifier{file: file, meta: meta, leaves: leaves, used: make([]uint64, meta.pages/64+1)}
	if err := v.claim(0, 2); err != nil {
		return err
	}
	if err := v.freelist(); err != nil {
		return err
	}
	buckets := map[string][]byte{}
	err := v.tree(meta.root, nil, nil, 0, func(e element) error {
		if e.flags == bucketFlag && len(e.value) >= bucketHeaderBytes {
			buckets[string(e.key)] = bytes.Clone(e.value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(buckets) != 3 || buckets[string(bucketMeta)] == nil || buckets[string(bucketData)] == nil || buckets[string(bucketExpiry)] == nil {
		return nil // not a kv file, or one of another format: prepare says which
	}
	return v.buckets(buckets)
}

func (v *verifier) buckets(buckets map[string][]byte) error {
	numbers := map[string][]byte{}
	err := v.bucket(buckets[string(bucketMeta)], func(e element) error {
		numbers[string(e.key)] = bytes.Clone(e.value)
		return nil
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(numbers[string(metaFormat)], []byte{formatVersion}) {
		return nil // as above
	}
	var count uint64
	if n := numbers[string(metaCount)]; len(n) == 8 {
		count = binary.BigEndian.Uint64(n)
	}
	// The deadlines of the records and those of the index are the same if
	// their sums are, whatever their order.
	seed := maphash.MakeSeed()
	var keys, deadlines, index uint64
	err = v.bucket(buckets[string(bucketData)], func(e element) error {
		deadline, _, err := ParseRecord(e.key, e.value)
		if err != nil || e.flags != 0 {
			return errBadRecord
		}
		keys++
		if deadline != 0 {
			k, value := expiryEntry(deadline, string(e.key))
			deadlines += maphash.Bytes(seed, k) ^ maphash.Bytes(seed, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = v.bucket(buckets[string(bucketExpiry)], func(e element) error {
		if e.flags != 0 {
			return errBadRecord
		}
		index += maphash.Bytes(seed, e.key) ^ maphash.Bytes(seed, e.value)
		return nil
	})
	if err != nil || !v.leaves {
		return err
	}
	switch {
	case keys != count:
		return kverr.Errorf(kverr.Corrupt, "the file is damaged: it holds %d keys of %d; restore it from a backup", keys, count)
	case deadlines != index:
		return kverr.Errorf(kverr.Corrupt, "the file is damaged: the keys and the index of their deadlines disagree; restore it from a backup")
	}
	for id := range v.meta.pages {
		if v.used[id/64]&(1<<(id%64)) == 0 {
			return errPage(id, "belongs to nothing")
		}
	}
	return nil
}

// claim marks pages as seen, which they must not have been.
func (v *verifier) claim(id, n uint64) error {
	if id >= v.meta.pages || n > v.meta.pages-id {
		return errPage(id, "is beyond the end")
	}
	for ; n > 0; id, n = id+1, n-1 {
		bit := uint64(1) << (id % 64)
		if v.used[id/64]&bit != 0 {
			return errPage(id, "is used twice")
		}
		v.used[id/64] |= bit
	}
	return nil
}

func (v *verifier) freelist() error {
	if v.meta.freelist == noFreelist {
		v.leaves = false // which pages are free is known to nobody
		return nil
	}
	ids, pages, err := readFreelist(v.file, v.meta)
	if err != nil {
		return err
	}
	if err := v.claim(v.meta.freelist, pages); err != nil {
		return err
	}
	for ; len(ids) > 0; ids = ids[8:] {
		if err := v.claim(binary.NativeEndian.Uint64(ids), 1); err != nil {
			return err
		}
	}
	return nil
}

// readFreelist reads the list of free pages and returns it with the number of
// pages that it takes. The engine would allocate whatever the list's length says.
func readFreelist(file io.ReaderAt, meta metaPage) (ids []byte, pages uint64, err error) {
	id := meta.freelist
	var b [pageHeaderBytes + 8]byte
	if _, err := file.ReadAt(b[:], int64(id)*meta.pageSize); err != nil {
		return nil, 0, readError(err)
	}
	h := pageHeader(b[:])
	pages = uint64(h.overflow()) + 1
	if h.id() != id || h.flags() != pageFreelist || pages > meta.pages-id {
		return nil, 0, errPage(id, "is no list of free pages")
	}
	n, at, words := uint64(h.count()), int64(pageHeaderBytes), uint64(h.count())
	if n == 0xFFFF { // the count did not fit, and stands before the list
		n, at = binary.NativeEndian.Uint64(b[pageHeaderBytes:]), at+8
		words = n + 1
	}
	// The engine sizes the list before it takes the list's own pages from it.
	size := uint64(meta.pageSize)
	least, most := (pageHeaderBytes+8*words)/size+1, (pageHeaderBytes+8*(words+pages+1))/size+1
	if n > meta.pages || pages < least || pages > most {
		return nil, 0, errPage(id, "is a list of free pages with a wrong length")
	}
	ids = make([]byte, 8*n)
	if _, err := file.ReadAt(ids, int64(id)*meta.pageSize+at); err != nil {
		return nil, 0, readError(err)
	}
	return ids, pages, nil
}

func readError(err error) error {
	if err == io.EOF {
		return kverr.Errorf(kverr.Corrupt, "the file has been cut short; restore it from a backup")
	}
	return DiskError(err)
}

// pageHeader is what each page begins with: its number, flags, count of
// elements, and the number of pages that it takes beside its first.
type pageHeader []byte

func (h pageHeader) id() uint64       { return binary.NativeEndian.Uint64(h) }
func (h pageHeader) flags() uint16    { return binary.NativeEndian.Uint16(h[8:]) }
func (h pageHeader) count() int       { return int(binary.NativeEndian.Uint16(h[10:])) }
func (h pageHeader) overflow() uint32 { return binary.NativeEndian.Uint32(h[12:]) }

// element is one entry of a leaf, or of a branch.
type element struct {
	flags      uint32
	key, value []byte
	child      uint64
}

// bucket walks the tree of a bucket, which stands in its entry if it is small.
func (v *verifier) bucket(value []byte, visit func(element) error) error {
	root := binary.NativeEndian.Uint64(value)
	if root != 0 {
		return v.tree(root, nil, nil, 0, visit)
	}
	page := value[bucketHeaderBytes:]
	if len(page) < pageHeaderBytes {
		return errPage(v.meta.root, "holds half a bucket")
	}
	h := pageHeader(page)
	size, err := v.size(h, page)
	if err != nil || h.id() != 0 || h.flags() != pageLeaf || h.overflow() != 0 || size != uint64(len(page)) {
		return errPage(v.meta.root, "holds half a bucket")
	}
	return v.walk(page, nil, nil, 0, visit)
}

// tree checks the page id and what is below it, whose keys are at least low and
// less than high where these are not nil, and visits the entries of the leaves.
func (v *verifier) tree(id uint64, low, high []byte, depth int, visit func(element) error) error {
	if depth == maxTreeDepth {
		return errPage(id, "is too deep in a tree")
	}
	page, err := v.read(id, depth)
	if err != nil {
		return err
	}
	return v.walk(page, low, high, depth, visit)
}

// read reads a branch or leaf with the pages that follow it, and claims them.
func (v *verifier) read(id uint64, depth int) ([]byte, error) {
	if id >= v.meta.pages {
		return nil, errPage(id, "is beyond the end")
	}
	first := uint64(v.meta.pageSize)
	b := v.levels[depth]
	if uint64(cap(b)) < first {
		b = make([]byte, first)
	}
	b = b[:first]
	v.levels[depth] = b
	if _, err := v.file.ReadAt(b, int64(id*first)); err != nil {
		return nil, readError(err)
	}
	h := pageHeader(b)
	if h.id() != id || h.flags() != pageBranch && h.flags() != pageLeaf {
		return nil, errPage(id, "is not the page that it should be")
	}
	pages := uint64(h.overflow()) + 1
	size, err := v.size(h, b)
	if err != nil {
		return nil, err
	}
	if max(1, (size+first-1)/first) != pages {
		return nil, errPage(id, "has a wrong length")
	}
	if err := v.claim(id, pages); err != nil {
		return nil, err
	}
	if pages > 1 {
		b = append(b, make([]byte, (pages-1)*first)...)
		if _, err := v.file.ReadAt(b[first:], int64((id+1)*first)); err != nil {
			return nil, readError(err)
		}
	}
	return b[:size], nil
}

// size adds up the elements of a page, each of which has to begin where the one
// before it ends. page holds the table of elements: the engine splits what does
// not fit into one page, unless it is few large elements.
func (v *verifier) size(h pageHeader, page []byte) (uint64, error) {
	n := h.count()
	at := uint64(pageHeaderBytes + n*elementBytes)
	if at > uint64(len(page)) || n == 0 && h.flags() == pageBranch {
		return 0, errPage(h.id(), "has a wrong number of entries")
	}
	order := binary.NativeEndian
	for i := range n {
		table := pageHeaderBytes + i*elementBytes
		e := page[table : table+elementBytes]
		position, key, value := order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		if h.flags() == pageBranch {
			position, key, value = order.Uint32(e), order.Uint32(e[4:]), 0
		}
		if uint64(table)+uint64(position) != at || key == 0 {
			return 0, errPage(h.id(), "has an entry in the wrong place")
		}
		at += uint64(key) + uint64(value)
	}
	return at, nil
}

// walk visits the elements of a page that size has found in their places.
func (v *verifier) walk(page, low, high []byte, depth int, visit func(element) error) error {
	h := pageHeader(page)
	n, order := h.count(), binary.NativeEndian
	at := pageHeaderBytes + n*elementBytes
	next := func(i int) (e element) {
		t := page[pageHeaderBytes+i*elementBytes:]
		var keySize, valueSize int
		if h.flags() == pageBranch {
			keySize, e.child = int(order.Uint32(t[4:])), order.Uint64(t[8:])
		} else {
			e.flags, keySize, valueSize = order.Uint32(t), int(order.Uint32(t[8:])), int(order.Uint32(t[12:]))
		}
		e.key = page[at : at+keySize]
		e.value = page[at+keySize : at+keySize+valueSize]
		at += keySize + valueSize
		return e
	}
	if n == 0 {
		if depth > 0 {
			return errPage(h.id(), "is empty")
		}
		return nil
	}
	e, leafLevel := next(0), false
	if low != nil && bytes.Compare(e.key, low) < 0 {
		return errPage(h.id(), "has its keys in the wrong order")
	}
	for i := range n {
		var after element
		limit := high
		if i+1 < n {
			after = next(i + 1)
			limit = after.key
		}
		if limit != nil && bytes.Compare(e.key, limit) >= 0 {
			return errPage(h.id(), "has its keys in the wrong order")
		}
		var err error
		switch {
		case h.flags() == pageLeaf:
			err = visit(e)
		case leafLevel && !v.leaves:
			err = v.claim(e.child, 1)
		default:
			if err = v.tree(e.child, e.key, limit, depth+1, visit); err == nil {
				leafLevel = pageHeader(v.levels[depth+1]).flags() == pageLeaf
			}
		}
		if err != nil {
			return err
		}
		e = after
	}
	return nil
}
