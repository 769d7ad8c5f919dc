package boltfile

import (
	"errors"
	"io/fs"
	"os"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// keep gives a file that was made for this one its owner and its permissions, as they
// are now, and reports whether it has them.
func (f *File) keep(made *os.File) (kept bool, err error) {
	f.engine.RLock() // the file stays open
	defer f.engine.RUnlock()
	like, err := f.file.Load().Stat()
	if errors.Is(err, fs.ErrClosed) {
		return false, kverr.Closed
	}
	if err != nil {
		return false, err
	}
	return access.Keep(made, like)
}

// KeepLog is keep for a log. The syncs of a log make only its data durable: its owner and its
// permissions need a separate sync. Otherwise a power cut could leave a file to a user who
// cannot open the log that it needs.
func (f *File) KeepLog(log *os.File) error {
	was, err := log.Stat()
	if err != nil {
		return err
	}
	if _, err := f.keep(log); err != nil {
		return err
	}
	is, err := log.Stat()
	if err != nil || access.Alike(was, is) {
		return err
	}
	return f.dir.SyncFile(log)
}

// temp makes a temporary file beside this one, with its owner and permissions.
func (f *File) temp(kind string) (tmp *os.File, name string, err error) {
	tmp, name, err = f.dir.Temp(kind)
	if errors.Is(err, fs.ErrClosed) {
		return nil, "", kverr.Closed
	}
	if err != nil {
		return nil, "", access.OpenError(err)
	}
	kept, err := f.keep(tmp)
	if err != nil {
		tmp.Close()
		f.dir.Remove(name)
		return nil, "", DiskError(err)
	}
	if !kept && kind == access.TempCompact {
		f.opts.Logger.Warn("kv: the compacted file cannot have the owner and the permissions of the one before", "path", f.dir.Path())
	}
	return tmp, name, nil
}

// keepOldWhole makes the file that Compact has replaced a store that needs no log, where
// it has other names that lead to it still. old is not used elsewhere.
func (f *File) keepOldWhole(old *bolt.DB, file *os.File) {
	info, err := file.Stat()
	if err != nil || access.Links(info) == 0 {
		return
	}
	err = guard(func() error {
		return old.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Delete(metaLog) })
	})
	if err != nil {
		f.opts.Logger.Warn("kv: another name of the file leads to what it was before it was compacted, and that cannot be opened without a log", "path", f.dir.Path(), "error", err)
	}
}

// errAlone says why an operation is refused on a file that is mounted by itself.
func errAlone(what string) error {
	return kverr.Errorf(errors.ErrUnsupported, "the file is mounted by itself, so %s; mount the folder that it is in instead, as docker run -v ./data:/data does", what)
}

// emptyBesideLog is why a file without a store in it is no new store: the log of one is
// beside it, so the file lost what it had. It returns nil if there is no such log.
func emptyBesideLog(dir *access.Dir) error {
	name := dir.Base() + wal.Suffix
	f, _, err := dir.Open(name, os.O_RDONLY)
	switch {
	case access.Gone(err), errors.Is(err, kverr.Format): // no file, or one that is no log
		return nil
	case err != nil:
		return NoPermission(dir, err, name, "the log "+name+", which is beside an empty file")
	}
	defer f.Close()
	first := make([]byte, len(wal.Magic))
	if n, _ := f.ReadAt(first, 0); string(first[:n]) != wal.Magic {
		return nil // it was never written to
	}
	return kverr.Errorf(kverr.Corrupt, "the file is empty, but %s is the log of a store: the file was truncated or replaced; restore the file, or move the log away to start with an empty store", name)
}

// NoPermission returns an error that names the file that this process may not open, and its
// owner.
func NoPermission(dir *access.Dir, err error, name, what string) error {
	if !errors.Is(err, fs.ErrPermission) {
		return access.OpenError(err)
	}
	info, _ := dir.Stat(name) // without it the error says less
	return access.OpenError(access.NoPermission(err, what, info))
}
