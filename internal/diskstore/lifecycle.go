package diskstore

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

const (
	minLogBytes = 16 << 10
	logShare    = 4 // the part of MaxBytes that the log takes at most
)

// lifecycle is the state of a store: open, closing or closed.
type lifecycle struct {
	closing atomic.Bool   // no more calls are planned; set while the planner is paused
	closed  atomic.Bool   // no read begins, and no one gets the right to write to the file
	ended   chan struct{} // closed when the first Close has returned err
	err     error
}

// Open opens the store at loc, and creates it if there is none. If a crash left a log, Open
// replays it. It obeys ctx while it waits for the file's lock, reads the file and replays
// the log; if ctx ends, the next Open finds the store unharmed. The store itself does not
// depend on ctx.
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
	s := &Store{file: file, opts: opts}
	s.visible.tables.mutable = &memtable{}
	s.visible.appended.states = map[string]stated{}
	s.checkpoints.right = make(chan struct{}, 1)
	s.checkpoints.changed.Store(anyChange)
	s.checkpoints.run = s.checkpointInBackground
	s.life.ended = make(chan struct{})
	w, err := s.lockFile(ctx)
	if err == nil {
		err = w.recover(ctx)
		w.unlock()
	}
	if err != nil {
		if f := s.logFile.Load(); f != nil {
			f.Close()
		}
		file.Close()
		return nil, err
	}
	if t := s.visible.tables.mutable; !file.ReadOnly() && (t.cleared || t.entries.Len() > 0) {
		s.checkpoints.noteWrite()
	}
	return s, nil
}

// Close writes the visible changes to the file, which then is the whole store. If that fails,
// the log stays and contains the changes that the file does not have; the error says that the
// store is two files, both of which the next Open needs. Later calls return the same error.
func (s *Store) Close() error {
	first := false
	begin := func() { first = !s.life.closing.Swap(true) }
	if s.file.Err() == nil {
		s.planner.pause(begin)
	} else if !s.planner.tryPause(begin) { // a planning call can wait for bbolt forever
		return s.abandon()
	}
	if !first {
		<-s.life.ended
		return s.life.err
	}
	defer close(s.life.ended)
	s.checkpoints.stop()
	s.checkpoints.stepped(kverr.Closed) // for writers that wait for room
	s.life.err = s.close()
	return s.life.err
}

// close is the first Close.
func (s *Store) close() (err error) {
	defer func() {
		if s.recovered(recover(), &err) {
			err = cmp.Or(s.abandon(), err)
		}
	}()
	locked := make(chan fileWriter, 1)
	go func() {
		s.checkpoints.running.Wait()
		if w, err := s.lockFile(context.Background()); err == nil {
			locked <- w
		}
	}()
	var w fileWriter
	select {
	case w = <-locked:
		defer w.unlock()
	case <-s.file.Broken():
		return s.abandon()
	}
	if s.file.Err() != nil {
		return s.abandon()
	}
	err = w.closeLog()
	s.life.closed.Store(true)
	return errors.Join(err, s.file.Close())
}

// closeLog makes the last checkpoint and removes the log.
func (w fileWriter) closeLog() error {
	s, f := w.s, w.s.logFile.Load()
	if f == nil {
		return nil
	}
	if f.log == nil { // it was only read
		return f.Close()
	}
	s.syncAll(context.Background()) // waiting writers get its result
	err := w.checkpoint(true)
	f.log.Close()
	f.Close()
	if err != nil {
		return errLeft(f, err)
	}
	s.removeLog(f)
	return nil
}

// abandon closes a store whose file failed. It does not use the engine, which can have left
// its locks locked, and waits for nothing.
func (s *Store) abandon() error {
	s.life.closed.Store(true)
	err := s.file.Err()
	f := s.logFile.Load()
	if f != nil {
		if f.log != nil {
			f.log.Close()
		}
		f.Close()
	}
	s.file.Close()
	if f == nil || s.visible.tryComplete() {
		return nil // the calls that failed have returned why
	}
	return errLeft(f, err)
}

func errLeft(f *logFile, err error) error {
	return kverr.Errorf(err, "the file could not be written, so its latest changes stay in its log %s; keep both files together, and the next open replays the log: %w", f.name, err)
}

// writable returns why nothing can be written, or nil.
func (s *Store) writable() error {
	if s.life.closing.Load() {
		return kverr.Closed
	}
	return s.file.Writable()
}

// recovered reports whether p is a panic that was recovered. That is a bug: its error is
// stored in err, if that is not nil, and is latched, because the file can be half written.
// The log and the last commit are complete.
func (s *Store) recovered(p any, err *error) bool {
	if p == nil {
		return false
	}
	failed := kverr.Panicked("the store", p)
	s.opts.Logger.Error("kv: a bug stopped a store", "path", s.file.Path(), "error", failed, "stack", string(debug.Stack()))
	why := &kverr.Error{Kind: kverr.Corrupt, Msg: failed.Error()}
	if e, ok := errors.AsType[*kverr.Error](failed); ok {
		why = e
	}
	failed = s.file.FailStop(why)
	if err != nil {
		*err = failed
	}
	return true
}
