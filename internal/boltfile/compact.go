package boltfile

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// Compact rewrites the file page by page, without free pages and with full ones, and gives the
// new file the old one's name. It leaves a file unchanged that would not become smaller. The
// new file is locked before it gets that name; a process that waited for the lock of the old
// file finds that its name is gone (see settle). No Update may run.
func (f *File) Compact() error {
	info, err := f.file.Load().Stat()
	if err != nil {
		return DiskError(err)
	}
	_, err = f.rewrite(&rewriting{limit: info.Size(), fill: roomyLeaf, whole: true})
	return err
}

// Limits of a file that Defragment rewrites.
const (
	smallFile      = 4 << 20 // bytes; rewriting it takes milliseconds
	scatteredShare = 64      // the part of a larger one that must be free
	changedShare   = 8       // the part that must have changed
)

// Defragment is Compact for a caller that found no adjacent free pages, in a file that may not
// contain the changes in its log. It reports whether the file was rewritten. To avoid repeated
// rewrites, enough bytes must have changed, and in a large file enough pages must be free. A
// file with a second hard link is not rewritten: that name would then lead to an incomplete
// store. No Update may run.
func (f *File) Defragment(changed int64) (done bool, err error) {
	r := f.space.Load()
	high := r.high.Load()
	if f.alone || changed < high/changedShare || high > smallFile && high-r.used.Load() < high/scatteredShare {
		return false, nil
	}
	if info, err := f.file.Load().Stat(); err != nil || access.Links(info) != 1 {
		return false, err
	}
	return f.rewrite(&rewriting{limit: high, fill: fullLeaf, space: r.size.Load()})
}

// rewriting says how a file is rewritten.
type rewriting struct {
	limit  int64    // bytes; the new file has less, or there is none
	fill   int      // percent of a leaf
	space  int64    // bytes for which the new file gets blocks: it must not have less than this one
	whole  bool     // the file lacks nothing
	remove *Removal // a change that the new file contains; nil: none
}

// rewrite rewrites the file, and replaces this one with the result.
func (f *File) rewrite(r *rewriting) (done bool, err error) {
	if f.alone {
		return false, errAlone("no compacted file can take its place")
	}
	tmp, name, err := f.temp(access.TempCompact)
	if err != nil {
		return false, err
	}
	next, pages, err := f.copyTo(tmp, r)
	if err != nil {
		tmp.Close()
		f.dir.Remove(name)
		if err == errNoGain {
			err = nil
		}
		return false, err
	}
	was := f.file.Load()
	var old *bolt.DB
	swap := func() bool {
		old, err = f.become(tmp, name, next, pages, r.remove != nil)
		return old != nil
	}
	if r.remove != nil {
		r.remove.publish(swap)
	} else {
		swap()
	}
	if old != nil && r.space > 0 {
		f.space.Load().solid.Store(true)
	}
	if old != nil { // closing it takes a time that grows with the file, and waits for copies of it
		if err == nil && r.whole { // the change of names is durable
			f.keepOldWhole(old, was)
		}
		f.closing.Go(func() {
			if err := guard(old.Close); err != nil {
				f.opts.Logger.Warn("kv: the file that compaction replaced could not be closed", "path", f.dir.Path(), "error", err)
			}
		})
		err = errors.Join(err, f.use(f.measure))
	}
	return old != nil, err
}

// errNoGain is why there is no new file: it would not be smaller.
var errNoGain = errors.New("nothing to gain")

// become replaces this file with a new one. If the new one is changed, readers see
// it only if its name is durable.
func (f *File) become(tmp *os.File, name string, next *bolt.DB, pages *pageState, changed bool) (old *bolt.DB, err error) {
	f.engine.Lock()
	defer f.engine.Unlock()
	defer func() {
		if f.db != next { // also after a panic
			guard(next.Close)
		}
	}()
	info, err := tmp.Stat()
	if err == nil {
		err = f.writable() // what has taken the file's name is not ours to replace
	}
	named := false
	if err == nil {
		f.other.Store(&info) // a caller that finds the new file by its name finds it open
		named, err = f.dir.Publish(tmp, name, access.Replace)
	}
	if !named {
		f.other.Store(nil)
		f.dir.Remove(name)
		return nil, DiskError(err)
	}
	var refused *kverr.Error
	if err != nil {
		// A power cut could bring the old file back, without what is written now.
		refused = kverr.Errorf(err, "%w; the store accepts no more writes, so close it and open it again", err).(*kverr.Error)
	}
	if err != nil && changed {
		f.other.Store(nil)
		f.refuse(refused)
		return nil, kverr.Errorf(kverr.CommitUnknown, "the write may or may not be stored: %w", refused)
	}
	old = f.db
	f.db, f.pages, f.info = next, pages, info
	f.identity.Store(&info)
	f.other.Store(nil)
	f.file.Store(tmp)
	f.space.Store(newSpace(next, tmp, f.opts))
	if err != nil {
		f.refuse(refused)
	}
	return old, err
}

// copyTo fills a new file, and returns it open and locked.
func (f *File) copyTo(tmp *os.File, r *rewriting) (next *bolt.DB, pages *pageState, err error) {
	err = f.use(func(db *bolt.DB) error {
		low := f.pages.last.Load()
		return f.view(db, func(tx *bolt.Tx) error {
			s, err := f.pages.snapshot(db, tx, low)
			if err == nil {
				err = s.verifyTrees(s.metaTree(), s.dataTree(), s.expiryTree())
			}
			if err == nil {
				err = s.build(tmp, r)
			}
			return err
		})
	})
	if info, err2 := tmp.Stat(); err == nil && r.space > 0 {
		if err = err2; err == nil && info.Size() < r.space {
			err = f.dir.Allocate(tmp, info.Size(), r.space)
		}
	}
	if err == nil {
		err = f.dir.SyncFile(tmp)
	}
	if err == nil {
		next, err = startEngine(tmp, false, f.opts)
	}
	if err == nil {
		err = guard(func() error {
			return next.View(func(tx *bolt.Tx) error {
				meta, err := metaOf(next, tx)
				if err != nil {
					return err
				}
				v, err := verifyTx(next, tx, meta, nil)
				pages = newPageState(tmp, v, f.opts.MaxValue)
				pages.set.SawNodes(f.pages.set.LargestNodes())
				return err
			})
		})
	}
	switch {
	case err == nil:
		return next, pages, nil
	case next != nil:
		guard(next.Close)
	}
	return nil, nil, DiskError(err)
}

// Percent of a leaf that are filled.
const (
	roomyLeaf = 90
	fullLeaf  = 100
)

// build writes the entries of the snapshot to an empty file. It returns errNoGain if that
// takes too many bytes.
func (s *snapshot) build(file *os.File, r *rewriting) error {
	b := bbpage.NewBuilder(file, int(s.PageSize()), r.fill)
	n := 0
	copyTree := func(name []byte, from bbpage.Tree, keeps func(key, value []byte) bool) error {
		return b.Bucket(name, func(add func(key, value []byte) error) error {
			return from.Scan(nil, func(key, value []byte) (bool, error) {
				n++
				switch {
				case int64(b.Pages())*s.PageSize() >= r.limit:
					return false, errNoGain
				case n%contextTicks == 0 && r.remove.ended() != nil:
					return false, r.remove.ended()
				case keeps(key, value):
					return true, add(key, value)
				}
				return true, nil
			})
		})
	}
	kept := uint64(0)
	err := copyTree(bucketData, s.dataTree(), func(key, _ []byte) bool {
		if r.remove.has(key) {
			return false
		}
		kept++
		return true
	})
	if err == nil {
		err = copyTree(bucketExpiry, s.expiryTree(), func(k, v []byte) bool {
			_, key := splitExpiryEntry(k, v)
			return !r.remove.has(key)
		})
	}
	numbers := map[string][]byte{}
	if err == nil {
		err = s.metaTree().Scan(nil, func(key, value []byte) (bool, error) {
			numbers[string(key)] = value
			return true, nil
		})
	}
	if err != nil {
		return err
	}
	tx := max(s.tx, 2)
	log := s.log
	if r.remove != nil {
		log = r.remove.Log
		r.remove.note(numbers, s, kept)
	}
	if log == nil && (r.remove != nil || numbers[string(metaTwin)] != nil) {
		numbers[string(metaTwin)] = binary.BigEndian.AppendUint64(nil, tx-1) // both meta pages lead to this commit
	}
	err = b.Bucket(bucketMeta, func(add func(key, value []byte) error) error {
		for _, key := range slices.Sorted(maps.Keys(numbers)) {
			if err := add([]byte(key), numbers[key]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	meta, err := b.Finish(tx)
	if err == nil && meta.Size() >= r.limit {
		err = errNoGain
	}
	return err
}
