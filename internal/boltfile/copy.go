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

// Backup writes a copy of the file, as begin found it, to w. The copy is verified first: a
// damaged copy must not replace an undamaged one.
func (f *File) Backup(ctx context.Context, w io.Writer, begin func() (*Snapshot, error)) error {
	tmp, name, err := f.temp(access.TempBackup)
	if err != nil {
		return err
	}
	defer f.dir.Remove(name)
	defer tmp.Close()
	done, err := f.fill(ctx, tmp, begin)
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
	done, err := f.fill(ctx, tmp, begin)
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
		return kverr.Errorf(err, "the backup is complete, but its folder could not be synced, so a power cut can lose it; back up again: %w", err)
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
	copied := &File{opts: opts, dir: dir, bboltEngine: bboltEngine{db: db}, failure: failure{broken: make(chan struct{})}}
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
