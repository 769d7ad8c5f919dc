package bbpage

import "bytes"

// Count returns how many entries have keys from from on that are less than to. It reads one
// or two entries of each leaf, so it takes much less time than a scan.
func (t Tree) Count(from, to []byte) (n int64, err error) {
	c := cursor{Tree: t}
	if _, err := c.seek(from); err != nil {
		return 0, err
	}
	for {
		leaf := &c.path[len(c.path)-1]
		end := leaf.page.count()
		last := end > 0 && bytes.Compare(leaf.page.key(end-1), to) >= 0
		if last {
			end, _ = leaf.page.search(to)
		}
		n += int64(max(0, end-leaf.i))
		if last {
			return n, nil
		}
		if ok, err := c.nextLeaf(); !ok || err != nil {
			return n, err
		}
	}
}
