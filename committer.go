package extlibs

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// write is what one call wants to change in a file. It is done completely or
// not at all.
type write struct {
	change func(*boltfile.Tx) error // our own code only: it runs in the transaction
	alone  func() error             // instead of change: runs between two transactions
	state  atomic.Int32
	err    error
	done   chan struct{}
}

const (
	writeQueued int32 = iota
	writeTaken
	writeGivenUp
)

// committer carries out writes, all that are waiting in one transaction. There
// is no timer: while one commit waits for the disk, the next one gathers.
type committer struct {
	update func(func(*boltfile.Tx) error) error // File.Update; tests make it slow or fail
	onDone func()                               // after each successful commit

	mu     sync.Mutex
	queue  []*write
	flying int           // writes that were under way when the last commit ended
	wake   chan struct{} // has room for one
	closed bool
	ended  chan struct{}

	broken <-chan struct{} // closed when no commit will end any more
	why    func() error    // what broke
}

func newCommitter(update func(func(*boltfile.Tx) error) error, onDone func()) *committer {
	c := &committer{update: update, onDone: onDone,
		wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go c.loop()
	return c
}

// do has change carried out and waits until it is on disk. Where ctx ends the
// wait first, the change is not done, or, if its commit had begun, the error is
// ErrCommitUnknown as well.
func (c *committer) do(ctx context.Context, change func(*boltfile.Tx) error) error {
	return c.wait(ctx, &write{change: change, done: make(chan struct{})})
}

// doAlone runs fn while no transaction writes.
func (c *committer) doAlone(ctx context.Context, fn func() error) error {
	return c.wait(ctx, &write{alone: fn, done: make(chan struct{})})
}

func (c *committer) wait(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return kverr.Errorf(err, "not done: %w", err)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.queue = append(c.queue, w)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
		return w.err
	case <-c.broken:
		select {
		case <-w.done:
			return w.err
		default:
			return c.why()
		}
	case <-ctx.Done():
	}
	if w.state.CompareAndSwap(writeQueued, writeGivenUp) {
		return kverr.Errorf(ctx.Err(), "not done: %w", ctx.Err())
	}
	select {
	case <-w.done:
		return w.err
	default:
		return kverr.Errorf(ErrCommitUnknown, "the wait ended while the write was being committed, it may or may not be stored: %w", ctx.Err())
	}
}

func (c *committer) loop() {
	defer close(c.ended)
	for range c.wake {
		c.gather()
		c.mu.Lock()
		queue, closed := c.queue, c.closed
		c.queue = nil
		c.mu.Unlock()
		batch := queue[:0]
		for _, w := range queue {
			switch {
			case !w.state.CompareAndSwap(writeQueued, writeTaken):
			case w.alone != nil:
				w.err = w.alone()
				close(w.done)
			default:
				batch = append(batch, w)
			}
		}
		c.commit(batch)
		if closed {
			return
		}
		c.mu.Lock()
		c.flying = len(batch) + len(c.queue)
		c.mu.Unlock()
	}
}

// gatherTime is how long a commit may wait for writers that were here at the last
// one. It is short beside a commit, and a lone writer never meets it.
const gatherTime = 100 * time.Microsecond

// gatherYields bounds it where time stands still, as it does in tests while
// anything runs.
const gatherYields = 10_000

// gather waits for the writers that have just been served, who are likely to come
// back at once: without it they would take turns with those that queued
// meanwhile, in commits of half the size.
func (c *committer) gather() {
	began := time.Now()
	for range gatherYields {
		c.mu.Lock()
		enough := c.flying < 2 || len(c.queue) >= c.flying || c.closed
		c.mu.Unlock()
		if enough || time.Since(began) > gatherTime {
			return
		}
		runtime.Gosched()
	}
}

// commit carries out a batch. A write that fails by itself changes nothing and
// leaves the others alone; where the transaction fails, each write is tried in
// one of its own, so that one that is too large for the disk does not take the
// others with it.
func (c *committer) commit(batch []*write) {
	if len(batch) == 0 {
		return
	}
	err := c.update(func(t *boltfile.Tx) error {
		for _, w := range batch {
			w.err = w.change(t)
			if _, fatal := w.err.(*boltfile.TxError); fatal {
				return w.err
			}
		}
		return nil
	})
	if err == boltfile.ErrUnchanged {
		for _, w := range batch {
			close(w.done)
		}
		return
	}
	if err != nil && len(batch) > 1 {
		for _, w := range batch {
			c.commit([]*write{w})
		}
		return
	}
	if err == nil {
		c.onDone()
	}
	for _, w := range batch {
		if err != nil {
			w.err = boltfile.DiskError(err)
		}
		close(w.done)
	}
}

// close carries out what is queued, then ends the loop.
func (c *committer) close() {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	select {
	case <-c.ended:
	case <-c.broken:
	}
}
