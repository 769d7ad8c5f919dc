package boltfile

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/bbpage"
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
	return n.opened(dir, opts), nil
}

// newStore is a store without keys under a temporary name, open and locked.
type newStore struct {
	file *os.File
	info os.FileInfo
	name string
	db   *bolt.DB
	v    found

	solid bool // see space
}

// opened is the store once it has its name.
func (n *newStore) opened(dir *access.Dir, opts Options) *File {
	f := newFile(n.db, newPageState(n.file, n.v, opts.MaxValue), openedFile{File: n.file, info: n.info}, dir, opts)
	f.space.Load().solid.Store(n.solid)
	return f
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
		n.v.meta, err = writeEmpty(n.file)
	}
	if size := n.v.meta.Size(); err == nil && opts.MaxBytes > 0 && size > opts.MaxBytes+opts.Slack {
		err = kverr.Errorf(kverr.Full, "an empty store has %d bytes, and its limit is %d; raise MaxFileBytes in the host", size, opts.MaxBytes+opts.Slack)
	}
	if err == nil {
		n.solid = allocateFirst(dir, n.file, n.v.meta, opts)
		n.db, err = startEngine(n.file, false, opts)
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

// writeEmpty writes a store without keys to an empty file, and syncs nothing: bbolt syncs
// three times for the same pages. Both meta pages lead to them.
func writeEmpty(f *os.File) (bbpage.Meta, error) {
	const tx = 2
	b := bbpage.NewBuilder(f, os.Getpagesize(), fullLeaf)
	none := func(func(key, value []byte) error) error { return nil }
	numbers := func(add func(key, value []byte) error) error {
		err := add(metaFormat, []byte{formatVersion})
		return errors.Join(err, add(metaTwin, binary.BigEndian.AppendUint64(nil, tx-1)))
	}
	err := errors.Join(b.Bucket(bucketData, none), b.Bucket(bucketExpiry, none), b.Bucket(bucketMeta, numbers))
	if err != nil {
		return bbpage.Meta{}, err
	}
	return b.Finish(tx)
}

// allocateFirst makes a new file as long as it is after its first step, before it is synced,
// and reports whether it has. That is one sync less than at the first write.
func allocateFirst(dir *access.Dir, f *os.File, meta bbpage.Meta, opts Options) bool {
	to := meta.Size() + leastStep
	if runtime.GOOS == "windows" || opts.MaxBytes > 0 && to > opts.MaxBytes {
		return false
	}
	return dir.Allocate(f, meta.Size(), to) == nil // else the first write allocates the blocks, or says why it can't
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
	return n.opened(dir, opts), nil
}
