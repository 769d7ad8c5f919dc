package bbpage

import "github.com/scriptling-kv/extlibs/internal/kverr"

// bbolt indexes memory with what the pages say, without a check: a leaf that has not
// been verified could end the process. A Tree verifies each leaf that the walk at open
// left for later, once, when a read first comes to it; all other pages have been
// verified, or were written by this process from verified ones. Its accesses are checked
// against the end of the file: they fail, and nothing worse, if it is overwritten.

// ErrOverwritten is the error of a file whose pages are not those that were written.
var ErrOverwritten = kverr.Errorf(kverr.Corrupt, "the file was changed by someone else while it was open; close the store, restore the file from a backup, and open it again")

// Mapped is the pages of one commit in memory that maps the file. It must not be used
// after that memory is unmapped.
type Mapped struct {
	mem      []byte
	pageSize uint64
	set      *Set
}

// Map returns the pages in mem, of which set says what has been verified.
func Map(mem []byte, pageSize int, set *Set) Mapped { return Mapped{mem, uint64(pageSize), set} }

// Pages returns how many pages there are.
func (m *Mapped) Pages() uint64 { return uint64(len(m.mem)) / m.pageSize }

// PageSize returns the size of a page in bytes.
func (m *Mapped) PageSize() int64 { return int64(m.pageSize) }

// Meta returns the meta page of a commit. ok is false if a later commit replaced it.
func (m *Mapped) Meta(tx uint64) (meta Meta, ok bool) {
	for i := range uint64(2) {
		var b [pageHeaderBytes + metaBytes]byte
		copy(b[:], m.mem[i*m.pageSize:])
		if meta, _ := parseMeta(b[:]); meta.Valid && meta.Tx == tx {
			return meta, true
		}
	}
	return meta, false
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

// Free returns how many pages are free. It verifies what bbolt believes of the list of
// free pages when it writes.
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
		return nil, errPage(id, "is not the page that it should be")
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
		err = errPage(root, "is not the page that it should be")
	}
	return buckets, err
}

// A Tree is one of the trees of a commit.
type Tree struct {
	*Mapped
	root  Root
	check func(key, value []byte) error // of the entries of a leaf; can be nil
}

// Tree returns the tree at a root. check, which can be nil, verifies an entry.
func (m *Mapped) Tree(root Root, check func(key, value []byte) error) Tree {
	return Tree{m, root, check}
}

// Root returns where the tree begins.
func (t *Tree) Root() Root { return t.root }

// Verify walks the whole tree, whose pages must not be used by another one that the walk
// has been at.
func (t *Tree) Verify(w *Walk) error {
	if t.root.ID == 0 {
		return nil // Buckets verified it
	}
	return w.tree(t.root.ID, 0, nil)
}

// Depth returns how many levels of pages the tree has: 0 if it is inline.
func (t *Tree) Depth() (n int) {
	for id := t.root.ID; id != 0 && n < maxTreeDepth; n++ {
		p, err := t.page(id)
		if id = 0; err == nil && p.flags() == pageBranch && p.count() > 0 {
			id = p.child(0)
		}
	}
	return n
}

// enter returns a page of the tree, which has to hold the keys of a span. A page that
// has not been verified has to be a leaf.
func (t *Tree) enter(id uint64, keys span) (page, error) {
	p, err := t.page(id)
	if err != nil {
		return nil, err
	}
	if t.set.isUnread(id) {
		return p, t.verifyLeaf(p, id, keys)
	}
	return p, nil
}

// verifyLeaf verifies a leaf that was left for later.
func (t *Tree) verifyLeaf(p page, id uint64, keys span) error {
	if p.flags() != pageLeaf {
		return errPage(id, "is in the wrong depth of a tree")
	}
	if _, err := p.verifyLayout(id, t.pageSize); err != nil {
		return err
	}
	for next := id + 1; next <= id+p.overflow(); next++ {
		if t.set.has(next) {
			return errPage(next, "is used twice")
		}
	}
	if err := p.verifyKeys(id, keys, 0); err != nil {
		return err
	}
	if t.checkAll(p) != nil {
		t.set.damaged.Store(true)
	}
	t.set.setRead(id)
	return nil
}

// checkAll verifies the entries of a leaf.
func (t *Tree) checkAll(p page) error {
	if t.check == nil {
		return nil
	}
	for i := range p.count() {
		if err := t.check(p.key(i), p.value(i)); err != nil {
			return err
		}
	}
	return nil
}

// cursor is a place in a tree.
type cursor struct {
	Tree
	path []step
}

type step struct {
	page page
	i    int
	keys span
}

// down goes on to the leaf at or below a page, where at chooses the way.
func (c *cursor) down(p page, keys span, at func(page) int) error {
	for {
		i := 0
		if n := p.count(); n > 0 {
			i = at(p)
		} else if len(c.path) > 0 {
			return errPage(p.id(), "is empty")
		}
		c.path = append(c.path, step{p, i, keys})
		if p.flags() == pageLeaf {
			return nil
		}
		if len(c.path) == maxTreeDepth {
			return errPage(p.id(), "is too deep in a tree")
		}
		keys = p.below(i, keys)
		var err error
		if p, err = c.enter(p.child(i), keys); err != nil {
			return err
		}
	}
}

// top returns the page where the tree begins.
func (t *Tree) top() (page, error) {
	if t.root.ID == 0 {
		return page(t.mem[t.root.at : t.root.at+t.root.size]), nil
	}
	return t.enter(t.root.ID, span{})
}

// seek goes to the first entry whose key is not less than key, which can be after the
// last one of its leaf.
func (c *cursor) seek(key []byte) (exact bool, err error) {
	p, err := c.top()
	if err != nil {
		return false, err
	}
	c.path = c.path[:0]
	err = c.down(p, span{}, func(p page) (i int) {
		if p.flags() == pageBranch {
			return p.childFor(key)
		}
		i, exact = p.search(key)
		return i
	})
	return exact, err
}

// entry returns the entry at the cursor, or the first one after it. ok reports whether
// there is one.
func (c *cursor) entry() (key, value []byte, ok bool, err error) {
	leaf := &c.path[len(c.path)-1]
	for leaf.i >= leaf.page.count() {
		if ok, err := c.nextLeaf(); !ok || err != nil {
			return nil, nil, false, err
		}
		leaf = &c.path[len(c.path)-1]
	}
	return leaf.page.key(leaf.i), leaf.page.value(leaf.i), true, nil
}

func (c *cursor) next() { c.path[len(c.path)-1].i++ }

// nextLeaf goes to the first entry of the next leaf.
func (c *cursor) nextLeaf() (ok bool, err error) {
	for n := len(c.path) - 2; n >= 0; n-- {
		s := &c.path[n]
		if s.i+1 >= s.page.count() {
			continue
		}
		s.i++
		keys := s.page.below(s.i, s.keys)
		c.path = c.path[:n+1]
		p, err := c.enter(s.page.child(s.i), keys)
		if err != nil {
			return false, err
		}
		return true, c.down(p, keys, func(page) int { return 0 })
	}
	return false, nil
}

// end goes beyond the last entry.
func (c *cursor) end() error {
	p, err := c.top()
	if err != nil {
		return err
	}
	c.path = c.path[:0]
	return c.down(p, span{}, func(p page) int {
		if p.flags() == pageBranch {
			return p.count() - 1
		}
		return p.count()
	})
}

// previous goes to the entry before the cursor. ok reports whether there is one.
func (c *cursor) previous() (ok bool, err error) {
	leaf := &c.path[len(c.path)-1]
	if leaf.i > 0 {
		leaf.i--
		return true, nil
	}
	for n := len(c.path) - 2; n >= 0; n-- {
		s := &c.path[n]
		if s.i == 0 {
			continue
		}
		s.i--
		keys := s.page.below(s.i, s.keys)
		c.path = c.path[:n+1]
		p, err := c.enter(s.page.child(s.i), keys)
		if err != nil {
			return false, err
		}
		return true, c.down(p, keys, func(p page) int { return p.count() - 1 })
	}
	return false, nil
}

// Scan visits the entries from start on, in order, until visit returns false.
func (t Tree) Scan(start []byte, visit func(key, value []byte) (more bool, err error)) error {
	c := cursor{Tree: t}
	if _, err := c.seek(start); err != nil {
		return err
	}
	for {
		key, value, ok, err := c.entry()
		if !ok || err != nil {
			return err
		}
		if more, err := visit(key, value); !more || err != nil {
			return err
		}
		c.next()
	}
}

// ScanReverse visits the entries whose keys are less than before, the last one first, until
// visit returns false. An empty before is no limit.
func (t Tree) ScanReverse(before []byte, visit func(key, value []byte) (more bool, err error)) error {
	c := cursor{Tree: t}
	var err error
	if len(before) == 0 {
		err = c.end()
	} else {
		_, err = c.seek(before)
	}
	if err != nil {
		return err
	}
	for {
		if ok, err := c.previous(); !ok || err != nil {
			return err
		}
		leaf := &c.path[len(c.path)-1]
		if more, err := visit(leaf.page.key(leaf.i), leaf.page.value(leaf.i)); !more || err != nil {
			return err
		}
	}
}

// Get returns the value of a key, or nil. That there is none is certain: the leaf where
// it would be has been verified, and where it would be the last one there, so has the
// next leaf, which begins with the key that separates the two.
func (t *Tree) Get(key []byte) ([]byte, error) {
	p, err := t.top()
	if err != nil {
		return nil, err
	}
	var keys, nextKeys span
	var next page // a branch whose element nextAt is after those below p
	nextAt := 0
	for depth := 0; p.flags() == pageBranch; depth++ {
		if depth == maxTreeDepth {
			return nil, errPage(p.id(), "is too deep in a tree")
		}
		i := p.childFor(key)
		if i+1 < p.count() {
			next, nextAt, nextKeys = p, i+1, keys
		}
		keys = p.below(i, keys)
		if p, err = t.enter(p.child(i), keys); err != nil {
			return nil, err
		}
	}
	i, exact := p.search(key)
	if exact {
		return p.value(i), nil
	}
	damaged := t.set.damaged.Load()
	if t.set.Unread() == 0 && !damaged {
		return nil, nil
	}
	if damaged {
		if err := t.checkAll(p); err != nil {
			return nil, err
		}
	}
	if i < p.count() || next == nil {
		return nil, nil
	}
	c := cursor{Tree: *t, path: []step{{next, nextAt - 1, nextKeys}, {}}}
	if more, err := c.nextLeaf(); !more || err != nil || !damaged {
		return nil, err
	}
	return nil, t.checkAll(c.path[len(c.path)-1].page)
}

// VerifyPath verifies what bbolt touches when it changes or removes the entry of key,
// and the pages that it can merge with these: at each level the page on the way, and its
// neighbours. seen holds the pages that the transaction has verified. VerifyPath returns
// the page of the leaf, 0 if there is none.
//
// Pages that were verified before are verified again, but not their values: someone can
// have overwritten the file meanwhile, and bbolt would follow it in circles.
func (t *Tree) VerifyPath(key []byte, seen map[uint64]struct{}) (leaf uint64, err error) {
	if t.root.ID == 0 {
		return 0, nil // Buckets verified it
	}
	middle, err := t.again(t.root.ID, span{}, 0, seen)
	var left, right step
	for depth := 0; err == nil; depth++ {
		p := middle.page
		switch {
		case p.flags() == pageLeaf:
			return p.id(), nil
		case depth == maxTreeDepth:
			return 0, errPage(p.id(), "is too deep in a tree")
		}
		if middle.i = p.childFor(key); middle.i > 0 {
			left = step{p, middle.i - 1, middle.keys}
		} else if left.page != nil {
			left.i = left.page.count() - 1
		}
		if middle.i+1 < p.count() {
			right = step{p, middle.i + 1, middle.keys}
		}
		if middle, err = t.child(middle, 0, seen); err == nil {
			left, err = t.child(left, middle.page.flags(), seen)
		}
		if err == nil {
			right, err = t.child(right, middle.page.flags(), seen)
		}
	}
	return 0, err
}

// child verifies the child that a step leads to, if there is a step.
func (t *Tree) child(s step, kind uint16, seen map[uint64]struct{}) (step, error) {
	if s.page == nil {
		return s, nil
	}
	return t.again(s.page.child(s.i), s.page.below(s.i, s.keys), kind, seen)
}

// again verifies a page, once in a transaction. kind is the page's, if that is known.
func (t *Tree) again(id uint64, keys span, kind uint16, seen map[uint64]struct{}) (step, error) {
	p, err := t.enter(id, keys)
	if _, ok := seen[id]; err == nil && !ok {
		if _, err = p.verifyLayout(id, t.pageSize); err == nil {
			err = p.verifyKeys(id, keys, 0)
		}
		if err == nil {
			seen[id] = struct{}{}
			t.set.sawNode(p)
		}
	}
	if err == nil && kind != 0 && p.flags() != kind {
		err = errPage(id, "is in the wrong depth of a tree")
	}
	return step{page: p, keys: keys}, err
}
