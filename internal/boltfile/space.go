package boltfile

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// bbolt never changes a page in place, so removing a key takes free pages: a
// file that is filled to the last page can never be emptied. Therefore a part of
// each file is a reserve: puts are refused while what they need would leave less
// than the reserve, and everything else (removals, clear, the log position) can
// use all pages.
//
// The pages of a node must be adjacent, and so must those of the list of free pages. bbolt
// takes any free pages that are enough, so nothing keeps free pages adjacent. Where none
// are found, the file is rewritten with full pages: then the reserve is adjacent, and is
// enough for the change of one key: see Defragment. That takes room for a second file.
//
// The reserve has to exist on the disk too, so the file grows here and not in
// bbolt: its blocks are allocated before bbolt can use them, and bbolt's
// own limit is the allocated size. On a file system that never overwrites blocks in
// place (btrfs, ZFS) allocated blocks guarantee nothing; there a full disk can also
// refuse removals.

// Limits of the reserve, in pages, and of the steps in which a file grows, in bytes.
const (
	mostReserve   = 64  // beyond what one change takes
	reserveShare  = 8   // the part of a small file that is its reserve
	freelistShare = 128 // the list of free pages has 8 bytes for each page, and two versions
	leastStep     = 32 << 10
	mostStep      = 16 << 20
)

// space is the space that a file has, allocated and used.
type space struct {
	pageSize int64
	limit    int64        // of the file's size; 0: none
	size     atomic.Int64 // bytes that are allocated
	solid    atomic.Bool  // size is what is allocated, and not only the length of the file, which can have holes
	used     atomic.Int64 // bytes of pages that are not free
	high     atomic.Int64 // bytes up to the last page that was ever used
	shape    atomic.Pointer[shape]
	mapped   int64 // bytes that bbolt has mapped; used by the writer
	first    int64 // size of the file when it was opened, or rewritten
}

// step is by how much a file grows: by as much as it has grown since it was opened, so
// that one that gets only a little stays small.
func (r *space) step(size int64) int64 {
	return max(min(size-r.first, max(mostStep, size/8)), leastStep)
}

// shape says what the change of one key writes, in pages, of the nodes that are seen in a
// file.
type shape struct {
	data, expiry int   // depths of the trees, 0 if they are inline
	branch, leaf int64 // pages of the largest nodes
}

// with returns the shape that a file can have once it has taken puts.
func (h shape) with(need Need, pageSize int64) shape {
	h.branch = max(h.branch, bbpage.NodePages(int64(need.Key), pageSize))
	h.leaf = max(h.leaf, bbpage.NodePages(need.Entry, pageSize))
	return h.limited()
}

// limited does not count leaves with large values: Defragment ends them.
func (h shape) limited() shape {
	h.leaf = min(h.leaf, bbpage.SharedLeafPages(h.branch))
	return h
}

// pages returns how many pages the change of a key writes at most: of each tree one node of
// each level, and the other halves of a leaf and a branch that it splits; then the page
// that names the buckets, and the list of free pages, twice.
func (h shape) pages() int64 {
	n := int64(3)
	for _, tree := range []struct {
		depth int
		leaf  int64
	}{{h.data, h.leaf}, {h.expiry, min(h.leaf, h.branch)}} { // whose entries are keys
		n++
		if tree.depth > 0 {
			n += tree.leaf + int64(tree.depth)*h.branch
		}
	}
	return n
}

// reserve returns the reserve of a file of size bytes that takes puts, in bytes.
func (r *space) reserve(size int64, need Need) int64 {
	pages := size / r.pageSize
	return (max(min(pages/reserveShare, mostReserve), r.shape.Load().with(need, r.pageSize).pages()) + pages/freelistShare) * r.pageSize
}

// net returns the bytes by which puts grow the file at most. A file without a limit can also
// become longer in a commit.
func (r *space) net(need Need) int64 {
	if r.limit > 0 {
		return need.Net + need.Spare
	}
	return need.Net
}

// fits reports whether the file can take puts and keep its reserve.
func (r *space) fits(need Need) bool {
	size := r.size.Load()
	usable := size - r.pageSize // bbolt never uses the last page
	return r.solid.Load() && usable-r.used.Load() >= r.net(need)+r.reserve(size, need) && (need.Run == 0 || usable-r.high.Load() >= need.Run)
}

// Fits reports whether the file can take puts and keep its reserve.
func (f *File) Fits(need Need) bool { return f.space.Load().fits(need) }

// measure reads how much of the file is used.
func (f *File) measure(db *bolt.DB) error {
	return f.view(db, func(tx *bolt.Tx) error {
		size := tx.Size()
		m := bbpage.Map(mapping(db, size), db.Info().PageSize, nil)
		meta, ok := m.Meta(uint64(tx.ID()))
		if !ok {
			return bbpage.ErrOverwritten
		}
		free, err := m.Free(meta)
		if err != nil {
			return err
		}
		r := f.space.Load()
		buckets, err := m.Buckets(meta.Root)
		if err != nil {
			return err
		}
		data, expiry := m.Tree(buckets[string(bucketData)], nil), m.Tree(buckets[string(bucketExpiry)], nil)
		h := shape{data: data.Depth(), expiry: expiry.Depth()}
		if h.data+h.expiry == 0 {
			f.pages.set.ForgetNodes()
		}
		h.branch, h.leaf = f.pages.set.LargestNodes()
		h = h.limited()
		r.shape.Store(&h)
		r.used.Store(size - int64(free)*m.PageSize())
		r.high.Store(size)
		return nil
	})
}

// newSpace describes a file that bbolt has just opened.
func newSpace(db *bolt.DB, f *os.File, opts Options) *space {
	size := int64(0)
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	r := &space{pageSize: int64(db.Info().PageSize), limit: opts.MaxBytes}
	r.mapped = mapSize(max(size, opts.ahead(f, db.IsReadOnly())))
	if runtime.GOOS == "windows" { // there the file is as long as its mapping
		size = r.mapped
	}
	r.shape.Store(&shape{branch: 1, leaf: 1}) // until it is measured
	r.first = size
	r.size.Store(size)
	r.used.Store(size) // until it is measured
	r.high.Store(size)
	return r
}

// Extend allocates blocks until the file can take puts and keep its reserve,
// and some more. Only the holder of the right to write to the file may call it.
func (f *File) Extend(need Need) error {
	f.engine.RLock()
	defer f.engine.RUnlock()
	if err := f.writable(); err != nil {
		return err
	}
	r := f.space.Load()
	size, used := r.size.Load(), r.used.Load()
	least := size
	for range 4 { // the reserve has a reserve itself
		least = r.pageSize + used + r.net(need) + r.reserve(least, need)
		if need.Run > 0 {
			least = max(least, r.pageSize+r.high.Load()+need.Run)
		}
		least = (least + r.pageSize - 1) / r.pageSize * r.pageSize
	}
	return f.allocate(r, least, max(size+r.step(size), least))
}

// grow is Extend for a transaction that needs more pages than there are: by steps
// that double, and up to the limit.
func (f *File) grow(tries int) error {
	r := f.space.Load()
	size := r.size.Load()
	return f.allocate(r, size+r.pageSize, size+r.step(size)<<min(tries, 20))
}

// allocate makes the file as long as wanted, or at least as long as least. Where it
// can't, the file gets as long as its limit allows.
func (f *File) allocate(r *space, least, wanted int64) error {
	size := r.size.Load()
	if !r.solid.Load() {
		high, err := min(r.high.Load(), size), error(nil)
		if high < size {
			err = f.allocateTo(r, high, size)
		}
		switch {
		case errors.Is(err, kverr.Full): // what is not allocated can't be counted on
			size = high
			r.size.Store(size)
		case err != nil:
			return err
		}
		r.solid.Store(true)
		if least <= size {
			return nil
		}
	}
	if r.limit > 0 {
		wanted = min(wanted, r.limit/r.pageSize*r.pageSize)
	}
	if runtime.GOOS == "windows" {
		if wanted = mapSize(wanted); r.limit > 0 && wanted > r.limit {
			wanted = size
		}
	}
	var err error
	if wanted > size {
		if err = f.allocateTo(r, size, wanted); errors.Is(err, kverr.Full) && least > size && least < wanted {
			err = f.allocateTo(r, size, least)
		}
	}
	switch {
	case err != nil:
		return err
	case r.size.Load() < least:
		return errLimit
	}
	return nil
}

var errLimit = kverr.Errorf(kverr.Full, "the file would grow past its limit; delete some keys, or raise MaxFileBytes in the host")

func (f *File) allocateTo(r *space, from, to int64) error {
	if runtime.GOOS != "windows" {
		file := f.file.Load()
		if err := f.dir.Allocate(file, from, to); err != nil {
			return access.DiskError(err)
		}
		if err := f.dir.SyncFile(file); err != nil { // the length too
			return access.DiskError(err)
		}
	}
	r.size.Store(to)
	return nil
}
