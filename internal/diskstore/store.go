// Package diskstore is a durable store: a bbolt file, a write-ahead log, and a memtable of
// the changes that have not been checkpointed. It knows nothing of operations and their
// results.
//
// A call is one record of the log. One sync makes the records of all waiting callers
// durable, then they become visible. A checkpoint writes the visible changes to the file,
// in one transaction with the log position up to which the file has them. So at any
// moment, and after any crash,
//
//	the file as of its last complete commit
//	+ the records of the log from the LSN that it names, up to the last complete one
//	= all acknowledged writes, in their order
//
// Replaying a record twice makes no difference, because it contains the resulting values.
// Space in the log is reused only after the commit that contains its records is synced. A file
// that names a log is not opened without it. Close makes a last checkpoint that names no log,
// and removes the log.
//
// If a meta page of the file is damaged, the file opens as of the commit before, if that
// names the log: both meta pages do from the first write on, and the LSN of either is still
// in the log. After anything that leaves an LSN from which the log cannot continue (a large
// write, a log that was discarded after a crash, a compaction) the other meta page is written,
// too: see alignMetaPages.
//
// # Parts and locks
//
// The state of a Store has four parts, each with a lock:
//
//	planner       plans one call at a time, and so orders them: lock returns a planning
//	visible       the memtables, and which records reads see: an RWMutex, private to it
//	checkpointer  the right to write to the file: lock returns a fileWriter
//	lifecycle     whether the store is open
//
// What needs a lock is a method of the value that locking returns. Locks are taken in the
// order fileWriter, planning, visible; a planning only tries to become a fileWriter.
//
//	stages.go        the life of a write: plan, append, sync, publish, checkpoint
//	plan.go          Plan: the changes that one call makes
//	apart.go         planning a call on many keys while others are planned
//	planner.go       planner, and the log that the first write creates
//	segment.go       a call that is too large for the log
//	largewrite.go    a call for which there is no log, or no space for a segment
//	visible.go       what reads see, and how the stages change it
//	memtable.go      mutable and immutable memtable, with tombstones
//	tally.go         how many keys a memtable adds, and which have expired
//	read.go          reads: the memtables over the file
//	checkpointer.go  when checkpoints run, and the right to write to the file
//	parts.go         a checkpoint in several transactions
//	fullfile.go      a checkpoint into a file that is nearly full
//	snapshot.go      backups and compaction
//	lifecycle.go     opening and closing
//	logfile.go       the file of the log
//	logname.go       which file has the log's name
//	logsize.go       a larger log for a larger file
//	recovery.go      opening a store that was not closed
//	replay.go        replay of its log
//	expiry.go        removing expired keys
//	watch.go         reporting changes that reads see
//	clock.go         which deadlines a file can hold
package diskstore

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Store is a durable store. It is safe for concurrent use.
type Store struct {
	file        *boltfile.File
	opts        Options
	planner     planner
	visible     visible
	checkpoints checkpointer
	life        lifecycle
	logFile     atomic.Pointer[logFile] // nil: nothing was written yet, or no log can be created
	commits     atomic.Int64
	sweep       sweep
	watch       watch
}

// Options are the properties of a Store.
type Options struct {
	boltfile.Options
	Interval time.Duration // more than 0: a record is synced within it, and no caller waits for that
	LogBytes int64         // size of the log
	Parts    Parts

	// LargeLogBytes, if more than LogBytes, is the size that the log of a large file without
	// MaxBytes gets once it is busy.
	LargeLogBytes int64
}

// File returns the file without the log.
func (s *Store) File() *boltfile.File { return s.file }

func (s *Store) errReadOnly() error {
	if s.opts.ReadOnly {
		return kverr.Errorf(kverr.ReadOnly, "the file was opened with ReadOnly; open it without that option in the host")
	}
	return kverr.Errorf(kverr.ReadOnly, "the file is open read-only; give the host's user write permission and open it again")
}

// Is reports whether the file is the one of info.
func (s *Store) Is(info os.FileInfo) bool { return s.file.Is(info) }

// Commits returns how many syncs and commits the store has made.
func (s *Store) Commits() int64 { return s.commits.Load() }

// Size returns the bytes of the file and the log, and of the memtables.
func (s *Store) Size() (disk, buffered int64) {
	disk = s.file.Size()
	if f := s.logFile.Load(); f != nil {
		if disk += f.size; f.log != nil {
			disk += f.log.SegmentBytes()
		}
	}
	return disk, s.visible.size()
}

func notDone(err error) error { return kverr.Errorf(err, "not done: %w", err) }
