// Package boltfile keeps the keys of a store in one bbolt file. It knows the layout of
// the file, which bytes of a file from anywhere can be trusted, and when a commit is
// durable. The writes that a file does not have yet are in a log: see package diskstore.
//
// The file has two meta pages, of its last two commits. If one is damaged the file opens
// as of the other, provided that this commit names a log.
//
//	file.go        File: transactions, and what happens after a failure
//	open.go        opening; create.go: creating
//	tx.go          Tx: reading and changing entries
//	index.go       the index of deadlines
//	state.go       State: what is stored under a key, and the space that it needs
//	space.go       the reserve of a file, and how it grows
//	identity.go    owner and permissions, and which files belong together
//	copy.go        backup; copysource.go: what is copied
//	compact.go     rewriting the file
//	format.go      the schema: buckets, records, the index of deadlines
//	verify.go      verification of a file that nothing writes; package bbpage verifies pages
//	snapshot.go    the file as a transaction sees it
//	mapping.go     the memory that maps it
//	check.go       Damaged: a file that cannot be opened, checked and repaired
//	salvage.go     what can be read of it
package boltfile

import (
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// File is an open file. It is safe for concurrent use; bbolt lets one
// Update in at a time.
type File struct {
	opts     Options
	dir      *access.Dir // the folder, for as long as the file is open
	readOnly bool
	alone    bool // it is mounted by itself: files beside it do not stay with it
	torn     bool // when it was opened a meta page was damaged; see Torn

	// engine is held shared by every use of db, and alone by Close and by
	// Compact when it puts another file in its place.
	engine sync.RWMutex
	db     *bolt.DB // nil: closed
	pages  *pageState
	info   os.FileInfo
	file   atomic.Pointer[os.File] // bbolt's; closing it gives up the lock

	// The files that Is knows: info, and during a change of files also the other one.
	// They are read without the lock of the engine, which a backup or a compaction may
	// hold for long: opens of other files ask Is too.
	identity, other atomic.Pointer[os.FileInfo]

	// begins is held while a transaction begins. If another program overwrote
	// the meta pages, bbolt panics there while it holds one of its locks: then nobody
	// must wait for that lock.
	begins sync.Mutex
	early  int        // transactions that read the commit before the newest one; see snapshot
	late   *sync.Cond // of begins: early has become 0

	space   atomic.Pointer[space]
	copies  sync.RWMutex   // held shared by copies while they read the file, and alone while bbolt maps more of it
	yield   atomic.Bool    // asks them to begin again later
	closing sync.WaitGroup // engines of files that compaction has replaced

	damaged atomic.Pointer[kverr.Error] // why bbolt can't go on
	broken  chan struct{}               // closed when damaged is set
	breaks  sync.Once

	refused atomic.Pointer[kverr.Error] // why no write is taken any more
}

func newFile(db *bolt.DB, pages *pageState, f openedFile, dir *access.Dir, opts Options) *File {
	file := &File{opts: opts, dir: dir, readOnly: db.IsReadOnly(), alone: f.alone, db: db, pages: pages, info: f.info, broken: make(chan struct{})}
	file.file.Store(f.File)
	file.identity.Store(&f.info)
	file.late = sync.NewCond(&file.begins)
	file.space.Store(newSpace(db, f.File, opts))
	return file
}

// Path is where the file was found.
func (f *File) Path() string { return f.dir.Path() }

// Dir returns the folder of the file. It is open for as long as the file is.
func (f *File) Dir() *access.Dir { return f.dir }

// Mounted reports whether the file is a mount by itself, so that no file beside it stays
// with it.
func (f *File) Mounted() bool { return f.alone }

// Torn reports whether a meta page of the file was damaged when it was opened. Then the
// file is open as of the commit before, and only a log can tell whether that is all.
func (f *File) Torn() bool { return f.torn }

// Refused returns why the file takes no more writes, or nil.
func (f *File) Refused() error {
	if why := f.refused.Load(); why != nil {
		return why
	}
	return nil
}

// ReadOnly reports whether Update can only fail.
func (f *File) ReadOnly() bool { return f.readOnly }

// Broken is closed when no call can succeed any more; Err then says why.
func (f *File) Broken() <-chan struct{} { return f.broken }

// Err is why the file can't be used any longer, or nil.
func (f *File) Err() error {
	if d := f.damaged.Load(); d != nil {
		return d
	}
	return nil
}

// Is reports whether the file is the one of info. It waits for nothing.
func (f *File) Is(info os.FileInfo) bool {
	// In this order: see become, which changes identity between its changes of other.
	other := f.other.Load()
	return os.SameFile(*f.identity.Load(), info) || other != nil && os.SameFile(*other, info)
}

// Size is the number of bytes that the file has in a transaction of this moment.
func (f *File) Size() (n int64) {
	f.use(func(db *bolt.DB) error {
		return f.view(db, func(tx *bolt.Tx) error { n = tx.Size(); return nil })
	})
	return n
}

// use is the only way to bbolt.
func (f *File) use(fn func(*bolt.DB) error) error {
	f.engine.RLock()
	defer f.engine.RUnlock()
	if f.db == nil {
		return kverr.Closed
	}
	return f.guarded(func() error { return fn(f.db) })
}

// begin begins a transaction of bbolt.
func (f *File) begin(db *bolt.DB, writes bool) (tx *bolt.Tx, early bool, err error) {
	f.begins.Lock()
	defer f.begins.Unlock()
	for writes && f.early > 0 && f.damaged.Load() == nil {
		f.late.Wait() // it would reuse the pages that they read
	}
	err = f.guarded(func() error {
		tx, err = db.Begin(writes)
		return err
	})
	if err == nil && !writes && uint64(tx.ID()) > f.pages.last.Load() {
		early = true
		f.early++
	}
	return tx, early, err
}

// end ends a transaction that was not committed.
func (f *File) end(tx *bolt.Tx) {
	f.guarded(tx.Rollback) // of what is damaged nothing has to be given back
}

// view is bbolt's View.
func (f *File) view(db *bolt.DB, fn func(*bolt.Tx) error) error {
	tx, early, err := f.begin(db, false)
	if err != nil {
		return err
	}
	defer f.endRead(tx, early)
	return fn(tx)
}

// endRead ends a transaction that reads.
func (f *File) endRead(tx *bolt.Tx, early bool) {
	f.end(tx)
	if early {
		f.begins.Lock()
		defer f.begins.Unlock()
		if f.early--; f.early == 0 {
			f.late.Broadcast()
		}
	}
}

// update is bbolt's Update, in a file of up to maxSize bytes.
func (f *File) update(db *bolt.DB, maxSize int, fn func(*bolt.Tx) error) error {
	tx, _, err := f.begin(db, true)
	if err != nil {
		return err
	}
	db.MaxSize = maxSize
	open := true
	defer func() {
		if open {
			f.end(tx)
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	open = false // what fails is rolled back by bbolt
	open, err = f.dir.Commit(tx.Commit)
	return engineError(err)
}

// ErrUnchanged is what Update returns where its function changed nothing.
var ErrUnchanged = errors.New("nothing to do")

// Update runs change in a transaction that writes, and commits it. An error of
// change rolls it back, and so does a change of nothing. change can run more than
// once. After an error that is kverr.CommitUnknown the file takes no more writes until
// it is opened again. Update looks at the file's name before it commits; a caller that
// acknowledges what it committed asks InPlace afterwards. Readers see the commit when
// it is durable.
func (f *File) Update(change func(*Tx) error) error {
	return f.Publish(change, func(show func()) { show() })
}

// Publish is Update for a caller that keeps other state: publish calls show, and
// from then on readers see the commit.
func (f *File) Publish(change func(*Tx) error, publish func(show func())) error {
	return f.use(func(db *bolt.DB) error {
		for tries := 0; ; tries++ {
			r := f.space.Load()
			size := r.size.Load()
			err := f.updateWithin(db, int(min(size, r.mapped-1, math.MaxInt)), change, publish)
			if !errors.Is(err, berrors.ErrMaxSizeReached) {
				return err
			}
			if size < r.mapped {
				if grown := f.grow(tries); grown != nil {
					return grown
				}
				size = r.size.Load()
			}
			if size >= r.mapped {
				if err := f.mapMore(db, r, change, publish); !errors.Is(err, berrors.ErrMaxSizeReached) {
					return err
				}
			}
		}
	})
}

// mapMore is an update in which bbolt can map more of the file. For that it
// waits for all transactions that read, and those that begin then wait for it: so
// no copy, which reads for long, can be under way.
func (f *File) mapMore(db *bolt.DB, r *space, change func(*Tx) error, publish func(show func())) error {
	f.yield.Store(true)
	f.copies.Lock()
	defer f.copies.Unlock()
	f.yield.Store(false)
	size := r.size.Load()
	r.mapped = mapSize(size + 1)
	return f.updateWithin(db, int(min(size, math.MaxInt)), change, publish)
}

// updateWithin is Publish in a file of up to maxSize bytes.
func (f *File) updateWithin(db *bolt.DB, maxSize int, change func(*Tx) error, publish func(show func())) error {
	if err := f.writable(); err != nil {
		return err
	}
	id, refused := 0, false
	err := f.update(db, maxSize, func(tx *bolt.Tx) error {
		id = tx.ID()
		f.pages.next.Store(uint64(id))
		err := f.change(db, tx, change)
		refused = err != nil
		return err
	})
	if err == nil {
		// Before publish: else Fits would count neither the pages of this commit nor, in the
		// memtable of the caller, what it has stored. If that fails, the next transaction
		// finds out why.
		f.measure(db)
		publish(func() { f.pages.last.Store(uint64(id)) })
		return nil
	}
	if refused {
		return err
	}
	// A commit whose last step fails, the sync of the meta page, is in the
	// system's memory all the same. bbolt goes on from it, and reuses
	// pages that the meta page on disk can still need: a power cut then would
	// leave nothing that can be opened. So that must be the last commit.
	seen := 0
	view := f.view(db, func(tx *bolt.Tx) error { seen = tx.ID(); return nil })
	if view == nil && seen < id {
		return err
	}
	f.refuse(kverr.Errorf(kverr.Unavailable, "the disk failed in the middle of a commit, so nothing is written any more; close the store and open it again: %w", err).(*kverr.Error))
	return kverr.Errorf(kverr.CommitUnknown, "the disk failed in the middle of a commit, so the write may or may not be stored; close the store and open it again: %w", err)
}

// Writable is writable for callers that do not use bbolt meanwhile: Compact
// puts another file in this one's place.
func (f *File) Writable() error {
	f.engine.RLock()
	defer f.engine.RUnlock()
	return f.writable()
}

// writable reports why the file takes no writes: for good, or because its folder could
// not be asked just now, which fails the call at hand alone. The engine is locked,
// shared or alone.
func (f *File) writable() error {
	if why := f.refused.Load(); why != nil {
		return why
	}
	err := f.look()
	if err != nil && !errors.Is(err, kverr.Replaced) && !errors.Is(err, kverr.Closed) {
		return kverr.Errorf(kverr.Unavailable, "nothing was done, because the file's name could not be looked at: %w; try again", err)
	}
	return err
}

// InPlace returns nil if the file has its name, an error that is kverr.Replaced if it
// has not, and any other if nobody can tell. It does not care what else may keep the
// file from being written.
func (f *File) InPlace() error {
	f.engine.RLock()
	defer f.engine.RUnlock()
	return f.look()
}

// look is InPlace with the engine locked. A file that lost its name takes no writes
// from then on.
func (f *File) look() error {
	if f.db == nil {
		return kverr.Closed // and so is the folder
	}
	err := f.dir.Holds(f.info)
	if errors.Is(err, kverr.Replaced) {
		f.refuse(kverr.Errorf(kverr.Replaced, "the file was deleted, or another is in its place, so nothing can be stored in it; close the store and open it again").(*kverr.Error))
		if why := f.refused.Load(); why.Kind == kverr.Replaced {
			return why
		}
	}
	return err
}

func (f *File) refuse(why *kverr.Error) {
	if f.refused.CompareAndSwap(nil, why) {
		f.opts.Logger.Error("kv file takes no writes any longer", "path", f.dir.Path(), "error", why.Msg)
	}
}

func (f *File) change(db *bolt.DB, tx *bolt.Tx, change func(*Tx) error) error {
	snap, err := f.pages.snapshot(db, tx, f.pages.last.Load())
	if err == nil {
		err = snap.checkWrite(uint64(tx.Cursor().Bucket().Root()))
	}
	if err != nil {
		return err
	}
	t, err := newWriteTx(&snap, tx, f.opts.Now())
	if err != nil {
		return err
	}
	count := t.Count
	if err = change(t); err == nil {
		err = t.writeIndex()
	}
	if err == nil && t.Count < 0 { // more keys are gone than the file said it had
		t.Count = max(0, t.recount(t.Count-count))
		f.opts.Logger.Warn("kv: the file said that it held fewer keys than it did; they were counted again", "path", f.dir.Path(), "keys", t.Count)
	}
	switch {
	case err != nil:
		return err
	case !t.dirty:
		return ErrUnchanged
	case t.Count != count:
		return setMetaNumber(t.meta, metaCount, uint64(t.Count))
	}
	return nil
}

// View runs fn in a transaction that reads, at this moment.
func (f *File) View(fn func(*Tx) error) error { return f.ViewAt(f.opts.Now(), fn) }

// ViewAt runs fn in a transaction that reads, and decides what has expired by a reading of
// the clock. It was read before the snapshot is made: else an entry could expire
// between the two that a write which the snapshot lacks has given more time.
func (f *File) ViewAt(now time.Time, fn func(*Tx) error) error {
	return f.use(func(db *bolt.DB) error {
		low := f.pages.last.Load()
		return f.view(db, func(tx *bolt.Tx) error {
			snap, err := f.pages.snapshot(db, tx, low)
			if err != nil {
				return err
			}
			return fn(newTx(&snap, now))
		})
	})
}

// FailStop latches why: every later call fails with it, without bbolt. It returns
// why.
func (f *File) FailStop(why *kverr.Error) error {
	f.breaks.Do(func() {
		f.damaged.Store(why)
		close(f.broken)
		if f.late != nil {
			f.late.Broadcast()
		}
		f.opts.Logger.Error("kv file can't be used any longer", "path", f.dir.Path(), "error", why.Msg)
	})
	return why
}

// guarded turns a panic or memory fault of bbolt, which it answers damage
// with, into an error, and lets nobody near bbolt afterwards.
func (f *File) guarded(fn func() error) error {
	if d := f.damaged.Load(); d != nil {
		return d
	}
	err := guard(fn)
	var e *kverr.Error
	if errors.As(err, &e) && e.Kind == errEngine {
		return f.FailStop(&kverr.Error{Kind: kverr.Corrupt, Msg: e.Msg, Cause: e.Cause})
	}
	return err
}

// Close waits for the calls that are under way. Closing twice is no error.
func (f *File) Close() error {
	if f.damaged.Load() != nil {
		f.abandon()
		return nil // the calls that failed have said why
	}
	f.engine.Lock()
	defer f.engine.Unlock()
	if f.db == nil {
		return nil
	}
	var lost error
	if !f.readOnly { // a lookup that fails says nothing: acknowledged writes had their own lookup
		if lost = f.writable(); errors.Is(lost, kverr.Unavailable) && f.refused.Load() == nil {
			lost = nil
		}
	}
	db := f.db
	f.db = nil
	err := errors.Join(lost, DiskError(guard(db.Close)), f.dir.Close())
	f.closing.Wait()
	return err
}

// abandon gives up the file and its lock without bbolt, which would wait
// for its own locks, and a panic may have left one of them locked. The memory
// that maps the file stays: a call that is stuck may still look at it.
func (f *File) abandon() {
	f.damaged.Store(errAbandoned)
	access.Unlock(f.file.Load())
	f.file.Load().Close()
	f.dir.Close()
}

var errAbandoned = kverr.Errorf(kverr.Closed, "%w", kverr.Closed).(*kverr.Error)

// DiskError gives bbolt's error its kind and says what can be done.
func DiskError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return errLimit
	case errors.Is(err, berrors.ErrInvalidMapping):
		return kverr.Errorf(err, "the file could not be mapped into memory after it grew; close the store and open it again: %w", err)
	case access.IsDiskFull(err):
		return access.DiskError(err)
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return kverr.Closed
	}
	return err
}
