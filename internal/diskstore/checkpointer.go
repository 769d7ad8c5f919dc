package diskstore

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// checkpoint writes what is visible to the file. last says that the file needs no
// log afterwards. The caller has the right to write to the file.
//
// What fails to be written stays in the buffer and in the log, and the next
// checkpoint tries again.
func (d *Store) checkpoint(last bool) error {
	f := d.logFile.Load()
	if f == nil || d.file.ReadOnly() {
		return nil
	}
	lost := d.endLost(f)
	l := d.freeze()
	if l == nil && !last && !(lost && !f.left) {
		return nil
	}
	finish := func(t *boltfile.Tx) error {
		if last || lost {
			return t.CloseLog(d.log.ID())
		}
		return t.SetLog(&boltfile.LogRef{ID: d.log.ID(), Pos: l.end})
	}
	done := func(show func()) {
		d.mu.Lock()
		defer d.mu.Unlock()
		show()
		d.buffer.frozen = nil
		if l != nil {
			d.filed = l.end
		}
	}
	var unsynced error
	if l != nil {
		// If the header tears in this commit, or is damaged later, the log has to
		// complete the commit before. A log that can't be synced any more has told
		// those who wait for it, and the file is the better place then.
		unsynced = d.log.Sync(context.Background(), l.end)
	}
	inParts := unsynced == nil && !lost // the log completes what a crash leaves half
	err := d.writeLayer(l, inParts, finish, done)
	if errors.Is(boltfile.DiskError(err), kverr.Full) && l != nil && unsynced == nil {
		if err = d.squeeze(l); err == nil {
			err = d.writeLayer(l, inParts, finish, done)
		}
	}
	if err != nil {
		d.settle(l)
		err = boltfile.DiskError(err)
		d.failed(err)
		return err
	}
	d.commits.Add(1)
	d.full.Store(0)
	if l != nil {
		d.log.Release(l.end)
	}
	if lost && !f.left {
		f.left = true
		d.mendHeaders(nil) // the one before still names the log
	}
	return nil
}

// endLost reports whether the log was deleted, replaced or cut short under the store.
// Then it has ended, so that a checkpoint has all that it will ever acknowledge, and
// the file must not name it: nobody could open the file.
func (d *Store) endLost(f *logFile) bool {
	err := f.inPlace()
	if !errors.Is(err, kverr.Replaced) {
		return false // nobody may be able to tell: then the log stays the file's
	}
	d.plan.Lock() // what was appended has been staged
	d.log.Fail(err)
	d.plan.Unlock()
	return true
}

// freeze returns what is to be written, and nil if there is nothing.
func (d *Store) freeze() *layer {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &d.buffer
	switch {
	case b.frozen == nil && d.visible == d.filed:
		return nil // though the buffer is empty, the log may not be: a key came and went
	case b.frozen != nil && b.frozen.end == d.visible:
		return b.frozen
	}
	if b.frozen != nil { // that could not be written
		b.newest = b.newest.over(b.frozen)
	}
	b.frozen, b.newest = b.newest, &layer{}
	b.frozen.end = d.visible
	return b.frozen
}

// failed tells the logger that a checkpoint did, of a full file once for a time of
// it, and then those who wait for room.
func (d *Store) failed(err error) {
	full := errors.Is(err, kverr.Full)
	if !errors.Is(err, kverr.Closed) && !(full && d.full.Load() != 0) {
		d.opts.Logger.Error("kv: what is in the log could not be written to the file, so it stays there until it can", "path", d.file.Path(), "error", err)
	}
	if full {
		d.full.Store(time.Now().UnixNano())
	}
}

// kick starts a checkpoint in the background, unless one is on its way. plan is
// locked.
func (d *Store) kick() {
	if d.kicked || d.closed.Load() {
		return
	}
	d.kicked = true
	d.inFlight.Go(func() {
		defer func() { d.recovered(recover(), nil) }()
		if d.lock(context.Background()) != nil {
			return // the store was abandoned
		}
		defer d.unlock()
		d.plan.Lock()
		d.kicked = false
		d.plan.Unlock()
		d.checkpoint(false) // which has told the logger if it failed; what it could not write is kept
	})
}

// armQuiet sees to a checkpoint after a while without writes. plan is locked.
func (d *Store) armQuiet() {
	d.wrote.Store(true)
	if d.quiet != nil || d.closed.Load() {
		return
	}
	d.wrote.Store(false)
	d.quiet = time.AfterFunc(quietTime, func() {
		d.plan.Lock()
		defer d.plan.Unlock()
		switch {
		case d.closed.Load() || d.quiet == nil:
		case d.wrote.Swap(false):
			d.quiet.Reset(quietTime)
		default:
			d.quiet = nil
			d.kick()
		}
	})
}

// ensureLog makes a log if there is none.
func (d *Store) ensureLog() error {
	d.plan.Lock()
	defer d.plan.Unlock()
	if err := d.writableNow(); err != nil || d.log != nil {
		return err
	}
	return d.startLog()
}

// Compact rewrites the file without its unused pages. Writes go to the log
// meanwhile, and wait for nothing but the change of names.
func (d *Store) Compact(ctx context.Context) (err error) {
	defer func() { d.recovered(recover(), &err) }()
	if err := d.ensureLog(); err != nil && !noLog(err) { // without one writes wait
		return err
	}
	if err := d.lock(ctx); err != nil {
		return notDone(err)
	}
	defer d.unlock()
	if err := d.checkpoint(false); err != nil {
		return err
	}
	if err := d.file.Compact(); err != nil {
		return err
	}
	if f := d.logFile.Load(); f != nil && errors.Is(f.inPlace(), kverr.Replaced) {
		return d.checkpoint(false) // so that the new file does not name it
	}
	return nil
}

// Backup writes a copy of the store, as it is at this moment, to w.
func (d *Store) Backup(ctx context.Context, w io.Writer) error {
	return d.file.Backup(ctx, w, func() (*boltfile.Snapshot, error) { return d.snapshot(ctx) })
}

// BackupFile is Backup into a file, which gets its name when it is complete and
// synced. A file of that name is replaced unless it is in use.
func (d *Store) BackupFile(ctx context.Context, loc access.Location) error {
	return d.file.BackupFile(ctx, loc, func() (*boltfile.Snapshot, error) { return d.snapshot(ctx) })
}

// snapshot begins a copy of the store as it is at this moment. The file gets what
// is visible first; where it can't, the copy gets that in addition. No checkpoint
// can come between: the file may hold half of one, of which the log has the rest.
func (d *Store) snapshot(ctx context.Context) (*boltfile.Snapshot, error) {
	if err := d.lock(ctx); err != nil {
		return nil, notDone(err)
	}
	defer d.unlock()
	err := d.checkpoint(false)
	s, failed := d.file.Snapshot()
	if failed != nil {
		return nil, failed
	}
	if err != nil || d.file.ReadOnly() {
		d.mu.Lock()
		s.Complete = d.buffer.copy().write
		d.mu.Unlock()
	}
	return s, nil
}

// Close writes what is visible to the file, which is all of the store then. Where
// that fails, the log stays and has what the file lacks; so the error is for
// people to know that there are two files, and the next open needs both. Closing
// again returns the same.
func (d *Store) Close() error {
	if d.file.Err() == nil {
		d.plan.Lock()
	} else if !d.plan.TryLock() { // who has it may wait for the engine for ever
		return d.abandon()
	}
	if d.closed.Load() {
		d.plan.Unlock()
		return d.closedBefore()
	}
	d.closed.Store(true)
	if d.quiet != nil {
		d.quiet.Stop()
		d.quiet = nil
	}
	d.plan.Unlock()
	defer close(d.ended)
	d.closeErr = d.close()
	return d.closeErr
}

// close is Close, for the first who calls it.
func (d *Store) close() (err error) {
	defer func() {
		if d.recovered(recover(), &err) {
			err = cmp.Or(d.abandon(), err)
		}
	}()
	alone := make(chan struct{})
	go func() {
		defer close(alone)
		d.inFlight.Wait()
		d.lock(context.Background())
	}()
	select {
	case <-alone:
	case <-d.file.Broken():
		return d.abandon()
	}
	defer d.unlock()
	if d.file.Err() != nil {
		return d.abandon()
	}
	err = d.leave()
	d.over.Store(true)
	return errors.Join(err, d.file.Close())
}

// closedBefore waits for the close that came first, and says what it said.
func (d *Store) closedBefore() error {
	<-d.ended
	return d.closeErr
}

// abandon closes a store whose file is damaged, without the engine, which may have
// left its locks locked, and so without waiting for anybody.
func (d *Store) abandon() error {
	d.over.Store(true)
	err := d.file.Err()
	f := d.logFile.Load()
	if f == nil {
		d.file.Close()
		return nil // the calls that failed have said why
	}
	if f.log != nil {
		f.log.Close()
	}
	f.Close()
	d.file.Close()
	if d.mu.TryRLock() {
		defer d.mu.RUnlock()
		if d.visible == d.filed {
			return nil
		}
	}
	return errLeft(f, err)
}

func errLeft(f *logFile, err error) error {
	return kverr.Errorf(err, "the file could not be written, so what it lacks stays in %s beside it, as far as the disk took that: keep the two together, and the next open has everything: %w", f.name, err)
}

// leave does with the log what has to be done before the file is closed.
func (d *Store) leave() error {
	f := d.logFile.Load()
	if f == nil {
		return nil
	}
	if d.log == nil { // it was only read
		return f.Close()
	}
	d.sync(context.Background(), d.log, d.log.Tail()) // those who wait hear how it ended
	err := d.checkpoint(true)
	d.log.Close()
	f.Close()
	if err == nil { // and so the file has all that was acknowledged
		d.removeLog(f)
		return nil
	}
	return errLeft(f, err)
}
