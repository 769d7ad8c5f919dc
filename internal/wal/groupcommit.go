package wal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// group is the state of the group commit: concurrent callers of Sync share one sync of
// the file. Log.mu guards it.
type group struct {
	running *round      // the sync that runs now; nil: none
	waiting int         // callers that wait for the next sync
	served  int         // callers that waited for the last sync
	since   time.Time   // when the oldest record that is not durable was appended
	timer   *time.Timer // of the next sync within the interval; nil: none is due
}

// round is one sync.
type round struct {
	done chan struct{} // closed when the sync ends
	to   LSN           // the sync covers the records before it
	err  error         // of the sync, if it is ErrPassing
}

func newRound() *round { return &round{done: make(chan struct{})} }

func (g *group) stopTimer() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
}

// maxGroupDelay limits how long a group commit waits for writers of the previous group
// to rejoin. It is short compared with a sync, and a single writer never waits.
// maxGroupYields limits the wait in tests with virtual time, which does not advance while
// any goroutine runs.
const (
	maxGroupDelay  = 100 * time.Microsecond
	maxGroupYields = 10_000
)

// Sync waits until the log is durable up to an LSN. If ctx ends the wait, or the disk
// fails, the outcome is unknown and the error is kverr.CommitUnknown. If the error is
// kverr.Replaced and not kverr.CommitUnknown, the records were erased and are certainly
// not stored.
func (l *Log) Sync(ctx context.Context, to LSN) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	waits := false
	for l.durable < to {
		round := l.group.running
		if round == nil && l.latched.err != nil { // a running sync can still erase records
			return l.outcome()
		}
		if !waits {
			waits = true
			l.group.waiting++
		}
		begins := round == nil
		if begins {
			round = newRound()
			l.group.running = round
		}
		l.mu.Unlock()
		switch {
		case begins && ctx.Done() == nil: // nothing can end the wait early
			l.sync(round)
		case begins:
			go l.sync(round)
		}
		var err error
		select {
		case <-round.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.mu.Lock()
		switch {
		case l.durable >= to:
		case err != nil:
			return kverr.Errorf(kverr.CommitUnknown, "the write may or may not be stored, because the wait for its sync ended early; read the key before you repeat it: %w", err)
		case round.err != nil && to <= round.to:
			return kverr.Errorf(kverr.CommitUnknown, "the write is on the disk, but the check of the file's name failed, so the next open may not find it; read the key before you repeat it: %w", round.err)
		}
	}
	return nil
}

// outcome returns what became of the records that were not durable when the log failed.
func (l *Log) outcome() error {
	switch {
	case l.latched.erased:
		return l.latched.cause
	case errors.Is(l.latched.cause, kverr.Replaced):
		return kverr.Errorf(kverr.CommitUnknown, "the write is stored if the moved file is opened again: %w", l.latched.cause)
	}
	return kverr.Errorf(kverr.CommitUnknown, "the write may or may not be stored, because the disk failed; close the store and open it again: %w", l.latched.cause)
}

// sync makes all appended records durable and wakes the callers that wait for them.
func (l *Log) sync(r *round) {
	l.mu.Lock()
	// Writers of the previous group are likely to come back at once. Without this short
	// delay, they and the writers that arrived meanwhile would alternate in groups of
	// half the size.
	began := time.Now()
	for n := 0; n < maxGroupYields && l.group.served > 1 && l.group.waiting < l.group.served && time.Since(began) < maxGroupDelay; n++ {
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	to, appended := l.tail, time.Now()
	r.to = to
	l.group.served, l.group.waiting = l.group.waiting, 0
	l.group.stopTimer()
	l.mu.Unlock()

	err := l.makeDurable(to)

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.durable = max(l.durable, to) // Skip can have passed it, during a sync of a segment
		l.group.since = time.Time{}
		if l.tail > to {
			l.group.since = appended
			l.syncWithin()
		}
	case errors.Is(err, ErrPassing):
		r.err = err
		l.syncWithin()
	default:
		l.latch(err)
		if errors.Is(err, kverr.Replaced) {
			l.erase()
		}
	}
	l.group.running = nil
	close(r.done)
}

// makeDurable syncs the file and calls the owner of the log. A panic, which is a bug,
// becomes an error: no other code could recover it in this goroutine.
func (l *Log) makeDurable(to LSN) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w; close the store and report the bug: %s", kverr.Panicked("the log", p), debug.Stack())
		}
	}()
	err = l.file.Sync()
	if err == nil && l.opts.Durable != nil {
		l.opts.Durable(to)
	}
	return err
}

// latch stops the log because of err, unless it has stopped before.
func (l *Log) latch(err error) error {
	if l.latched.err == nil {
		l.latched.cause = err
		l.latched.err = kverr.Errorf(kverr.Unavailable, "the log cannot be written, so nothing was done; close the store and open it again: %w", err)
	}
	return l.latched.err
}

// erase removes the records that are not durable from a log that has failed, so that no
// later open replays them. It overwrites the first: replay stops there. With an interval
// the records have been acknowledged, and stay.
func (l *Log) erase() {
	if l.opts.Flush == nil || l.opts.Interval > 0 || l.tail == l.durable {
		return
	}
	err := l.write(zeros[:recordHead], l.durable) // a head never wraps around
	if err == nil {
		err = l.opts.Flush()
	}
	l.latched.erased = err == nil // otherwise the outcome of the records is unknown
}

// Fail stops the log because of err and waits for the running sync.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	l.latch(err)
	running := l.group.running
	l.mu.Unlock()
	if running != nil {
		<-running.done
	}
}

// Promise ensures that all appended records are synced within the interval. If the disk
// is slower than that, it waits for the sync.
func (l *Log) Promise(ctx context.Context) error {
	l.mu.Lock()
	l.syncWithin()
	to := l.tail
	late := !l.group.since.IsZero() && time.Since(l.group.since) > l.opts.Interval
	l.mu.Unlock()
	if late {
		return l.Sync(ctx, to)
	}
	return nil
}

// syncWithin starts the timer of a sync, after half the interval: the other half is for
// the sync itself.
func (l *Log) syncWithin() {
	if l.opts.Interval == 0 || l.group.timer != nil || l.latched.err != nil || l.tail == l.durable {
		return
	}
	l.group.timer = time.AfterFunc(l.opts.Interval/2, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.group.timer = nil
		if l.group.running == nil && l.latched.err == nil && l.tail > l.durable {
			l.group.running = newRound()
			go l.sync(l.group.running)
		}
	})
}
