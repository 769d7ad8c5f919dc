package boltfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"
	"io"
	"os"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The engine keeps no checksums of its pages and believes what they say: a
// damaged one can make it miss keys, loop until the memory is gone, end the
// process, or write over pages that are in use. So a file is looked at before the
// engine may use it, and what is not read then is read before it is used.
//
// Three facts make a plain walk of the pages enough. The engine lays the entries
// of a page out one after the other in one way only, so a wrong count, position
// or size does not fit the others. Each page up to the high-water mark is either
// in one place of a tree or free, so a wrong page number makes one page appear
// twice and another one never. And our records carry checksums that include
// their keys, while the number of keys is on file, and each deadline is there
// twice.
//
// Opening a file reads all of a small one. Of a larger one it reads all but the
// leaves, and notes which these are: they have to be where the branches say, all
// at one depth and none of them twice, so that no path goes in circles. The
// first read or write that comes to such a leaf checks it: see reader.go.

// VerifyAllBytes bounds the time that opening a file takes: the leaves of a
// larger one are not read. Tests change it.
var VerifyAllBytes int64 = 4 << 20

// found is what a look at a file's pages brings to light.
type found struct {
	meta metaPage
	new  bool     // the engine made the file, and nobody has used it yet
	torn bool     // one header is damaged, and may have been the newer one
	set  *pageSet // nil: there is nothing that has not been read
}

// verifyFile checks a file that nothing writes. The leaves of one that is larger
// than limit are not read.
func verifyFile(ctx context.Context, file *os.File, limit int64) (found, error) {
	f, err := verifyTorn(ctx, file, limit)
	if err == nil && f.torn {
		err = errHeader
	}
	return f, err
}

// verifyTorn is verifyFile for who knows what to do where a header is torn.
func verifyTorn(ctx context.Context, file *os.File, limit int64) (found, error) {
	info, err := file.Stat()
	if err != nil {
		return found{}, err
	}
	meta, torn, err := checkMeta(file, info.Size())
	if err != nil {
		return found{}, err
	}
	f, err := verify(&filePages{ctx: ctx, file: file, size: int(meta.pageSize)}, meta, int64(meta.pages)*meta.pageSize <= limit)
	if f.torn = torn; torn && f.new {
		err = errHeader
	}
	return f, err
}

// pageSource gives the verifier the first n bytes of a page, which are good
// until the next call for the same depth.
type pageSource interface {
	read(id, n uint64, depth int) ([]byte, error)
}

// maxBranchBytes is more than the longest branch has, with its pages: see extent.
const maxBranchBytes = 256 << 10

// filePages reads pages from a file. A page of many is read as a whole only
// where its own table of elements adds up to that.
type filePages struct {
	ctx    context.Context
	file   io.ReaderAt
	size   int
	levels [maxTreeDepth][]byte
	large  []byte // of a page that only a leaf can be: one at a time is in use
}

func (f *filePages) read(id, n uint64, depth int) ([]byte, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	buf := &f.levels[depth]
	if n > maxBranchBytes {
		buf = &f.large
	}
	if uint64(cap(*buf)) < n {
		*buf = nil // so that the two are not held at once
		*buf = make([]byte, n)
	}
	b := (*buf)[:n]
	if _, err := f.file.ReadAt(b, int64(id)*int64(f.size)); err != nil {
		return nil, readError(err)
	}
	return b, nil
}

func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return kverr.Errorf(kverr.Corrupt, "the file has been cut short; restore it from a backup")
	}
	return access.DiskError(err)
}

// verifier walks the pages of a file that nothing writes.
type verifier struct {
	pages  pageSource
	meta   metaPage
	leaves bool // read all leaves, and account for all pages
	set    *pageSet

	// of the tree that is being walked
	visit     func(key, value []byte) error
	leafDepth int  // -1: not known yet
	small     bool // no page of it may be longer than one
}

var errOtherFormat = kverr.Errorf(kverr.Format, "the file is a bbolt file, but not a kv file; choose another path")

// verify checks the structure of a file: with leaves everything, else all but
// the leaves of the entries and of their deadlines.
func verify(pages pageSource, meta metaPage, leaves bool) (found, error) {
	v := &verifier{pages: pages, meta: meta, leaves: leaves, set: newPageSet()}
	f := found{meta: meta, set: v.set}
	if err := v.claim(0, 2); err != nil {
		return f, err
	}
	free, err := v.freelist()
	if err != nil {
		return f, err
	}
	root, err := v.root()
	if err != nil {
		return f, err
	}
	if root.count() == 0 {
		// What the engine makes of an empty file, before its first commit.
		if meta.pages != 4 || meta.tx != 1 || meta.root != 3 || meta.freelist != 2 || free != 0 {
			return f, kverr.Errorf(kverr.Corrupt, "the file holds no store, but is not new either; restore it from a backup, or choose another path")
		}
		f.new = true
		return f, nil
	}
	buckets := map[string][]byte{}
	for i := range root.count() {
		buckets[string(root.key(i))] = bytes.Clone(root.value(i))
	}
	if err := v.buckets(buckets); err != nil {
		return f, err
	}
	if leaves {
		f.set = nil
	}
	return f, nil
}

// root reads the page that names the buckets. Ours fits into one page.
func (v *verifier) root() (page, error) {
	p, err := v.first(v.meta.root, 0)
	if err != nil {
		return nil, err
	}
	if _, err := p.extent(v.meta.root, len(p)); err != nil {
		return nil, err
	}
	if p.flags() != pageLeaf || p.overflow() > 0 {
		return nil, errOtherFormat
	}
	if err := v.claim(v.meta.root, 1); err != nil {
		return nil, err
	}
	return p, judgeRoot(p, v.meta.root)
}

// judgeRoot checks the page that names the buckets.
func judgeRoot(p page, id uint64) error {
	if err := p.judge(id, span{}, bucketFlag); err != nil {
		return err
	}
	for i := range p.count() {
		if len(p.value(i)) < bucketHeaderBytes {
			return errPage(id, "holds half a bucket")
		}
	}
	return nil
}

func (v *verifier) buckets(buckets map[string][]byte) error {
	meta, data, expiry := buckets[string(bucketMeta)], buckets[string(bucketData)], buckets[string(bucketExpiry)]
	if meta == nil {
		return errOtherFormat
	}
	numbers := map[string][]byte{}
	lazy := !v.leaves
	v.leaves, v.small = true, true // of this one tree
	err := v.bucket(meta, func(key, value []byte) error {
		if len(numbers) == 64 {
			return errOtherFormat
		}
		numbers[string(key)] = bytes.Clone(value)
		return nil
	})
	v.leaves, v.small = !lazy, false
	if err != nil {
		return err
	}
	if err := checkFormat(numbers[string(metaFormat)]); err != nil {
		return err
	}
	if data == nil || expiry == nil || len(buckets) != 3 {
		return errNoBucket
	}
	var count uint64
	if n := numbers[string(metaCount)]; len(n) == 8 {
		count = binary.BigEndian.Uint64(n)
	}
	if count > uint64(v.meta.pages)*uint64(v.meta.pageSize)/elementBytes { // each takes more
		return kverr.Errorf(kverr.Corrupt, "the file is damaged: it claims to hold %d keys; restore it from a backup", count)
	}
	// The deadlines of the records and those of the index are the same if
	// their sums are, whatever their order.
	seed := maphash.MakeSeed()
	var keys, deadlines, index uint64
	err = v.bucket(data, func(key, value []byte) error {
		deadline, _, err := ParseRecord(key, value)
		if err != nil {
			return err
		}
		keys++
		if deadline != 0 {
			k, value := expiryEntry(deadline, string(key))
			deadlines += maphash.Bytes(seed, k) ^ maphash.Bytes(seed, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = v.bucket(expiry, func(key, value []byte) error {
		index += maphash.Bytes(seed, key) ^ maphash.Bytes(seed, value)
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
		if !v.set.isClaimed(id) {
			return errPage(id, "belongs to nothing")
		}
	}
	return nil
}

// checkFormat judges the version of a file's format.
func checkFormat(version []byte) error {
	if len(version) != 1 || version[0] == 0 {
		return errOtherFormat
	}
	if version[0] > formatVersion {
		return kverr.Errorf(kverr.Format, "the file has format %d, this version of the library reads up to %d; update the library", version[0], formatVersion)
	}
	return nil
}

// claim marks pages as seen, which they must not have been.
func (v *verifier) claim(id, n uint64) error {
	if id >= v.meta.pages || n > v.meta.pages-id {
		return errPage(id, "is beyond the end")
	}
	for ; n > 0; id, n = id+1, n-1 {
		if !v.set.claim(id) {
			return errPage(id, "is used twice")
		}
	}
	return nil
}

// freelist claims the free pages and those of their list, and counts them. The
// engine would allocate whatever the list's length says; here it is read piece
// by piece, and it has to ascend, so that a claim without a list ends at once.
func (v *verifier) freelist() (free uint64, err error) {
	id := v.meta.freelist
	if id == noFreelist {
		// The engine would look for the free pages in a tree that nobody has
		// judged, in a goroutine whose end is the process's.
		return 0, kverr.Errorf(kverr.Format, "the file has no list of free pages, as every kv file has; choose another path, or restore it from a backup")
	}
	b, err := v.pages.read(id, pageHeaderBytes+8, 0)
	if err != nil {
		return 0, err
	}
	list, err := parseFreelist(b, id, v.meta)
	if err != nil {
		return 0, err
	}
	if err := v.claim(id, list.pages); err != nil {
		return 0, err
	}
	last, at := uint64(1), uint64(list.at)
	for left := list.n; left > 0; {
		n := min(left, uint64(v.meta.pageSize)/8)
		ids, err := v.readAt(id, at, 8*n)
		if err != nil {
			return 0, err
		}
		for ; len(ids) > 0; ids = ids[8:] {
			free := order.Uint64(ids)
			if free <= last {
				return 0, errPage(id, "is a list of free pages that does not ascend")
			}
			if last = free; free >= v.meta.pages {
				return 0, errPage(free, "is beyond the end")
			}
			if !v.set.claim(free) {
				return 0, errPage(free, "is used twice")
			}
		}
		at, left = at+8*n, left-n
	}
	return list.n, nil
}

// readAt reads n bytes at an offset in the pages from id on.
func (v *verifier) readAt(id, at, n uint64) ([]byte, error) {
	size := uint64(v.meta.pageSize)
	id, at = id+at/size, at%size
	b, err := v.pages.read(id, at+n, 0)
	if err != nil {
		return nil, err
	}
	return b[at:], nil
}

// freelist is the list of free pages: n numbers at an offset, in pages.
type freelist struct {
	n, pages uint64
	at       int
}

// parseFreelist checks the beginning of the list of free pages.
func parseFreelist(b []byte, id uint64, meta metaPage) (l freelist, err error) {
	h := page(b)
	l = freelist{n: uint64(h.count()), pages: h.overflow() + 1, at: pageHeaderBytes}
	if h.id() != id || h.flags() != pageFreelist || id >= meta.pages || l.pages > meta.pages-id {
		return l, errPage(id, "is no list of free pages")
	}
	words := l.n
	if l.n == 0xFFFF { // the count did not fit, and stands before the list
		l.n, l.at = order.Uint64(b[pageHeaderBytes:]), l.at+8
		words = l.n + 1
	}
	// The engine sizes the list before it takes the list's own pages from it.
	size := uint64(meta.pageSize)
	least, most := (pageHeaderBytes+8*words)/size+1, (pageHeaderBytes+8*(words+l.pages+1))/size+1
	if l.n > meta.pages || l.pages < least || l.pages > most {
		return l, errPage(id, "is a list of free pages with a wrong length")
	}
	return l, nil
}

// bucket walks the tree of a bucket, which stands in its entry if it is small.
func (v *verifier) bucket(value []byte, visit func(key, value []byte) error) error {
	v.visit, v.leafDepth = visit, -1
	if id := order.Uint64(value); id != 0 {
		return v.node(id, span{}, 0)
	}
	p := page(value[bucketHeaderBytes:])
	if err := judgeInline(p, v.meta.root, int(v.meta.pageSize)); err != nil {
		return err
	}
	return v.leaf(p)
}

// judgeInline checks a bucket that is small enough to stand in its entry, in the
// page root.
func judgeInline(p page, root uint64, pageSize int) error {
	if len(p) < pageHeaderBytes {
		return errPage(root, "holds half a bucket")
	}
	size, err := p.extent(0, pageSize)
	if err != nil {
		return err
	}
	if p.flags() != pageLeaf || p.overflow() != 0 || size != uint64(len(p)) {
		return errPage(root, "holds half a bucket")
	}
	return p.judge(0, span{}, 0)
}

func (v *verifier) leaf(p page) error {
	for i := range p.count() {
		if err := v.visit(p.key(i), p.value(i)); err != nil {
			return err
		}
	}
	return nil
}

// first reads the first page of a page.
func (v *verifier) first(id uint64, depth int) (page, error) {
	if id < 2 || id >= v.meta.pages {
		return nil, errPage(id, "is beyond the end")
	}
	b, err := v.pages.read(id, uint64(v.meta.pageSize), depth)
	return page(b), err
}

// node checks the page id and what is below it, and visits the entries of the
// leaves.
func (v *verifier) node(id uint64, keys span, depth int) error {
	if depth == maxTreeDepth {
		return errPage(id, "is too deep in a tree")
	}
	if depth == v.leafDepth && !v.leaves {
		return v.leaveForLater(id)
	}
	p, err := v.first(id, depth)
	if err != nil {
		return err
	}
	if p.flags() == pageLeaf {
		if v.leafDepth < 0 {
			v.leafDepth = depth
		}
		if depth == v.leafDepth && !v.leaves {
			return v.leaveForLater(id)
		}
	}
	if (p.flags() == pageLeaf) != (depth == v.leafDepth) {
		return errPage(id, "is in the wrong depth of a tree")
	}
	if _, err := p.extent(id, int(v.meta.pageSize)); err != nil {
		return err
	}
	pages := p.overflow() + 1
	if v.small && pages > 1 {
		return errPage(id, "has a wrong length")
	}
	if err := v.claim(id, pages); err != nil {
		return err
	}
	if pages > 1 {
		b, err := v.pages.read(id, pages*uint64(v.meta.pageSize), depth)
		if err != nil {
			return err
		}
		p = b
	}
	if err := p.judge(id, keys, 0); err != nil {
		return err
	}
	if depth == v.leafDepth {
		return v.leaf(p)
	}
	for i := range p.count() {
		if err := v.node(p.child(i), p.below(i, keys), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaveForLater claims a leaf that is read when someone comes to it.
func (v *verifier) leaveForLater(id uint64) error {
	if id < 2 || id >= v.meta.pages {
		return errPage(id, "is beyond the end")
	}
	if !v.set.claimLeaf(id) {
		return errPage(id, "is used twice")
	}
	return nil
}
