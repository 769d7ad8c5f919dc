//go:build unix

package extlibs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// crashed returns copies of the two files of a store that n keys were set in, in
// their order, as a crash leaves them.
func crashed(t *testing.T, n int, opts ...extlibs.Option) (file, log []byte) {
	t.Helper()
	path := onDisk.storeName(t)
	h := mustOpen(t, onDisk.registry(t, opts...), path)
	for i := range n {
		if err := h.Set(ctx, fmt.Sprintf("%03d", i), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if log, err = os.ReadFile(path + "-log"); err != nil {
		t.Fatal(err)
	}
	return file, log
}

// prefix opens a store that crashed left, and returns how many of its keys are
// there: the first ones and no others.
func prefix(t *testing.T, path string, opts ...extlibs.Option) (n int, err error) {
	t.Helper()
	r := newRegistry(opts...)
	h, err := r.Open(ctx, path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	keys, err := h.Keys(ctx, extlibs.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		if v, err := h.Get(ctx, key); key != fmt.Sprintf("%03d", i) || v != int64(i) || err != nil {
			t.Fatalf("key %d is %q with %v, %v", i, key, v, err)
		}
	}
	if n, err := h.Count(ctx, "*"); n != len(keys) || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	return len(keys), nil
}

func TestAStoreThatWasNotClosedIsTwoFilesAndOneAfterAnOrderlyClose(t *testing.T) {
	t.Parallel()
	file, log := crashed(t, 20)
	path := onDisk.storeName(t)
	write(t, path, file)
	write(t, path+"-log", log)
	if n, err := prefix(t, path, extlibs.ReadOnly()); n != 20 || err != nil {
		t.Errorf("read only: %d, %v", n, err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 2 {
		t.Errorf("reading changed the folder: %q", got)
	}
	for range 2 {
		if n, err := prefix(t, path); n != 20 || err != nil {
			t.Errorf("opened: %d, %v", n, err)
		}
		if got := names(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("after an orderly close there is %q", got)
		}
	}
}

func TestAFileIsRefusedWithoutItsLog(t *testing.T) {
	t.Parallel()
	file, log := crashed(t, 20)
	_, other := crashed(t, 30)
	for name, put := range map[string]func(path string) error{
		"no log":              func(path string) error { return nil },
		"another store's log": func(path string) error { return os.WriteFile(path, other, 0o600) },
		"an empty file":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"some other file":     func(path string) error { return os.WriteFile(path, []byte("Dear diary"), 0o600) },
		"a folder":            func(path string) error { return os.Mkdir(path, 0o700) },
		"a symlink to its log": func(path string) error {
			return errors.Join(os.WriteFile(path+".real", log, 0o600), os.Symlink(path+".real", path))
		},
		"its log, cut in half":  func(path string) error { return os.WriteFile(path, log[:len(log)/2], 0o600) },
		"its log without a end": func(path string) error { return os.WriteFile(path, log[:len(log)-1], 0o600) },
		"a log of a newer format": func(path string) error {
			newer := append([]byte(nil), log...)
			newer[7] = 99
			return os.WriteFile(path, newer, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := onDisk.storeName(t)
			write(t, path, file)
			if err := put(path + "-log"); err != nil {
				t.Fatal(err)
			}
			for _, o := range [][]extlibs.Option{nil, {extlibs.ReadOnly()}} {
				if n, err := prefix(t, path, o...); !errors.Is(err, extlibs.ErrCorrupt) && !errors.Is(err, extlibs.ErrFormat) {
					t.Errorf("opened with %d keys: %v", n, err)
				}
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != string(file) {
				t.Errorf("the file was changed: %v", err)
			}
			os.RemoveAll(path + "-log")
			write(t, path+"-log", log)
			if n, err := prefix(t, path); n != 20 || err != nil {
				t.Errorf("with its log: %d, %v", n, err)
			}
		})
	}
}

func TestADamagedLogIsRefusedOrReadUpToAWholeRecord(t *testing.T) {
	t.Parallel()
	const keys = 60
	file, log := crashed(t, keys, extlibs.LogBytes(1))
	used := len(log)
	for used > 0 && log[used-1] == 0 {
		used--
	}
	random := rand.New(rand.NewPCG(1, 2))
	path := onDisk.storeName(t)
	refused, whole, tries := 0, 0, 400
	if testing.Short() {
		tries = 100
	}
	for i := range tries {
		damaged := append([]byte(nil), log...)
		at := random.IntN(used)
		switch i % 4 {
		case 0:
			damaged[at] ^= 1 << random.IntN(8)
		case 1:
			clear(damaged[at:min(at+512, used)])
		case 2:
			copy(damaged[at:min(at+512, used)], damaged[random.IntN(used):])
		case 3:
			clear(damaged[at:])
		}
		write(t, path, file)
		write(t, path+"-log", damaged)
		n, err := prefix(t, path)
		switch {
		case err == nil && n == keys:
			whole++
		case err == nil && i%4 != 3 && at+512+64 < used && n < keys:
			// Of what is lost in front of a whole record, that one tells.
			t.Fatalf("damage %d at %d: %d keys of %d", i, at, n, keys)
		case err != nil && !errors.Is(err, extlibs.ErrCorrupt) && !errors.Is(err, extlibs.ErrFormat):
			t.Fatalf("damage %d at %d: %v", i, at, err)
		case err != nil:
			refused++
		}
	}
	t.Logf("%d refused, %d harmless", refused, whole)
	if refused < tries/4 {
		t.Errorf("only %d of %d were refused", refused, tries)
	}
}

func TestAnEnormousLogIsRefusedAtOnce(t *testing.T) {
	file, log := crashed(t, 5, extlibs.LogBytes(1))
	path := onDisk.storeName(t)
	write(t, path, file)
	write(t, path+"-log", log)
	if err := os.Truncate(path+"-log", 1<<40); err != nil {
		t.Skip(err)
	}
	within(t, 10*time.Second, func() {
		if n, err := prefix(t, path); n != 5 || err != nil { // what is behind the ring does not count
			t.Errorf("%d keys, %v", n, err)
		}
	})
}

func TestAStaleLogDoesNoHarmAndOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	_, log := crashed(t, 5)
	path := onDisk.storeName(t)
	write(t, path+"-log", log)
	r := newRegistry()
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "000", 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := prefix(t, path); n != 1 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	write(t, path+"-log", []byte("Dear diary"))
	h = mustOpen(t, r, path)
	if err := h.Set(ctx, "001", 1, 0); !errors.Is(err, extlibs.ErrFormat) {
		t.Errorf("a log in the place of another file: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(path + "-log"); string(data) != "Dear diary" || err != nil {
		t.Errorf("it holds %q, %v", data, err)
	}
	if _, err := r.Open(ctx, path+"-log"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store in the place of a log: %v", err)
	}
}

func TestAReadSeesWhatIsDurable(t *testing.T) {
	t.Parallel()
	var hold atomic.Bool
	held, gate := make(chan struct{}, 8), make(chan struct{})
	r := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog && hold.Load() {
			held <- struct{}{}
			<-gate
		}
		return nil
	}))
	h := mustOpen(t, r, onDisk.storeName(t))
	if err := h.Set(ctx, "k", 1, 0); err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	done := make(chan error, 2)
	go func() { done <- h.Set(ctx, "k", 2, 0) }()
	<-held
	if v, err := h.Get(ctx, "k"); v != int64(1) || err != nil {
		t.Errorf("before the sync: %v, %v", v, err)
	}
	if n, err := h.Count(ctx, "*"); n != 1 || err != nil {
		t.Errorf("before the sync: %d keys, %v", n, err)
	}
	// Who decides by it waits for it.
	go func() {
		n, err := h.Incr(ctx, "k", int64(1), 0)
		if n != int64(3) {
			err = fmt.Errorf("incr returned %v, %w", n, err)
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("a call returned before its record was durable: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	hold.Store(false)
	close(gate)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if v, err := h.Get(ctx, "k"); v != int64(3) || err != nil {
		t.Errorf("after it: %v, %v", v, err)
	}
}

func TestAFailedSyncOfTheLogLatchesAndLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	var a acts
	path := onDisk.storeName(t)
	r := newRegistry(extlibs.DiskHook(a.hook))
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "000", 0, 0); err != nil {
		t.Fatal(err)
	}
	a.failing(access.ActSyncLog)
	if err := h.Set(ctx, "001", 1, 0); !errors.Is(err, extlibs.ErrCommitUnknown) {
		t.Errorf("a write whose sync failed: %v", err)
	}
	a.failing("")
	if err := h.Set(ctx, "002", 2, 0); !errors.Is(err, extlibs.ErrUnavailable) {
		t.Errorf("a write after it: %v", err)
	}
	if v, err := h.Get(ctx, "000"); v != int64(0) || err != nil {
		t.Errorf("a read: %v, %v", v, err)
	}
	r.Close()
	if n, err := prefix(t, path); n < 1 || n > 2 || err != nil {
		t.Errorf("opened again: %d keys, %v", n, err)
	}
}

func TestACallThatIsTooLargeForTheLogIsDoneAsAWhole(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	r := onDisk.registry(t, extlibs.LogBytes(1))
	h := mustOpen(t, r, path)
	many := map[string]any{}
	for i := range 2000 {
		many[fmt.Sprintf("%04d", i)] = i
	}
	for round := range 3 {
		if err := h.Set(ctx, "small", round, 0); err != nil {
			t.Fatal(err)
		}
		if err := h.SetMany(ctx, many, 0); err != nil {
			t.Fatal(err)
		}
		if n, err := h.Count(ctx, "*"); n != 2001 || err != nil {
			t.Errorf("%d keys, %v", n, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = mustOpen(t, r, path)
		if v, err := h.Get(ctx, "small"); v != int64(round) || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	}
}

func TestKeysThatComeAndGoDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	h := mustOpen(t, onDisk.registry(t, extlibs.LogBytes(1)), onDisk.storeName(t))
	for i := range 500 {
		if err := h.Set(ctx, "k", i, 0); err != nil {
			t.Fatal(err)
		}
		if there, err := h.Delete(ctx, "k"); !there || err != nil {
			t.Fatal(there, err)
		}
	}
	if s := statsOf(t, h); s.Buffered > 1000 || s.Keys != 0 { // a tombstone or two
		t.Errorf("what is gone takes %d bytes", s.Buffered)
	}
}

func TestAFileThatNoLogCanStandBesideIsWrittenDirectly(t *testing.T) {
	denied := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, name string) error {
		if act == access.ActCreate && filepath.Base(name) == "store.db-log" {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return nil
	}))
	path := onDisk.storeName(t)
	h := mustOpen(t, denied, path)
	for i := range 5 {
		if err := h.Set(ctx, fmt.Sprintf("%03d", i), i, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Compact(ctx); err != nil {
		t.Error(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := onDisk.storeName(t)
	write(t, copied, file)
	if n, err := prefix(t, copied); n != 5 || err != nil {
		t.Errorf("what is in the file: %d keys, %v", n, err)
	}
}

func TestAFullDiskIsNotAskedForALogAtEachWrite(t *testing.T) {
	tries := 0
	r := onDisk.registry(t, extlibs.DiskHook(func(act access.Act, name string) error {
		if act == access.ActCreate && filepath.Base(name) == "store.db-log" {
			tries++
			return &fs.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
		}
		return nil
	}))
	h := mustOpen(t, r, onDisk.storeName(t))
	began, sets := time.Now(), 0
	for ; sets < 20; sets++ {
		if err := h.Set(ctx, fmt.Sprintf("%03d", sets), sets, 0); err != nil {
			t.Fatal(err)
		}
	}
	if most := 1 + int(time.Since(began)/(100*time.Millisecond)); tries < 1 || tries > most {
		t.Errorf("%d tries for %d sets, want 1 to %d", tries, sets, most)
	}
}

// has reports whether a key is there.
func has(t *testing.T, h *extlibs.Handle, key string) bool {
	t.Helper()
	there, err := h.Exists(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// What is removed from a full file first must not be what a power cut leaves alone.
func TestInAFullFileOfIntervalModeNoRemovalIsAheadOfWhatItFollows(t *testing.T) {
	t.Parallel()
	var synced atomic.Pointer[[]byte] // the log, as the disk has it
	path := onDisk.storeName(t)
	opts := []extlibs.Option{extlibs.MaxFileBytes(1 << 20), extlibs.LogBytes(64 << 10)}
	r := newRegistry(append(opts, extlibs.Durability(extlibs.Interval(time.Hour)), extlibs.DiskHook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			log, _ := os.ReadFile(path + "-log")
			synced.Store(&log)
		}
		return nil
	}))...)
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "todo", 1, 0); err != nil {
		t.Fatal(err)
	}
	empty, err := os.ReadFile(path + "-log")
	if err != nil {
		t.Fatal(err)
	}
	synced.Store(&empty)
	for i := 0; ; i++ {
		if err := h.Set(ctx, fmt.Sprint("fill", i), string(make([]byte, 20_000)), 0); errors.Is(err, extlibs.ErrFull) {
			break
		} else if err != nil || i == 1000 {
			t.Fatal(i, err)
		}
	}
	if err := h.Set(ctx, "done", 1, 0); err != nil {
		t.Skip("the log is full to the last byte:", err)
	}
	if _, err := h.Delete(ctx, "todo"); err != nil {
		t.Fatal(err)
	}
	h.Compact(ctx) // a checkpoint, which may fail
	copied := onDisk.storeName(t)
	copyCrashed(t, path, copied)
	write(t, copied+"-log", *synced.Load())
	cut := mustOpen(t, onDisk.registry(t), copied)
	if !has(t, cut, "todo") && !has(t, cut, "done") {
		t.Error("a power cut leaves the delete without the set before it")
	}
	r.Close()
}

func TestALogOfAnotherSizeTakesWrites(t *testing.T) {
	for name, change := range map[string]func(log string) error{
		"smaller than the option": func(string) error { return nil },
		"longer than its ring":    func(log string) error { return os.Truncate(log, 1<<30) },
	} {
		t.Run(name, func(t *testing.T) {
			path, copied := onDisk.storeName(t), onDisk.storeName(t)
			h := mustOpen(t, onDisk.registry(t, extlibs.LogBytes(64<<10)), path)
			if err := h.Set(ctx, "a", 1, 0); err != nil {
				t.Fatal(err)
			}
			copyCrashed(t, path, copied)
			if err := change(copied + "-log"); err != nil {
				t.Skip(err)
			}
			h = mustOpen(t, onDisk.registry(t), copied)
			within(t, 20*time.Second, func() {
				for _, n := range []int{1, 50_000, 100_000} {
					if err := h.Set(ctx, "b", string(make([]byte, n)), 0); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func TestALogThatIsDeletedUnderAStoreStopsWritesAndLosesNothing(t *testing.T) {
	path := onDisk.storeName(t)
	r := newRegistry()
	h := mustOpen(t, r, path)
	if err := h.Set(ctx, "a", 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + "-log"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Set(ctx, "b", 2, 0); !errors.Is(err, extlibs.ErrReplaced) {
			t.Errorf("a write into a log without a name: %v", err)
		}
	}
	if !has(t, h, "a") {
		t.Error("a read finds nothing")
	}
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if h = mustOpen(t, r, path); !has(t, h, "a") {
		t.Error("opened again it lacks what was acknowledged")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoCopyTakesTheNameOfALog(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	h := mustOpen(t, onDisk.registry(t), path)
	other := mustOpen(t, onDisk.registry(t), onDisk.storeName(t))
	for _, h := range []*extlibs.Handle{h, other} {
		if err := h.Set(ctx, "a", 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	link := path + ".link"
	if err := os.Symlink(path+"-log", link); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{path + "-log", link} {
		if err := other.BackupFile(ctx, name); !errors.Is(err, extlibs.ErrInvalid) {
			t.Errorf("a backup to %s: %v", name, err)
		}
	}
	if err := h.Set(ctx, "b", 1, 0); err != nil {
		t.Error(err)
	}
}

func TestAnOlderFileDoesNotGoOnBehindACallThatItsLogLacks(t *testing.T) {
	t.Parallel()
	path, copied := onDisk.storeName(t), onDisk.storeName(t)
	h := mustOpen(t, onDisk.registry(t, extlibs.LogBytes(64<<10)), path)
	if err := h.Set(ctx, "a", 1, 0); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{100_000, 1} { // the large one goes to the file directly
		if err := h.Set(ctx, fmt.Sprint(n), string(make([]byte, n)), 0); err != nil {
			t.Fatal(err)
		}
	}
	copyCrashed(t, path, copied)
	write(t, copied, older)
	if _, err := newRegistry().Open(ctx, copied); !errors.Is(err, extlibs.ErrCorrupt) {
		t.Errorf("opened with a hole: %v", err)
	}
}

func TestAFileWithinItsLimitIsOpenedAlthoughThereIsALogToCount(t *testing.T) {
	t.Parallel()
	path := onDisk.storeName(t)
	r := newRegistry()
	h := mustOpen(t, r, path)
	for i := range 40 {
		if err := h.Set(ctx, fmt.Sprint(i), string(make([]byte, 20_000)), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	h = mustOpen(t, onDisk.registry(t, extlibs.MaxFileBytes(size(t, path)+1000)), path)
	if !has(t, h, "39") {
		t.Error("a key is missing")
	}
}

// Whatever fails, and when: what was acknowledged is there, and what was said not to
// be done is not.
func TestNoFailureOfTheDiskIsTakenForAnother(t *testing.T) {
	t.Parallel()
	for _, act := range []access.Act{access.ActCommit, access.ActSyncHeader, access.ActSyncLog, access.ActSyncDir, access.ActSync, access.ActCreate, access.ActRemove, access.ActRename} {
		for n := range 12 {
			t.Run(fmt.Sprintf("%s, number %d", act, n+1), func(t *testing.T) {
				left := n + 1
				path := onDisk.storeName(t)
				r := newRegistry(extlibs.LogBytes(1), extlibs.DiskHook(func(a access.Act, name string) error {
					if a == act {
						if left--; left == 0 {
							return &fs.PathError{Op: string(a), Path: name, Err: syscall.EIO}
						}
					}
					return nil
				}))
				h, err := r.Open(ctx, path)
				if err != nil {
					h, err = r.Open(ctx, path)
				}
				if err != nil {
					t.Fatal(err)
				}
				results := map[string]error{}
				for i, size := range []int{1, 1, 1, 20_000, 1, 5000, 5000, 1} { // some go to the file directly
					key := fmt.Sprint(i)
					results[key] = h.Set(ctx, key, string(make([]byte, size)), 0)
					if i == 5 {
						h.Compact(ctx)
					}
				}
				r.Close()
				h = mustOpen(t, onDisk.registry(t), path)
				for key, err := range results {
					there := has(t, h, key)
					switch {
					case err == nil && !there:
						t.Errorf("%s was acknowledged and is not there", key)
					case err != nil && !errors.Is(err, extlibs.ErrCommitUnknown) && there:
						t.Errorf("%s is there, although it failed with %v", key, err)
					}
				}
			})
		}
	}
}
