package boltfile

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// create makes a new store. It is laid out and synced under another name first, so that
// a crash leaves a complete one or none, and gets its name by a link, which replaces no
// file: the error is fs.ErrExist if there is one.
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
	if _, err := dir.Publish(n.file, n.name, access.MustNotExist); err != nil {
		return nil, err
	}
	if _, err := dir.Names(dir.Base(), n.info); err != nil { // the name is that of a copy, which is not open
		return nil, fs.ErrExist
	}
	dir.RemoveLeftovers(n.info)
	return newFile(n.db, newPageState(n.file, n.v, opts.MaxValue), openedFile{File: n.file, info: n.info}, dir, opts), nil
}

// newStore is a store without keys under a temporary name, open and locked.
type newStore struct {
	file *os.File
	info os.FileInfo
	name string
	db   *bolt.DB
	v    found
}

// makeTemp makes a store under a temporary name, with the owner and the permissions of
// another file, if there is one.
func makeTemp(dir *access.Dir, opts Options, like os.FileInfo) (n newStore, err error) {
	n.v.new = true
	n.file, n.name, err = dir.Temp(access.TempNew)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		return n, kverr.Errorf(fs.ErrNotExist, "no file can be created in its directory; choose another path")
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
		err = guard(func() (err error) { n.v.meta, err = layOut(n.db); return err })
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

// replaceEmpty replaces a file without content with a store. f stays
// locked until the caller closes it.
func replaceEmpty(ctx context.Context, dir *access.Dir, f openedFile, opts Options) (*File, error) {
	if err := opts.claim(f.info); err != nil {
		return nil, err
	}
	if locked, err := access.Lock(ctx, f.File, false, opts.LockTimeout); err != nil {
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
			_, err = dir.Publish(n.file, n.name, access.Replace)
		}
	}
	if err != nil {
		dir.Remove(n.name)
		guard(n.db.Close)
		return nil, access.OpenError(err)
	}
	dir.RemoveLeftovers(n.info)
	return newFile(n.db, newPageState(n.file, n.v, opts.MaxValue), openedFile{File: n.file, info: n.info}, dir, opts), nil
}
