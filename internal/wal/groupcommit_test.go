package wal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func TestAFailedSyncLatches(t *testing.T) {
	d := &disk{slow: time.Millisecond}
	l := create(t, d, 16<<10, Options{})
	sync1(t, l, set(t, l, "a", "1"))
	d.failSync = errors.New("input/output error")
	to := set(t, l, "b", "2")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := l.Sync(context.Background(), to); !errors.Is(err, kverr.CommitUnknown) || errors.Is(err, kverr.Unavailable) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	d.mu.Lock()
	d.failSync = nil
	d.mu.Unlock()
	var b Batch
	b.Delete("a")
	if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Unavailable) || errors.Is(err, kverr.CommitUnknown) {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context(), to); !errors.Is(err, kverr.CommitUnknown) || !strings.Contains(err.Error(), "may or may not be stored") {
		t.Fatal(err)
	}
	if l.latched.err == nil {
		t.Fatal("the log continues")
	}
	sync1(t, l, to-recordAlign*2) // what was durable before is
}

func TestCallersShareSyncs(t *testing.T) {
	for _, c := range []struct {
		writers int
		most    float64
	}{{1, 1}, {8, 0.3}, {64, 0.06}} {
		d := &disk{}
		l := create(t, d, 16<<20, Options{})
		d.slow = 300 * time.Microsecond
		before := d.syncs.Load()
		const each = 100
		var wait sync.WaitGroup
		for range c.writers {
			wait.Go(func() {
				for range each {
					sync1(t, l, set(t, l, "k", "v"))
				}
			})
		}
		wait.Wait()
		per := float64(d.syncs.Load()-before) / float64(each*c.writers)
		t.Logf("%d writers: %.3f syncs per record", c.writers, per)
		if per > c.most {
			t.Errorf("%d writers: %.3f syncs per record, at most %.2f expected", c.writers, per, c.most)
		}
	}
}

func TestDurableIsToldBeforeThoseWhoWait(t *testing.T) {
	d := &disk{}
	var told atomic.Int64
	l := create(t, d, 1<<20, Options{Durable: func(p LSN) { told.Store(int64(p)) }})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				to := set(t, l, "k", "v")
				sync1(t, l, to)
				if LSN(told.Load()) < to {
					t.Error("woken first")
				}
			}
		})
	}
	wait.Wait()
}

func TestTheEndOfAContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		l := create(t, d, 16<<10, Options{})
		d.slow = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := l.Sync(ctx, set(t, l, "k", "v"))
		if !errors.Is(err, kverr.CommitUnknown) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "may or may not be stored") || time.Since(began) > time.Second {
			t.Fatal(err, time.Since(began))
		}
	})
}

func TestARecordIsSyncedWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 100 * time.Millisecond
		f := &disk{}
		l := create(t, f, 1<<20, Options{Interval: d})
		f.slow = 10 * time.Millisecond
		before := f.syncs.Load()
		for range 100 {
			at := set(t, l, "k", "v")
			if err := l.Promise(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(d, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				if l.durable < at {
					t.Error("not durable in time")
				}
			})
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(2 * d)
		if n := f.syncs.Load() - before; n > 11 {
			t.Errorf("%d syncs in half a second", n)
		}
		n := f.syncs.Load()
		time.Sleep(time.Hour)
		if f.syncs.Load() != n {
			t.Error("it syncs where there is nothing to sync")
		}
	})
}

func TestASlowDiskMakesWritersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 100 * time.Millisecond
		f := &disk{}
		l := create(t, f, 1<<20, Options{Interval: d})
		f.slow = time.Second
		for range 500 {
			set(t, l, "k", "v")
			if err := l.Promise(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.mu.Lock()
			if !l.group.since.IsZero() && time.Since(l.group.since) > d {
				t.Error("acknowledged while older writes were not durable for", time.Since(l.group.since))
			}
			l.mu.Unlock()
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// The owner of a log can say of a sync that only the check of its name failed, or that the
// log is in a file that was moved away: then the records are erased, and were not stored. With
// an interval they have been acknowledged, and stay.
func TestTheOutcomeOfAWriteWhoseLogLostItsNameIsKnown(t *testing.T) {
	replaced := kverr.Errorf(kverr.Replaced, "the log was replaced")
	flush := func() error { return nil }
	for _, c := range []struct {
		name      string
		sync      error
		opts      Options
		write     bool // the erasing write fails
		unknown   bool
		continues bool
		replays   []string // nil: that depends on the disk
	}{
		{"the check fails", ErrPassing, Options{Flush: flush}, false, true, true, []string{"a=1", "b=2"}},
		{"replaced", replaced, Options{Flush: flush}, false, false, false, []string{"a=1"}},
		{"replaced, and not to be erased", replaced, Options{Flush: flush}, true, true, false, nil},
		{"replaced, and not to be flushed", replaced, Options{Flush: func() error { return errors.New("input/output error") }}, false, true, false, nil},
		{"replaced, without a flush", replaced, Options{}, false, true, false, []string{"a=1", "b=2"}},
		{"replaced, with an interval", replaced, Options{Flush: flush, Interval: time.Hour}, false, true, false, []string{"a=1", "b=2"}},
	} {
		d := &disk{}
		l := create(t, d, 16<<10, c.opts)
		sync1(t, l, set(t, l, "a", "1"))
		to := set(t, l, "b", "2")
		d.mu.Lock()
		d.failSync = c.sync
		if c.write {
			d.failWrite = errors.New("input/output error")
		}
		d.mu.Unlock()
		err := l.Sync(t.Context(), to)
		if !errors.Is(err, c.sync) || errors.Is(err, kverr.CommitUnknown) != c.unknown {
			t.Errorf("%s: %v", c.name, err)
		}
		d.mu.Lock()
		d.failSync, d.failWrite = nil, nil
		d.mu.Unlock()
		if err := l.Sync(t.Context(), to); (err == nil) != c.continues {
			t.Errorf("%s: then %v", c.name, err)
		}
		if c.replays != nil {
			mustReplay(t, d, l.ID(), 0, c.replays...)
		}
	}
}
