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
//	+ the records of the log from the position that it names, up to the last complete one
//	= all acknowledged writes, in their order
//
// Replaying a record twice makes no difference, because it says what keys are afterwards.
// Space in the log is reused only after the commit that contains its records is synced. A
// file that names a log is not opened without it. Close makes a last checkpoint that names
// none, and removes the log.
//
// If a meta page of the file is damaged, the file opens as of the commit before, if that
// names the log: both meta pages do from the first write on, and either position is still
// in the log. After whatever leaves a position from which the log cannot continue (a large
// write, a log that is discarded after a crash, a compaction) one more commit follows: see
// mendHeaders.
//
//	store.go       Store: the stages of a write
//	plan.go        Plan: what one call makes of its keys
//	largewrite.go  a call that is too large for the log
//	read.go        what is visible: the memtable over the file
//	memtable.go    the memtable, in layers with tombstones
//	checkpoint.go  checkpoints, compaction, backups, closing
//	part.go        a checkpoint in several transactions
//	squeeze.go     a checkpoint into a file that is nearly full
//	logfile.go     the log's file: made, found again, removed
//	recovery.go    replay of the log of a store that was not closed
//	expiry.go      which keys have expired
//	clock.go       which deadlines a file can hold
//	panic.go       after a bug
package diskstore

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// Store is a store on disk: a file, a log in front of it, and in memory what the
// file lacks. There is one way for what is written:
//
//	planned    a call decides, by the newest state of its keys, what they become;
//	           one call at a time, and so in one order
//	appended   as one record of the log
//	durable    by a sync of the log that it shares with others; with Interval
//	           nobody waits for that
//	visible    to reads, which see the buffer over the file
//	in file    by a checkpoint: what is visible, in one transaction that also says
//	           how far in the log the file is. Then that part of the log is free.
//
// After a crash the log says what the file lacks. A close in order leaves no log.
//
// Locks are taken in this order: checkpoints, plan, mu.
type Store struct {
	file *boltfile.File
	opts Options

	checkpoints chan struct{} // holds one thing: the right to write to the file

	plan      sync.Mutex    // held while a call is planned and appended
	large     chan struct{} // closed when the call that goes to the file directly has ended; nil: there is none
	calls     uint64        // that changed something
	log       *wal.Log      // nil: nothing was written yet, or there is no room for one
	noRoom    time.Time     // when there was none
	closed    atomic.Bool
	closeErr  error
	full      atomic.Int64 // when a checkpoint found no room, in nanoseconds since 1970; 0: the last one did
	direct    int64        // a call whose record is larger goes to the file directly
	most      int64        // bytes of the buffer
	inFlight  sync.WaitGroup
	kicked    bool        // a checkpoint is on its way
	quiet     *time.Timer // of the checkpoint after a while without writes
	wrote     atomic.Bool // since quiet was set
	logFile   atomic.Pointer[logFile]
	over      atomic.Bool   // closed, for reads
	ended     chan struct{} // closed when it is
	commits   atomic.Int64
	sweptTo   []byte // see Due
	sweptFrom wal.Pos

	mu       sync.RWMutex
	buffer   buffer
	appended []*call                   // not visible yet, in their order
	planned  map[string]boltfile.State // what they make of their keys
	clearing int                       // how many of them clear
	growth   int64                     // of live keys by them
	weight   boltfile.Need             // of their puts
	staged   int64                     // of their bytes in the buffer
	visible  wal.Pos                   // up to where records are
	filed    wal.Pos                   // up to where they are in the file
	epoch    uint64                    // changes with each clear
}

// Options are the properties of a Store.
type Options struct {
	boltfile.Options
	Interval time.Duration // more than 0: a record is synced within it, and nobody waits for that
	LogBytes int64         // size of the log
}

// Bounds of the log and of what waits for the file.
const (
	minLogBytes = 16 << 10
	logShare    = 4                      // the part of MaxBytes that the log takes at most
	quietTime   = 2 * time.Second        // without writes, until what is buffered goes to the file
	fullPause   = 100 * time.Millisecond // before the next try to write to a file that was full
)

// Open opens the store at loc, and creates it if there is none. Where a crash
// left a log, Open replays it. It obeys ctx while it waits for the file's lock,
// reads the file and replays the log; a call that ctx ended leaves a store that the
// next one opens. The store itself does not depend on ctx.
func Open(ctx context.Context, loc access.Location, opts Options) (*Store, error) {
	opts.Now = Clock(opts.Now)
	opts.LogBytes = min(max(opts.LogBytes, minLogBytes), wal.MaxBytes)
	if opts.MaxBytes > 0 { // the limit is for both files
		opts.LogBytes = max(min(opts.LogBytes, opts.MaxBytes/logShare), minLogBytes)
		opts.Slack = min(opts.LogBytes, opts.MaxBytes-1)
		opts.MaxBytes -= opts.Slack
	}
	file, err := boltfile.Open(ctx, loc, opts.Options)
	if err != nil {
		return nil, err
	}
	d := &Store{file: file, opts: opts, checkpoints: make(chan struct{}, 1), planned: map[string]boltfile.State{}, ended: make(chan struct{})}
	d.buffer.newest = &layer{}
	d.direct = opts.LogBytes / 2
	if err := d.recover(ctx); err != nil {
		if f := d.logFile.Load(); f != nil {
			f.Close()
		}
		file.Close()
		return nil, err
	}
	if !d.buffer.newest.empty() && d.log != nil {
		d.armQuiet()
	}
	return d, nil
}

// File is the file alone.
func (d *Store) File() *boltfile.File { return d.file }

// Commits counts the times that something was made durable.
func (d *Store) Commits() int64 { return d.commits.Load() }

// Size is the number of bytes of the file and of the log, and of the buffer in
// memory.
func (d *Store) Size() (disk, buffered int64) {
	disk = d.file.Size()
	if f := d.logFile.Load(); f != nil {
		disk += f.size
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for l := range d.buffer.each {
		buffered += l.bytes
	}
	return disk, buffered
}

// Do plans a call and waits until it is durable or, with Interval, in the log. plan
// may run more than once. Where the wait ends with ctx after the record was
// written, the error is kverr.CommitUnknown.
func (d *Store) Do(ctx context.Context, plan func(*Plan) error) (err error) {
	defer func() {
		if d.recovered(recover(), &err) {
			err = kverr.Errorf(kverr.CommitUnknown, "the write may be stored or not: %w", err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return notDone(err)
	}
	for {
		if err := d.turn(ctx); err != nil {
			return err
		}
		p, how, err := d.appendInTurn(plan)
		switch how {
		case toLog:
			return d.acknowledge(ctx, p, err)
		case toFile:
			return d.writeThrough(ctx, p, plan)
		case noRoom:
			if p.call.clear { // what the log holds doesn't matter any more
				return d.writeThrough(ctx, p, plan)
			}
		}
		if how == tight {
			made, err := d.extend(ctx, p)
			if err != nil {
				return err
			}
			if !made {
				return d.writeThrough(ctx, p, plan)
			}
			continue
		}
		// The log is full: it has room again after a checkpoint.
		if err := d.makeRoom(ctx, p); err != nil {
			return err
		}
	}
}

// extend makes the file longer, so that it can take what the log holds and a call
// more. Where it can't, made is false: then the call has to go to the file directly,
// which is slow, but the log never holds what the file can't take.
func (d *Store) extend(ctx context.Context, p *Plan) (made bool, err error) {
	if err := d.lock(ctx); err != nil {
		return false, notDone(err)
	}
	defer d.unlock()
	need := d.pending(&p.call)
	if d.file.Fits(need) {
		return true, nil
	}
	switch err := d.file.Extend(need); {
	case err == nil:
		return true, nil
	case errors.Is(err, kverr.Full):
		return false, nil
	default:
		return false, err
	}
}

// pending is the weight of what the file lacks and of a call more.
func (d *Store) pending(c *call) boltfile.Need {
	d.file.ExpectKey(c.longest)
	d.mu.RLock()
	defer d.mu.RUnlock()
	w := d.weight
	w.Add(c.weight)
	for l := range d.buffer.each {
		w.Add(l.weight)
	}
	return w
}

// held is how many bytes the buffer takes, and will once the calls that were appended
// are visible.
func (d *Store) held() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := d.staged
	for l := range d.buffer.each {
		n += l.bytes
	}
	return n
}

func notDone(err error) error { return kverr.Errorf(err, "not done: %w", err) }

// way is where a plan went.
type way int

const (
	toLog  way = iota // or nowhere, if it failed
	toFile            // it is too large for the log, or there is none
	noRoom            // in the log
	tight             // in the file
)

// turn locks plan when no call is on its way to the file directly.
func (d *Store) turn(ctx context.Context) error {
	for {
		d.plan.Lock()
		large := d.large
		if large == nil {
			return nil
		}
		d.plan.Unlock()
		select {
		case <-large:
		case <-ctx.Done():
			return notDone(ctx.Err())
		case <-d.file.Broken(): // then it may wait for the engine for ever
			return d.file.Err()
		}
	}
}

// appendInTurn is append, and unlocks plan, also where a plan panics.
func (d *Store) appendInTurn(plan func(*Plan) error) (p *Plan, how way, err error) {
	defer d.plan.Unlock()
	return d.append(plan)
}

// append plans a call and appends its record. plan is locked.
func (d *Store) append(plan func(*Plan) error) (p *Plan, how way, err error) {
	p, err = d.newPlan(plan)
	if err != nil || len(p.call.changes) == 0 && !p.call.clear {
		return p, toLog, err
	}
	if d.log == nil {
		switch err := d.startLog(); {
		case noLog(err):
			return p, toFile, nil
		case err != nil:
			return p, toLog, err
		}
	}
	p.log = d.log
	if p.call.bytes() > d.direct {
		return p, toFile, nil
	}
	b := p.batch()
	if b.Len() > d.direct {
		return p, toFile, nil
	}
	if p.puts && !d.file.Fits(d.pending(&p.call)) {
		return p, tight, nil
	}
	held, more := d.held(), p.call.buffered()
	switch {
	case more > d.most/2:
		return p, toFile, nil
	case held+more > d.most && p.puts, held+more > d.most+d.most/4:
		return p, noRoom, nil
	}
	reserve := int64(0)
	if p.puts { // so that a full store takes what makes room
		reserve = d.direct / 4
	}
	end, err := d.log.Append(b, reserve)
	switch {
	case err == wal.ErrNoRoom:
		return p, noRoom, nil
	case err != nil:
		return p, toLog, d.logError(err)
	}
	p.call.end, p.seen = end, end
	d.calls++
	d.stage(&p.call)
	if !p.puts {
		d.full.Store(0) // there may be room now
	}
	if used, size := d.log.Usage(); (used > size/2 || held+more > d.most/2) && d.full.Load() == 0 {
		d.kick()
	}
	d.armQuiet()
	return p, toLog, nil
}

// newPlan plans a call, or says why none can be. No other call is planned meanwhile.
func (d *Store) newPlan(plan func(*Plan) error) (*Plan, error) {
	p := &Plan{d: d, now: d.opts.Now(), calls: d.calls}
	p.Now = p.now.UnixNano()
	if d.closed.Load() {
		return p, kverr.Closed
	}
	p.log = d.log
	if err := d.file.Err(); err != nil {
		return p, err
	}
	if why := d.file.Refused(); why != nil {
		return p, why
	}
	if err := plan(p); err != nil {
		return p, err
	}
	return p, p.call.check()
}

// stage puts a call behind those that were appended before.
func (d *Store) stage(c *call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opts.Interval > 0 {
		d.show(c)
		return
	}
	d.appended = append(d.appended, c)
	d.growth += c.growth
	d.weight.Add(c.weight)
	d.staged += c.buffered()
	if c.clear {
		d.clearing++
		clear(d.planned)
	}
	for i := range c.changes {
		d.planned[c.changes[i].key] = c.changes[i].next
	}
}

// show makes a call visible. mu is locked.
func (d *Store) show(c *call) {
	if c.clear {
		d.buffer.newest.clear()
		d.epoch++
	}
	for i := range c.changes {
		d.buffer.newest.put(c.changes[i].key, c.changes[i].was, c.changes[i].next)
	}
	d.visible = c.end
}

// becameDurable makes visible what a sync of the log has made durable.
func (d *Store) becameDurable(to wal.Pos) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(d.appended) && d.appended[n].end <= to {
		c := d.appended[n]
		d.show(c)
		d.growth -= c.growth
		d.weight.Sub(c.weight)
		d.staged -= c.buffered()
		if c.clear {
			d.clearing--
		}
		n++
	}
	shown := d.appended[:n]
	d.appended = slices.Clone(d.appended[n:])
	if len(d.appended) == 0 {
		clear(d.planned)
		return
	}
	// What later calls make of the same keys stays planned.
	later := map[string]struct{}{}
	for _, c := range d.appended {
		for i := range c.changes {
			later[c.changes[i].key] = struct{}{}
		}
	}
	for _, c := range shown {
		for i := range c.changes {
			if _, ok := later[c.changes[i].key]; !ok {
				delete(d.planned, c.changes[i].key)
			}
		}
	}
}

// acknowledge waits for what an answer depends on.
func (d *Store) acknowledge(ctx context.Context, p *Plan, err error) error {
	if p.seen == 0 {
		return err
	}
	var synced error
	if d.opts.Interval > 0 {
		synced = p.log.Promise(ctx)
	} else {
		synced = d.sync(ctx, p.log, p.seen)
	}
	if err != nil {
		return err
	}
	return synced
}

// sync waits until a log is durable up to a position, and visible. A sync may end
// between the append of a record and its staging, and so make nothing of it visible.
func (d *Store) sync(ctx context.Context, log *wal.Log, to wal.Pos) error {
	if err := log.Sync(ctx, to); err != nil {
		return err
	}
	d.mu.RLock()
	behind := d.visible < to
	d.mu.RUnlock()
	if behind {
		d.becameDurable(to)
	}
	return nil
}

// logError is why the log takes nothing any more.
func (d *Store) logError(err error) error {
	if why := d.file.Refused(); why != nil {
		return why
	}
	return err
}

// makeRoom waits for a checkpoint, which takes what is visible.
func (d *Store) makeRoom(ctx context.Context, p *Plan) error {
	full := d.full.Load()
	recent := full != 0 && time.Now().UnixNano()-full < int64(fullPause) && p.puts
	if recent {
		return kverr.Errorf(kverr.Full, "the file can't take what its log holds, and the log is full: delete some keys, make room on the disk, or let the host raise MaxFileBytes")
	}
	if err := d.lock(ctx); err != nil {
		return notDone(err)
	}
	defer d.unlock()
	if d.opts.Interval == 0 {
		if err := d.sync(ctx, p.log, p.log.Tail()); err != nil {
			return d.logError(kverr.Errorf(kverr.Unavailable, "not done, because a write before it failed: %w", err))
		}
	}
	return d.checkpoint(false)
}

// lock waits for the right to write to the file, which nobody has once it is closed.
func (d *Store) lock(ctx context.Context) error {
	select {
	case d.checkpoints <- struct{}{}:
		if d.over.Load() {
			d.unlock()
			return kverr.Closed
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Store) unlock() { <-d.checkpoints }

// Is reports whether the file is the one of info.
func (d *Store) Is(info os.FileInfo) bool { return d.file.Is(info) }
