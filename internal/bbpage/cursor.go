package bbpage

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

// down continues to the leaf at or below a page, where at chooses the path.
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
	return c.sibling(1, func(page) int { return 0 })
}

// sibling goes to the next leaf, or with -1 to the previous one, where at chooses the path. ok
// reports whether there is one.
func (c *cursor) sibling(by int, at func(page) int) (ok bool, err error) {
	for n := len(c.path) - 2; n >= 0; n-- {
		s := &c.path[n]
		if i := s.i + by; i < 0 || i >= s.page.count() {
			continue
		}
		s.i += by
		keys := s.page.below(s.i, s.keys)
		c.path = c.path[:n+1]
		p, err := c.enter(s.page.child(s.i), keys)
		if err != nil {
			return false, err
		}
		return true, c.down(p, keys, at)
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
	return c.sibling(-1, func(p page) int { return p.count() - 1 })
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
