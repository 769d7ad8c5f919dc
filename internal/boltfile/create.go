package boltfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// create makes a new store. It is laid out and synced under another name first,
// so that a crash leaves a whole one or none, and gets its name by a link, which
// takes that of nobody: the error is fs.ErrExist where somebody was faster.
func create(dir *access.Dir, opts Options) (_ *File, err error) {
	n, err := makeTemp(dir, opts, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		dir.Remove(n.name)
		if err != nil {
			guard(n.db.Close)
		}
	}()
	if err := opts.claim(n.info); err != nil {
		return nil, err
	}
	switch err := dir.Link(n.name, dir.Base()); {
	case err == nil:
	case noLinks(err):
		return nil, n.copyTo(dir)
	case errors.Is(err, fs.ErrExist):
		return nil, err
	default:
		return nil, access.OpenError(err)
	}
	if err := dir.Sync(); err != nil {
		return nil, err
	}
	dir.RemoveLeftovers(n.info)
	return newFile(n.db, newGuardian(n.file, n.look, opts.MaxValue), openedFile{File: n.file, info: n.info}, dir, opts), nil
}

// newStore is a store without keys under a temporary name, open and locked.
type newStore struct {
	file *os.File
	info os.FileInfo
	name string
	db   *bolt.DB
	look found
}

// makeTemp makes a store under a temporary name, with the owner and the permissions of
// another file, if there is one.
func makeTemp(dir *access.Dir, opts Options, like os.FileInfo) (n newStore, err error) {
	n.look.new = true
	n.file, n.name, err = dir.Temp(access.TempNew)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		return n, kverr.Errorf(fs.ErrNotExist, "no file can be made in its directory; choose another path")
	default:
		return n, access.OpenError(err)
	}
	if like != nil {
		_, err = access.Keep(n.file, like)
	}
	if err == nil {
		n.db, err = startEngine(n.file, false, opts)
	}
	if err == nil {
		err = guard(func() (err error) { n.look.meta, err = layOut(n.db); return err })
	}
	if err == nil {
		err = dir.SyncFile(n.file)
	}
	if err == nil {
		n.info, err = n.file.Stat()
	}
	if err != nil {
		if n.db != nil {
			guard(n.db.Close)
		}
		n.file.Close()
		dir.Remove(n.name)
		return n, DiskError(err)
	}
	return n, nil
}

func noLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EMLINK)
}

// copyTo is for file systems without links: there a crash in the middle may leave
// a file that is damaged. It returns fs.ErrExist, for the file to be opened.
func (n *newStore) copyTo(dir *access.Dir) error {
	content, err := io.ReadAll(io.NewSectionReader(n.file, 0, n.info.Size()))
	if err != nil {
		return err
	}
	f, err := dir.Create(dir.Base())
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return err
		}
		return access.OpenError(err)
	}
	defer f.Close()
	if _, err = f.WriteAt(content, 0); err == nil {
		err = dir.SyncFile(f)
	}
	if err != nil {
		dir.Remove(dir.Base()) // just made, and nobody has taken it for a store yet
		return access.DiskError(err)
	}
	return fs.ErrExist
}

// replaceEmpty puts a store in the place of a file without content. f stays
// locked until the caller closes it.
func replaceEmpty(ctx context.Context, dir *access.Dir, f openedFile, opts Options) (*File, error) {
	if err := opts.claim(f.info); err != nil {
		return nil, err
	}
	if locked, err := lock(ctx, f.File, false, opts.LockTimeout); err != nil {
		return nil, access.OpenError(err)
	} else if !locked {
		return nil, errInUse(opts)
	}
	if err := emptyBesideLog(dir); err != nil {
		return nil, err
	}
	n, err := makeTemp(dir, opts, f.info)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat(dir.Base())
	switch {
	case err == nil && (!os.SameFile(info, f.info) || info.Size() > 0):
		err = errSwapped
	case err == nil:
		if err = opts.claim(n.info); err == nil {
			err = dir.Rename(n.name, dir.Base())
		}
	}
	if err != nil {
		dir.Remove(n.name)
	} else {
		err = dir.Sync()
	}
	if err != nil {
		guard(n.db.Close)
		return nil, access.OpenError(err)
	}
	dir.RemoveLeftovers(n.info)
	return newFile(n.db, newGuardian(n.file, n.look, opts.MaxValue), openedFile{File: n.file, info: n.info}, dir, opts), nil
}
