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

// writeThrough carries out a call that the log can't take in a transaction of its
// own, after all that came before. Who wants to plan another one waits. p is what
// was planned of it, by the state of that time.
func (d *Store) writeThrough(ctx context.Context, p *Plan, plan func(*Plan) error) error {
	if err := d.lock(ctx); err != nil {
		return notDone(err)
	}
	defer d.unlock()
	// A clear makes room where a checkpoint finds none.
	stops := func(err error) bool { return err != nil && !(p.call.clear && errors.Is(err, kverr.Full)) }
	if err := d.checkpoint(false); stops(err) { // most of it, while others write
		return err
	}
	if err := d.turn(ctx); err != nil {
		return err
	}
	d.large = make(chan struct{})
	d.plan.Unlock()
	defer func() {
		d.plan.Lock()
		defer d.plan.Unlock()
		close(d.large)
		d.large = nil
	}()
	if d.log != nil {
		if err := d.sync(context.Background(), d.log, d.log.Tail()); err != nil {
			return d.logError(kverr.Errorf(kverr.Unavailable, "not done, because a write before it failed: %w", err))
		}
		if err := d.checkpoint(false); stops(err) {
			return err
		}
		// A file that has the call must not name a log that nobody has.
		if err := d.logFile.Load().inPlace(); err != nil {
			return kverr.Errorf(kverr.Unavailable, "not done: %w", err)
		}
	}
	if p.calls != d.calls || d.closed.Load() { // else it is as it was
		var err error
		if p, err = d.newPlan(plan); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return notDone(err)
	}
	// Where the pages that it needs are not adjacent, its transaction fails.
	if need := (boltfile.Need{Net: p.call.weight.Net}); p.puts && !d.file.Fits(need) {
		if err := d.file.Extend(need); err != nil {
			return err
		}
	}
	return d.commitCall(&p.call)
}

// commitCall commits a call to the file, and makes sure that it is in a place where it
// will be found. Nothing else is under way.
func (d *Store) commitCall(c *call) error {
	// In the order of the file: in any other one the engine takes a time that
	// grows faster than the square of their number.
	slices.SortFunc(c.changes, func(a, b change) int { return strings.Compare(a.key, b.key) })
	var ref *boltfile.LogRef
	if d.log != nil {
		// A gap, so that no older file goes on with what the log gets after this.
		ref = &boltfile.LogRef{ID: d.log.ID(), Pos: d.log.Tail() + wal.Gap}
	}
	err := d.file.Publish(func(t *boltfile.Tx) error {
		if c.clear {
			if err := t.Clear(); err != nil {
				return err
			}
		}
		for i := range c.changes {
			if err := t.SetState(c.changes[i].key, c.changes[i].next); err != nil {
				return err
			}
		}
		switch {
		case !t.Changed():
			return nil
		case ref == nil:
			return t.Twin()
		}
		return t.SetLog(ref)
	}, func(show func()) {
		d.mu.Lock()
		defer d.mu.Unlock()
		show()
		if c.clear { // else there is nothing in the buffer
			d.buffer = buffer{newest: &layer{}}
			d.epoch++
		}
		if ref != nil {
			d.visible, d.filed = ref.Pos, ref.Pos
		}
	})
	if err == boltfile.ErrUnchanged {
		return nil
	}
	if err != nil {
		return boltfile.DiskError(err)
	}
	d.calls++
	d.commits.Add(1)
	d.full.Store(0)
	if d.log != nil {
		d.log.Skip(ref.Pos)
	}
	if ref != nil {
		// What the header before names ends with the gap, and nothing behind that
		// says that there is one. The call is stored whatever becomes of this.
		d.mendHeaders(ref)
	} else {
		// No log completes the commit before this one. As above.
		d.file.Update(func(t *boltfile.Tx) error { t.Touch(); return nil })
	}
	return d.found()
}

// found returns nil if what the file has just got will be found by the next open, and
// else an error that is kverr.CommitUnknown: it is in the file wherever that is by now.
func (d *Store) found() error {
	if err := d.file.InPlace(); err != nil {
		return kverr.Errorf(kverr.CommitUnknown, "the write is in the file, but whether that is still in its place is unknown, so the write may be lost: %w", err)
	}
	f := d.logFile.Load()
	if f == nil {
		return nil
	}
	err := f.inPlace()
	if errors.Is(err, kverr.Replaced) { // then the file must not name it
		err = d.checkpoint(false)
	}
	if err != nil {
		return kverr.Errorf(kverr.CommitUnknown, "the write is in the file, but whether the log is there that the file needs is unknown, so the write may be lost: %w", err)
	}
	return nil
}
