package diskstore

import (
	"context"
	"errors"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// writeLarge commits a call that the log cannot take to the file, after all earlier calls.
// Later calls wait. p was planned before, by the state of that time.
func (s *Store) writeLarge(ctx context.Context, p *Plan, decide func(*Plan) error) error {
	w, err := s.lockFile(ctx)
	if err != nil {
		return notDone(err)
	}
	defer w.unlock()
	// A clear makes room where a checkpoint finds none.
	clears := p.clear
	stops := func(err error) bool { return err != nil && !(clears && errors.Is(err, kverr.Full)) }
	if err := w.checkpoint(false); stops(err) { // most of it, while others write
		return err
	}
	l, err := s.lockPlanner(ctx)
	if err != nil {
		return err
	}
	end := l.beginLarge()
	l.unlock()
	defer end()
	if f := s.logFile.Load(); f != nil {
		if err := s.syncAll(context.Background()); err != nil {
			return err
		}
		if err := w.checkpoint(false); stops(err) {
			return err
		}
		// A file that has the call must not name a log that is lost.
		if err := f.inPlace(); err != nil {
			return kverr.Errorf(kverr.Unavailable, "not done: %w", err)
		}
	}
	if !l.stillRight(p) {
		if p, err = l.plan(decide); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return notDone(err)
	}
	// If the pages that it needs are not adjacent, its transaction fails.
	if need := (boltfile.Need{Net: p.need.Net, Spare: p.need.Spare}); p.puts && !s.file.Fits(need) {
		err := s.file.Extend(need)
		if errors.Is(err, kverr.Full) && w.defragment(true) {
			err = s.file.Extend(need)
		}
		if err != nil {
			return err
		}
	}
	err = w.commit(p)
	switch full := isFull(err); {
	case full && !p.puts:
		err = w.remove(ctx, p, err)
	case full && w.defragment(true):
		err = w.commit(p)
	}
	s.planner.pause(func() { s.planner.stored(p) }) // if it failed, that costs time only
	return err
}

// commit commits a plan to the file, and makes sure that the next open will find it. No
// other write is under way.
func (w fileWriter) commit(p *Plan) error {
	s, f := w.s, w.s.logFile.Load()
	s.planner.frontiers.stored(p) // also if it fails, which costs time only
	// In the order of the file: in any other order bbolt takes a time that grows faster
	// than the square of the number of keys.
	slices.SortFunc(p.changes, compareKeys)
	ref := f.gap()
	err := s.file.Publish(func(tx *boltfile.Tx) error {
		if p.clear {
			if err := tx.Clear(); err != nil {
				return err
			}
		}
		for i := range p.changes {
			if err := tx.SetState(p.changes[i].Key, p.changes[i].Next); err != nil {
				return err
			}
		}
		switch {
		case !tx.Changed():
			return nil
		case ref == nil:
			return tx.Twin()
		}
		return tx.SetLog(ref)
	}, func(show func()) {
		s.visible.locked(func() {
			show()
			s.visible.showLarge(p, ref)
		})
	})
	switch {
	case err == boltfile.ErrUnchanged:
		return nil
	case err != nil:
		return boltfile.DiskError(err)
	}
	return w.committed(p, ref)
}

// gap returns a place after a gap at the end of the log, for the file to name: so no older file
// continues with later records of the log. A log that is nil has none.
func (f *logFile) gap() *boltfile.LogRef {
	if f == nil {
		return nil
	}
	return &boltfile.LogRef{ID: f.log.ID(), Pos: f.log.Tail() + wal.Gap}
}

// committed is what follows a commit of a plan that names ref.
func (w fileWriter) committed(p *Plan, ref *boltfile.LogRef) error {
	s := w.s
	s.watch.shown(p)
	s.commits.Add(1)
	s.checkpoints.foundSpace()
	s.checkpoints.noteChange(p)
	if ref != nil {
		s.logFile.Load().log.Skip(ref.Pos)
	}
	// The meta page before names an LSN before the gap, and no record after the gap shows that
	// there is one; without a log, nothing completes the commit before. The call is stored whatever
	// becomes of this.
	w.alignMetaPages(ref)
	return w.found()
}

// remove is commit for a plan that only removes keys and for which the file has too few pages. It
// rewrites the file. full is the error of commit, which stays if the file cannot be rewritten, as
// on a full disk.
func (w fileWriter) remove(ctx context.Context, p *Plan, full error) error {
	s, ref := w.s, w.s.logFile.Load().gap()
	r := boltfile.Removal{Clear: p.clear, Log: ref}
	for i := range p.changes { // which are in the order of their keys
		r.Keys = append(r.Keys, p.changes[i].Key)
	}
	done, err := s.file.Remove(ctx, r, func(swap func() bool) {
		s.visible.locked(func() {
			if swap() {
				s.visible.showLarge(p, ref)
			}
		})
	})
	switch {
	case done:
		if err != nil {
			s.opts.Logger.Error("kv: a file was rewritten without the keys that a call removed, and could not be measured", "path", s.file.Path(), "error", err)
		}
		return w.committed(p, ref)
	case errors.Is(err, kverr.CommitUnknown):
		return err
	case ctx.Err() != nil:
		return notDone(ctx.Err())
	case err != nil && !isFull(err):
		return err
	case p.clear:
		return full
	}
	return errRemoval
}

var errRemoval = kverr.Errorf(kverr.Full, "the file has too few free pages to remove this many keys at once, and no second file can take its place; remove fewer keys at a time, or clear the store")

// found returns nil if the next open will find the commit just made, and else an error
// that is kverr.CommitUnknown: the commit is in the file, wherever that is by now.
func (w fileWriter) found() error {
	if err := w.s.file.InPlace(); err != nil {
		return kverr.Errorf(kverr.CommitUnknown, "the write is in the file, but the check of the file's name failed, so the write may be lost; read the key before you repeat it: %w", err)
	}
	f := w.s.logFile.Load()
	if f == nil {
		return nil
	}
	err := f.inPlace()
	if errors.Is(err, kverr.Replaced) { // then the file must not name it
		err = w.checkpoint(false)
	}
	if err != nil {
		return kverr.Errorf(kverr.CommitUnknown, "the write is in the file, but the check of the log that the file needs failed, so the write may be lost; read the key before you repeat it: %w", err)
	}
	return nil
}
