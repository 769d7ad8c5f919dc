//go:build unix

package extlibs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func TestAStoreWhoseFileIsDeletedOrReplacedTakesNoWritesAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(path string) error{
		"deleted": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, []byte("another"), 0o600))
		},
		"its folder moved": func(path string) error {
			dir := filepath.Dir(path)
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir", "store.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			h := mustOpen(t, newRegistry(), path)
			if err := h.Set(ctx, "k", "v", 0); err != nil {
				t.Fatal(err)
			}
			if err := take(path); err != nil {
				t.Fatal(err)
			}
			if err := h.Set(ctx, "k", "lost", 0); !errors.Is(err, extlibs.ErrReplaced) {
				t.Errorf("a write into nowhere: %v", err)
			}
			before, _ := os.ReadFile(path)
			if err := h.Compact(ctx); !errors.Is(err, extlibs.ErrReplaced) {
				t.Errorf("compact: %v", err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("compact overwrote a file that is not its own")
			}
			if v, err := h.Get(ctx, "k"); v != "v" || err != nil {
				t.Errorf("a read: %v, %v", v, err)
			}
			if err := h.Close(); !errors.Is(err, extlibs.ErrReplaced) {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func TestCompactStaysInTheFolderThatWasOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "inside"), filepath.Join(dir, "outside")
	if err := errors.Join(os.Mkdir(inside, 0o700), os.Mkdir(outside, 0o700)); err != nil {
		t.Fatal(err)
	}
	h := mustOpen(t, newRegistry(), filepath.Join(inside, "store.db"))
	grown(t, h)
	if err := errors.Join(os.Rename(inside, inside+".old"), os.Symlink(outside, inside)); err != nil {
		t.Fatal(err)
	}
	if err := h.Compact(ctx); !errors.Is(err, extlibs.ErrReplaced) {
		t.Errorf("compact: %v", err)
	}
	if err := h.Backup(ctx, io.Discard); err != nil {
		t.Error(err)
	}
	if got := names(t, outside); len(got) > 0 {
		t.Errorf("written outside: %q", got)
	}
	if got := names(t, inside+".old"); len(got) != 2 {
		t.Errorf("left behind: %q", got)
	}
	h.Close()
}

func TestOpeningMakesDurableWhatItReadsBeforeAnythingIsBuiltOnIt(t *testing.T) {
	var a acts
	path := onDisk.storeName(t)
	r := onDisk.registry(t, extlibs.DiskHook(a.hook))
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	a.failing(access.ActSyncMetaPage)
	if err := h.Close(); !errors.Is(err, extlibs.ErrCommitUnknown) {
		t.Fatalf("a close that did not sync the header: %v", err)
	}
	for _, act := range []access.Act{access.ActSync, access.ActSyncDir} {
		a.failing(act)
		if _, err := r.Open(ctx, path); !errors.Is(err, syscall.EIO) {
			t.Errorf("opened without %s: %v", act, err)
		}
	}
	a.failing("")
	if v, err := mustOpen(t, r, path).Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("what was made durable: %v, %v", v, err)
	}
}

func TestAFailedSyncOfTheFolderAfterCompactStopsWritesUntilTheFileIsOpenedAgain(t *testing.T) {
	t.Parallel()
	var a acts
	path := onDisk.storeName(t)
	r := onDisk.registry(t, extlibs.DiskHook(a.hook))
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	a.failing(access.ActSyncDir)
	if err := h.Compact(ctx); !errors.Is(err, syscall.EIO) {
		t.Errorf("compact: %v", err)
	}
	a.failing("")
	if err := h.Set(ctx, "k", 2, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("a write into a file whose name may be lost: %v", err)
	}
	if v, err := h.Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("a read: %v, %v", v, err)
	}
	if err := h.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
	if err := mustOpen(t, r, path).Set(ctx, "k", 2, 0); err != nil {
		t.Error(err)
	}
}

func TestANewStoreIsThereAsAWholeOrNotAtAll(t *testing.T) {
	for _, act := range []access.Act{access.ActOpenDir, access.ActCreate, access.ActSync, access.ActLink} {
		t.Run(string(act), func(t *testing.T) {
			var a acts
			path := onDisk.storeName(t)
			r := onDisk.registry(t, extlibs.DiskHook(a.hook))
			a.failing(act)
			if _, err := r.Open(ctx, path); !errors.Is(err, syscall.EIO) {
				t.Errorf("open: %v", err)
			}
			if got := names(t, filepath.Dir(path)); len(got) > 0 {
				t.Errorf("left behind: %q", got)
			}
			a.failing("")
			mustOpen(t, r, path)
		})
	}
}

func TestOfTwoWhoCreateAStoreNeitherTakesTheOthersFile(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	first := onDisk.registry(t)
	linked := false
	second := onDisk.registry(t, extlibs.LockTimeout(0), extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActLink && !linked { // the second finds no file, then the first makes it
			linked = true
			if err := mustOpen(t, first, path).Set(ctx, "k", 1, 0); err != nil {
				t.Error(err)
			}
		}
		return nil
	}))
	if _, err := second.Open(ctx, path); !errors.Is(err, extlibs.ErrInUse) || !linked {
		t.Errorf("the loser: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if v, err := mustOpen(t, second, path).Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("what the winner stored: %v, %v", v, err)
	}
}

func TestWhatDeadProcessesLeftIsRemovedAndNothingElse(t *testing.T) {
	path := onDisk.storeName(t)
	dir := filepath.Dir(path)
	r := onDisk.registry(t)
	mustOpen(t, r, path).Close()
	locked := access.TempName(access.TempBackup)
	stay := []string{"store.db", ".kv-compact-x", ".kv-other-1", "kv-new-1", ".kv-backup-7", locked}
	for _, name := range append(stay[1:], access.TempName(access.TempCompact), access.TempName(access.TempBackup), access.TempName(access.TempNew)) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(path, filepath.Join(dir, access.TempName(access.TempNew))); err != nil { // died between link and remove
		t.Fatal(err)
	}
	alive, err := os.Open(filepath.Join(dir, locked))
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if err := syscall.Flock(int(alive.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, r, path)
	got := strings.Join(names(t, dir), " ")
	slices.Sort(stay)
	if want := strings.Join(stay, " "); got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

func TestABackupFileIsThereAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	forEachFileBackend(t, func(t *testing.T, b backend) {
		var a acts
		path := b.storeName(t)
		r := b.registry(t, extlibs.DiskHook(a.hook))
		h := mustOpen(t, r, path)
		if err := h.Set(ctx, "k", 1, 0); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "backup.db")
		for _, act := range []access.Act{access.ActCreate, access.ActSync, access.ActRename} {
			a.failing(act)
			if err := h.BackupFile(ctx, to); !errors.Is(err, syscall.EIO) {
				t.Errorf("%s failed: %v", act, err)
			}
			if got := names(t, filepath.Dir(to)); len(got) > 0 {
				t.Errorf("after a failed %s there are %q", act, got)
			}
		}
		a.failing("")
		for n := range 2 { // the second replaces the first
			if err := h.Set(ctx, "k", n, 0); err != nil {
				t.Fatal(err)
			}
			if err := h.BackupFile(ctx, to); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.BackupFile(ctx, path); !errors.Is(err, extlibs.ErrInUse) {
			t.Errorf("over the store itself: %v", err)
		}
		copied := mustOpen(t, r, to)
		if v, err := copied.Get(ctx, "k"); v != int64(1) || err != nil {
			t.Errorf("the backup has %v, %v", v, err)
		}
		if err := h.BackupFile(ctx, to); !errors.Is(err, extlibs.ErrInUse) {
			t.Errorf("over another open store: %v", err)
		}
	})
}

func TestReadOnlyWritesNothingAndSharesTheFile(t *testing.T) {
	path := onDisk.storeName(t)
	if _, err := onDisk.registry(t, extlibs.ReadOnly()).Open(ctx, path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	writer := onDisk.registry(t)
	h := mustOpen(t, writer, path)
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := onDisk.registry(t, extlibs.ReadOnly(), extlibs.LockTimeout(0)).Open(ctx, path); !errors.Is(err, extlibs.ErrInUse) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a live host's file: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h := mustOpen(t, onDisk.registry(t, extlibs.ReadOnly()), path)
		if v, err := h.Get(ctx, "k"); v != int64(1) || err != nil {
			t.Errorf("get: %v, %v", v, err)
		}
		if err := h.Set(ctx, "k", 2, 0); !errors.Is(err, extlibs.ErrReadOnly) || !strings.Contains(err.Error(), "ReadOnly") {
			t.Errorf("set: %v", err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file changed, %v", err)
	}
}

func TestAPathThatCannotHoldAStoreSaysWhy(t *testing.T) {
	t.Chdir(t.TempDir())
	r := onDisk.registry(t)
	for name, want := range map[string]string{"~/x.db": "home directory", "no/x.db": "create it first", "/proc/x.db": "choose another path"} {
		if _, err := r.Open(ctx, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open(%q): %v, want it to say %q", name, err, want)
		}
	}
}

// The clock moves on at each look at it.
func TestABatchAndAPageAreJudgedByOneReadingOfTheClock(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := extlibs.Clock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	})
	h := mustOpen(t, onDisk.registry(t, clock), onDisk.storeName(t))
	values, keys := map[string]any{}, []string{}
	for i := range 50 {
		keys = append(keys, fmt.Sprintf("k%02d", i))
		values[keys[i]] = i
	}
	if err := h.SetMany(ctx, values, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	for left := 50; left > 0; {
		n, err := h.Count(ctx, "k*")
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.GetMany(ctx, keys)
		if err != nil || n != 0 && n != 50 || len(got) != 0 && len(got) != 50 {
			t.Fatalf("%d keys are counted and %d read, all or none has to be there, %v", n, len(got), err)
		}
		left = len(got)
	}
}

func TestASnapshotIsJudgedByAClockThatWasReadBeforeIt(t *testing.T) {
	t.Parallel()
	clock := newClock()
	var mu sync.Mutex
	var between func()
	hooked := extlibs.Clock(func() time.Time {
		mu.Lock()
		do := between
		between = nil
		mu.Unlock()
		if do != nil {
			do()
		}
		return clock.Now()
	})
	h := mustOpen(t, onDisk.registry(t, hooked), onDisk.storeName(t))
	grown(t, h) // so that the file need not grow
	if err := h.Set(ctx, "k", 1, time.Minute); err != nil {
		t.Fatal(err)
	}
	// While the reader looks at the clock, the key gets more time, and the minute ends.
	mu.Lock()
	between = func() {
		if ok, err := h.Expire(ctx, "k", time.Hour); !ok || err != nil {
			t.Error(ok, err)
		}
		clock.Advance(2 * time.Minute)
	}
	mu.Unlock()
	if _, err := h.Get(ctx, "k"); err != nil {
		t.Errorf("a key that was there all the time: %v", err)
	}
}

func TestAJumpOfTheClockForwardIsNoticedWithinTheSweepInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		h := mustOpen(t, onDisk.registry(t, clock.option()), onDisk.storeName(t))
		for _, ttl := range []time.Duration{time.Hour, 24 * time.Hour} {
			if err := h.Set(ctx, ttl.String(), 1, ttl); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		clock.Advance(2 * time.Hour)
		time.Sleep(2 * extlibs.DefaultSweepInterval)
		if s := statsOf(t, h); s.Expired != 1 {
			t.Errorf("%d keys were removed from the file, want 1", s.Expired)
		}
	})
}

// In any order but that of the file the engine takes a time that grows with more
// than the square of the number of keys, and so with that of their deadlines.
func TestManyKeysInAnyOrderAreWrittenQuickly(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 keys")
	}
	for name, write := range map[string]func(h *extlibs.Handle, n int) error{
		"one batch": func(h *extlibs.Handle, n int) error {
			values := map[string]any{}
			for i := range n {
				values[fmt.Sprintf("key:%x", i*7919%40_009)] = i
			}
			return h.SetMany(ctx, values, time.Hour)
		},
		"a checkpoint of deadlines in any order": func(h *extlibs.Handle, n int) error {
			for i := range n {
				if err := h.Set(ctx, fmt.Sprintf("key:%05d", i), i, time.Hour+time.Duration(i*7919%40_009)*time.Second); err != nil {
					return err
				}
			}
			return h.Backup(ctx, io.Discard)
		},
	} {
		took := map[int]time.Duration{}
		for _, n := range []int{10_000, 40_000} {
			r := onDisk.registry(t, extlibs.Durability(extlibs.Interval(time.Hour)), extlibs.LogBytes(16<<20))
			h := mustOpen(t, r, onDisk.storeName(t))
			began := kvtest.CPUTime()
			if err := write(h, n); err != nil {
				t.Fatal(err)
			}
			took[n] = kvtest.CPUTime() - began
		}
		t.Log(name, took)
		if few, many := took[10_000], took[40_000]; many > time.Second && many > 10*few {
			t.Errorf("%s: 40,000 keys took %v, 10,000 took %v", name, many, few)
		}
	}
}
