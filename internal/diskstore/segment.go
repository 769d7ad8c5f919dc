package diskstore

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// A call on several keys that is too large for the log is planned apart, and its operations are
// written to a segment of the log, also while others write: see wal. Then its record, which names
// the segment, is appended like any other. The changes are a memtable, which was built before, too.
//
// The call is a large write if there is no log, if the size of the store is limited, or if its
// changes take more memory or disk space than there is for segments.

// maxSegmentMemory is how much memory all memtables of segments take together. They do not count
// for the limit of the memtables: other writers would wait until a checkpoint has written them.
const maxSegmentMemory = 128 << 20

// maxImmutable is the number of immutable memtables from which on a call with a segment waits for
// a checkpoint. Each read looks at all of them.
const maxImmutable = 8

// errStale is why a plan was not appended: it is no longer right, or its log was replaced.
var errStale = errors.New("the call has to be planned again")

// opOverhead is the most that an operation takes in a segment, in addition to its key and value.
const opOverhead = 1 + 5 + 10 + 5

// writeSegment carries out a call whose record is too large for the log. p is its plan. If done is
// false, nothing was done and the call has to be a large write.
func (s *Store) writeSegment(ctx context.Context, p *Plan, decide func(*Plan) error) (done bool, err error) {
	for try := range apartTries {
		if !s.mayHaveSegment(p) {
			return false, nil
		}
		if try > 0 || p.apart == nil {
			p, err = s.planApart(ctx, decide)
			switch {
			case p == nil:
				return err != nil, err
			case err != nil || p.empty():
				s.endApart(p)
				return true, s.acknowledge(ctx, p, err)
			}
			defer s.endApart(p)
		}
		switch err = s.appendSegment(ctx, p); err {
		case nil:
			return true, s.acknowledge(ctx, p, nil)
		case errLarge:
			return false, nil
		case errStale:
			s.endApart(p)
		default:
			return true, err
		}
	}
	return false, nil
}

// mayHaveSegment reports whether the changes of a plan can be in a segment.
func (s *Store) mayHaveSegment(p *Plan) bool {
	return s.logFile.Load() != nil && s.opts.MaxBytes == 0 && !p.clear && p.buffered() <= maxSegmentMemory
}

// appendSegment writes the segment of a plan, and appends the record that names it. It returns
// errLarge if there is no space for one of them, or for the changes in the file.
func (s *Store) appendSegment(ctx context.Context, p *Plan) (err error) {
	if p.table == nil {
		p.makeTable()
	}
	if p.table == nil {
		return errLarge
	}
	memory := p.buffered()
	f := s.logFile.Load()
	for events := s.segmentEvents(); !s.visible.reserve(memory); events = s.segmentEvents() {
		if err := s.segmentRoom(ctx, f, p, events); err != nil {
			return err
		}
	}
	defer func() {
		if p.end == 0 {
			s.visible.locked(func() { s.visible.unreserve(memory) })
		}
	}()
	w, err := s.newSegment(ctx, f, p)
	if err != nil {
		return err
	}
	defer w.Drop()
	if p.batch, err = p.writeTo(ctx, w); err != nil {
		return s.segmentFailed(ctx, f, err)
	}
	p.segment = f
	for {
		switch err = s.appendRight(ctx, p); {
		case err == errLogFull:
			err = s.makeRoom(ctx, p)
		case err == errFileFull:
			if err = s.extend(ctx, p); errors.Is(err, kverr.Full) {
				err = errLarge
			}
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
}

// newSegment begins the segment of a plan, and waits for space among other segments.
func (s *Store) newSegment(ctx context.Context, f *logFile, p *Plan) (w *wal.SegmentWriter, err error) {
	most := p.bytes() + int64(len(p.changes))*opOverhead
	for {
		events := s.segmentEvents()
		switch w, err = f.log.NewSegment(most); {
		case err == nil:
			return w, nil
		case err != wal.ErrNoRoom:
			return nil, s.segmentFailed(ctx, f, err)
		}
		if err := s.segmentRoom(ctx, f, p, events); err != nil {
			return nil, err
		}
	}
}

// segmentEvents are the next events after which there can be more memory or space for segments.
type segmentEvents struct {
	unreserved <-chan struct{} // closed when a call has written its segment, or has given up
	step       *step
}

func (s *Store) segmentEvents() segmentEvents {
	return segmentEvents{s.visible.nextUnreserved(), s.checkpoints.nextStep()}
}

// segmentRoom waits until one of the events has happened. It starts a checkpoint only if that can
// release something: not while other calls write all segments that there are.
func (s *Store) segmentRoom(ctx context.Context, f *logFile, p *Plan, events segmentEvents) error {
	if s.visible.hasSegments() || f.log.HasSegments(f.log.Tail()) {
		return s.makeRoom(ctx, p)
	}
	select {
	case <-events.unreserved:
		return nil
	case <-events.step.done:
		return nil // whether it failed is found out again
	case <-ctx.Done():
		return notDone(ctx.Err())
	case <-s.file.Broken():
		return s.file.Err()
	}
}

// segmentFailed returns what became of a call whose segment could not be written.
func (s *Store) segmentFailed(ctx context.Context, f *logFile, err error) error {
	switch {
	case ctx.Err() != nil:
		return notDone(ctx.Err())
	case s.life.closing.Load():
		return kverr.Closed
	case s.logFile.Load() != f, errors.Is(err, kverr.Closed), errors.Is(err, fs.ErrClosed): // a larger log replaces it
		return errStale
	case errors.Is(err, wal.ErrNoSegment), errors.Is(err, kverr.Full):
		return errLarge
	case errors.Is(err, kverr.Unavailable):
		return s.whyNot(err)
	}
	return s.whyNot(kverr.Errorf(kverr.Unavailable, "nothing was done, because the changes could not be written beside the log; check the disk: %w", err))
}

// writeTo writes the operations of a plan to a segment, and returns the record that names it.
func (p *Plan) writeTo(ctx context.Context, w *wal.SegmentWriter) (*wal.Batch, error) {
	for i := range p.changes {
		c, err := &p.changes[i], error(nil)
		if c.Next.Exists {
			err = w.Put(ctx, c.Key, c.Next.Value, c.Next.Deadline)
		} else {
			err = w.Delete(ctx, c.Key)
		}
		if err != nil {
			return nil, err
		}
	}
	return w.Record(ctx)
}

// appendRight appends the record of a plan with a segment, if the plan is still right.
func (s *Store) appendRight(ctx context.Context, p *Plan) error {
	l, err := s.lockPlanner(ctx)
	if err != nil {
		return err
	}
	defer l.unlock()
	switch {
	case s.life.closing.Load():
		return kverr.Closed
	case s.logFile.Load() != p.segment || !l.stillRight(p):
		return errStale
	}
	return l.append(p)
}

// reserve claims memory for the memtable of a segment, and reports whether there is enough.
func (v *visible) reserve(bytes int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	held := v.reserved + v.appended.segments
	for _, t := range v.tables.immutable {
		held += t.segments.bytes
	}
	if held > 0 && held+bytes > maxSegmentMemory || len(v.tables.immutable) > maxImmutable {
		return false
	}
	v.reserved += bytes
	return true
}

// unreserve gives memory back that reserve has claimed, or that is counted elsewhere now. mu is
// locked.
func (v *visible) unreserve(bytes int64) {
	v.reserved -= bytes
	if v.unreserved != nil {
		close(v.unreserved)
		v.unreserved = nil
	}
}

// nextUnreserved returns a channel that the next unreserve closes.
func (v *visible) nextUnreserved() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.unreserved == nil {
		v.unreserved = make(chan struct{})
	}
	return v.unreserved
}

// hasSegments reports whether the changes of a call with a segment are appended or visible, or
// whether there are so many memtables that none may be added.
func (v *visible) hasSegments() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.appended.segments > 0 || len(v.tables.immutable) > maxImmutable ||
		slices.ContainsFunc(v.tables.immutable, func(t *memtable) bool { return t.segments.bytes > 0 })
}

// extendLog allocates blocks for a segment.
func (f *logFile) extendLog(from, to int64) error {
	return access.DiskError(f.db.Dir().ExtendLog(f.File, from, to))
}

// truncateLog removes the segments from the file of the log.
func (f *logFile) truncateLog(size int64) error { return f.db.Dir().TruncateLog(f.File, size) }

// releaseLog frees the records before an LSN, which the file has.
func (w fileWriter) releaseLog(f *logFile, to wal.LSN, last bool) {
	if f.log.HasSegments(to) && !last {
		// The meta page before names an LSN that needs the segments.
		w.alignMetaPages(&boltfile.LogRef{ID: f.log.ID(), Pos: to})
	}
	f.log.Release(to)
}
