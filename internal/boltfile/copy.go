package boltfile

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/scriptling-kv/extlibs/internal/access"
	bolt "go.etcd.io/bbolt"
)

// Backup writes a copy of the file, as it is at this moment, to w. All of the copy
// is checked first.
func (f *File) Backup(ctx context.Context, w io.Writer) error {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".kv-backup-*")
	if err != nil {
		return access.OpenError(err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	err = f.use(func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(tmp)
			return err
		})
	})
	if err != nil {
		return DiskError(err)
	}
	// A damaged copy must not take the place of a whole one.
	if err := verifyFile(tmp, math.MaxInt64); err != nil {
		return err
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
	next, err := f.copyTo(tmp)
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
	f.db, f.info = next, info
	f.file.Store(tmp)
	return errors.Join(access.Location{Path: path}.SyncDir(), guard(old.Close))
}

// copyTo fills a new file, and returns it open and locked.
func (f *File) copyTo(tmp *os.File) (*bolt.DB, error) {
	var next *bolt.DB
	err := f.use(func(db *bolt.DB) (err error) {
		if next, err = bolt.Open(tmp.Name(), access.FileMode, f.opts.engine(tmp, false)); err != nil {
			return err
		}
		return bolt.Compact(next, db, compactBytes)
	})
	if err == nil {
		err = guard(next.Sync)
	}
	if err == nil {
		err = verifyFile(tmp, math.MaxInt64)
	}
	if err != nil {
		if next != nil {
			guard(next.Close)
		}
		return nil, DiskError(err)
	}
	return next, nil
}
