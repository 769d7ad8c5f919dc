package diskstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

const (
	quietTime = 2 * time.Second        // without writes, until the memtable goes to the file
	fullPause = 100 * time.Millisecond // until a file or a disk that was full is tried again
)

// checkpointer has one caller at a time write to the file, and starts checkpoints.
type checkpointer struct {
	right   chan struct{} // holds a value while someone has the right to write to the file
	fullAt  atomic.Int64  // when a checkpoint found the file full, in nanoseconds since 1970; 0: the last one did not
	changed atomic.Int64  // about how many bytes were changed since the file was rewritten
	progress
	background
}

// progress notifies writers that wait for space when a checkpoint has freed some.
type progress struct {
	mu   sync.Mutex
	next *step // that has not happened; nil: not requested
}

// step is a part of a checkpoint that the file has, or the end of a checkpoint.
type step struct {
	done chan struct{} // closed after it
	err  error         // of a checkpoint that failed
}

// nextStep returns the step that happens next.
func (p *progress) nextStep() *step {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = &step{done: make(chan struct{})}
	}
	return p.next
}

// stepped ends the next step.
func (p *progress) stepped(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != nil {
		p.next.err = err
		close(p.next.done)
		p.next = nil
	}
}

// fileWriter is the right to write to the file.
type fileWriter struct{ s *Store }

// lockFile waits for the right to write to the file, which no caller gets once the file is
// closed.
func (s *Store) lockFile(ctx context.Context) (fileWriter, error) {
	w, _, err := s.lockFileUnless(ctx, nil)
	return w, err
}

// lockFileUnless is lockFile for a caller that stops waiting when done is closed: then it is
// not locked, and there is no error.
func (s *Store) lockFileUnless(ctx context.Context, done <-chan struct{}) (w fileWriter, locked bool, err error) {
	if err := ctx.Err(); err != nil { // select would choose at random
		return fileWriter{}, false, err
	}
	select {
	case s.checkpoints.right <- struct{}{}:
		w := fileWriter{s}
		if s.life.closed.Load() {
			w.unlock()
			return w, false, kverr.Closed
		}
		return w, true, nil
	case <-done:
		return fileWriter{}, false, nil
	case <-ctx.Done():
		return fileWriter{}, false, ctx.Err()
	}
}

// tryLockFile is lockFile for a caller that must not wait.
func (s *Store) tryLockFile() (w fileWriter, ok bool) {
	select {
	case s.checkpoints.right <- struct{}{}:
		return fileWriter{s}, true
	default:
		return fileWriter{}, false
	}
}

func (w fileWriter) unlock() { <-w.s.checkpoints.right }

// full reports whether the last checkpoint found the file full.
func (c *checkpointer) full() bool { return c.fullAt.Load() != 0 }

// fullJustNow reports whether that was so recently that another one would fail too.
func (c *checkpointer) fullJustNow() bool {
	at := c.fullAt.Load()
	return at != 0 && time.Now().UnixNano()-at < int64(fullPause)
}

// foundSpace ends the time in which the file counts as full.
func (c *checkpointer) foundSpace() { c.fullAt.Store(0) }

// noteChange notes a change of the store.
func (c *checkpointer) noteChange(p *Plan) {
	c.changed.Add(p.buffered())
	if !p.puts { // then there can be space
		c.changed.Store(anyChange)
		c.foundSpace()
	}
}

// anyChange is more than any file must have changed.
const anyChange = 1 << 60

// failed logs a failed checkpoint, of a full file only the first one, and marks the file
// as full for writers that wait for space in the log. It returns err.
func (w fileWriter) failed(err error) error {
	c, full := &w.s.checkpoints, errors.Is(err, kverr.Full)
	if !errors.Is(err, kverr.Closed) && !(full && c.full()) {
		w.s.opts.Logger.Error("kv: a checkpoint failed; its changes stay in the log until one succeeds", "path", w.s.file.Path(), "error", err)
	}
	if full {
		c.fullAt.Store(time.Now().UnixNano())
	}
	return err
}

// endLost reports whether the log was deleted, replaced or truncated by another program.
// Then it latches the error, so that the checkpoint has everything that will ever be
// acknowledged, and the file must no longer name the log: otherwise it could not be opened.
func (w fileWriter) endLost(f *logFile) bool {
	err := f.inPlace()
	if !errors.Is(err, kverr.Replaced) {
		return false // if that is unknown, the file keeps its log
	}
	w.s.planner.pause(func() { f.log.Fail(err) }) // each appended record is in visible
	return true
}

// checkpointInBackground is what background runs.
func (s *Store) checkpointInBackground() {
	defer func() { s.recovered(recover(), nil) }()
	w, err := s.lockFile(context.Background())
	if err != nil { // the store was abandoned
		s.checkpoints.stepped(err)
		return
	}
	defer w.unlock()
	s.checkpoints.began()
	if w.checkpoint(false) == nil { // else it has logged its failure
		w.renewLog()
	}
}

// background runs checkpoints in the background, one at a time: when one is asked for, and
// after a time without writes.
type background struct {
	run     func() // calls began
	running sync.WaitGroup

	mu      sync.Mutex
	queued  bool // run was started, and has not called began
	stopped bool
	idle    *time.Timer // nil: no write was noted since it fired
	wrote   bool        // since idle was set
}

// start starts a checkpoint unless one is about to begin.
func (b *background) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.startLocked()
}

func (b *background) startLocked() {
	if !b.queued && !b.stopped {
		b.queued = true
		b.running.Go(b.run)
	}
}

func (b *background) began() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queued = false
}

// noteWrite starts a checkpoint after quietTime without another call of noteWrite.
func (b *background) noteWrite() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle != nil || b.stopped {
		b.wrote = true
		return
	}
	b.wrote = false
	b.idle = time.AfterFunc(quietTime, b.quiet)
}

func (b *background) quiet() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.stopped:
	case b.wrote:
		b.wrote = false
		b.idle.Reset(quietTime)
	default:
		b.idle = nil
		b.startLocked()
	}
}

// stop starts no more checkpoints. The caller then waits for running.
func (b *background) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.idle != nil {
		b.idle.Stop()
	}
}
