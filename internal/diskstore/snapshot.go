package diskstore

import (
	"context"
	"errors"
	"io"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Backup writes a copy of the store, as of one moment, to w.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	return s.file.Backup(ctx, w, func() (*boltfile.Snapshot, error) { return s.snapshot(ctx) })
}

// BackupFile is Backup into a file, which gets its name when it is complete and
// synced. A file of that name is replaced unless it is in use.
func (s *Store) BackupFile(ctx context.Context, loc access.Location) error {
	return s.file.BackupFile(ctx, loc, func() (*boltfile.Snapshot, error) { return s.snapshot(ctx) })
}

// snapshot begins a copy. A checkpoint writes the visible changes to the file first; if it
// fails, the copy gets them in addition. No other checkpoint can come between: the file
// can hold a part of one, whose rest is in the log.
func (s *Store) snapshot(ctx context.Context) (*boltfile.Snapshot, error) {
	w, err := s.lockFile(ctx)
	if err != nil {
		return nil, notDone(err)
	}
	defer w.unlock()
	incomplete := w.checkpoint(false) != nil || s.file.ReadOnly()
	snapshot, err := s.file.Snapshot()
	if err == nil && incomplete {
		s.visible.locked(func() { snapshot.Complete = s.visible.tables.copy().write })
	}
	return snapshot, err
}

// Compact rewrites the file without its unused pages. Writes go to the log meanwhile, and
// wait only while the files change names.
func (s *Store) Compact(ctx context.Context) (err error) {
	defer func() { s.recovered(recover(), &err) }()
	if s.file.ReadOnly() {
		return s.errReadOnly()
	}
	if err := s.ensureLog(ctx); err != nil && !noLog(err) { // without one writes wait
		return err
	}
	w, err := s.lockFile(ctx)
	if err != nil {
		return notDone(err)
	}
	defer w.unlock()
	if err := w.checkpoint(false); err != nil {
		return err
	}
	if err := s.file.Compact(); err != nil {
		return err
	}
	if f := s.logFile.Load(); f != nil && errors.Is(f.inPlace(), kverr.Replaced) {
		return w.checkpoint(false) // so that the new file does not name it
	}
	return nil
}

// ensureLog creates a log if there is none.
func (s *Store) ensureLog(ctx context.Context) error {
	l, err := s.lockPlanner(ctx)
	if err != nil {
		return err
	}
	defer l.unlock()
	if err := s.writable(); err != nil {
		return err
	}
	_, err = l.openLog()
	return err
}
