package boltfile

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// errEngine marks a panic of the engine on its way through guard's callers.
var errEngine = errors.New("engine panic")

// guard runs engine code. It answers damage in the file with a panic, or with a
// fault of the memory that maps it; either becomes an error.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = kverr.Errorf(errEngine, "the file is damaged (%v); restore it from a backup", p)
		}
	}()
	return fn()
}

// Options are the properties of an open file.
type Options struct {
	MaxBytes    int64            // of the file; 0: no limit
	LockTimeout time.Duration    // wait for another process's lock
	Now         func() time.Time // safe for concurrent use
	Logger      *slog.Logger     // hears of damage
}

// Open opens the file at loc, and creates it if there is none. Where it
// fails, it leaves no lock, and no file that was not there.
func Open(loc access.Location, opts Options) (*File, error) {
	f, err := loc.Open()
	if err != nil {
		return nil, err
	}
	s, err := tryOpen(f, loc, opts)
	if err != nil {
		if errors.Is(err, kverr.Corrupt) {
			unlock(f.File) // after a panic of the engine memory may still map it
		}
		f.Close()
		if f.Created && !errors.Is(err, kverr.InUse) { // by whoever opened it since
			loc.Remove()
		}
		return nil, err
	}
	return s, nil
}

func tryOpen(f access.File, loc access.Location, opts Options) (*File, error) {
	errInUse := kverr.Errorf(kverr.InUse, "the file is in use by another process; it was not released within %v", opts.LockTimeout)
	if locked, err := lock(f.File, f.ReadOnly, opts.LockTimeout); err != nil {
		return nil, DiskError(err)
	} else if !locked {
		return nil, errInUse
	}
	look, err := examine(f, opts)
	if err != nil {
		return nil, err
	}
	var db *bolt.DB
	err = guard(func() (err error) {
		db, err = bolt.Open(loc.Path, access.FileMode, opts.engine(f.File, f.ReadOnly))
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, berrors.ErrTimeout):
		return nil, errInUse
	case errors.Is(err, errEngine), isEngineFormat(err):
		return nil, kverr.Errorf(kverr.Corrupt, "%w", err)
	default:
		return nil, DiskError(err)
	}
	err = guard(func() (err error) {
		if !lockFirst {
			if look, err = examine(f, opts); err != nil {
				return err
			}
		}
		if look.new {
			look.meta, err = layOut(db)
		}
		return err
	})
	if err == nil {
		err = settle(f, loc)
	}
	if errors.Is(err, errEngine) { // a lock of the engine may still be locked: see abandon
		return nil, kverr.Errorf(kverr.Corrupt, "%w", err)
	}
	if err != nil {
		guard(db.Close)
		return nil, DiskError(err)
	}
	return newFile(db, newGuardian(f.File, look), f, loc.Path, opts), nil
}

// examine looks at a file before the engine does.
func examine(f access.File, opts Options) (found, error) {
	errEmpty := kverr.Errorf(kverr.ReadOnly, "the file is empty and read-only; give the host's user write permission")
	info, err := f.Stat()
	if err != nil {
		return found{}, DiskError(err)
	}
	size := info.Size()
	switch {
	case size == 0 && f.ReadOnly:
		return found{}, errEmpty
	case size == 0:
		return found{new: true}, nil
	case opts.MaxBytes > 0 && size > opts.MaxBytes:
		return found{}, kverr.Errorf(kverr.Full, "the file has %d bytes, and its limit is %d; let the host raise MaxFileBytes", size, opts.MaxBytes)
	}
	look, err := verifyFile(f.File, VerifyAllBytes)
	if err == nil && look.new && f.ReadOnly {
		err = errEmpty
	}
	return look, err
}

// settle makes sure that the file, now that it is locked, is the one that its
// name stands for: Compact may have put another in its place while the lock was
// waited for. A new file's name has to be on disk like its content.
func settle(f access.File, loc access.Location) error {
	info, err := loc.Stat()
	if err != nil {
		return access.OpenError(err)
	}
	if !os.SameFile(info, f.Info) {
		return kverr.Errorf(kverr.InUse, "the file was replaced by another process while it was being opened; try again")
	}
	if f.Created {
		return loc.SyncDir()
	}
	return nil
}

// engine is how the engine opens a file that was opened, and checked, for it.
// Its freelist is synced, because a file without one takes seconds to open.
func (o *Options) engine(f *os.File, readOnly bool) *bolt.Options {
	return &bolt.Options{
		Timeout:      o.LockTimeout,
		FreelistType: bolt.FreelistMapType,
		MaxSize:      int(min(o.MaxBytes, math.MaxInt)),
		NoStatistics: true,
		ReadOnly:     readOnly,
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	}
}

func isEngineFormat(err error) bool {
	return errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch)
}

// layOut makes a store of a new file.
func layOut(db *bolt.DB) (meta metaPage, err error) {
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketData, bucketExpiry} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(metaFormat, []byte{formatVersion})
	})
	if err != nil {
		return meta, err
	}
	err = db.View(func(tx *bolt.Tx) error {
		size := int64(db.Info().PageSize)
		meta = metaPage{tx: uint64(tx.ID()), pageSize: size, pages: uint64(tx.Size() / size)}
		return nil
	})
	return meta, err
}
