package bbpage

// bbolt indexes memory with what the pages say, without a check: a leaf that has not
// been verified could end the process. A Tree verifies each leaf that the walk at open
// left for later, once, when a read first comes to it; all other pages have been
// verified, or were written by this process from verified ones. Its accesses are checked
// against the end of the file: they fail, and nothing worse, if it is overwritten.

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

// Verify walks the whole tree, whose pages must not be used by another tree that w has walked.
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
		return errPage(id, "is at the wrong depth of a tree")
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

// top returns the page where the tree begins.
func (t *Tree) top() (page, error) {
	if t.root.ID == 0 {
		return page(t.mem[t.root.at : t.root.at+t.root.size]), nil
	}
	return t.enter(t.root.ID, span{})
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

// VerifyPath verifies what bbolt touches when it changes or removes the entry of key, and the
// pages that it can merge with these: at each level the page on the path, and its neighbours.
// seen holds the pages that the transaction has verified. VerifyPath returns the page of the
// leaf, 0 if there is none.
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
		err = errPage(id, "is at the wrong depth of a tree")
	}
	return step{page: p, keys: keys}, err
}
