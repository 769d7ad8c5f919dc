package boltfile

import (
	"encoding/binary"
	"os"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// pageState is the state of the pages and the commits of an open file.
type pageState struct {
	file *os.File
	meta bbpage.Meta // that the file was opened with
	set  *bbpage.Set

	maxValue int64                         // see Options.MaxValue
	check    func(key, value []byte) error // verifies a record

	last, next atomic.Uint64 // the last commit, and the one that can be in progress
	bytes      atomic.Int64  // that are known to be mapped
	roots      atomic.Pointer[roots]
	base       atomic.Pointer[roots] // of the commit that the newest transaction is based on
}

func newPageState(file *os.File, f found, maxValue int64) *pageState {
	g := &pageState{file: file, meta: f.meta, set: f.set, maxValue: maxValue}
	g.check = g.checkRecord
	g.last.Store(f.meta.Tx)
	g.next.Store(f.meta.Tx)
	g.bytes.Store(f.meta.Size())
	if g.set == nil || g.set.Unread() == 0 {
		g.set = bbpage.NewSet()
	}
	return g
}

// roots says where the trees of a commit begin, and holds its numbers.
type roots struct {
	tx, root, pages    uint64 // as the meta page has them
	meta, data, expiry bbpage.Root
	count, epoch       uint64
	log                *LogRef // nil: the file is complete
	closed             wal.ID  // the last log that the file needed
	twin               uint64  // see Tx.Twin
	expired            *expiredCount
}

// snapshot is the file as a transaction sees it. It must not be used after the
// transaction.
type snapshot struct {
	*pageState
	*roots
	bbpage.Mapped
}

// snapshot returns the file as tx sees it. low is the last commit from before tx
// began: a meta page that names any other one than those since is not ours.
func (g *pageState) snapshot(db *bolt.DB, tx *bolt.Tx, low uint64) (snapshot, error) {
	id, size := uint64(tx.ID()), tx.Size()
	if tx.Writable() {
		id-- // of the commit that it is based on
	}
	if id < low || id > g.next.Load() {
		return snapshot{}, bbpage.ErrOverwritten
	}
	pageSize := db.Info().PageSize
	// bbolt shows a commit before it is durable. It does not reuse the pages of the
	// commit before until the next transaction that writes, which waits for the
	// transactions that read them: see begin.
	r := g.base.Load() // before last: writeMeta can change it once last is the newest commit
	if last := g.last.Load(); !tx.Writable() && id > last {
		if r == nil || r.tx != last {
			return snapshot{}, bbpage.ErrOverwritten
		}
		s := snapshot{pageState: g, roots: r, Mapped: bbpage.Map(mapping(db, int64(r.pages)*int64(pageSize)), pageSize, g.set)}
		if !s.metaNames(r) {
			return s, bbpage.ErrOverwritten
		}
		return s, nil
	}
	if size > g.bytes.Load() {
		info, err := g.file.Stat()
		if err != nil {
			return snapshot{}, err
		}
		if size > info.Size() {
			return snapshot{}, bbpage.ErrOverwritten
		}
		g.bytes.Store(size)
	}
	s := snapshot{pageState: g, Mapped: bbpage.Map(mapping(db, size), pageSize, g.set)}
	expired := &expiredCount{}
	if r := g.roots.Load(); r != nil && r.tx == id {
		expired = r.expired
		if s.Pages() != r.pages || !s.metaNames(r) {
			return s, bbpage.ErrOverwritten
		}
		if !tx.Writable() {
			s.roots = r
			return s, nil
		}
		g.base.Store(r)
	}
	root := uint64(tx.Cursor().Bucket().Root())
	if id == g.meta.Tx && (root != g.meta.Root || s.Pages() != g.meta.Pages) {
		return s, bbpage.ErrOverwritten
	}
	r, err := s.findRoots(root)
	if err != nil {
		return s, err
	}
	r.tx, r.root, r.pages, r.expired = id, root, s.Pages(), expired
	s.roots = r
	g.roots.Store(r)
	if tx.Writable() {
		g.base.Store(r)
	}
	return s, nil
}

// metaNames reports whether a meta page of the snapshot is the one that r is from. Once
// a later commit can be writing its own in that place, it says nothing.
func (s *snapshot) metaNames(r *roots) bool {
	named, gone := s.Names(r.tx, r.root)
	return named || gone || s.next.Load() >= r.tx+2
}

// findRoots reads the page that names the buckets, and the bucket meta.
func (s *snapshot) findRoots(id uint64) (*roots, error) {
	buckets, err := s.Buckets(id)
	if err != nil {
		return nil, err
	}
	for _, name := range [][]byte{bucketMeta, bucketData, bucketExpiry} {
		if _, ok := buckets[string(name)]; !ok {
			return nil, errNoBucket
		}
	}
	r := &roots{meta: buckets[string(bucketMeta)], data: buckets[string(bucketData)], expiry: buckets[string(bucketExpiry)]}
	meta := s.Tree(r.meta, nil)
	get := func(name []byte) (value []byte) {
		if err == nil {
			value, err = meta.Get(name)
		}
		return value
	}
	number := func(name []byte) uint64 {
		if value := get(name); len(value) == 8 {
			return binary.BigEndian.Uint64(value)
		}
		return 0
	}
	r.count, r.epoch, r.twin = number(metaCount), number(metaEpoch), number(metaTwin)
	copy(r.closed[:], get(metaClosed))
	if value := get(metaLog); value != nil {
		r.log, err = parseLogRef(value)
	}
	return r, err
}

func (s *snapshot) metaTree() bbpage.Tree   { return s.Tree(s.roots.meta, nil) }
func (s *snapshot) dataTree() bbpage.Tree   { return s.Tree(s.roots.data, s.check) }
func (s *snapshot) expiryTree() bbpage.Tree { return s.Tree(s.roots.expiry, checkDeadline) }

func (g *pageState) checkRecord(key, rec []byte) error {
	_, _, err := g.parse(key, rec, false)
	return err
}

// parse is ParseRecord within the limit of what is read: a value beyond it, which can be
// as long as a sparse file, is an error if it is wanted, and is not read otherwise.
func (g *pageState) parse(key, rec []byte, wanted bool) (deadline int64, value []byte, err error) {
	const most = 1 + deadlineBytes + checksumBytes
	if g.maxValue == 0 || int64(len(rec)) <= g.maxValue+most {
		return ParseRecord(key, rec)
	}
	deadline, ok := recordDeadline(rec)
	switch {
	case !ok:
		return 0, nil, errBadRecord
	case wanted:
		return deadline, nil, kverr.Errorf(kverr.TooLarge, "the value has %d bytes in the file, more than the limit of %d; raise MaxValueBytes in the host", len(rec)-most, g.maxValue)
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

// checkWrite verifies what bbolt believes of the meta pages and of the list of free pages
// when it writes.
func (s *snapshot) checkWrite(root uint64) error {
	m, ok := s.Meta(s.tx)
	if !ok || m.Pages != s.Pages() || m.Root != root {
		return bbpage.ErrOverwritten
	}
	_, err := s.Free(m)
	return err
}

// verifyTrees verifies all pages of trees that bbolt is going to follow.
func (s *snapshot) verifyTrees(trees ...bbpage.Tree) error {
	w := s.Walk()
	for _, t := range trees {
		if err := t.Verify(w); err != nil {
			return err
		}
	}
	return nil
}
