package extlibs

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// Backup writes a consistent copy of a store in a file to w, while the store is
// in use. The copy is a file that InitKVStore and Open take. It goes through a
// temporary file beside the store's own, so that a slow w does not make that one
// grow. All of the copy is checked before w gets any of it: Backup of a damaged
// store is ErrCorrupt. A store that is not in a file is errors.ErrUnsupported.
func (h *Handle) Backup(ctx context.Context, w io.Writer) error {
	b, ok := h.store.(interface {
		Backup(context.Context, io.Writer) error
	})
	if !ok {
		return inCall("backup", h.about("", kverr.Errorf(errors.ErrUnsupported, "it is not in a file, so it has no backup")))
	}
	if err := b.Backup(ctx, w); err != nil {
		return inCall("backup", h.about("", err))
	}
	return nil
}

// Compact rewrites the file of a store without its unused pages, because a file
// never shrinks by itself. The store stays open and readable; writes wait. The
// file is replaced: its name stays, other hard links keep the old one. A store
// that is not in a file is errors.ErrUnsupported.
func (h *Handle) Compact(ctx context.Context) error {
	c, ok := h.store.(interface{ Compact(context.Context) error })
	if !ok {
		return inCall("compact", h.about("", kverr.Errorf(errors.ErrUnsupported, "it is not in a file, so there is nothing to compact")))
	}
	if err := c.Compact(ctx); err != nil {
		return inCall("compact", h.about("", err))
	}
	return nil
}

// CompactFile compacts a file that no process has open.
func CompactFile(ctx context.Context, path string) error {
	r := NewRegistry()
	h, err := r.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(h.Compact(ctx), r.Close())
}

// Backup implements Handle.Backup.
func (s *boltStore) Backup(ctx context.Context, w io.Writer) error {
	tmp, err := os.CreateTemp(filepath.Dir(s.path), ".kv-backup-*")
	if err != nil {
		return openError(err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	err = s.use(func(db *bolt.DB) error {
		return db.View(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(tmp)
			return err
		})
	})
	if err != nil {
		return diskError(err)
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

// Compact implements Handle.Compact.
func (s *boltStore) Compact(ctx context.Context) error {
	if s.c == nil {
		return s.errReadOnly()
	}
	return s.c.doAlone(ctx, s.compact)
}

// compact copies the live pages into a new file and gives it the old one's name.
// The new file is locked before it has that name, and whoever waited for the old
// one's lock finds that its name is gone (see settle).
func (s *boltStore) compact() error {
	path, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return openError(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kv-compact-*")
	if err != nil {
		return openError(err)
	}
	kept := false
	defer func() {
		if !kept {
			os.Remove(tmp.Name())
		}
	}()
	next, err := s.copyTo(tmp)
	if err != nil {
		tmp.Close()
		return err
	}
	s.engine.Lock()
	defer s.engine.Unlock()
	info, err := tmp.Stat()
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(diskError(err), guard(next.Close))
	}
	kept = true
	old := s.db
	s.db, s.info = next, info
	s.file.Store(tmp)
	return errors.Join(location{path: path}.syncDir(), guard(old.Close))
}

// copyTo fills a new file, and returns it open and locked.
func (s *boltStore) copyTo(tmp *os.File) (*bolt.DB, error) {
	var next *bolt.DB
	err := s.use(func(db *bolt.DB) (err error) {
		if next, err = bolt.Open(tmp.Name(), fileMode, s.opts.engine(tmp, false)); err != nil {
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
		return nil, diskError(err)
	}
	return next, nil
}

// Backup implements Handle.Backup. What is pending is committed first.
func (s *intervalStore) Backup(ctx context.Context, w io.Writer) error {
	if err := s.flush(); err != nil {
		return err
	}
	return s.disk.Backup(ctx, w)
}

// Compact implements Handle.Compact.
func (s *intervalStore) Compact(ctx context.Context) error {
	if err := s.flush(); err != nil {
		return err
	}
	return s.disk.Compact(ctx)
}
