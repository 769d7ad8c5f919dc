package boltfile

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// errEngine marks a panic of bbolt on its way through guard's callers.
var errEngine = errors.New("engine panic")

// guard runs code of bbolt. It answers damage in the file with a panic, or with a
// fault of the memory that maps it; either becomes an error.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = kverr.Errorf(errEngine, "the file is damaged (%v); restore it from a backup", p)
		}
	}()
	return engineError(fn())
}

// engineError is an error of bbolt, of which some keep only the text of what the
// operating system said, with the path.
func engineError(err error) error {
	if err == nil {
		return nil
	}
	for _, prefix := range []string{"file resize error: ", "file sync error: ", "mmap allocate error: ", "mlock/munlock error: ", "truncate: ", "madvise: "} {
		if text := err.Error(); strings.HasPrefix(text, prefix) {
			if errno := kverr.FromText(text); errno != nil {
				return kverr.Errorf(errno, "%s%w", prefix, errno)
			}
		}
	}
	return err
}

// Options are the properties of an open file.
type Options struct {
	MaxBytes    int64            // of the file; 0: no limit
	MaxValue    int64            // bytes of a value that is read; 0: no limit
	LockTimeout time.Duration    // wait for another process's lock
	VerifyBytes int64            // size of the largest file that opening verifies completely; 0: DefaultVerifyBytes; less than 0: none
	ReadOnly    bool             // write nothing, and share the lock with others that do not
	Now         func() time.Time // safe for concurrent use
	Logger      *slog.Logger     // receives reports of damage
	Hook        access.Hook      // nil but in tests

	// Claim, if it is not nil, is called before a file is locked, or a new one gets
	// its name. Its error ends the opening: the caller has that file open, or is about to.
	Claim func(os.FileInfo) error

	Slack int64 // bytes by which a file can exceed MaxBytes when it is opened
}

// Open opens the file at loc, and creates it if there is none. If it fails, it leaves no lock
// and no new file. A file with a torn meta page is opened as of the previous commit; only the
// log shows whether that commit is complete.
func Open(ctx context.Context, loc access.Location, opts Options) (*File, error) {
	dir, err := loc.OpenDir(opts.Hook)
	if err != nil {
		return nil, err
	}
	var f *File
	if err = storeName(loc, dir); err == nil {
		for range maxSwaps {
			if f, err = openIn(ctx, dir, opts); err != errSwapped || ctx.Err() != nil {
				break
			}
		}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	if !f.readOnly {
		if err := f.use(f.measure); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// maxSwaps limits how often Open tries again because the file was replaced meanwhile.
const maxSwaps = 8

// errSwapped is why a file was not opened that had lost its name to another one, as by
// Compact, when it was locked at last.
var errSwapped = kverr.Errorf(kverr.InUse, "the file was replaced while it was being opened; try again")

// storeName reports whether a file can have a store's name: as it was given, and after
// symlinks have been followed.
func storeName(loc access.Location, dir *access.Dir) error {
	if err := access.CheckStoreName(loc.Path); err != nil {
		return err
	}
	return access.CheckStoreName(dir.Base())
}

func openIn(ctx context.Context, dir *access.Dir, opts Options) (*File, error) {
	f, err := openFile(dir, opts)
	if errors.Is(err, fs.ErrNotExist) && !opts.ReadOnly {
		var made *File
		if made, err = create(dir, opts); !errors.Is(err, fs.ErrExist) {
			return made, err
		}
		f, err = openFile(dir, opts) // another process created it
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, kverr.Errorf(fs.ErrNotExist, "there is no such file; give the path of one that exists, or open it without ReadOnly")
	}
	if err == nil && f.info.Size() == 0 && !f.readOnly && access.CanLock && !f.alone {
		defer f.Close() // closing it unlocks it: until then no other process replaces it
		return replaceEmpty(ctx, dir, f, opts)
	}
	if err != nil {
		return nil, NoPermission(dir, err, dir.Base(), "the file")
	}
	return tryOpen(ctx, dir, f, opts)
}

// openedFile is a file that bbolt may use.
type openedFile struct {
	*os.File
	info     os.FileInfo
	readOnly bool
	alone    bool // it is mounted by itself
}

func openFile(dir *access.Dir, opts Options) (f openedFile, err error) {
	f.readOnly = opts.ReadOnly
	if !f.readOnly {
		f.File, f.info, err = dir.Open(dir.Base(), os.O_RDWR)
		f.readOnly = errors.Is(err, fs.ErrPermission) && !errors.Is(err, kverr.NotAllowed) || errors.Is(err, syscall.EROFS)
	}
	if f.readOnly {
		f.File, f.info, err = dir.Open(dir.Base(), os.O_RDONLY)
	}
	f.alone = err == nil && dir.Mounted(f.File)
	return f, err
}

// tryOpen opens a file that exists. It closes f if it fails.
func tryOpen(ctx context.Context, dir *access.Dir, f openedFile, opts Options) (_ *File, err error) {
	defer func() {
		if err != nil {
			if errors.Is(err, kverr.Corrupt) {
				access.Unlock(f.File) // after a panic of bbolt memory may still map it
			}
			f.Close()
		}
	}()
	if err := opts.claim(f.info); err != nil {
		return nil, err
	}
	if locked, err := access.Lock(ctx, f.File, f.readOnly, opts.LockTimeout); err != nil {
		return nil, DiskError(err)
	} else if !locked {
		return nil, errInUse(opts)
	}
	v, err := verifyOpened(ctx, dir, f, opts)
	if err != nil {
		return nil, err
	}
	waits := opts
	waits.LockTimeout = lockTimeout(ctx, opts.LockTimeout)
	db, err := startEngine(f.File, f.readOnly, waits)
	if err != nil {
		return nil, err
	}
	err = guard(func() (err error) {
		if !access.CanLock {
			if v, err = verifyOpened(ctx, dir, f, opts); err != nil {
				return err
			}
		}
		if v.new {
			v.meta, err = layOut(db)
		}
		return err
	})
	if err == nil {
		err = settle(dir, f, db)
	}
	if errors.Is(err, errEngine) { // a lock of the engine may still be locked: see abandon
		return nil, kverr.Errorf(kverr.Corrupt, "%w", err)
	}
	if err != nil {
		guard(db.Close)
		return nil, DiskError(err)
	}
	file := newFile(db, newPageState(f.File, v, opts.MaxValue), f, dir, opts)
	file.torn = v.torn
	return file, nil
}

// verifyOpened verifies a file before bbolt opens it. A file without a store in it is new
// only where no log shows that it had one.
func verifyOpened(ctx context.Context, dir *access.Dir, f openedFile, opts Options) (v found, err error) {
	if v, err = verifyContent(ctx, f, opts); err == nil && v.new {
		err = emptyBesideLog(dir)
		if err == nil && f.readOnly {
			err = kverr.Errorf(kverr.ReadOnly, "the file is empty and read-only; give the host's user write permission")
		}
	}
	return v, err
}

// tooLarge reports whether the process has no addresses for a file of that size.
func tooLarge(size int64) bool { return size > math.MaxInt }

func verifyContent(ctx context.Context, f openedFile, opts Options) (found, error) {
	info, err := f.Stat()
	if err != nil {
		return found{}, DiskError(err)
	}
	size := info.Size()
	switch {
	case size == 0:
		return found{new: true}, nil
	case tooLarge(size):
		return found{}, kverr.Errorf(kverr.TooLarge, "the file has %d bytes, which is more than a process with 32-bit addresses can map; open it in a 64-bit process", size)
	case opts.MaxBytes > 0 && size > opts.MaxBytes+opts.Slack:
		return found{}, kverr.Errorf(kverr.Full, "the file has %d bytes, and its limit is %d; raise MaxFileBytes in the host", size, opts.MaxBytes+opts.Slack)
	}
	return verifyTorn(ctx, f.File, cmp.Or(opts.VerifyBytes, DefaultVerifyBytes))
}

func (o *Options) claim(info os.FileInfo) error {
	if o.Claim == nil {
		return nil
	}
	return o.Claim(info)
}

func errInUse(opts Options) error {
	return kverr.Errorf(kverr.InUse, "the file is in use by another process, or by another registry of this one, and was not released within %v; close it there first", opts.LockTimeout)
}

func startEngine(f *os.File, readOnly bool, opts Options) (db *bolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(f.Name(), access.FileMode, opts.engine(f, readOnly))
		return err
	})
	if err == nil {
		db.AllocSize = 0 // a file that grows in bbolt's steps does not fit its limit: see allocate
	}
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, errInUse(opts)
	case errors.Is(err, errEngine), isEngineFormat(err):
		return nil, kverr.Errorf(kverr.Corrupt, "%w", err)
	}
	return nil, DiskError(err)
}

// settle makes sure that the file, now that it is locked, is the one that its
// name refers to: Compact may have replaced it while the lock was
// waited for. Then it makes durable what was read, for all that is acknowledged
// from now on is built on it: a process that was killed, or whose sync failed,
// leaves meta pages that can be in the system's memory only, and a name that may be
// nowhere else. After a failed sync the system takes pages for written that are
// not; so the meta pages are written again, unchanged.
func settle(dir *access.Dir, f openedFile, db *bolt.DB) error {
	if _, err := dir.Names(dir.Base(), f.info); errors.Is(err, kverr.Replaced) {
		return errSwapped
	} else if err != nil {
		return err
	}
	if f.readOnly { // what is read has to be durable here too
		return UnlessReadOnly(dir.SyncFile(f.File))
	}
	metas := make([]byte, 2*db.Info().PageSize)
	if _, err := f.ReadAt(metas, 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(metas, 0); err != nil {
		return err
	}
	if err := dir.SyncFile(f.File); err != nil {
		return err
	}
	dir.RemoveLeftovers(f.info)
	return dir.Sync()
}

// UnlessReadOnly returns err, the error of a sync of a file that was opened for reading, or
// nil if the system refuses such syncs.
func UnlessReadOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// engine is how bbolt opens a file that was opened, and checked, for it.
// Its freelist is synced, because a file without one takes seconds to open.
func (o *Options) engine(f *os.File, readOnly bool) *bolt.Options {
	return &bolt.Options{
		InitialMmapSize: int(o.ahead(f, readOnly)),

		Timeout:      o.LockTimeout,
		FreelistType: bolt.FreelistMapType,
		MaxSize:      int(min(o.MaxBytes, math.MaxInt)),
		NoStatistics: true,
		ReadOnly:     readOnly,
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	}
}

// lockTimeout is how long bbolt may wait for a lock that lock could not take.
// It cannot be interrupted, so that only the deadline of ctx counts.
func lockTimeout(ctx context.Context, timeout time.Duration) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), access.LockPause))
	}
	return timeout
}

func isEngineFormat(err error) bool {
	return errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch)
}

// layOut makes a store of a new file.
func layOut(db *bolt.DB) (meta bbpage.Meta, err error) {
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketData, bucketExpiry} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(meta.Put(metaFormat, []byte{formatVersion}), setMetaNumber(meta, metaTwin, uint64(tx.ID())))
	})
	if err != nil {
		return meta, err
	}
	err = db.View(func(tx *bolt.Tx) error {
		size := int64(db.Info().PageSize)
		meta = bbpage.Meta{Tx: uint64(tx.ID()), PageSize: size, Pages: uint64(tx.Size() / size), Root: uint64(tx.Cursor().Bucket().Root())}
		return nil
	})
	return meta, err
}
