package diskstore

import (
	"context"
	"errors"
	"slices"
	"strings"

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
	if err = w.commit(ctx, p); errors.Is(err, kverr.Full) && p.puts && w.defragment(true) {
		err = w.commit(ctx, p)
	}
	return err
}

// commit commits a plan to the file, and makes sure that the next open will find it. No
// other write is under way. A plan that only removes keys, for which the file has too few
// pages, is committed by rewriting the file.
func (w fileWriter) commit(ctx context.Context, p *Plan) error {
	s, f := w.s, w.s.logFile.Load()
	s.planner.frontiers.stored(p) // also if it fails, which costs time only
	// In the order of the file: in any other order bbolt takes a time that grows faster
	// than the square of the number of keys.
	slices.SortFunc(p.changes, func(a, b Change) int { return strings.Compare(a.Key, b.Key) })
	var ref *boltfile.LogRef
	if f != nil {
		// A gap, so that no older file continues with later records of the log.
		ref = &boltfile.LogRef{ID: f.log.ID(), Pos: f.log.Tail() + wal.Gap}
	}
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
	if isFull(err) && !p.puts {
		err = w.remove(ctx, p, ref, err)
	}
	if err == boltfile.ErrUnchanged {
		return nil
	}
	if err != nil {
		return boltfile.DiskError(err)
	}
	s.watch.shown(p)
	s.planner.pause(func() { s.planner.stored(p) })
	s.commits.Add(1)
	s.checkpoints.foundSpace()
	s.checkpoints.noteChange(p)
	if ref != nil {
		f.log.Skip(ref.Pos)
		// The meta page before names an LSN before the gap, and no record after the gap
		// shows that there is one. The call is stored whatever becomes of this.
		w.alignMetaPages(ref)
	} else {
		// No log completes the commit before this one. As above.
		w.alignMetaPages(nil)
	}
	return w.found()
}

// remove commits a plan that only removes keys by rewriting the file. full is why a
// transaction could not: it is the error if the file cannot be rewritten, as on a full disk.
func (w fileWriter) remove(ctx context.Context, p *Plan, ref *boltfile.LogRef, full error) error {
	s := w.s
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
	case done && err != nil:
		s.opts.Logger.Error("kv: a file was rewritten without the keys that a call removed, and could not be measured", "path", s.file.Path(), "error", err)
		return nil
	case done, errors.Is(err, kverr.CommitUnknown):
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
