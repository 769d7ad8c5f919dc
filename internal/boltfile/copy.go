package boltfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// Backup writes a copy of the file, as begin found it, to w. All of it is checked
// first: a damaged copy must not take the place of a whole one.
func (f *File) Backup(ctx context.Context, w io.Writer, begin func() (*Snapshot, error)) error {
	tmp, name, err := f.temp(access.TempBackup)
	if err != nil {
		return err
	}
	defer f.dir.Remove(name)
	defer tmp.Close()
	changes, err := f.fill(ctx, tmp, begin)
	if err != nil {
		return err
	}
	done, err := complete(f.dir, f.opts, tmp, changes)
	if err != nil {
		return err
	}
	defer done()
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, &contextReader{ctx, tmp})
	return err
}

// arrangeMetas puts the meta pages of a copy where they belong. bbolt writes the newer one
// first, where the next commit could take its place.
func arrangeMetas(tmp *os.File, tx uint64) error {
	metas, err := bbpage.BothMetas(tmp, tx)
	if err == bbpage.ErrNoMeta {
		return bbpage.ErrOverwritten
	}
	if err == nil {
		_, err = tmp.WriteAt(metas, 0)
	}
	return err
}

// BackupFile is Backup into a file, which gets its name when it is complete and
// synced. A file of that name is replaced unless it is in use.
func (f *File) BackupFile(ctx context.Context, loc access.Location, begin func() (*Snapshot, error)) error {
	dir, err := loc.OpenDir(f.opts.Hook)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := storeName(loc, dir); err != nil {
		return err
	}
	dir.RemoveLeftovers(nil)
	tmp, name, err := dir.Temp(access.TempBackup)
	if err != nil {
		return access.OpenError(err)
	}
	defer tmp.Close()
	named := false
	defer func() {
		if !named {
			dir.Remove(name)
		}
	}()
	if _, err := f.keep(tmp); err != nil {
		return DiskError(err)
	}
	changes, err := f.fill(ctx, tmp, begin)
	if err != nil {
		return err
	}
	done, err := complete(f.dir, f.opts, tmp, changes)
	if err != nil {
		return err
	}
	defer done()
	if err := dir.SyncFile(tmp); err != nil { // so that Publish takes little time after the check
		return DiskError(err)
	}
	old, info, err := dir.Open(dir.Base(), os.O_RDONLY)
	if err == nil {
		defer old.Close()
		locked, err := access.TryLock(old)
		if err != nil || !locked || f.Is(info) {
			return kverr.Errorf(kverr.InUse, "the file at the backup's path is in use by a store; choose another path")
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return access.OpenError(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	named, err = dir.Publish(tmp, name, access.Replace)
	if named && err != nil {
		return kverr.Errorf(err, "the backup is complete, but may lose its name in a power cut: %w", err)
	}
	return err
}

// complete makes of a copy a store that needs no log. done gives the copy up.
func complete(dir *access.Dir, opts Options, tmp *os.File, changes func(*Tx) error) (done func(), err error) {
	opts.MaxBytes = 0
	db, err := startEngine(tmp, false, opts)
	if err != nil {
		return nil, err
	}
	done = func() { guard(db.Close) }
	copied := &File{opts: opts, dir: dir, db: db, broken: make(chan struct{})}
	v, err := verifyFile(context.Background(), tmp, 0)
	if err == nil {
		copied.pages = newPageState(tmp, v, 0)
		err = copied.use(func(db *bolt.DB) error {
			return db.Update(func(tx *bolt.Tx) error {
				copied.pages.next.Store(uint64(tx.ID()))
				return copied.change(db, tx, func(t *Tx) error {
					if changes != nil {
						if err := changes(t); err != nil {
							return err
						}
					}
					if t.snap.log == nil {
						return nil
					}
					return t.SetLog(nil)
				})
			})
		})
	}
	if err != nil && err != ErrUnchanged {
		done()
		return nil, DiskError(err)
	}
	return done, nil
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// compactBytes is the size of the transactions of a compaction.
const compactBytes = 1 << 20

// Compact copies the live pages into a new file and gives it the old one's name.
// The new file is locked before it has that name, and whoever waited for the old
// one's lock finds that its name is gone (see settle). No Update may run.
func (f *File) Compact() error {
	if f.alone {
		return errAlone("no compacted file can take its place")
	}
	tmp, name, err := f.temp(access.TempCompact)
	if err != nil {
		return err
	}
	next, pages, err := f.copyTo(tmp)
	if err != nil {
		tmp.Close()
		f.dir.Remove(name)
		return err
	}
	was := f.file.Load()
	old, err := f.become(tmp, name, next, pages)
	if old != nil { // closing it takes a time that grows with the file, and waits for copies of it
		if err == nil { // the change of names is durable
			f.keepOldWhole(old, was)
		}
		f.closing.Go(func() {
			if err := guard(old.Close); err != nil {
				f.opts.Logger.Warn("kv: the file that compaction replaced could not be closed", "path", f.dir.Path(), "error", err)
			}
		})
		err = errors.Join(err, f.use(f.measure))
	}
	return err
}

// become puts a new file in the place of this one.
func (f *File) become(tmp *os.File, name string, next *bolt.DB, pages *pageState) (old *bolt.DB, err error) {
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
		f.other.Store(&info) // who finds the new file by the name finds it open
		named, err = f.dir.Publish(tmp, name, access.Replace)
	}
	if !named {
		f.other.Store(nil)
		f.dir.Remove(name)
		return nil, DiskError(err)
	}
	old = f.db
	f.db, f.pages, f.info = next, pages, info
	f.identity.Store(&info)
	f.other.Store(nil)
	f.file.Store(tmp)
	branch := f.space.Load().branch.Load()
	f.space.Store(newSpace(next, tmp, f.opts))
	f.space.Load().sawBranch(branch)
	if err != nil {
		// A power cut could bring the old file back, without what is written now.
		f.refuse(kverr.Errorf(err, "%w; nothing is written any more, so close the store and open it again", err).(*kverr.Error))
	}
	return old, err
}

// copyTo fills a new file, and returns it open and locked.
func (f *File) copyTo(tmp *os.File) (next *bolt.DB, pages *pageState, err error) {
	err = f.use(func(db *bolt.DB) error {
		if err := f.verifyTrees(db); err != nil { // bbolt is going to read all of it
			return err
		}
		if next, err = startEngine(tmp, false, f.opts); err != nil {
			return err
		}
		return bolt.Compact(next, db, compactBytes)
	})
	if err == nil {
		err = guard(func() error {
			// The commit before the last one holds a part only: no meta page may lead there.
			if err := next.Update(func(*bolt.Tx) error { return nil }); err != nil {
				return err
			}
			if err := f.dir.SyncFile(tmp); err != nil {
				return err
			}
			return next.View(func(tx *bolt.Tx) error {
				meta, err := metaOf(next, tx)
				if err != nil {
					return err
				}
				v, err := verifyTx(next, tx, meta, nil)
				pages = newPageState(tmp, v, f.opts.MaxValue)
				return err
			})
		})
	}
	if err != nil {
		if next != nil {
			guard(next.Close)
		}
		return nil, nil, DiskError(err)
	}
	return next, pages, nil
}

// verifyTrees verifies all pages that bbolt can follow.
func (f *File) verifyTrees(db *bolt.DB) error {
	low := f.pages.last.Load()
	return f.view(db, func(tx *bolt.Tx) error {
		s, err := f.pages.snapshot(db, tx, low)
		if err != nil {
			return err
		}
		return s.verifyTrees(s.metaTree(), s.dataTree(), s.expiryTree())
	})
}
