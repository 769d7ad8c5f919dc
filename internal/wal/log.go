// Package wal is the write-ahead log of a database file: records in the log survive a
// crash, and a checkpoint writes them to the file later. The log is a ring in a separate
// file. Before a part of it is used for the first time, it is filled with zeros, so that
// later syncs have only data to write and no metadata of the file system.
//
//	record.go       the format; batches of operations
//	log.go          creating a log, appending, releasing
//	fill.go         zeros before the first use
//	groupcommit.go  syncs that concurrent callers share
//	replay.go       reading a log after a crash
//	resume.go       continuing a log after a crash
//	segment.go      records that are too large for the ring
//
// An LSN (log sequence number) counts the bytes of all records since the log was created,
// and only grows. The ring holds the records between the checkpoint LSN (see Release) and
// the end. The database file stores the log's id and its checkpoint LSN in the same
// transaction as the data, so the log itself does not say where it begins: a record is
// valid if it names the log's id and its own LSN, its checksum matches, and it follows
// the record before it without a gap. Left-overs of an earlier lap of the ring, or of
// another log, are never valid.
//
// Each record says up to which LSN the log was durable when the record was written. If
// the sequence of valid records ends before that LSN, durable records were lost: the log
// is damaged. If it ends after it, a crash cut off writes that were never acknowledged.
package wal

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// File is the file of a log.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes all writes durable, and checks that the next open will find the file. After
	// an error that is ErrPassing the log continues: callers that wait for this sync get the
	// error, and the next sync covers their records too. Any other error is latched, and the
	// log accepts no more records.
	Sync() error
}

// ErrPassing marks an error of File.Sync after which the log continues: the data is durable,
// but the check whether the file still has its name failed.
var ErrPassing = errors.New("the state of the log's file could not be found out")

// Options of a log.
type Options struct {
	// Interval, if not 0, is the time within which a record is synced that
	// no caller waits for.
	Interval time.Duration

	// Durable, if not nil, is called after each sync with the LSN up to which the
	// log is durable, before the waiting callers return.
	Durable func(LSN)

	// Flush, if not nil, makes all writes durable without checking the file's name.
	// If Sync reports that the file lost its name (kverr.Replaced), the log erases its
	// unacknowledged records and makes that durable with Flush, so that no later open
	// replays them. Without Flush the outcome of those calls is unknown.
	Flush func() error

	// Allocate, if not nil, makes a new file long enough, with blocks that read as zeros. It
	// reports whether it wrote them. Without it, Create writes them.
	Allocate func(size int64) (written bool, err error)

	// Extend, if not nil, allocates blocks for the bytes of the file between two places, the
	// first of which can be after its end. Truncate, if not nil, makes the file shorter.
	Extend   func(from, to int64) error
	Truncate func(size int64) error
}

// Log accepts records. Its methods are safe for concurrent use.
type Log struct {
	file  File
	id    ID
	opts  Options
	bytes int64 // size of the file
	size  int64 // size of the ring

	extending sync.Mutex // held while Options.Extend runs

	mu sync.Mutex
	extent
	area    area
	latched latched
	group   group
}

// extent is how far the records of a log go.
type extent struct {
	filled  int64 // bytes of the ring that were written, if only with zeros
	head    LSN   // the ring is free before it
	tail    LSN   // of the next record
	durable LSN
}

// latched is the error that stopped a log.
type latched struct {
	err    error // of later calls; nil: the log accepts records
	cause  error // what went wrong
	erased bool  // the records that were not durable were erased
}

// ErrNoRoom is the error of an Append that has to wait for a Release.
var ErrNoRoom = errors.New("the log has no room for the record")

// Create creates a log in an empty file, with size bytes or MaxBytes if that is less,
// and makes it durable. Its first record gets the first LSN from an LSN on that is at the
// beginning of the ring. All of the log has blocks on the disk, and little is written. The
// caller syncs the folder.
func Create(f File, size int64, from LSN, opts Options) (*Log, error) {
	l := &Log{file: f, opts: opts, size: ringSize(min(size, MaxBytes))}
	l.tail = (from + LSN(l.size) - 1) / LSN(l.size) * LSN(l.size)
	l.head, l.durable = l.tail, l.tail
	l.bytes = FileBytes(size)
	if err := l.allocate(); err != nil {
		return nil, err
	}
	id, header := newHeader(l.size)
	l.id = id
	if _, err := f.WriteAt(header, 0); err != nil {
		return nil, err
	}
	return l, f.Sync()
}

// FileBytes returns the size of the file of a log that Create creates.
func FileBytes(size int64) int64 { return headerBytes + ringSize(min(size, MaxBytes)) + endBytes }

// ringSize returns the size of the ring in a file of n bytes.
func ringSize(n int64) int64 { return max(n-headerBytes, headerBytes) / headerBytes * headerBytes }

// ID returns the log's id.
func (l *Log) ID() ID { return l.id }

// FileBytes returns the size of the log's file. If the file is shorter while the log is
// open, another program truncated it.
func (l *Log) FileBytes() int64 { return l.bytes }

// Tail returns the LSN at the end of the last record.
func (l *Log) Tail() LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail
}

// Usage returns how many bytes of the ring are in use, and its size.
func (l *Log) Usage() (used, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.tail - l.head), l.size
}

// Append writes a record after the last one and returns the LSN of its end. The record
// is durable after Sync returned nil for that LSN. If fewer than reserve bytes would
// remain free, Append returns ErrNoRoom. Callers serialize their calls to order their
// records.
//
// A full disk (the error is kverr.Full) changes nothing. Any other failure of the write
// is latched.
func (l *Log) Append(b *Batch, reserve int64) (LSN, error) {
	if len(b.b) > MaxRecordBytes {
		return 0, kverr.Errorf(kverr.TooLarge, "the changes of one call have %d bytes, more than the maximum of %d; split the call", len(b.b), MaxRecordBytes)
	}
	if b.err != nil {
		return 0, b.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latched.err != nil {
		return 0, l.latched.err
	}
	if n := b.Len(); n+reserve > l.size-int64(l.tail-l.head) {
		return 0, ErrNoRoom
	}
	if !validPlace(l.tail, l.durable) { // replay would stop before it
		return 0, l.latch(kverr.Errorf(kverr.Unavailable, "the log has reached position %d, where no record can begin; close the store and open it again", l.tail))
	}
	rec := b.seal(l.id, l.tail, l.durable)
	err := l.prepare(int64(l.tail)%l.size + int64(len(rec)))
	if err == nil {
		err = l.write(rec, l.tail)
	}
	if err != nil {
		if errors.Is(err, kverr.Full) { // replay ignores an incomplete record
			return 0, err
		}
		return 0, l.latch(err)
	}
	if l.group.since.IsZero() {
		l.group.since = time.Now()
	}
	l.tail += LSN(len(rec))
	if b.segment != nil {
		b.segment.end = l.tail
	}
	return l.tail, nil
}

// write writes the bytes of a record at an LSN. It writes the part that wraps around to
// the start of the ring first: the record becomes valid only with its head.
func (l *Log) write(b []byte, at LSN) error {
	off := int64(at) % l.size
	if over := off + int64(len(b)) - l.size; over > 0 {
		rest := int64(len(b)) - over
		if _, err := l.file.WriteAt(b[rest:], headerBytes); err != nil {
			return err
		}
		b = b[:rest]
	}
	_, err := l.file.WriteAt(b, headerBytes+off)
	return err
}

// Release frees the records before an LSN, which a checkpoint made durable in the file.
func (l *Log) Release(to LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = max(l.head, min(to, l.tail))
	l.freeSegments(func(s *segment) bool { return s.end != 0 && s.end <= l.head })
}

// Gap is the smallest distance that Skip can skip.
const Gap LSN = recordAlign

// Skip continues the log at an LSN after its end. Everything before it must be durable
// in the file, and no Append or Sync may be running; a segment may be written meanwhile.
func (l *Log) Skip(to LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.tail, l.durable = to, to, to
	l.freeSegments(func(s *segment) bool { return s.end != 0 })
}

// Close stops the timer and waits for the running sync. It does not sync. Later calls
// fail with an error that is kverr.Closed.
func (l *Log) Close() {
	l.mu.Lock()
	l.group.stopTimer()
	l.opts.Interval = 0
	for l.group.running != nil {
		running := l.group.running.done
		l.mu.Unlock()
		<-running
		l.mu.Lock()
	}
	if l.latched.err == nil {
		l.latched = latched{err: kverr.Errorf(kverr.Closed, "%w", kverr.Closed), cause: kverr.Closed}
	}
	l.mu.Unlock()
}
