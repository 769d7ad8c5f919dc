package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
)

// largeLogs has a log replaced by a larger one when the file has 32 KiB.
var largeLogs = []option{logBytes(16 << 10), parts(Parts{LargeLogs: true, Transaction: 64 << 10})}

// busyWriters write until done, and at least 20 calls each. They return how many keys they
// have stored.
func busyWriters(t *testing.T, d db, done func() bool) (keys int64) {
	t.Helper()
	const writers, batch = 4, 20
	var stored atomic.Int64
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := 0; i < 2000 && (i < 20 || !done()); i++ {
				if err := putMany(t.Context(), d.Store, fmt.Sprintf("%d/%04d", w, i), batch); err != nil {
					t.Error(err)
					return
				}
				stored.Add(batch)
			}
		})
	}
	writing.Wait()
	return stored.Load()
}

func (d db) hasLargeLog() bool {
	f := d.logFile.Load()
	return f != nil && f.size > 32<<10
}

// mustHave checks the number of keys, also after a crash, and after an orderly close of d.
func (d db) mustHave(t *testing.T, path string, want int64) {
	t.Helper()
	crashed := storeName(t)
	if d.logFile.Load() == nil { // then the file alone is the store
		crashed = ""
	}
	func() { // no checkpoint runs while the two files are copied
		w, err := d.lockFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.unlock()
		if crashed != "" {
			copyCrashed(t, path, crashed)
		}
	}()
	check := func(when string, d db) {
		if n, err := d.Len(d.opts.Now()); err != nil || n != want {
			t.Errorf("%s: %d keys of %d, %v", when, n, want, err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	if crashed != "" {
		check("after a crash", mustOpen(t, crashed, largeLogs...))
	}
	check("before the end", d)
	check("opened again", mustOpen(t, path, largeLogs...))
}

// A file that becomes large while it is written to gets a larger log; what is stored stays.
func TestABusyLogOfALargeFileIsReplacedByALargerOne(t *testing.T) {
	for name, more := range map[string][]option{"durable": nil, "interval": {interval(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			path := storeName(t)
			d := mustOpen(t, path, append(more, largeLogs...)...)
			if err := putMany(t.Context(), d.Store, "first", 1); err != nil {
				t.Fatal(err)
			}
			if d.hasLargeLog() {
				t.Fatal("the log of an empty file is large")
			}
			n := busyWriters(t, d, d.hasLargeLog)
			if !d.hasLargeLog() {
				t.Errorf("after %d keys the log is small", n)
			}
			if lsn := d.logFile.Load().log.Tail(); lsn < d.visible.lsn {
				t.Errorf("the log is at %d, and %d is visible", lsn, d.visible.lsn)
			}
			d.mustHave(t, path, n+1)

			d = mustOpen(t, path, largeLogs...)
			defer d.Close()
			if err := putMany(t.Context(), d.Store, "last", 1); err != nil {
				t.Fatal(err)
			}
			if d.hasLargeLog() {
				t.Error("a process that writes little has a large log")
			}
		})
	}
}

// A store with a limit keeps the size of its log, which would take the file's space.
func TestAStoreWithALimitKeepsItsLog(t *testing.T) {
	path := storeName(t)
	d := mustOpen(t, path, append([]option{maxBytes(64 << 20)}, largeLogs...)...)
	n := busyWriters(t, d, func() bool { return d.file.Size() > 1<<20 })
	if d.hasLargeLog() {
		t.Error("the log is large")
	}
	d.mustHave(t, path, n)
}

// Where a log cannot be replaced, the store continues: with a small one, or without one until
// one can be created. What waits for a sync of the old log meanwhile is not disturbed.
func TestAStoreWhoseLogCannotBeReplacedContinues(t *testing.T) {
	for name, failing := range map[string]func(act access.Act, n int) error{
		"the large log cannot get its name": func(act access.Act, n int) error {
			if act == access.ActRename && n == 1 {
				return syscall.EACCES
			}
			return nil
		},
		"nor is there space for another one, some times": func(act access.Act, n int) error {
			switch {
			case act == access.ActRename && n == 1:
				return syscall.EACCES
			case act == access.ActAllocateLog && n >= 3 && n < 8: // the second one was for the large log
				return syscall.ENOSPC
			}
			return nil
		},
		"the old log cannot be removed either, some times": func(act access.Act, n int) error {
			if act == access.ActRename && n == 1 || act == access.ActRemove && n < 4 {
				return syscall.EACCES
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			acts := map[access.Act]int{}
			failed := 0
			hook := hook(func(act access.Act, name string) error {
				mu.Lock()
				defer mu.Unlock()
				acts[act]++
				err := failing(act, acts[act])
				if err == nil {
					return nil
				}
				failed++
				return &fs.PathError{Op: string(act), Path: name, Err: err}
			})
			path := storeName(t)
			d := mustOpen(t, path, append([]option{hook}, largeLogs...)...)
			done := func() bool { mu.Lock(); defer mu.Unlock(); return failed > 0 }
			n := busyWriters(t, d, done)
			if !done() {
				t.Fatal("nothing failed")
			}
			d.mustHave(t, path, n)
		})
	}
}

// A log stays, and is not replaced by another small one again and again, if there is no space
// for a large one, or if the folder accepts no more changes: a process can have given up the
// permission since it opened the store. Without a log each write would take four syncs.
func TestALogStaysIfThereCanBeNoLargerOne(t *testing.T) {
	for name, failing := range map[string]func(act access.Act, logs int) error{
		"no space": func(act access.Act, logs int) error {
			if act == access.ActAllocateLog && logs%2 == 0 { // each second one would be large
				return syscall.ENOSPC
			}
			return nil
		},
		"no permission": func(act access.Act, logs int) error {
			if logs > 0 && (act == access.ActCreate || act == access.ActRename || act == access.ActRemove) {
				return syscall.EACCES
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			logs, failed, armed := 0, 0, true
			hook := hook(func(act access.Act, name string) error {
				mu.Lock()
				defer mu.Unlock()
				if !armed {
					return nil
				}
				if act == access.ActAllocateLog {
					logs++
				}
				err := failing(act, logs)
				if err == nil {
					return nil
				}
				failed++
				return &fs.PathError{Op: string(act), Path: name, Err: err}
			})
			path := storeName(t)
			d := mustOpen(t, path, append([]option{hook}, largeLogs...)...)
			if err := putMany(t.Context(), d.Store, "first", 1); err != nil {
				t.Fatal(err)
			}
			f, after := d.logFile.Load(), 0
			n := busyWriters(t, d, func() bool {
				mu.Lock()
				defer mu.Unlock()
				if failed > 0 {
					after++
				}
				return after > 400 // calls, during which the log is full some times
			})
			mu.Lock()
			if failed != 1 {
				t.Errorf("%d failures", failed)
			}
			armed = false
			mu.Unlock()
			if d.logFile.Load() != f {
				t.Error("the log was replaced")
			}
			d.mustHave(t, path, n+1)
		})
	}
}

// Callers that wait for records of the log, or for room in it, are answered rightly while it is
// replaced, and when there is none afterwards.
func TestCallersOfALogThatIsGoneAreAnswered(t *testing.T) {
	d := opened(t, storeName(t))
	p, err := d.planAndAppend(t.Context(), nil, func(p *Plan) error { return makeState(p, "a", stateFor(1)) })
	if err != nil {
		t.Fatal(err)
	}
	func() {
		w, err := d.lockFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.unlock()
		if err := errors.Join(d.syncAll(context.Background()), w.checkpoint(true)); err != nil {
			t.Fatal(err)
		}
		f := d.logFile.Load()
		f.log.Close()
		d.removeLog(f)
		f.Close()
		if err := d.acknowledge(t.Context(), p, nil); err != nil { // while the new log is created
			t.Error(err)
		}
		if err := d.syncAll(t.Context()); err != nil {
			t.Error(err)
		}
		d.logFile.Store(nil)
		if err := d.acknowledge(t.Context(), p, nil); err != nil { // when that has failed
			t.Error(err)
		}
		if err := d.syncAll(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	before := d.visible.lsn
	if err := d.set("b", 2); err != nil {
		t.Fatal(err)
	}
	if d.visible.lsn <= before || d.logFile.Load().log.Tail() != d.visible.lsn {
		t.Errorf("the LSN was %d and is %d, of a log up to %d", before, d.visible.lsn, d.logFile.Load().log.Tail())
	}
	if err := d.acknowledge(t.Context(), p, nil); err != nil { // in the new log
		t.Error(err)
	}
}

// A log stays while it is unknown whether it and the file have their names.
func TestALogWhoseNameCannotBeCheckedIsNotReplaced(t *testing.T) {
	path := storeName(t)
	d := mustOpen(t, path, logBytes(16<<10))
	const calls, batch = 40, 20
	for i := range calls {
		if err := putMany(t.Context(), d.Store, fmt.Sprint(i), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var unknown atomic.Bool
	hook := hook(func(act access.Act, name string) error {
		if act == access.ActLook && unknown.Load() {
			return &fs.PathError{Op: "look", Path: name, Err: syscall.EACCES}
		}
		return nil
	})
	d = mustOpen(t, path, append([]option{hook}, largeLogs...)...)
	for i := range 3 {
		if err := putMany(t.Context(), d.Store, fmt.Sprint("busy", i), batch); err != nil {
			t.Fatal(err)
		}
	}
	w, err := d.lockFile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := d.logFile.Load()
	unknown.Store(true)
	w.renewLog()
	if d.logFile.Load() != f {
		t.Error("the log was replaced")
	}
	unknown.Store(false)
	w.renewLog()
	if !d.hasLargeLog() {
		t.Error("the log was not replaced when the names were known again")
	}
	w.unlock()
	d.mustHave(t, path, (calls+3)*batch)
}
