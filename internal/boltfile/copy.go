package boltfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/scriptling-kv/extlibs/internal/access"
	bolt "go.etcd.io/bbolt"
)

// Backup writes a copy of the file, as it is at this moment, to w. All of it is
// checked first: a damaged copy must not take the place of a whole one.
func (f *File) Backup(ctx context.Context, w io.Writer) error {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".kv-backup-*")
	if err != nil {
		return access.OpenError(err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	for try := 0; try == 0 || err == errMoved && try < 100; try++ { // by two commits while it began
		err = f.use(func(db *bolt.DB) error {
			low := f.pages.last.Load()
			return db.View(func(tx *bolt.Tx) error {
				_, err := f.pages.snapshot(db, tx, low)
				if err == nil {
					_, err = verifyTx(db, tx)
				}
				if err == nil {
					_, err = tx.WriteTo(tmp)
				}
				return err
			})
		})
	}
	if err != nil {
		return DiskError(err)
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, &contextReader{ctx, tmp})
	return err
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
	path, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return access.OpenError(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kv-compact-*")
	if err != nil {
		return access.OpenError(err)
	}
	kept := false
	defer func() {
		if !kept {
			os.Remove(tmp.Name())
		}
	}()
	next, pages, err := f.copyTo(tmp)
	if err != nil {
		tmp.Close()
		return err
	}
	f.engine.Lock()
	defer f.engine.Unlock()
	info, err := tmp.Stat()
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(DiskError(err), guard(next.Close))
	}
	kept = true
	old := f.db
	f.db, f.pages, f.info = next, pages, info
	f.file.Store(tmp)
	return errors.Join(access.Location{Path: path}.SyncDir(), guard(old.Close))
}

// copyTo fills a new file, and returns it open and locked.
func (f *File) copyTo(tmp *os.File) (next *bolt.DB, pages *guardian, err error) {
	err = f.use(func(db *bolt.DB) error {
		if err := f.judgeAll(db); err != nil { // the engine is going to read all of it
			return err
		}
		if next, err = bolt.Open(tmp.Name(), access.FileMode, f.opts.engine(tmp, false)); err != nil {
			return err
		}
		return bolt.Compact(next, db, compactBytes)
	})
	if err == nil {
		err = guard(func() error {
			if err := next.Sync(); err != nil {
				return err
			}
			return next.View(func(tx *bolt.Tx) error {
				look, err := verifyTx(next, tx)
				pages = newGuardian(tmp, look)
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

// judgeAll looks at all pages that the engine may follow.
func (f *File) judgeAll(db *bolt.DB) error {
	low := f.pages.last.Load()
	return db.View(func(tx *bolt.Tx) error {
		s, err := f.pages.snapshot(db, tx, low)
		if err != nil {
			return err
		}
		seen := map[uint64]struct{}{}
		for _, t := range []tree{{snapshot: &s, root: s.roots.meta}, s.dataTree(), s.expiryTree()} {
			if err := t.judgeAll(seen); err != nil {
				return err
			}
		}
		return nil
	})
}
