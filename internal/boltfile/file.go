// Package boltfile keeps the keys of a store in one bbolt file. It knows the layout of the
// file, which bytes of an untrusted file can be trusted, and when a commit is durable. The
// writes that a file does not have yet are in a log: see package diskstore.
//
// The file has two meta pages, of its last two commits. If one is damaged the file opens
// as of the other, provided that this commit names a log.
//
//	file.go        File: transactions; failure.go: when it accepts no more writes, or no more calls
//	open.go        opening; create.go: creating
//	align.go       both meta pages for the last commit
//	tx.go          Tx: reading and changing entries
//	index.go       the index of deadlines
//	expired.go     how many of its entries have expired
//	state.go       State: what is stored under a key, and the space that it needs
//	space.go       the reserve of a file, and how it grows
//	identity.go    owner and permissions, and which files belong together
//	copy.go        backup; copysource.go: what is copied
//	compact.go     rewriting the file
//	remove.go      removing many keys from a full file
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

// File is an open file. It is safe for concurrent use; bbolt runs one Update at a time.
type File struct {
	opts     Options
	dir      *access.Dir // the folder, for as long as the file is open
	readOnly bool
	alone    bool // it is mounted by itself: files beside it do not stay with it
	torn     bool // when it was opened a meta page was damaged; see Torn
	space    atomic.Pointer[space]
	bboltEngine
	identities
	beginning
	copying
	failure
}

// bboltEngine is bbolt, and the file that it has open.
type bboltEngine struct {
	engine sync.RWMutex // held shared by every use of db, and alone by Close and by Compact when it replaces the file
	db     *bolt.DB     // nil: closed
	pages  *pageState
	info   os.FileInfo
	file   atomic.Pointer[os.File] // bbolt's; closing it gives up the lock
}

// identities are the files that Is knows: bboltEngine.info, and while Compact replaces the file
// also the other one. They are read without the lock of the engine, which a backup or a
// compaction can hold for long: opens of other files call Is too.
type identities struct{ identity, other atomic.Pointer[os.FileInfo] }

// beginning begins transactions. Its lock is held meanwhile: if another program overwrote
// the meta pages, bbolt panics there while it holds one of its locks, and then no goroutine
// must wait for that lock.
type beginning struct {
	begins sync.Mutex
	early  int        // transactions that read the commit before the newest one; see snapshot
	late   *sync.Cond // of begins: early has become 0
}

// copying lets copies read the file while others write to it.
type copying struct {
	copies  sync.RWMutex   // held shared by copies while they read the file, and alone while bbolt maps more of it
	yield   atomic.Bool    // asks them to begin again later
	closing sync.WaitGroup // engines of files that compaction has replaced
}

func newFile(db *bolt.DB, pages *pageState, f openedFile, dir *access.Dir, opts Options) *File {
	file := &File{opts: opts, dir: dir, readOnly: db.IsReadOnly(), alone: f.alone}
	file.db, file.pages, file.info = db, pages, f.info
	file.broken = make(chan struct{})
	file.file.Store(f.File)
	file.identity.Store(&f.info)
	file.late = sync.NewCond(&file.begins)
	file.space.Store(newSpace(db, f.File, opts))
	return file
}

// Path returns the path at which the file was opened.
func (f *File) Path() string { return f.dir.Path() }

// Dir returns the folder of the file. It is open for as long as the file is.
func (f *File) Dir() *access.Dir { return f.dir }

// Mounted reports whether the file is itself a mount point, so that files in its visible
// folder do not stay with it.
func (f *File) Mounted() bool { return f.alone }

// Torn reports whether a meta page of the file was damaged when it was opened. Then the file
// is open as of the previous commit, and only a log shows whether that commit is complete.
func (f *File) Torn() bool { return f.torn }

// ReadOnly reports whether Update can only fail.
func (f *File) ReadOnly() bool { return f.readOnly }

// Is reports whether the file is the one of info. It does not block.
func (i *identities) Is(info os.FileInfo) bool {
	// In this order: see become, which changes identity between its changes of other.
	other := i.other.Load()
	return os.SameFile(*i.identity.Load(), info) || other != nil && os.SameFile(*other, info)
}

// Size returns the number of bytes of the file as a transaction would see it now.
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

// ErrUnchanged is the error of Update if its function changed nothing.
var ErrUnchanged = errors.New("nothing to do")

// Update runs change in a transaction that writes, and commits it. If change returns an error
// or changes nothing, the transaction is rolled back. change can run more than once. After an
// error that is kverr.CommitUnknown the file takes no more writes until it is opened again.
// Update checks the file's name before it commits; a caller that acknowledges the commit calls
// InPlace afterwards. Readers see the commit when it is durable.
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
// waits for all transactions that read, and new ones wait for it. So no copy,
// whose transaction is long, can be running.
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
	// system's memory nevertheless. bbolt continues from it, and reuses
	// pages that the meta page on disk can still need: a power cut then would
	// leave nothing that can be opened. So that must be the last commit.
	seen := 0
	view := f.view(db, func(tx *bolt.Tx) error { seen = tx.ID(); return nil })
	if view == nil && seen < id {
		return err
	}
	f.refuse(kverr.Errorf(kverr.Unavailable, "the disk failed during a commit, so the store accepts no more writes; close it and open it again: %w", err).(*kverr.Error))
	return kverr.Errorf(kverr.CommitUnknown, "the disk failed during a commit, so the write may or may not be stored; close the store and open it again: %w", err)
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

// ViewAt runs fn in a transaction that reads, and decides by now what has expired. The clock
// must have been read before the call: otherwise an entry could look expired in the snapshot
// although a later write has extended its ttl.
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

// Close waits for the running calls. Closing twice is no error.
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
