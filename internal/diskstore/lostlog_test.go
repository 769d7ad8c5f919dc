//go:build unix

package diskstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// takenLogs are what other programs do to the log of a store that is open, with what the store
// says of it.
var takenLogs = map[string]struct {
	take func(log string) error
	says string
}{
	"deleted":   {os.Remove, "was deleted or replaced"},
	"replaced":  {func(log string) error { return errors.Join(os.Remove(log), os.WriteFile(log, []byte("x"), 0o600)) }, "was deleted or replaced"},
	"truncated": {func(log string) error { return os.Truncate(log, 100) }, "was truncated"},
}

// What is acknowledged before the log of a store is lost, and at that moment, stays. Later
// writes, of any size, do nothing and say why. A compaction leaves a file that needs no log.
func TestAStoreSaysHowItsLogWasLost(t *testing.T) {
	t.Parallel()
	for name, c := range takenLogs {
		for what, call := range map[string]func(db) error{
			"a small write":   func(d db) error { return d.set("late", 1) },
			"a large write":   func(d db) error { return d.set("late", strings.Repeat("v", 400<<10)) },
			"a clear":         func(d db) error { return d.clear() },
			"a compaction":    func(d db) error { return d.Compact(t.Context()) },
			"nothing at all":  func(db) error { return nil },
			"a write of none": func(d db) error { return d.setMany(nil) },
		} {
			path := storeName(t)
			var noSegments atomic.Bool
			d := mustOpen(t, path, hook(func(act access.Act, file string) error { return refuseSegments(&noSegments, act, file) }))
			for i := range 5 {
				if err := d.set(fmt.Sprint("early", i), i); err != nil {
					t.Fatal(err)
				}
			}
			noSegments.Store(true)
			if err := c.take(path + "-log"); err != nil {
				t.Fatal(err)
			}
			changes := strings.Contains(what, "small") || strings.Contains(what, "large") || what == "a clear"
			if err := call(d); changes != (err != nil) || err != nil && !(errors.Is(err, kverr.Replaced) && strings.Contains(err.Error(), c.says)) {
				t.Errorf("the log was %s, %s: %v, want %q", name, what, err, c.says)
			}
			if what == "a compaction" {
				alone := storeName(t)
				writeFile(t, alone, readFile(t, path))
				after, err := open(alone)
				if err != nil {
					t.Fatalf("the log was %s: the compacted file alone: %v", name, err)
				}
				if n, err := after.count(); n != 5 || err != nil {
					t.Errorf("the log was %s: the compacted file alone has %d keys, %v", name, n, err)
				}
				after.Close()
			}
			if err := d.set("later", 1); !errors.Is(err, kverr.Replaced) && what != "a compaction" {
				t.Errorf("the log was %s, %s and then a write: %v", name, what, err)
			}
			_, errLater := d.get("later")
			later := d.has(t, "later")
			if err := d.Close(); err != nil || errLater != nil {
				t.Errorf("the log was %s, %s: close: %v, %v", name, what, err, errLater)
			}
			os.Remove(path + "-log") // the file alone is the store
			d = mustOpen(t, path)
			if n, err := d.count(); n != 5 && !(n == 6 && later) || err != nil || d.has(t, "late") || !d.has(t, "early4") {
				t.Errorf("the log was %s, %s: opened again the store has %d keys, %v", name, what, n, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// refuseSegments refuses a part of the log for a large call, which is then committed to the
// file.
func refuseSegments(refuse *atomic.Bool, act access.Act, name string) error {
	if act == access.ActAllocateLog && refuse.Load() {
		return &fs.PathError{Op: "fallocate", Path: name, Err: syscall.ENOSPC}
	}
	return nil
}

// A log that is lost while a large write is committed is needed by no file: the write is done,
// and the file alone has it, or it says that its outcome is unknown.
func TestALogThatIsLostDuringALargeWrite(t *testing.T) {
	t.Parallel()
	for name, c := range takenLogs {
		for at := range 4 {
			path := storeName(t)
			var armed atomic.Bool
			acts, taken := 0, false
			d := mustOpen(t, path, hook(func(act access.Act, file string) error {
				if armed.Load() && (act == access.ActCommit || act == access.ActSyncMetaPage) {
					if acts == at {
						taken = true
						if err := c.take(path + "-log"); err != nil {
							t.Error(err)
						}
					}
					acts++
				}
				return refuseSegments(&armed, act, file)
			}))
			if err := d.set("early", 1); err != nil {
				t.Fatal(err)
			}
			armed.Store(true)
			err := d.set("large", strings.Repeat("v", 400<<10))
			armed.Store(false)
			if err != nil && !errors.Is(err, kverr.CommitUnknown) && !errors.Is(err, kverr.Replaced) {
				t.Errorf("the log was %s at act %d: the write returns %v", name, at, err)
			}
			if taken {
				alone := storeName(t) // as a power cut leaves it
				writeFile(t, alone, readFile(t, path))
				after, errOpen := open(alone)
				if errOpen != nil {
					t.Errorf("the log was %s at act %d: the write returns %v, and its file does not open: %v", name, at, err, errOpen)
				} else if has := after.has(t, "large"); !after.has(t, "early") || err == nil && !has || has && err != nil && !errors.Is(err, kverr.CommitUnknown) {
					t.Errorf("the log was %s at act %d: the write returns %v, its file has it: %v", name, at, err, has)
				}
				if errOpen == nil {
					after.Close()
				}
			}
			if err := d.Close(); err != nil {
				t.Errorf("the log was %s at act %d: close: %v", name, at, err)
			}
		}
	}
}

// A copy of the file of an open store, beside a link to its log, is refused: two stores would
// write to one log.
func TestACopyOfAnOpenStoreDoesNotShareItsLog(t *testing.T) {
	path := storeName(t)
	d := opened(t, path)
	if err := d.set("a", 1); err != nil {
		t.Fatal(err)
	}
	copied := path + ".copy"
	writeFile(t, copied, readFile(t, path))
	if err := os.Link(path+"-log", copied+"-log"); err != nil {
		t.Skip(err)
	}
	if _, err := open(copied); !errors.Is(err, kverr.InUse) || !strings.Contains(err.Error(), "copy it with BackupFile") {
		t.Errorf("the copy is opened: %v", err)
	}
	if err := d.set("b", 1); err != nil {
		t.Error(err)
	}
}

// A log that is left beside a complete store, and cannot be removed or renamed, stops neither
// reads nor writes.
func TestAnObsoleteLogThatStaysStopsNothing(t *testing.T) {
	t.Parallel()
	_, other := crashed(t, 3)
	for _, act := range []access.Act{access.ActRemove, access.ActRename} {
		for _, own := range []bool{true, false} {
			path := storeName(t)
			d := mustOpen(t, path)
			if err := d.set("before", 1); err != nil {
				t.Fatal(err)
			}
			left := other
			if own {
				left = readFile(t, path+"-log")
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			writeFile(t, path+"-log", left)
			d, err := open(path, hook(func(a access.Act, name string) error {
				if a == act && strings.Contains(name, "-log") {
					return &fs.PathError{Op: string(a), Path: name, Err: syscall.EIO}
				}
				return nil
			}))
			if err != nil {
				t.Fatalf("%s fails, own log %v: open: %v", act, own, err)
			}
			if err := d.set("after", 1); err != nil {
				t.Errorf("%s fails, own log %v: a write: %v", act, own, err)
			}
			if err := d.Close(); err != nil {
				t.Errorf("%s fails, own log %v: close: %v", act, own, err)
			}
			d = mustOpen(t, path)
			if !d.has(t, "before") || !d.has(t, "after") {
				t.Errorf("%s fails, own log %v: opened again the store lacks a key", act, own)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Where there is no log, a clear is committed to the file at once, and iterations notice it.
func TestAClearWithoutALogIsInTheFile(t *testing.T) {
	path := storeName(t)
	d := mustOpen(t, path, hook(noLogHook))
	for i := range 100 {
		if err := d.set(fmt.Sprint(i), i); err != nil {
			t.Fatal(err)
		}
	}
	epoch := d.visible.epoch
	if err := d.clear(); err != nil {
		t.Fatal(err)
	}
	if d.visible.epoch == epoch {
		t.Error("a clear leaves the epoch")
	}
	if n, err := d.count(); n != 0 || err != nil {
		t.Errorf("after a clear there are %d keys, %v", n, err)
	}
	if err := d.set("new", 1); err != nil {
		t.Fatal(err)
	}
	alone := storeName(t)
	writeFile(t, alone, readFile(t, path))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, alone)
	if n, err := d.count(); n != 1 || err != nil || !d.has(t, "new") {
		t.Errorf("after a clear, a set and a crash there are %d keys, %v", n, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
