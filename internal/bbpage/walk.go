package bbpage

import (
	"errors"
	"io"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Walk walks trees of a file that nothing writes, and verifies their pages. Its fields are the
// policy; this module has these walks:
//
//	open of a small file    the first fault ends the walk
//	open of a large file    Lazy, and the first fault ends the walk
//	before a large write    the first fault ends the walk, Visit is nil
//	check, salvage          Fault notes the fault, and the walk continues
//
// With Fault, no damage makes it panic.
type Walk struct {
	Source   Source
	PageSize uint64
	Pages    uint64 // in the file, or up to the high-water mark
	Set      *Set   // pages that the walk has been at

	Lazy  bool              // leaves are not read, but noted in Set for their first reader
	Small bool              // pages have no overflow pages
	Free  *Set              // free pages, if Set does not have them; can be nil
	Tick  func() error      // called before a page is read; an error ends the walk; can be nil
	Fault func(error) error // called for each fault; the walk continues if it returns nil; nil: the fault ends the walk

	Lost      int // parts of trees that could not be read
	flags     uint32
	visit     Visit
	leafDepth int // of the tree; -1: not known yet
}

// Visit is called for an entry of a leaf, and the page that it is in. Key and value are
// valid until it returns. An error is a fault of that entry.
type Visit func(page uint64, key, value []byte) error

// ErrSkip is what a Visit returns for a bad entry that is no fault to report.
var ErrSkip = errors.New("skip this entry")

// ErrManyBuckets is the error of Buckets if they take more than a page.
var ErrManyBuckets = errors.New("the buckets do not fit into a page")

// Buckets walks the root tree, and visits the names of buckets and the values that lead
// to them. Without Fault the tree has to be one page.
func (w *Walk) Buckets(root uint64, visit Visit) error {
	if w.Fault == nil {
		p, err := w.first(root, 0)
		if err != nil {
			return err
		}
		if _, err := p.verifyLayout(root, w.PageSize); err != nil {
			return err
		}
		if p.flags() != pageLeaf || p.overflow() > 0 {
			return ErrManyBuckets
		}
	}
	lazy := w.Lazy
	defer func() { w.Lazy = lazy }()
	w.Lazy = false
	return w.tree(root, bucketFlag, func(id uint64, key, value []byte) error {
		switch {
		case len(value) >= bucketHeaderBytes:
			return visit(id, key, value)
		case w.Fault != nil:
			return ErrSkip
		}
		return errPage(id, "contains an incomplete bucket")
	})
}

// Bucket walks the tree of a bucket, which an entry in the page home leads to, or has in
// its value. visit can be nil.
func (w *Walk) Bucket(home uint64, value []byte, visit Visit) error {
	if id := order.Uint64(value); id != 0 {
		return w.tree(id, 0, visit)
	}
	w.visit = visit
	p := page(value[bucketHeaderBytes:])
	if err := p.verifyInline(home, w.PageSize); err != nil {
		if err := w.fault(err); err != nil {
			return err
		}
	}
	_, err := w.entries(p, home)
	return err
}

// Unclaimed visits the entries of the leaves up to a page that are neither in Set nor in
// Free. If Free is nil, leaves of earlier commits are among them.
func (w *Walk) Unclaimed(end uint64, visit Visit) error {
	w.visit = visit
	for id := uint64(2); id < min(end, w.Pages); id++ {
		if w.Set.has(id) || w.Free.has(id) {
			continue
		}
		p, err := w.first(id, 0)
		if err != nil {
			if err := w.fault(err); err != nil {
				return err
			}
			continue
		}
		if p.id() != id || p.flags() != pageLeaf {
			continue
		}
		overflow := uint64(0)
		if _, err := p.verifyLayout(id, w.PageSize); err == nil {
			overflow = p.overflow()
		}
		good, err := w.loose(id, 0)
		if err != nil {
			return err
		}
		if good > 0 {
			id += overflow
		}
	}
	return nil
}

func (w *Walk) tree(root uint64, flags uint32, visit Visit) error {
	w.visit, w.flags, w.leafDepth = visit, flags, -1
	return w.node(root, span{}, 0)
}

// fault returns the error that ends the walk, or nil.
func (w *Walk) fault(err error) error {
	if w.Fault == nil {
		return err
	}
	return w.Fault(err)
}

// lost is fault for a part of the tree that cannot be read.
func (w *Walk) lost(err error) error {
	w.Lost++
	return w.fault(err)
}

func (w *Walk) read(id, n uint64, depth int) (page, error) {
	if w.Tick != nil {
		if err := w.Tick(); err != nil {
			return nil, err
		}
	}
	return w.Source.read(id, n, depth)
}

// first reads a page without its overflow pages.
func (w *Walk) first(id uint64, depth int) (page, error) {
	if id < 2 || id >= w.Pages {
		return nil, errPage(id, "is beyond the end")
	}
	p, err := w.read(id, w.PageSize, depth)
	if err != nil && w.Fault != nil {
		err = errPage(id, "cannot be read")
	}
	return p, err
}

// claim marks pages as used, which they must not be yet.
func (w *Walk) claim(id, n uint64) error {
	if id >= w.Pages || n > w.Pages-id {
		return errPage(id, "is beyond the end")
	}
	for ; n > 0; id, n = id+1, n-1 {
		if !w.Set.claim(id) {
			return errPage(id, "is used twice")
		}
	}
	return nil
}

// node verifies a page and the pages below it.
func (w *Walk) node(id uint64, keys span, depth int) error {
	if depth == maxTreeDepth {
		return w.lost(errPage(id, "is too deep in a tree"))
	}
	if id < 2 {
		return w.lost(errPage(id, "is beyond the end"))
	}
	if err := w.claim(id, 1); err != nil {
		return w.lost(err)
	}
	if w.Free.has(id) {
		if err := w.fault(errPage(id, "is in use, and listed as free")); err != nil {
			return err
		}
	}
	if w.Lazy && depth == w.leafDepth {
		w.Set.setUnread(id)
		return nil
	}
	p, err := w.first(id, depth)
	if err != nil {
		return w.lost(err)
	}
	if w.Lazy && w.leafDepth < 0 && p.flags() == pageLeaf {
		w.leafDepth = depth
		w.Set.setUnread(id)
		return nil
	}
	if p, err = w.whole(p, id, depth); err != nil {
		return w.broken(id, depth, err)
	}
	leaf := p.flags() == pageLeaf
	if leaf && w.leafDepth < 0 {
		w.leafDepth = depth
	}
	if leaf != (depth == w.leafDepth) {
		if err := w.fault(errPage(id, "is at the wrong depth of a tree")); err != nil {
			return err
		}
	}
	if err := p.verifyKeys(id, keys, w.flags); err != nil {
		if err := w.fault(err); err != nil {
			return err
		}
		keys = span{}
	}
	if leaf {
		_, err := w.entries(p, id)
		return err
	}
	for i := range p.count() {
		if err := w.node(p.child(i), p.below(i, keys), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// whole verifies the layout of a page, whose first page is p, and returns it with its
// overflow pages.
func (w *Walk) whole(p page, id uint64, depth int) (page, error) {
	if _, err := p.verifyLayout(id, w.PageSize); err != nil {
		return nil, err
	}
	n := p.overflow()
	switch {
	case n == 0:
		return p, nil
	case w.Small:
		return nil, errPage(id, "has a wrong length")
	case n >= w.Pages-id:
		return nil, errPage(id, "is beyond the end")
	}
	for next := id + 1; next <= id+n; next++ {
		if !w.Set.claim(next) {
			if err := w.fault(errPage(next, "is used twice")); err != nil {
				return nil, err
			}
		}
	}
	return w.read(id, (n+1)*w.PageSize, depth)
}

// broken visits the entries that can be read of a page whose layout is wrong. If there
// is none, the page can have been a branch.
func (w *Walk) broken(id uint64, depth int, err error) error {
	if err := w.fault(err); err != nil {
		return err
	}
	good, err := w.loose(id, depth)
	if good == 0 {
		w.Lost++
	}
	return err
}

// loose reads a page as a leaf, entry by entry, and returns how many are good.
func (w *Walk) loose(id uint64, depth int) (good int, err error) {
	p, err := w.read(id, w.PageSize, depth)
	if err != nil {
		return 0, w.fault(err)
	}
	length := uint64(len(p))
	for i := range p.count() {
		if _, _, end, _ := p.entry(i); end <= maxRunBytes && end <= (w.Pages-id)*w.PageSize {
			length = max(length, end)
		}
	}
	if length > uint64(len(p)) {
		if long, err := w.read(id, length, depth); err == nil {
			p = long
		}
	}
	return w.entries(p, id)
}

// entries visits the entries of a leaf, and returns how many are good.
func (w *Walk) entries(p page, id uint64) (good int, err error) {
	if w.visit == nil || len(p) < pageHeaderBytes {
		return 0, nil
	}
	for i := range p.count() {
		key, value, _, ok := p.entry(i)
		if !ok {
			continue
		}
		err := w.visit(id, key, value)
		if err == nil {
			good++
		} else if err != ErrSkip {
			err = w.fault(err)
		}
		if err != nil && err != ErrSkip {
			return good, err
		}
	}
	return good, nil
}

// InlineEntries calls visit for each readable entry of an inline bucket; value is its value in
// the root tree. It does nothing if the bucket has separate pages.
func InlineEntries(value []byte, visit func(key, value []byte)) {
	if len(value) < bucketHeaderBytes+pageHeaderBytes || order.Uint64(value) != 0 {
		return
	}
	p := page(value[bucketHeaderBytes:])
	for i := range p.count() {
		if key, value, _, ok := p.entry(i); ok {
			visit(key, value)
		}
	}
}

// A Source gives a Walk the first n bytes of a page and its overflow pages. They are
// valid until the next call for the same depth.
type Source interface {
	read(id, n uint64, depth int) ([]byte, error)
}

const (
	maxBranchBytes = 256 << 10 // more than the longest branch takes, with its overflow pages
	maxRunBytes    = 512 << 20 // much more than the largest record takes
)

// fileSource reads pages from a file. A page with overflow pages is read completely only
// if its own table of elements adds up to that.
type fileSource struct {
	file   io.ReaderAt
	size   uint64
	levels [maxTreeDepth][]byte
	large  []byte // for pages that only a leaf can have: one at a time is in use
}

// FileSource returns the pages of a file.
func FileSource(file io.ReaderAt, pageSize int64) Source {
	return &fileSource{file: file, size: uint64(pageSize)}
}

func (f *fileSource) read(id, n uint64, depth int) ([]byte, error) {
	if n > maxRunBytes {
		return nil, errPage(id, "claims to be longer than any record")
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
	if _, err := f.file.ReadAt(b, int64(id*f.size)); err != nil {
		return nil, readError(err)
	}
	return b, nil
}

func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return kverr.Errorf(kverr.Corrupt, "the file was truncated; restore it from a backup")
	}
	return err
}
