package diskstore

import (
	"cmp"
	"context"
	"errors"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// The life of a write has five stages, which are the five functions after Write:
//
//	plan        the caller decides what its keys become, by their newest states; one
//	            call at a time, and so in one order
//	append      the changes become one record of the log
//	sync        the record is durable, by a sync that concurrent writers share; with
//	            Options.Interval no caller waits for it
//	publish     the changes are in the mutable memtable, where reads see them
//	checkpoint  the memtable is in the file, and its part of the log is free again

// Write carries out a call: decide makes its changes. Write returns when they are durable
// or, with Options.Interval, in the log. decide can run more than once. If ctx ends after
// the record was written, the error is kverr.CommitUnknown.
func (s *Store) Write(ctx context.Context, decide func(*Plan) error) error {
	return s.write(ctx, 0, decide)
}

// write is Write or, if keys is not 0, WriteMany.
func (s *Store) write(ctx context.Context, keys int, decide func(*Plan) error) (err error) {
	defer func() {
		if s.recovered(recover(), &err) {
			err = kverr.Errorf(kverr.CommitUnknown, "the outcome of the write is unknown: %w", err)
		}
	}()
	if s.file.ReadOnly() {
		return s.errReadOnly()
	}
	if err := ctx.Err(); err != nil {
		return notDone(err)
	}
	var p *Plan
	disturbed := false // other calls changed its keys each time
	if keys >= s.opts.Parts.apartKeys() {
		if p, err = s.planApart(ctx, decide); p != nil {
			defer s.endApart(p)
		}
		if err != nil || p != nil && p.empty() {
			return s.acknowledge(ctx, p, err)
		}
		disturbed = p == nil
	}
	for {
		p, err = s.planAndAppend(ctx, p, decide)
		switch err {
		default:
			return s.acknowledge(ctx, p, err)
		case errLarge:
			if keys > 0 && !disturbed {
				if done, err := s.writeSegment(ctx, p, decide); done {
					return err
				}
			}
			return s.writeLarge(ctx, p, decide)
		case errLogFull:
			if p.clear { // the content of the log no longer matters
				return s.writeLarge(ctx, p, decide)
			}
			err = s.makeRoom(ctx, p)
		case errFileFull:
			if err = s.extend(ctx, p); errors.Is(err, kverr.Full) {
				return s.writeLarge(ctx, p, decide) // slow, but the log never holds changes that do not fit into the file
			}
		}
		if err != nil {
			return err
		}
	}
}

// planAndAppend carries out the first two stages. p, if not nil, was planned before, and is
// still right unless another call has changed something since.
func (s *Store) planAndAppend(ctx context.Context, p *Plan, decide func(*Plan) error) (*Plan, error) {
	l, err := s.lockPlanner(ctx)
	if err != nil {
		return nil, err
	}
	defer l.unlock() // also after a panic of decide
	if p == nil || !l.stillRight(p) {
		if p, err = l.plan(decide); err != nil || p.empty() {
			return p, err
		}
	}
	return p, l.append(p)
}

// plan has the changes of a call decided.
func (l planning) plan(decide func(*Plan) error) (*Plan, error) {
	p, err := l.newPlan()
	if err == nil {
		err = decide(p)
	}
	return p, err
}

// newPlan returns a plan without changes.
func (l planning) newPlan() (*Plan, error) {
	s := l.s
	now := s.opts.Now()
	p := &Plan{Now: now.UnixNano(), s: s, now: now, writes: s.planner.writes}
	if s.life.closing.Load() {
		return p, kverr.Closed
	}
	if err := s.file.Err(); err != nil {
		return p, err
	}
	return p, s.file.Refused()
}

// maxAhead is how many bytes of the file writers claim at most for changes that it does not
// have. They claim what the changes can need, which is several times what they take on average,
// and the file does not get shorter again.
const maxAhead = 128 << 20

// append writes the record of a plan to the log. It returns errLarge, errLogFull or
// errFileFull if the log cannot take the record, or must not.
func (l planning) append(p *Plan) error {
	s := l.s
	f, err := l.openLog()
	if err != nil {
		if noLog(err) {
			return errLarge
		}
		return err
	}
	used, size := f.log.Usage()
	large := size / 2
	if p.apart != nil && p.segment == nil {
		large = min(large, cmp.Or(s.opts.Parts.Segment, large))
	}
	if p.segment == nil && p.bytes() > large {
		return errLarge
	}
	record := p.batch
	if record == nil {
		record = p.record()
	}
	if record.Len() > large {
		return errLarge
	}
	c := s.visible.claimed(p.need)
	more, most := p.buffered(), s.opts.Parts.memtable(size)
	switch {
	case p.segment != nil: // the memory is reserved
		more = 0
	case more > most/2:
		return errLarge
	case c.bytes+more > most && p.puts, c.bytes+more > most+most/4, c.ahead > maxAhead && p.puts:
		return errLogFull
	}
	if p.puts && !s.file.Fits(c.need) {
		return errFileFull
	}
	reserve := int64(0)
	if p.puts { // so that a full store still accepts deletions
		reserve = size / 8
	}
	end, err := f.log.Append(record, reserve)
	switch {
	case err == wal.ErrNoRoom:
		return errLogFull
	case err != nil:
		return s.whyNot(err)
	}
	p.end, p.depends, p.batch = end, end, nil
	s.planner.stored(p)
	s.planner.frontiers.stored(p)
	visible := s.opts.Interval > 0
	s.visible.append(p, visible)
	if visible {
		s.watch.shown(p)
	}
	s.checkpoints.noteChange(p)
	if (p.segment != nil && visible || used+record.Len() > size/2 || c.bytes+more > most/2 || c.ahead+p.need.Net > maxAhead/2) && !s.checkpoints.full() {
		s.checkpoints.start()
	}
	s.checkpoints.noteWrite()
	return nil
}

// sync makes the log durable up to an LSN, together with other callers, and publishes it.
// If another caller's sync ends between the append of a record and visible.append, it does
// not publish that record.
func (s *Store) sync(ctx context.Context, log *wal.Log, to wal.LSN) error {
	err := log.Sync(ctx, to)
	if err == nil && !s.visible.reaches(to) {
		s.publish(to)
	}
	return err
}

// publish makes the records before an LSN visible to reads. wal calls it after each sync.
func (s *Store) publish(to wal.LSN) {
	for _, p := range s.visible.publish(to) {
		s.watch.shown(p)
		if p.segment != nil && !s.checkpoints.full() { // it takes memory, and would make a replay long
			s.checkpoints.start()
		}
	}
}

// checkpoint writes the visible changes to the file. last says that the file needs no log
// afterwards. What could not be written stays in the memtable and in the log, for the
// next checkpoint.
func (w fileWriter) checkpoint(last bool) (err error) {
	s, f := w.s, w.s.logFile.Load()
	defer func() { s.checkpoints.stepped(err) }()
	if f == nil || s.file.ReadOnly() {
		return nil
	}
	lost := w.endLost(f)
	t := s.visible.freeze()
	if t == nil && !last && !(lost && !f.left) {
		return nil
	}
	finish := func(tx *boltfile.Tx) error {
		if last || lost {
			return tx.CloseLog(f.log.ID())
		}
		return tx.SetLog(&boltfile.LogRef{ID: f.log.ID(), Pos: t.end})
	}
	var unsynced error
	if t != nil {
		// If the meta page is torn in this commit, or damaged later, the log has to
		// complete the commit before. A log that can no longer be synced has failed its
		// waiting callers, and then the file is the better place.
		unsynced = f.log.Sync(context.Background(), t.end)
	}
	inParts := unsynced == nil && !lost // after a crash the log completes what is half written
	err = w.writeMemtable(t, inParts, finish)
	if errors.Is(boltfile.DiskError(err), kverr.Full) && t != nil && unsynced == nil {
		if err = w.squeeze(t); err == nil {
			err = w.writeMemtable(t, inParts, finish)
		}
	}
	if err != nil {
		s.visible.settle(t)
		return w.failed(boltfile.DiskError(err))
	}
	s.commits.Add(1)
	s.checkpoints.foundSpace()
	if t != nil {
		w.releaseLog(f, t.end, last || lost)
	}
	if lost && !f.left {
		f.left = true
		w.alignMetaPages(nil) // the meta page before still names the log
	}
	return nil
}

// Why append did not write a record.
var (
	errLarge    = errors.New("the record is too large for the log, or there is no log")
	errLogFull  = errors.New("the log or the memtable is full")
	errFileFull = errors.New("the file has to grow first")
)

// acknowledge waits for the records that the answer to a call depends on: its own, or that
// of an earlier call whose changes it has seen. err is the answer.
func (s *Store) acknowledge(ctx context.Context, p *Plan, err error) error {
	if p == nil || p.depends == 0 {
		return err
	}
	f := s.logFile.Load()
	if f == nil { // it was removed, after a checkpoint had written everything to the file
		return err
	}
	var synced error
	if log := f.log; s.opts.Interval > 0 {
		synced = log.Promise(ctx)
	} else {
		synced = s.sync(ctx, log, p.depends)
	}
	if err != nil {
		return err
	}
	return synced
}

// syncAll is sync for all records of the log.
func (s *Store) syncAll(ctx context.Context) error {
	f := s.logFile.Load()
	if f == nil { // as in acknowledge
		return nil
	}
	log := f.log
	if err := s.sync(ctx, log, log.Tail()); err != nil {
		return s.whyNot(kverr.Errorf(kverr.Unavailable, "not done, because an earlier write failed: %w", err))
	}
	return nil
}

// whyNot returns why the log accepts no record.
func (s *Store) whyNot(err error) error {
	if why := s.file.Refused(); why != nil {
		return why
	}
	return err
}

// extend makes the file longer, so that it can take the changes that it does not have, and
// those of a plan. It can do so only between checkpoints, but a part of one that is running can
// be enough: a file needs less space for changes than it is sure to need.
func (s *Store) extend(ctx context.Context, p *Plan) error {
	for {
		next := s.checkpoints.nextStep()
		if s.file.Fits(s.visible.claimed(p.need).need) {
			return nil
		}
		w, locked, err := s.lockFileUnless(ctx, next.done)
		switch {
		case err != nil:
			return notDone(err)
		case !locked:
			continue
		}
		defer w.unlock()
		need := s.visible.claimed(p.need).need
		if s.file.Fits(need) {
			return nil
		}
		return s.file.Extend(need)
	}
}

// makeRoom waits until a checkpoint has written a part of the memtable, or has ended and
// freed the log. There can still be too little room then.
func (s *Store) makeRoom(ctx context.Context, p *Plan) error {
	if p.puts && s.checkpoints.fullJustNow() {
		return kverr.Errorf(kverr.Full, "the file cannot hold the changes in its log, and the log is full; delete some keys, free space on the disk, or raise MaxFileBytes in the host")
	}
	for tried := false; ; tried = true {
		next := s.checkpoints.nextStep()
		if s.life.closing.Load() {
			return kverr.Closed
		}
		if s.opts.Interval == 0 { // a checkpoint writes what is visible
			if err := s.syncAll(ctx); err != nil {
				return err
			}
		}
		s.checkpoints.start()
		select {
		case <-next.done:
			if next.err == nil || tried { // else the first one can have begun before this call
				return next.err
			}
		case <-ctx.Done():
			return notDone(ctx.Err())
		case <-s.file.Broken():
			return s.file.Err()
		}
	}
}
