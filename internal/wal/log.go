// Package wal is a log in front of a file: what is in the log survives a crash,
// and is written to the file later. It is a ring in a file of its own that is
// written full of zeros once, so that a sync has nothing but data to write.
//
//	record.go  the format, batches of operations
//	log.go     appending, and syncs that many callers share
//	replay.go  reading a log after a crash, and going on with it
//
// A Pos counts the bytes of all records since the log was made, and never goes
// back; the ring keeps those between what the file has (Release) and the end. The
// file names the log's id and the position that it is good for, in the same
// transaction as the data. So nothing in the log says where it begins: a record
// counts if it names the log's id and its own position, its checksum holds, and
// it follows on that position without a gap. What an earlier lap of the ring or
// another log left there never does.
//
// Each record tells how far the log was durable when it was written. If the row
// of whole records ends before that, something was lost that was on the disk:
// damage. If it ends later, a crash tore writes that nobody was told about.
package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// File is what a log needs of its file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes durable what was written, in a place where it will be found. An error
	// that is ErrPassing leaves the log as it was: those who wait for this sync get it,
	// and the next sync covers their records too. After any other the log takes nothing.
	Sync() error
}

// ErrPassing marks an error of File.Sync that says nothing about the log: whether the
// file still has its name could not be found out.
var ErrPassing = errors.New("the state of the log's file could not be found out")

// Options of a log.
type Options struct {
	// Interval, if not 0, is the time within which a record is synced that
	// nobody waits for.
	Interval time.Duration

	// Durable, if not nil, is told after each sync how far the log is durable
	// now, before those who wait for it.
	Durable func(Pos)

	// Flush, if not nil, makes durable what was written wherever that is. Where Sync
	// says that the file has lost its name (kverr.Replaced), the log takes back with it
	// the records that nobody was told about, so that they never come back. Without it
	// the outcome of those calls is unknown.
	Flush func() error

	// Synced, if not nil, is told the result of each sync.
	Synced func(error)
}

// Log is a log that takes records. Its methods are safe for concurrent use.
type Log struct {
	file File
	id   ID
	opts Options

	bytes int64 // of the file

	mu      sync.Mutex
	size    int64 // of the ring
	head    Pos   // what is before it is free
	tail    Pos   // where the next record goes
	durable Pos
	err     error // why nothing can be written any more; its cause is failed
	failed  error
	back    bool        // the records after durable were taken back
	syncing *round      // the sync that is under way; nil: none is
	waiting int         // callers that wait for the next sync
	served  int         // those that the last sync served
	since   time.Time   // when the oldest record that is not durable was appended
	timer   *time.Timer // set while a record waits for a sync within the interval
}

// round is one sync.
type round struct {
	done chan struct{} // closed when it ends
	to   Pos           // it covers the records before this
	err  error         // that it ended with, if it is ErrPassing
}

func newRound() *round { return &round{done: make(chan struct{})} }

// ErrNoRoom is the result of an Append that has to wait for a Release.
var ErrNoRoom = errors.New("the log has no room for the record")

// zeros is what a log is filled with.
var zeros = make([]byte, 1<<20)

// Create makes a log of size bytes in an empty file, and makes it durable. The name
// of the file is the caller's to sync. size may be up to MaxBytes.
func Create(f File, size int64, opts Options) (*Log, error) {
	l := &Log{file: f, opts: opts, size: ringSize(min(size, MaxBytes))}
	l.bytes = headerBytes + l.size + endBytes
	if err := fill(f, headerBytes, l.bytes); err != nil {
		return nil, err
	}
	id, header := newHeader(l.size)
	l.id = id
	if _, err := f.WriteAt(header, 0); err != nil {
		return nil, err
	}
	return l, f.Sync()
}

// ringSize is the size of the ring in a file of n bytes.
func ringSize(n int64) int64 { return max(n-headerBytes, headerBytes) / headerBytes * headerBytes }

func fill(f File, from, to int64) error {
	for from < to {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// ID is the log's id.
func (l *Log) ID() ID { return l.id }

// FileBytes is the size that the log's file has. While the log is written, a shorter file
// has been cut short by others.
func (l *Log) FileBytes() int64 { return l.bytes }

// Tail is the end of the last record.
func (l *Log) Tail() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail
}

// Err says why nothing can be written any more, if that is so.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Usage is how many bytes of how many are in use.
func (l *Log) Usage() (used, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.tail - l.head), l.size
}

// Append writes a record behind the last one and returns where it ends. It is
// durable once Sync returned for that position. Append leaves reserve bytes free,
// else it fails with ErrNoRoom. Callers must see to the order of their records.
//
// A full disk (the error is kverr.Full) leaves the log as it was. After any other
// failure nothing can be written any more.
func (l *Log) Append(b *Batch, reserve int64) (Pos, error) {
	if len(b.b) > MaxRecordBytes {
		return 0, kverr.Errorf(kverr.TooLarge, "the changes of one call have %d bytes, they can have %d", len(b.b), MaxRecordBytes)
	}
	if b.err != nil {
		return 0, b.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	if n := b.Len(); n+reserve > l.size-int64(l.tail-l.head) {
		return 0, ErrNoRoom
	}
	rec := b.seal(l.id, l.tail, l.durable)
	if _, ok := parseHead(l.id, rec); !ok { // a replay would end before it
		return 0, l.fail(kverr.Errorf(kverr.Unavailable, "no record can be at position %d of the log", l.tail))
	}
	if err := l.write(rec, l.tail); err != nil {
		if errors.Is(err, kverr.Full) { // the part of a record that is there is not whole
			return 0, err
		}
		return 0, l.fail(err)
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	l.tail += Pos(len(rec))
	return l.tail, nil
}

// write writes at a position, the end first if that is beyond the ring's: the
// record is not whole before its head is there.
func (l *Log) write(b []byte, at Pos) error {
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

func (l *Log) fail(err error) error {
	if l.err == nil {
		l.failed = err
		l.err = kverr.Errorf(kverr.Unavailable, "the log can't be written any longer, so nothing was done; close the store and open it again: %w", err)
	}
	return l.err
}

// gatherTime is how long a sync may wait for callers that the last one served.
// It is short beside a sync, and a lone caller never meets it. gatherYields bounds
// it where time stands still, as it does in tests while anything runs.
const (
	gatherTime   = 100 * time.Microsecond
	gatherYields = 10_000
)

// Sync waits until the log is durable up to a position. Where that can't be
// known, because the disk failed or ctx ended the wait, the error is
// kverr.CommitUnknown. Where it is kverr.Replaced alone, the records up to there were
// taken back.
func (l *Log) Sync(ctx context.Context, to Pos) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	waits := false
	for l.durable < to {
		under := l.syncing
		if under == nil && l.err != nil { // else the last sync may yet be taking records back
			return l.outcome()
		}
		if !waits {
			waits = true
			l.waiting++
		}
		begins := under == nil
		if begins {
			under = newRound()
			l.syncing = under
		}
		l.mu.Unlock()
		switch {
		case begins && ctx.Done() == nil: // nothing else can end the wait
			l.sync(under)
		case begins:
			go l.sync(under)
		}
		var err error
		select {
		case <-under.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.mu.Lock()
		switch {
		case l.durable >= to:
		case err != nil:
			return kverr.Errorf(kverr.CommitUnknown, "the wait ended while the write was being made durable, it may or may not be stored: %w", err)
		case under.err != nil && to <= under.to:
			return kverr.Errorf(kverr.CommitUnknown, "the write is on the disk, but whether in a place where it will be found could not be looked up, so it may or may not be stored: %w", under.err)
		}
	}
	return nil
}

// outcome is what became of the records after durable. mu is locked.
func (l *Log) outcome() error {
	switch {
	case l.back:
		return l.failed
	case errors.Is(l.failed, kverr.Replaced):
		return kverr.Errorf(kverr.CommitUnknown, "the write may be stored, should what was moved come back: %w", l.failed)
	}
	return kverr.Errorf(kverr.CommitUnknown, "the disk failed in the middle of a write, so that nobody knows whether it is stored; close the store and open it again: %w", l.failed)
}

// sync makes durable what has been appended, and wakes all who wait for it.
func (l *Log) sync(r *round) {
	l.mu.Lock()
	// Those who have just been served are likely to come back at once. Without a
	// moment's patience they would take turns with those who came meanwhile, in
	// groups of half the size.
	began := time.Now()
	for n := 0; n < gatherYields && l.served > 1 && l.waiting < l.served && time.Since(began) < gatherTime; n++ {
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	to, appended := l.tail, time.Now()
	r.to = to
	l.served, l.waiting = l.waiting, 0
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.mu.Unlock()

	err := l.makeDurable(to)

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.durable = to
		l.since = time.Time{}
		if l.tail > to {
			l.since = appended
			l.syncWithin()
		}
	case errors.Is(err, ErrPassing):
		r.err = err
		l.syncWithin()
	default:
		l.fail(err)
		if errors.Is(err, kverr.Replaced) {
			l.takeBack()
		}
	}
	l.syncing = nil
	close(r.done)
}

// makeDurable syncs the file, and tells the owner of the log. A panic in it, which is a
// bug, is an error: it runs in a goroutine that nobody else could recover.
func (l *Log) makeDurable(to Pos) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w; close the store and report the bug: %s", kverr.Panicked("the log", p), debug.Stack())
		}
	}()
	err = l.file.Sync()
	if l.opts.Synced != nil {
		l.opts.Synced(err)
	}
	if err == nil && l.opts.Durable != nil {
		l.opts.Durable(to)
	}
	return err
}

// takeBack removes the records that are not known to be durable from a log that takes
// no more, so that whoever finds it does not find them. Records follow on each other:
// without the first there are no others. In interval mode they have been acknowledged,
// and stay. mu is locked.
func (l *Log) takeBack() {
	if l.opts.Flush == nil || l.opts.Interval > 0 || l.tail == l.durable {
		return
	}
	err := l.write(zeros[:recordHead], l.durable) // no head reaches over the ring's end
	if err == nil {
		err = l.opts.Flush()
	}
	l.back = err == nil // else their outcome is unknown
}

// Fail ends the log: it takes nothing more, because of err. The sync that is under way
// has ended when Fail returns.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	l.fail(err)
	l.mu.Unlock()
	l.settle()
}

// settle waits for the sync that is under way. The next one may have begun.
func (l *Log) settle() {
	l.mu.Lock()
	under := l.syncing
	l.mu.Unlock()
	if under != nil {
		<-under.done
	}
}

// Promise sees to it that what was appended is synced within the interval. Where
// the disk is slower than that, it waits.
func (l *Log) Promise(ctx context.Context) error {
	l.mu.Lock()
	l.syncWithin()
	to := l.tail
	late := !l.since.IsZero() && time.Since(l.since) > l.opts.Interval
	l.mu.Unlock()
	if late {
		return l.Sync(ctx, to)
	}
	return nil
}

// syncWithin starts the timer of a sync, at half the interval: the rest is for
// the disk.
func (l *Log) syncWithin() {
	if l.opts.Interval == 0 || l.timer != nil || l.err != nil || l.tail == l.durable {
		return
	}
	l.timer = time.AfterFunc(l.opts.Interval/2, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.timer = nil
		if l.syncing == nil && l.err == nil && l.tail > l.durable {
			l.syncing = newRound()
			go l.sync(l.syncing)
		}
	})
}

// Release frees what is before a position, because it is durable elsewhere.
func (l *Log) Release(to Pos) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = max(l.head, min(to, l.tail))
}

// Gap is the least that Skip leaves out.
const Gap Pos = recordAlign

// Skip goes on at a position behind the end, because all until there is durable
// elsewhere. Nothing may wait for a sync, and no Append may run.
func (l *Log) Skip(to Pos) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.tail, l.durable = to, to, to
}

// Close ends the timer, and the sync that is under way. It does not sync.
func (l *Log) Close() {
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.opts.Interval = 0
	for l.syncing != nil {
		under := l.syncing.done
		l.mu.Unlock()
		<-under
		l.mu.Lock()
	}
	if l.err == nil {
		l.err, l.failed = kverr.Errorf(kverr.Closed, "%w", kverr.Closed), kverr.Closed
	}
	l.mu.Unlock()
}
