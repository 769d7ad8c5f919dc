package boltfile

import (
	"encoding/binary"
	"os"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// Reads do not go through the engine. It indexes memory with what the pages say,
// without a check: a leaf that nobody has looked at could end the process. This
// reader looks at each leaf that opening the file has left for later, once, when
// it first passes it; all else has been looked at, or was written by this process
// from what had been. Below that its accesses are Go's own, checked against the
// end of the file: a file that someone overwrites while it is open makes them
// fail, and nothing worse.
//
// Writes go through the engine. What it is going to touch is looked at before, by
// judge: the way to the key, and the neighbours on both sides at each level,
// because a page that becomes too empty is merged with one of them.

// guardian is what is known of the pages of an open file.
type guardian struct {
	file *os.File
	meta metaPage // that the file was opened with
	set  *pageSet // nil: all have been looked at

	// A page whose record's checksum is wrong keeps it when the engine copies
	// it; so from then on all misses are looked into.
	badRecords atomic.Bool

	maxValue int64 // see Options.MaxValue

	branch     atomic.Int64  // pages of the largest branch that a write came to
	last, next atomic.Uint64 // the last commit, and the one that may be under way
	bytes      atomic.Int64  // that are known to be mapped
	roots      atomic.Pointer[roots]
	base       atomic.Pointer[roots] // of the commit that the newest transaction is based on
}

func newGuardian(file *os.File, f found) *guardian {
	g := &guardian{file: file, meta: f.meta, set: f.set}
	g.last.Store(f.meta.tx)
	g.next.Store(f.meta.tx)
	g.bytes.Store(int64(f.meta.pages) * f.meta.pageSize)
	if g.set != nil && g.set.unread.Load() == 0 {
		g.set = nil
	}
	return g
}

// roots says where the trees of a transaction begin, and holds its numbers.
type roots struct {
	tx, root, pages    uint64 // as the header has them
	meta, data, expiry root
	count, epoch       uint64
	log                *LogRef // nil: the file is complete
	closed             wal.ID  // the last log that the file needed
	twin               uint64  // see Tx.Twin
}

// root is where a tree begins: a page, or a place in the page of the buckets.
type root struct {
	id       uint64
	at, size int64 // in the file, where id is 0
}

// snapshot is the file as a transaction sees it. It must not outlive it.
type snapshot struct {
	*guardian
	*roots
	mem      []byte
	pageSize uint64
	pages    uint64
}

var errOverwritten = kverr.Errorf(kverr.Corrupt, "the file was changed by someone else while it was open; close the store, restore the file from a backup, and open it again")

// snapshot returns the file as tx sees it. low is the last commit from before tx
// began: a header that names any other one than those since is not ours.
func (g *guardian) snapshot(db *bolt.DB, tx *bolt.Tx, low uint64) (snapshot, error) {
	id, size := uint64(tx.ID()), tx.Size()
	if tx.Writable() {
		id-- // of the commit that it is based on
	}
	if id < low || id > g.next.Load() {
		return snapshot{}, errOverwritten
	}
	// The engine shows a commit before it is durable. It does not reuse the pages
	// of the commit before until the next transaction that writes, and that waits
	// for who reads them: see begin.
	if last := g.last.Load(); !tx.Writable() && id > last {
		r := g.base.Load()
		if r == nil || r.tx != last {
			return snapshot{}, errOverwritten
		}
		pageSize := uint64(db.Info().PageSize)
		s := snapshot{guardian: g, roots: r, mem: mapping(db, int64(r.pages*pageSize)), pageSize: pageSize, pages: r.pages}
		if !s.headerNames(r) {
			return s, errOverwritten
		}
		return s, nil
	}
	if size > g.bytes.Load() {
		info, err := g.file.Stat()
		if err != nil {
			return snapshot{}, err
		}
		if size > info.Size() {
			return snapshot{}, errOverwritten
		}
		g.bytes.Store(size)
	}
	pageSize := uint64(db.Info().PageSize)
	s := snapshot{guardian: g, mem: mapping(db, size), pageSize: pageSize, pages: uint64(size) / pageSize}
	if r := g.roots.Load(); r != nil && r.tx == id {
		if s.pages != r.pages || !s.headerNames(r) {
			return s, errOverwritten
		}
		if !tx.Writable() {
			s.roots = r
			return s, nil
		}
		g.base.Store(r)
	}
	root := uint64(tx.Cursor().Bucket().Root())
	if id == g.meta.tx && (root != g.meta.root || s.pages != g.meta.pages) {
		return s, errOverwritten
	}
	r, err := s.findRoots(root)
	if err != nil {
		return s, err
	}
	r.tx, r.root, r.pages = id, root, s.pages
	s.roots = r
	g.roots.Store(r)
	if tx.Writable() {
		g.base.Store(r)
	}
	return s, nil
}

// headerNames reports whether the header of the snapshot is the one that r is
// from. Once a later commit may be writing its own in that place, it says nothing.
func (s *snapshot) headerNames(r *roots) bool {
	other := false
	for i := range uint64(2) {
		meta := s.mem[i*s.pageSize+pageHeaderBytes:]
		if order.Uint64(meta[48:]) == r.tx {
			if order.Uint64(meta[16:]) == r.root {
				return true
			}
			other = true // a torn header has fields of two commits
		}
	}
	return !other || s.next.Load() >= r.tx+2
}

// findRoots reads the page that names the buckets.
func (s *snapshot) findRoots(id uint64) (*roots, error) {
	p, err := s.page(id)
	if err != nil {
		return nil, err
	}
	if _, err := p.extent(id, int(s.pageSize)); err != nil {
		return nil, err
	}
	if p.flags() != pageLeaf {
		return nil, errPage(id, "is not the page that it should be")
	}
	if err := judgeRoot(p, id); err != nil {
		return nil, err
	}
	r := &roots{}
	for name, root := range map[string]*root{string(bucketMeta): &r.meta, string(bucketData): &r.data, string(bucketExpiry): &r.expiry} {
		i, ok := p.search([]byte(name))
		if !ok {
			return nil, errNoBucket
		}
		value := p.value(i)
		if root.id = order.Uint64(value); root.id == 0 {
			if err := judgeInline(value[bucketHeaderBytes:], id, int(s.pageSize)); err != nil {
				return nil, err
			}
			at, n := p.valueAt(i)
			root.at, root.size = int64(id*s.pageSize)+int64(at)+bucketHeaderBytes, int64(n)-bucketHeaderBytes
		}
	}
	meta := tree{snapshot: s, root: r.meta}
	for name, n := range map[string]*uint64{string(metaCount): &r.count, string(metaEpoch): &r.epoch} {
		value, err := meta.get([]byte(name))
		if err != nil {
			return nil, err
		}
		if len(value) == 8 {
			*n = binary.BigEndian.Uint64(value)
		}
	}
	value, err := meta.get(metaLog)
	if err == nil && value != nil {
		r.log, err = parseLogRef(value)
	}
	if err == nil {
		value, err = meta.get(metaTwin)
		if len(value) == 8 {
			r.twin = binary.BigEndian.Uint64(value)
		}
	}
	if err == nil {
		value, err = meta.get(metaClosed)
		copy(r.closed[:], value)
	}
	return r, err
}

// page returns a page that has been looked at before, or is about to be.
func (s *snapshot) page(id uint64) (page, error) {
	if id < 2 || id >= s.pages {
		return nil, errPage(id, "is beyond the end")
	}
	at := id * s.pageSize
	p := page(s.mem[at : at+s.pageSize : at+s.pageSize])
	if p.id() != id || p.flags() != pageBranch && p.flags() != pageLeaf {
		return nil, errPage(id, "is not the page that it should be")
	}
	if n := p.overflow(); n > 0 {
		if n >= s.pages-id {
			return nil, errPage(id, "has a wrong length")
		}
		end := at + (n+1)*s.pageSize
		p = s.mem[at:end:end]
	}
	return p, nil
}

// A tree is one of the trees of a snapshot.
type tree struct {
	*snapshot
	root
	check func(key, value []byte) error // of the entries of a leaf; may be nil
}

func (s *snapshot) dataTree() tree   { return tree{s, s.roots.data, s.checkRecord} }
func (s *snapshot) expiryTree() tree { return tree{s, s.roots.expiry, checkDeadline} }

func (g *guardian) checkRecord(key, rec []byte) error {
	_, _, err := g.parse(key, rec, false)
	return err
}

// parse is ParseRecord within the limit of what is read: a value beyond it, which may
// be as long as a sparse file, is an error where it is wanted, and not looked at where
// it is not.
func (g *guardian) parse(key, rec []byte, wanted bool) (deadline int64, value []byte, err error) {
	const most = 1 + deadlineBytes + checksumBytes
	if g.maxValue == 0 || int64(len(rec)) <= g.maxValue+most {
		return ParseRecord(key, rec)
	}
	deadline, ok := recordDeadline(rec)
	switch {
	case !ok:
		return 0, nil, errBadRecord
	case wanted:
		return deadline, nil, kverr.Errorf(kverr.TooLarge, "the value has %d bytes in the file, more than the limit of %d; let the host raise MaxValueBytes", len(rec)-most, g.maxValue)
	}
	return deadline, nil, nil
}

var errBadDeadline = kverr.Errorf(kverr.Corrupt, "the index of deadlines is damaged; restore the file from a backup")

func checkDeadline(key, value []byte) error {
	if len(key) <= deadlineBytes || len(value) > 0 && len(key) != deadlineBytes+hashBytes {
		return errBadDeadline
	}
	return nil
}

// enter returns a page of the tree, having looked at it if nobody had. It has to
// hold the keys of a span, and to be a branch if a leaf has been expected there
// and none found yet.
func (t *tree) enter(id uint64, keys span) (page, error) {
	p, err := t.page(id)
	if err != nil {
		return nil, err
	}
	if t.set.isUnread(id) {
		return p, t.lookAt(p, id, keys)
	}
	return p, nil
}

// lookAt judges a leaf that was left for later.
func (t *tree) lookAt(p page, id uint64, keys span) error {
	if p.flags() != pageLeaf {
		return errPage(id, "is in the wrong depth of a tree")
	}
	if _, err := p.extent(id, int(t.pageSize)); err != nil {
		return err
	}
	for next := id + 1; next <= id+p.overflow(); next++ {
		if t.set.isClaimed(next) {
			return errPage(next, "is used twice")
		}
	}
	if err := p.judge(id, keys, 0); err != nil {
		return err
	}
	if t.checkAll(p) != nil {
		t.badRecords.Store(true)
	}
	t.set.read(id)
	return nil
}

// checkAll checks the entries of a leaf.
func (t *tree) checkAll(p page) error {
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
	tree
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

// top is the page where the tree begins.
func (t *tree) top() (page, error) {
	if t.root.id == 0 {
		return page(t.mem[t.root.at : t.root.at+t.root.size]), nil
	}
	return t.enter(t.root.id, span{})
}

// seek goes to the first entry whose key is not less than key, which may be
// beyond the last one of its leaf.
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

// entry is the entry at the cursor, or the first one after it; ok is whether
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

// scan visits the entries from start on, in order, until visit says no.
func (t tree) scan(start []byte, visit func(key, value []byte) (more bool, err error)) error {
	c := cursor{tree: t}
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

// get returns the value of a key, or nil. That there is none is certain: the
// leaf where it would be has been looked at, and where it would be the last one
// there, so has the next leaf, which begins with the key that separates the two.
func (t *tree) get(key []byte) ([]byte, error) {
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
	bad := t.badRecords.Load()
	if t.set.allRead() && !bad {
		return nil, nil
	}
	if bad {
		if err := t.checkAll(p); err != nil {
			return nil, err
		}
	}
	if i < p.count() || next == nil {
		return nil, nil
	}
	c := cursor{tree: *t, path: []step{{next, nextAt - 1, nextKeys}, {}}}
	if more, err := c.nextLeaf(); !more || err != nil || !bad {
		return nil, err
	}
	return nil, t.checkAll(c.path[len(c.path)-1].page)
}

// judge looks at what the engine touches when it changes or removes the entry of
// key, and at what it merges these pages with: at each level the page on the way,
// and its neighbours. seen holds the pages that the transaction has looked at.
//
// judge returns the leaf, 0 where there is none.
//
// Pages that were looked at before are looked at again, though not at their
// values: someone may have overwritten the file meanwhile, and the engine would
// follow it in circles.
func (t *tree) judge(key []byte, seen map[uint64]struct{}) (leaf uint64, err error) {
	if t.root.id == 0 {
		return 0, nil // findRoots has
	}
	middle, err := t.look(t.root.id, span{}, 0, seen)
	if err != nil {
		return 0, err
	}
	var left, right finger
	for range maxTreeDepth {
		if middle.page.flags() == pageLeaf {
			return middle.page.id(), nil
		}
		p, i := middle.page, middle.page.childFor(key)
		next, err := t.look(p.child(i), p.below(i, middle.keys), 0, seen)
		if err != nil {
			return 0, err
		}
		kind := next.page.flags()
		if i > 0 {
			left = finger{p, middle.keys}
		}
		if left.page != nil {
			at := i - 1
			if i == 0 {
				at = left.page.count() - 1
			}
			if left, err = t.look(left.page.child(at), left.page.below(at, left.keys), kind, seen); err != nil {
				return 0, err
			}
		}
		if i+1 < p.count() {
			right = finger{p, middle.keys}
		}
		if right.page != nil {
			at := i + 1
			if i+1 >= p.count() {
				at = 0
			}
			if right, err = t.look(right.page.child(at), right.page.below(at, right.keys), kind, seen); err != nil {
				return 0, err
			}
		}
		middle = next
	}
	return 0, errPage(middle.page.id(), "is too deep in a tree")
}

// finger is a page on the way, and the keys that it may hold.
type finger struct {
	page page // nil: there is none
	keys span
}

// look looks at a page again, once in a transaction. kind is the page's, if
// that is known.
func (t *tree) look(id uint64, keys span, kind uint16, seen map[uint64]struct{}) (finger, error) {
	p, err := t.enter(id, keys)
	if err != nil {
		return finger{}, err
	}
	if _, ok := seen[id]; !ok {
		if _, err := p.extent(id, int(t.pageSize)); err != nil {
			return finger{}, err
		}
		if err := p.judge(id, keys, 0); err != nil {
			return finger{}, err
		}
		seen[id] = struct{}{}
		if n := p.overflow(); n > 0 && p.flags() == pageBranch {
			t.branch.Store(max(t.branch.Load(), int64(n)+1))
		}
	}
	if kind != 0 && p.flags() != kind {
		return finger{}, errPage(id, "is in the wrong depth of a tree")
	}
	return finger{p, keys}, nil
}

// judgeAll is judge for all keys at once.
func (t *tree) judgeAll(seen map[uint64]struct{}) error {
	if t.root.id == 0 {
		return nil
	}
	leafDepth := -1
	var walk func(id uint64, keys span, depth int) error
	walk = func(id uint64, keys span, depth int) error {
		f, err := t.look(id, keys, 0, seen)
		if err != nil {
			return err
		}
		leaf := f.page.flags() == pageLeaf
		if leaf && leafDepth < 0 {
			leafDepth = depth
		}
		if leaf != (depth == leafDepth) || depth == maxTreeDepth {
			return errPage(id, "is in the wrong depth of a tree")
		}
		if leaf {
			return nil
		}
		for i := range f.page.count() {
			if err := walk(f.page.child(i), f.page.below(i, keys), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(t.root.id, span{}, 0)
}

// checkWrite looks at what the engine believes of the headers and of the list of
// free pages when it writes.
func (s *snapshot) checkWrite(root uint64) error {
	m, ok := mappedMeta(s.mem, s.pageSize, s.tx)
	if !ok || m.pages != s.pages || m.root != root || m.freelist < 2 || m.freelist == noFreelist {
		return errOverwritten
	}
	at := m.freelist * s.pageSize
	_, err := parseFreelist(s.mem[at:at+s.pageSize], m.freelist, m)
	return err
}

// mappedPages is a snapshot as a source for the verifier.
type mappedPages struct {
	mem      []byte
	pageSize uint64
	look     func() error // called for each page; nil: nothing
}

func (m mappedPages) read(id, n uint64, _ int) ([]byte, error) {
	if m.look != nil {
		if err := m.look(); err != nil {
			return nil, err
		}
	}
	at := id * m.pageSize
	if size := uint64(len(m.mem)); at > size || n > size-at {
		return nil, errPage(id, "is beyond the end")
	}
	return m.mem[at : at+n], nil
}

// errOtherHeader is about a commit that no header of the file leads to.
var errOtherHeader = kverr.Errorf(kverr.Corrupt, "the file's header is not the one that was written; close the store, restore the file from a backup, and open it again")

// headerOf returns the header of the commit that a transaction sees. Two commits later
// the file has it no more.
func headerOf(db *bolt.DB, tx *bolt.Tx) (metaPage, error) {
	meta, ok := mappedMeta(mapping(db, tx.Size()), uint64(db.Info().PageSize), uint64(tx.ID()))
	if !ok {
		return metaPage{}, errOtherHeader
	}
	return meta, nil
}

// verifyTx checks the whole file as a transaction sees it, whose header is meta. An
// error of look, which is called for each page and can be nil, ends it.
func verifyTx(db *bolt.DB, tx *bolt.Tx, meta metaPage, look func() error) (found, error) {
	return verify(mappedPages{mapping(db, tx.Size()), uint64(db.Info().PageSize), look}, meta, true)
}
