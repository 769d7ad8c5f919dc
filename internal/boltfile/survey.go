package boltfile

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// maxRunBytes is the longest page that a look at a damaged file reads, with the
// pages beside its first: more than the largest record by far.
const maxRunBytes = 512 << 20

// boundedPages are the pages of a file that may claim anything.
type boundedPages struct{ filePages }

// source returns the pages of the file. All walks share their memory, and only one
// goes on at a time.
func (d *Damaged) source(ctx context.Context) *boundedPages {
	if d.pages == nil {
		d.pages = &boundedPages{filePages{file: d.file, size: int(d.pageSize)}}
	}
	d.pages.ctx = ctx
	return d.pages
}

func (b *boundedPages) read(id, n uint64, depth int) ([]byte, error) {
	if n > maxRunBytes {
		return nil, errPage(id, "claims to be longer than any record")
	}
	return b.filePages.read(id, n, depth)
}

// surveyor walks the trees of a file as verifier does, but goes on behind
// damage. Nothing in it panics, whatever the pages say.
type surveyor struct {
	pages  *boundedPages
	meta   metaPage
	length uint64             // pages that the file has
	report func(error)        // nil: nobody listens
	visit  func(Record) error // nil: only count
	seen   *pageSet           // pages that a tree leads to
	free   *pageSet           // pages that no tree needs; nil: unknown
	stop   error              // visit's

	numbers   map[string][]byte // of the bucket meta
	records   int64
	bad       int64
	cut       int // parts of trees that nothing leads to any more
	leafDepth int
	entry     func(id uint64, key, value []byte) bool // of the tree that is being walked
}

func (d *Damaged) surveyor(ctx context.Context, meta metaPage, report func(error)) *surveyor {
	meta.pageSize = d.pageSize // also where no header says so
	return &surveyor{pages: d.source(ctx), meta: meta, length: uint64(d.size / d.pageSize), report: report, seen: newPageSet(), numbers: map[string][]byte{}}
}

// end is why the survey has ended early, if it has.
func (s *surveyor) end() error {
	if err := s.pages.ctx.Err(); err != nil {
		return err
	}
	return s.stop
}

func (s *surveyor) damage(err error) {
	if s.report != nil && s.end() == nil {
		s.report(err)
	}
}

// keys is how many keys the file says it holds, -1 if it does not.
func (s *surveyor) keys() int64 {
	if n := s.numbers[string(metaCount)]; len(n) == 8 && binary.BigEndian.Uint64(n) < 1<<62 {
		return int64(binary.BigEndian.Uint64(n))
	}
	if s.cut == 0 && s.numbers[string(metaFormat)] != nil && s.numbers[string(metaCount)] == nil {
		return 0 // a store that nobody has written to
	}
	return -1
}

// newer refuses a format of later versions.
func (s *surveyor) newer() error {
	if v := s.numbers[string(metaFormat)]; len(v) == 1 && v[0] > formatVersion {
		return checkFormat(v)
	}
	return nil
}

// commit walks all that the header leads to.
func (s *surveyor) commit() {
	buckets := map[string][]byte{}
	s.tree(s.meta.root, func(_ uint64, key, value []byte) bool {
		known := bytes.Equal(key, bucketMeta) || bytes.Equal(key, bucketData) || bytes.Equal(key, bucketExpiry)
		if known && len(value) >= bucketHeaderBytes {
			buckets[string(key)] = bytes.Clone(value)
			return true
		}
		return false
	})
	for _, b := range []struct {
		name  []byte
		entry func(id uint64, key, value []byte) bool
	}{{bucketMeta, s.number}, {bucketData, s.record}, {bucketExpiry, s.deadline}} {
		value := buckets[string(b.name)]
		if value == nil {
			s.damage(kverr.Errorf(kverr.Corrupt, "nothing leads to the bucket %s", b.name))
			s.cut++
			continue
		}
		if id := order.Uint64(value); id != 0 {
			s.tree(id, b.entry)
			continue
		}
		p := page(value[bucketHeaderBytes:])
		if err := judgeInline(p, s.meta.root, int(s.meta.pageSize)); err != nil {
			s.damage(err)
		}
		if len(p) >= pageHeaderBytes {
			s.entry = b.entry
			s.entries(p, s.meta.root)
		}
	}
}

func (s *surveyor) number(_ uint64, key, value []byte) bool {
	if len(s.numbers) < 64 {
		s.numbers[string(key)] = bytes.Clone(value)
	}
	return true
}

func (s *surveyor) deadline(uint64, []byte, []byte) bool { return true }

func (s *surveyor) record(id uint64, key, value []byte) bool {
	return s.take(id, key, value, false)
}

func (s *surveyor) take(id uint64, key, rec []byte, stray bool) bool {
	deadline, value, err := ParseRecord(key, rec)
	if err != nil {
		if !stray {
			s.bad++
			s.damage(errPage(id, "holds a record whose checksum does not match"))
		}
		return false
	}
	s.records++
	if s.visit != nil && s.stop == nil {
		s.stop = s.visit(Record{Key: key, Value: value, Deadline: deadline, Stray: stray})
	}
	return true
}

func (s *surveyor) tree(root uint64, entry func(id uint64, key, value []byte) bool) {
	s.entry, s.leafDepth = entry, -1
	s.node(root, span{}, 0)
}

// node walks the page id and what is below it.
func (s *surveyor) node(id uint64, keys span, depth int) {
	switch {
	case s.end() != nil:
		return
	case depth == maxTreeDepth:
		s.drop(errPage(id, "is too deep in a tree"))
		return
	case id < 2 || id >= s.length:
		s.drop(errPage(id, "is beyond the end"))
		return
	case !s.seen.claim(id):
		s.drop(errPage(id, "is used twice"))
		return
	}
	if s.free != nil && s.free.isClaimed(id) {
		s.damage(errPage(id, "is in use, and listed as free"))
	}
	b, err := s.pages.read(id, uint64(s.meta.pageSize), depth)
	if err != nil {
		s.drop(errPage(id, "cannot be read"))
		return
	}
	p := page(b)
	size, err := p.extent(id, int(s.meta.pageSize))
	if err == nil && p.overflow() > 0 {
		if b, err = s.pages.read(id, (p.overflow()+1)*uint64(s.meta.pageSize), depth); err == nil {
			p = b
		}
	}
	if err != nil || size > uint64(len(p)) {
		s.broken(id, depth, err)
		return
	}
	for n := id + 1; n <= id+p.overflow(); n++ {
		if !s.seen.claim(n) {
			s.damage(errPage(n, "is used twice"))
		}
	}
	if err := p.judge(id, keys, p.judgeFlags(s.meta.root, id)); err != nil {
		s.damage(err)
		keys = span{}
	}
	if p.flags() == pageLeaf {
		if s.leafDepth < 0 {
			s.leafDepth = depth
		}
		if s.leafDepth != depth {
			s.damage(errPage(id, "is in the wrong depth of a tree"))
		}
		s.entries(p, id)
		return
	}
	for i := range p.count() {
		s.node(p.child(i), p.below(i, keys), depth+1)
	}
}

// judgeFlags is what the entries of a page have to be: those of the root are
// buckets.
func (p page) judgeFlags(root, id uint64) uint32 {
	if id == root {
		return bucketFlag
	}
	return 0
}

// drop gives up a part of a tree.
func (s *surveyor) drop(err error) {
	s.cut++
	s.damage(err)
}

// broken takes what can be read of a page that does not add up. Where that is
// nothing it may have been a branch.
func (s *surveyor) broken(id uint64, depth int, err error) {
	if err != nil {
		s.damage(err)
	}
	if n := s.loose(id, depth); n == 0 {
		s.cut++
	}
}

// loose reads a page as a leaf, entry by entry, and returns how many are good.
func (s *surveyor) loose(id uint64, depth int) (good int) {
	b, err := s.pages.read(id, uint64(s.meta.pageSize), depth)
	if err != nil {
		return 0
	}
	length := uint64(len(b))
	for i := range page(b).count() {
		if _, _, end, _ := page(b).try(i); end <= maxRunBytes && end <= (s.length-id)*uint64(s.meta.pageSize) {
			length = max(length, end)
		}
	}
	if length > uint64(len(b)) {
		if long, err := s.pages.read(id, length, depth); err == nil {
			b = long
		}
	}
	return s.entries(b, id)
}

// entries calls entry for what a leaf has, and returns for how many it is good.
func (s *surveyor) entries(p page, id uint64) (good int) {
	for i := range p.count() {
		key, value, _, ok := p.try(i)
		if s.end() != nil {
			return good
		}
		if ok && s.entry(id, key, value) {
			good++
		}
	}
	return good
}

// try returns an entry of a leaf that may be damaged, and where it ends; ok is
// whether it is within the page.
func (p page) try(i int) (key, value []byte, end uint64, ok bool) {
	t := uint64(pageHeaderBytes + i*elementBytes)
	if t+elementBytes > uint64(len(p)) {
		return nil, nil, 0, false
	}
	e := p[t : t+elementBytes]
	at, k, v := t+uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	if k == 0 || k > bolt.MaxKeySize {
		return nil, nil, 0, false
	}
	end = at + k + v
	if end > uint64(len(p)) {
		return nil, nil, end, false
	}
	return p[at : at+k], p[at+k : end], end, true
}

// scan takes the records of the leaves that no tree leads to. Without a list of
// the free pages, leaves of earlier commits are among them.
func (s *surveyor) scan() {
	s.entry = func(id uint64, key, value []byte) bool {
		return s.take(id, key, value, true) || s.inline(id, key, value)
	}
	end := s.length
	if s.free != nil {
		end = min(end, s.meta.pages)
	}
	for id := uint64(2); id < end && s.end() == nil; id++ {
		if s.seen.isClaimed(id) || s.free != nil && s.free.isClaimed(id) {
			continue
		}
		b, err := s.pages.read(id, uint64(s.meta.pageSize), 0)
		if err != nil || page(b).id() != id || page(b).flags() != pageLeaf {
			continue
		}
		overflow := uint64(0)
		if _, err := page(b).extent(id, int(s.meta.pageSize)); err == nil {
			overflow = page(b).overflow()
		}
		if s.loose(id, 0) > 0 {
			id += overflow
		}
	}
}

// inline takes the records of an entry that is the bucket data of a small store,
// which lies in the leaf that names it.
func (s *surveyor) inline(id uint64, key, value []byte) (found bool) {
	if !bytes.Equal(key, bucketData) || len(value) < bucketHeaderBytes+pageHeaderBytes || order.Uint64(value) != 0 {
		return false
	}
	p := page(value[bucketHeaderBytes:])
	for i := range p.count() {
		key, rec, _, ok := p.try(i)
		found = ok && s.end() == nil && s.take(id, key, rec, true) || found
	}
	return found
}
