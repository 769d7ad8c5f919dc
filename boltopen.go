package extlibs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"math"
	"os"
	"runtime/debug"
	"syscall"
	"time"

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

// openBolt opens the file at loc, and creates it if there is none. Where it
// fails, it leaves no lock, and no file that was not there.
func openBolt(loc location, opts options) (*boltStore, error) {
	f, err := loc.openStore()
	if err != nil {
		return nil, err
	}
	s, err := tryOpenBolt(f, loc, opts)
	if err != nil {
		if errors.Is(err, ErrCorrupt) {
			unlock(f.File) // after a panic of the engine memory may still map it
		}
		f.Close()
		if f.created {
			loc.remove()
		}
		return nil, err
	}
	return s, nil
}

func tryOpenBolt(f storeFile, loc location, opts options) (*boltStore, error) {
	size := f.info.Size()
	if size > 0 {
		if err := checkUnlocked(f.File, size); err != nil {
			return nil, err
		}
	} else if f.readOnly {
		return nil, kverr.Errorf(ErrReadOnly, "the file is empty and read-only; give the host's user write permission")
	}
	var db *bolt.DB
	err := guard(func() (err error) {
		db, err = bolt.Open(loc.path, fileMode, opts.engine(f.File, f.readOnly))
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, berrors.ErrTimeout):
		return nil, kverr.Errorf(ErrInUse, "the file is in use by another process; it was not released within %v", opts.lockTimeout)
	case errors.Is(err, errEngine), isEngineFormat(err):
		return nil, kverr.Errorf(ErrCorrupt, "%w", err)
	default:
		return nil, diskError(err)
	}
	err = guard(func() error {
		if err := verifyFile(f.File, verifyAllBytes); err != nil {
			return err
		}
		return prepare(db, opts.now())
	})
	if err == nil {
		err = settle(f, loc)
	}
	if errors.Is(err, errEngine) { // a lock of the engine may still be locked: see abandon
		return nil, kverr.Errorf(ErrCorrupt, "%w", err)
	}
	if err != nil {
		guard(db.Close)
		return nil, diskError(err)
	}
	return newBoltStore(db, f, loc.path, opts), nil
}

// settle makes sure that the file, now that it is locked, is the one that its
// name stands for: Compact may have put another in its place while the lock was
// waited for. A new file's name has to be on disk like its content.
func settle(f storeFile, loc location) error {
	info, err := loc.stat()
	if err != nil {
		return openError(err)
	}
	if !os.SameFile(info, f.info) {
		return kverr.Errorf(ErrInUse, "the file was replaced by another process while it was being opened; try again")
	}
	if f.created {
		return loc.syncDir()
	}
	return nil
}

// engine is how the engine opens a file that was opened, and checked, for it.
// Its freelist is synced, because a file without one takes seconds to open.
func (o *options) engine(f *os.File, readOnly bool) *bolt.Options {
	return &bolt.Options{
		Timeout:      o.lockTimeout,
		FreelistType: bolt.FreelistMapType,
		MaxSize:      int(min(o.maxFileBytes, math.MaxInt)),
		NoStatistics: true,
		ReadOnly:     readOnly,
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	}
}

func isEngineFormat(err error) bool {
	return errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch)
}

// prepare lays out a new file, or checks that an old one is ours.
func prepare(db *bolt.DB, now time.Time) error {
	empty := false
	err := db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			first, _ := tx.Cursor().First()
			empty = first == nil
			if empty && !db.IsReadOnly() {
				return nil
			}
			return kverr.Errorf(ErrFormat, "the file is a bbolt file, but not a kv file; choose another path")
		}
		version := meta.Get(metaFormat)
		if len(version) != 1 || version[0] == 0 {
			return kverr.Errorf(ErrFormat, "the file is a bbolt file, but not a kv file; choose another path")
		}
		if version[0] > formatVersion {
			return kverr.Errorf(ErrFormat, "the file has format %d, this version of the library reads up to %d; update the library", version[0], formatVersion)
		}
		_, err := newBoltTx(tx, now)
		return err
	})
	if err != nil || !empty {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketData, bucketExpiry} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(metaFormat, []byte{formatVersion})
	})
}

// The engine's own meta pages: a page header of 16 bytes, then magic, version,
// page size, flags, the root bucket (page, sequence), the freelist's page, the
// high-water mark, the transaction and a checksum of all that.
const (
	pageHeaderBytes = 16
	metaBytes       = 64
	metaMagic       = 0xED0CDAED
	metaVersion     = 2
)

// checkUnlocked looks at what the engine reads while it opens a file: it trusts
// it, and crashes or takes all memory if it should not have. The file is not
// locked yet, so what looks like damage may be another process at work. Then the
// header has changed when it is read again.
func checkUnlocked(file *os.File, size int64) error {
	for {
		meta, err := checkMeta(file, size)
		if err == nil && meta.freelist != noFreelist {
			_, _, err = readFreelist(file, meta)
		}
		if err == nil {
			return nil
		}
		if info, e := file.Stat(); e == nil {
			size = info.Size()
		}
		if again, e := checkMeta(file, size); e != nil || again == meta {
			return err
		}
	}
}

// verifyFile checks a file that nothing writes. The leaves of one that is larger
// than limit are not read.
func verifyFile(file *os.File, limit int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	meta, err := checkMeta(file, info.Size())
	if err != nil {
		return err
	}
	return verify(file, meta, int64(meta.pages)*meta.pageSize <= limit)
}

// checkMeta reads the meta page that counts. The engine would make do with the
// other one if it is damaged, and so take back a commit that was acknowledged.
// No crash leaves half of a meta page behind, because it is within one sector.
func checkMeta(file io.ReaderAt, size int64) (metaPage, error) {
	pageSize := int64(os.Getpagesize())
	first, ours := readMeta(file, 0)
	if first.valid {
		pageSize = first.pageSize
	}
	second, alsoOurs := readMeta(file, pageSize)
	if !ours && !alsoOurs {
		return metaPage{}, kverr.Errorf(ErrFormat, "the file is not a kv file; choose another path")
	}
	if size < 2*pageSize {
		return metaPage{}, kverr.Errorf(ErrCorrupt, "the file has been cut short: %d bytes of at least %d; restore it from a backup", size, 2*pageSize)
	}
	if !first.valid || !second.valid || first.pageSize != second.pageSize {
		return metaPage{}, kverr.Errorf(ErrCorrupt, "the file's header is damaged; restore it from a backup")
	}
	best := first
	if second.tx > first.tx {
		best = second
	}
	if want := int64(best.pages) * best.pageSize; best.pages > 1<<40 || size < want {
		return metaPage{}, kverr.Errorf(ErrCorrupt, "the file has been cut short: %d bytes of at least %d; restore it from a backup", size, want)
	}
	return best, nil
}

type metaPage struct {
	valid          bool
	pageSize       int64
	root, freelist uint64
	pages, tx      uint64
}

// noFreelist stands for a list of free pages that is not in the file.
const noFreelist = ^uint64(0)

// readMeta reads the meta page at offset at. ours is whether there is one,
// damaged or not.
func readMeta(file io.ReaderAt, at int64) (m metaPage, ours bool) {
	var b [pageHeaderBytes + metaBytes]byte
	if _, err := file.ReadAt(b[:], at); err != nil && !errors.Is(err, io.EOF) {
		return m, false
	}
	meta := b[pageHeaderBytes:]
	order := binary.NativeEndian
	if order.Uint32(meta) != metaMagic {
		return m, false
	}
	sum := fnv.New64a()
	sum.Write(meta[:56])
	m.pageSize = int64(order.Uint32(meta[8:]))
	m.root, m.freelist = order.Uint64(meta[16:]), order.Uint64(meta[32:])
	m.pages, m.tx = order.Uint64(meta[40:]), order.Uint64(meta[48:])
	m.valid = order.Uint32(meta[4:]) == metaVersion &&
		order.Uint64(meta[56:]) == sum.Sum64() &&
		m.pageSize >= 512 && m.pageSize <= 1<<16 && !bytes.Equal(meta[:8], make([]byte, 8)) &&
		m.root < m.pages && (m.freelist < m.pages || m.freelist == noFreelist)
	return m, true
}

// isDiskFull reports an error that more room would mend.
func isDiskFull(err error) bool {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return diskFullErrno(errno)
	}
	// Where the engine fails to make the file larger, it keeps only the text.
	return err != nil && diskFullText(err.Error())
}
