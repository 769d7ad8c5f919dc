package diskstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// findLog opens the log that the file needs: the one that has its name, or one that was
// renamed in the same folder because another store needed the name.
func (w fileWriter) findLog(ref *boltfile.LogRef) (*logFile, error) {
	name := w.s.logName()
	f, err := w.s.openLogFile(name)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	if !missing {
		if id, err := wal.ReadID(f); err == nil && id == ref.ID {
			return f, nil
		}
	}
	aside, err := w.findAside(ref.ID)
	switch {
	case !missing && (err != nil || aside == ""):
		return f, nil // replay returns what is wrong with it
	case err != nil:
		return nil, err
	case aside == "" && w.s.file.Mounted():
		return nil, kverr.Errorf(kverr.Corrupt, "the file needs its log %s, which does not exist: the file is a mount point, and its log is in the folder from which it is mounted; mount that folder", name)
	case aside == "":
		return nil, kverr.Errorf(kverr.Corrupt, "the file needs its log %s, which does not exist, because the store was not closed; move the log back, or restore a backup", name)
	case !missing:
		f.Close()
	}
	if w.s.file.ReadOnly() {
		return w.s.openLogFile(aside)
	}
	if !missing {
		err = w.freeName()
	}
	if err == nil {
		err = w.s.file.Dir().Rename(aside, name) // replay syncs the folder
	}
	if err != nil {
		return nil, access.OpenError(err)
	}
	return w.s.openLogFile(name)
}

// findAside returns the name of the renamed log with an id, "" if there is none.
func (w fileWriter) findAside(id wal.ID) (name string, err error) {
	err = w.s.file.Dir().List(func(entry string) {
		if name != "" || !strings.HasSuffix(entry, wal.Suffix+asideSuffix(id)) {
			return
		}
		f, _, err := w.s.file.Dir().Open(entry, os.O_RDONLY)
		if err != nil {
			return
		}
		defer f.Close()
		if found, err := wal.ReadID(f); err == nil && found == id {
			name = entry
		}
	})
	return name, err
}

// leftOver says what a file is that has the name of the store's log.
type leftOver int

const (
	foreign leftOver = iota // another store can need it: its file was moved away after a crash, or deleted
	unmade                  // a process died while it created it,
	unused                  // before the first record,
	done                    // or after it had closed the store
)

// freeName frees the log's name. It removes a log that this file no longer needs,
// and one that is incomplete. It renames any other log, also one without records: only the
// file that names a log can tell that it does not need it. It does not touch other files.
func (w fileWriter) freeName() error {
	dir, name := w.s.file.Dir(), w.s.logName()
	what, id, err := w.leftOver()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENAMETOOLONG): // nothing can have too long a name
		return nil
	case errors.Is(err, kverr.Format): // no log, or one of a newer format
		return err
	case err != nil:
		return kverr.Errorf(errTaken, "an obsolete log could not be read: %w", err)
	case what == done || what == unmade:
		if err := dir.Remove(name); err != nil {
			return kverr.Errorf(errTaken, "an obsolete log could not be removed: %w", err)
		}
		return nil
	}
	aside := name + asideSuffix(id)
	if _, err := dir.Stat(aside); err == nil {
		return kverr.Errorf(kverr.InUse, "the store needs the name %s for its log, but the log of a store that was moved or deleted has that name, and %s exists too; move both logs away", name, aside)
	} else if !access.Gone(err) {
		return err
	}
	err = dir.Rename(name, aside)
	if err == nil {
		err = dir.Sync() // else a power cut could leave that log without a name, and a new one in its place
	}
	if err != nil {
		return kverr.Errorf(errTaken, "the log of another store could not be renamed: %w", err)
	}
	w.s.opts.Logger.Warn("kv: renamed the log of another store, whose file was moved away without being closed and needs it", "path", w.s.file.Path(), "log", aside)
	return nil
}

// asideSuffix is appended to the name of a log that freeName renames.
func asideSuffix(id wal.ID) string { return fmt.Sprintf("-%x", id[:4]) }

// tidy frees the log's name when a store is opened that needs no log. If that fails, the
// store is complete all the same: the first write tries again, and does without a log if
// the name stays taken.
func (w fileWriter) tidy() {
	err := w.freeName()
	if err != nil && !errors.Is(err, kverr.Format) && !errors.Is(err, kverr.InUse) { // these are for the first write to say
		w.s.opts.Logger.Warn("kv: an obsolete log could not be removed; the store does not need it", "path", w.s.file.Path(), "error", err)
	}
}

// leftOver returns what has the name of the store's log, and its id.
func (w fileWriter) leftOver() (what leftOver, id wal.ID, err error) {
	f, info, err := w.s.file.Dir().Open(w.s.logName(), os.O_RDONLY)
	if err != nil {
		return foreign, id, access.OpenError(err)
	}
	defer f.Close()
	id, err = wal.ReadID(f)
	switch {
	case errors.Is(err, kverr.Format):
		torn, err := unfinished(f, info.Size())
		if err == nil && !torn {
			err = kverr.Errorf(kverr.Format, "the name of the store's log, %s, is taken by a file that is not a log; move that file away", w.s.logName())
		}
		return unmade, id, err
	case errors.Is(err, kverr.Corrupt):
		return foreign, id, nil
	case err != nil:
		return foreign, id, access.DiskError(err)
	}
	var closed wal.ID
	if err := w.s.file.View(func(tx *boltfile.Tx) error { closed = tx.ClosedLog(); return nil }); err != nil {
		return foreign, id, err
	}
	if id == closed {
		return done, id, nil
	}
	empty, err := wal.Unused(f, info.Size(), id)
	switch {
	case errors.Is(err, kverr.Corrupt):
		return foreign, id, nil
	case err != nil || !empty:
		return foreign, id, err
	}
	return unused, id, nil
}

// unfinished reports whether a file can be a log that was being created: the ring is full
// of zeros, and the header, which is written last and which no file names before it is
// durable, is missing or torn.
func unfinished(f *os.File, size int64) (bool, error) {
	if size > wal.HeaderBytes+wal.MaxBytes {
		return false, nil
	}
	b := make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := f.ReadAt(b[:min(int64(len(b)), size-at)], at)
		part := b[:n]
		if at == 0 && size > wal.HeaderBytes && n > tornHeader {
			for i := range wal.Magic {
				if part[i] != 0 && part[i] != wal.Magic[i] {
					return false, nil
				}
			}
			part = part[tornHeader:]
		}
		if bytes.Count(part, []byte{0}) != len(part) {
			return false, nil
		}
		if err != nil && err != io.EOF || n == 0 {
			return false, err
		}
		at += int64(n)
	}
	return true, nil
}

// tornHeader is more than the bytes of a log's header that are not zero.
const tornHeader = 64
