package bbpage

import "github.com/scriptling-kv/extlibs/internal/kverr"

// ErrOverwritten is the error of a file whose pages were changed by another program.
var ErrOverwritten = kverr.Errorf(kverr.Corrupt, "another program changed the file while it was open; close the store, restore the file from a backup, and open it again")

// Mapped is the pages of one commit in memory that maps the file. It must not be used
// after that memory is unmapped.
type Mapped struct {
	mem      []byte
	pageSize uint64
	set      *Set
}

// Map returns the pages in mem; set says which of them have been verified.
func Map(mem []byte, pageSize int, set *Set) Mapped { return Mapped{mem, uint64(pageSize), set} }

// Pages returns how many pages there are.
func (m *Mapped) Pages() uint64 { return uint64(len(m.mem)) / m.pageSize }

// PageSize returns the size of a page in bytes.
func (m *Mapped) PageSize() int64 { return int64(m.pageSize) }

// Meta returns the meta page of a commit. ok is false if a later commit replaced it.
func (m *Mapped) Meta(tx uint64) (meta Meta, ok bool) {
	meta, _, ok = m.findMeta(tx)
	return meta, ok
}

// findMeta is Meta, and returns the bytes of the meta page without its page header.
func (m *Mapped) findMeta(tx uint64) (meta Meta, raw []byte, ok bool) {
	for i := range uint64(2) {
		var b [pageHeaderBytes + metaBytes]byte
		copy(b[:], m.mem[i*m.pageSize:])
		if meta, _ := parseMeta(b[:]); meta.Valid && meta.Tx == tx {
			return meta, b[pageHeaderBytes:], true
		}
	}
	return Meta{}, nil, false
}

// NextMeta returns the meta page of a commit after tx that changes nothing, and where in the file
// bbolt would write it. ok is as for Meta.
func (m *Mapped) NextMeta(tx uint64) (page []byte, at int64, ok bool) {
	_, raw, ok := m.findMeta(tx)
	if !ok {
		return nil, 0, false
	}
	at = int64((tx + 1) % 2 * m.pageSize)
	return metaPages(raw, int64(m.pageSize), tx+1)[at:][:m.pageSize], at, true
}

// Names reports whether a meta page says that a commit has a root. gone reports that no
// meta page is that of the commit. It is faster than Meta, and does not verify the
// checksum.
func (m *Mapped) Names(tx, root uint64) (named, gone bool) {
	gone = true
	for i := range uint64(2) {
		meta := m.mem[i*m.pageSize+pageHeaderBytes:]
		if order.Uint64(meta[48:]) == tx {
			if order.Uint64(meta[16:]) == root {
				return true, false
			}
			gone = false // a torn meta page has fields of two commits
		}
	}
	return false, gone
}

// Free returns how many pages are free. It verifies the parts of the list of free pages that
// bbolt trusts when it writes.
func (m *Mapped) Free(meta Meta) (uint64, error) {
	if meta.Freelist < 2 || meta.Freelist >= m.Pages() {
		return 0, ErrOverwritten
	}
	list, err := parseFreelist(m.mem[meta.Freelist*m.pageSize:][:m.pageSize], meta)
	return list.n, err
}

// Walk returns a walk through the pages, whose first fault ends it.
func (m *Mapped) Walk() *Walk {
	return &Walk{Source: m, PageSize: m.pageSize, Pages: m.Pages(), Set: NewSet()}
}

// read makes Mapped a Source.
func (m *Mapped) read(id, n uint64, _ int) ([]byte, error) {
	at := id * m.pageSize
	if size := uint64(len(m.mem)); at > size || n > size-at {
		return nil, errPage(id, "is beyond the end")
	}
	return m.mem[at : at+n], nil
}

// page returns a page that has been verified, or is about to be.
func (m *Mapped) page(id uint64) (page, error) {
	pages := m.Pages()
	if id < 2 || id >= pages {
		return nil, errPage(id, "is beyond the end")
	}
	at := id * m.pageSize
	p := page(m.mem[at : at+m.pageSize : at+m.pageSize])
	if p.id() != id || p.flags() != pageBranch && p.flags() != pageLeaf {
		return nil, errPage(id, "is not the expected page")
	}
	if n := p.overflow(); n > 0 {
		if n >= pages-id {
			return nil, errPage(id, "has a wrong length")
		}
		end := at + (n+1)*m.pageSize
		p = m.mem[at:end:end]
	}
	return p, nil
}

// Root is where a tree begins: a page, or an inline bucket in the root page. It is valid
// for all mappings of the commit.
type Root struct {
	ID       uint64
	at, size int // in the file, if ID is 0
}

// Buckets returns where the trees of the buckets begin that the page root names.
func (m *Mapped) Buckets(root uint64) (map[string]Root, error) {
	buckets, w := map[string]Root{}, m.Walk()
	err := w.Buckets(root, func(_ uint64, name, value []byte) error {
		r := Root{ID: order.Uint64(value)}
		if r.ID == 0 {
			inline := value[bucketHeaderBytes:]
			r.at, r.size = cap(m.mem)-cap(inline), len(inline)
			if err := page(inline).verifyInline(root, m.pageSize); err != nil {
				return err
			}
		}
		buckets[string(name)] = r
		return nil
	})
	if err == ErrManyBuckets {
		err = errPage(root, "is not the expected page")
	}
	return buckets, err
}
