package bbpage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A Builder writes a bbolt file page by page, from sorted entries. Such a file has no free
// pages, and its pages are nearly full. Its commit is in both meta pages.
//
// The entries that it is given must stay valid until the tree is finished.
type Builder struct {
	file     io.WriterAt
	w        *bufio.Writer
	pageSize int
	fill     int    // percent of a leaf that is filled
	next     uint64 // page
	buckets  []entry
}

// entry is an element of a leaf, or of a branch if child is not 0.
type entry struct {
	key, value []byte
	child      uint64
}

func (e *entry) size() int { return elementBytes + len(e.key) + len(e.value) }

const (
	buildBuffer = 1 << 20 // bytes
	minChildren = 2       // of a branch, which bbolt relies on
)

// sharedPages is how many pages a leaf with overflow pages has at most that entries with short
// keys share, because that saves at least this part of them. A write of one of them copies
// the others. Of a long key, sharing also saves its copy in the branch, so the limit is
// higher by as many times as the key has pages.
const sharedPages = 32

// SharedLeafPages returns the maximum number of pages of a leaf with several entries, in a
// file that a Builder wrote and whose branches have at most branch pages.
func SharedLeafPages(branch int64) int64 {
	key := branch/largePageEntries + 1
	return sharedPages * (1 + key)
}

// NewBuilder returns a Builder of a file that is empty. Leaves are filled to some percent:
// each later write splits a leaf that is full.
func NewBuilder(file io.WriterAt, pageSize, fill int) *Builder {
	at := int64(2 * pageSize)
	return &Builder{file: file, pageSize: pageSize, fill: fill, next: 2,
		w: bufio.NewWriterSize(io.NewOffsetWriter(file, at), buildBuffer)}
}

// Pages returns how many pages the file has so far.
func (b *Builder) Pages() uint64 { return b.next }

// Bucket adds a bucket. Buckets and their entries are added in the order of their keys.
func (b *Builder) Bucket(name []byte, entries func(add func(key, value []byte) error) error) error {
	t := tree{b: b}
	err := entries(func(key, value []byte) error { return t.add(0, entry{key: key, value: value}) })
	if err != nil {
		return err
	}
	header := make([]byte, bucketHeaderBytes)
	if t.inline() {
		value := append(header, encodePage(0, pageLeaf, t.levels[0].entries, 0)...)
		b.buckets = append(b.buckets, entry{key: name, value: value})
		return nil
	}
	root, err := t.finish()
	order.PutUint64(header, root)
	b.buckets = append(b.buckets, entry{key: name, value: header})
	return err
}

// Finish writes the page that names the buckets, an empty list of free pages, and the meta
// pages of the commits tx and tx-1, which are the same. It returns the one of tx. Nothing
// is synced.
func (b *Builder) Finish(tx uint64) (Meta, error) {
	root, err := b.write(pageLeaf, b.buckets, bucketFlag)
	if err != nil {
		return Meta{}, err
	}
	list, err := b.write(pageFreelist, nil, 0)
	if err != nil {
		return Meta{}, err
	}
	if err := b.w.Flush(); err != nil {
		return Meta{}, err
	}
	meta := Meta{Valid: true, PageSize: int64(b.pageSize), Root: root, Freelist: list, Pages: b.next, Tx: tx, believed: true}
	_, err = b.file.WriteAt(metaPages(meta.encode(), meta.PageSize, tx), 0)
	return meta, err
}

// write writes a page and its overflow pages, and returns its number.
func (b *Builder) write(kind uint16, entries []entry, flags uint32) (id uint64, err error) {
	id = b.next
	p := encodePage(id, kind, entries, flags)
	pages := b.pages(len(p))
	order.PutUint32(p[12:], uint32(pages-1))
	if _, err := b.w.Write(p); err != nil {
		return 0, err
	}
	if _, err := b.w.Write(make([]byte, pages*b.pageSize-len(p))); err != nil {
		return 0, err
	}
	b.next += uint64(pages)
	return id, nil
}

func (b *Builder) pages(bytes int) int { return (bytes + b.pageSize - 1) / b.pageSize }

// encodePage returns a page as bbolt lays it out, without the rest of its last page.
func encodePage(id uint64, kind uint16, entries []entry, flags uint32) []byte {
	size := pageHeaderBytes
	for i := range entries {
		size += entries[i].size()
	}
	p := make([]byte, size)
	order.PutUint64(p, id)
	order.PutUint16(p[8:], kind)
	order.PutUint16(p[10:], uint16(len(entries)))
	at := pageHeaderBytes + len(entries)*elementBytes
	for i := range entries {
		e, t := &entries[i], pageHeaderBytes+i*elementBytes
		if kind == pageBranch {
			order.PutUint32(p[t:], uint32(at-t))
			order.PutUint32(p[t+4:], uint32(len(e.key)))
			order.PutUint64(p[t+8:], e.child)
		} else {
			order.PutUint32(p[t:], flags)
			order.PutUint32(p[t+4:], uint32(at-t))
			order.PutUint32(p[t+8:], uint32(len(e.key)))
			order.PutUint32(p[t+12:], uint32(len(e.value)))
		}
		at += copy(p[at:], e.key)
		at += copy(p[at:], e.value)
	}
	return p
}

// tree builds the tree of a bucket from below. Each level keeps the entries of the page
// that is being filled; the level above gets the first key of each page that is written.
type tree struct {
	b      *Builder
	last   []byte // key
	levels []level
}

type level struct {
	entries []entry
	size    int    // of a page with the entries
	written uint64 // pages
}

var errOrder = errors.New("the keys do not ascend")

// add adds an entry to a level, 0 being the leaves.
func (t *tree) add(n int, e entry) error {
	if n == len(t.levels) {
		t.levels = append(t.levels, level{size: pageHeaderBytes})
	}
	if n == 0 {
		if len(e.key) == 0 || len(e.key) > MaxKeyBytes || t.last != nil && string(e.key) <= string(t.last) {
			return fmt.Errorf("%w: page %d", errOrder, t.b.next)
		}
		t.last = e.key
	}
	l := &t.levels[n]
	if n == 0 {
		if len(l.entries) > 0 && !t.shares(l, &e) {
			if err := t.flush(n, len(l.entries)); err != nil {
				return err
			}
			l = &t.levels[n]
		}
	} else if full := t.fullBranch(l); full > 0 && len(l.entries) >= full+minChildren {
		if err := t.flush(n, full); err != nil {
			return err
		}
		l = &t.levels[n]
	}
	l.entries = append(l.entries, e)
	l.size += e.size()
	return nil
}

// shares reports whether an entry gets into the same leaf as those before it.
func (t *tree) shares(l *level, e *entry) bool {
	size := l.size + e.size()
	if size <= t.b.pageSize {
		return size <= t.b.pageSize*t.b.fill/100
	}
	if len(l.entries) >= largePageEntries {
		return false
	}
	// A leaf for itself would take a place in a branch, too.
	alone := t.b.pages(l.size) + t.b.pages(pageHeaderBytes+e.size())
	saved := (alone-t.b.pages(size))*t.b.pageSize + elementBytes + len(e.key)
	return saved*sharedPages >= size
}

// fullBranch returns how many of the entries fill a branch, 0 if they can be all.
func (t *tree) fullBranch(l *level) (n int) {
	if len(l.entries) <= largePageEntries {
		return 0
	}
	size := pageHeaderBytes
	for n = range l.entries {
		size += l.entries[n].size()
		if size > t.b.pageSize {
			return max(n, largePageEntries)
		}
	}
	return 0
}

// flush writes the first entries of a level as a page.
func (t *tree) flush(n, count int) error {
	l := &t.levels[n]
	kind := uint16(pageBranch)
	if n == 0 {
		kind = pageLeaf
	}
	id, err := t.b.write(kind, l.entries[:count], 0)
	if err != nil {
		return err
	}
	first := entry{child: id}
	if count > 0 {
		first.key = l.entries[0].key
	}
	l.entries = append(l.entries[:0], l.entries[count:]...)
	l.size, l.written = pageHeaderBytes, l.written+1
	for i := range l.entries {
		l.size += l.entries[i].size()
	}
	return t.add(n+1, first)
}

// inline reports whether the tree is small enough to be in its bucket's entry, as bbolt
// would have it.
func (t *tree) inline() bool {
	if len(t.levels) == 0 {
		t.levels = []level{{size: pageHeaderBytes}}
	}
	return len(t.levels) == 1 && t.levels[0].size <= t.b.pageSize/4
}

// finish writes the rest, and returns the root.
func (t *tree) finish() (root uint64, err error) {
	for n := 0; ; n++ {
		l := &t.levels[n]
		if n > 0 && n == len(t.levels)-1 && len(l.entries) == 1 && l.written == 0 {
			return l.entries[0].child, nil
		}
		for n > 0 {
			full := t.fullBranch(l)
			if full == 0 {
				break
			}
			full = min(full, len(l.entries)-minChildren)
			if err := t.flush(n, full); err != nil {
				return 0, err
			}
			l = &t.levels[n]
		}
		if err := t.flush(n, len(l.entries)); err != nil {
			return 0, err
		}
	}
}
