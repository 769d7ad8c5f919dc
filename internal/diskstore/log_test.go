//go:build unix

package diskstore

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

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

func TestAStoreThatWasNotClosedIsTwoFilesAndOneAfterAnOrderlyClose(t *testing.T) {
	t.Parallel()
	file, log := crashed(t, 20)
	path := storeName(t)
	writeFile(t, path, file)
	writeFile(t, path+"-log", log)
	if n, err := prefixOf(t, path, readOnly()); n != 20 || err != nil {
		t.Errorf("read only: %d, %v", n, err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 2 {
		t.Errorf("reading changed the folder: %q", got)
	}
	for range 2 {
		if n, err := prefixOf(t, path); n != 20 || err != nil {
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
			path := storeName(t)
			writeFile(t, path, file)
			if err := put(path + "-log"); err != nil {
				t.Fatal(err)
			}
			for _, o := range [][]option{nil, {readOnly()}} {
				if n, err := prefixOf(t, path, o...); !errors.Is(err, kverr.Corrupt) && !errors.Is(err, kverr.Format) {
					t.Errorf("opened with %d keys: %v", n, err)
				}
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != string(file) {
				t.Errorf("the file was changed: %v", err)
			}
			os.RemoveAll(path + "-log")
			writeFile(t, path+"-log", log)
			if n, err := prefixOf(t, path); n != 20 || err != nil {
				t.Errorf("with its log: %d, %v", n, err)
			}
		})
	}
}

func TestADamagedLogIsRefusedOrReadUpToAWholeRecord(t *testing.T) {
	t.Parallel()
	const keys = 60
	file, log := crashed(t, keys, logBytes(1))
	used := len(log)
	for used > 0 && log[used-1] == 0 {
		used--
	}
	random := rand.New(rand.NewPCG(1, 2))
	path := storeName(t)
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
		writeFile(t, path, file)
		writeFile(t, path+"-log", damaged)
		n, err := prefixOf(t, path)
		switch {
		case err == nil && n == keys:
			whole++
		case err == nil && i%4 != 3 && at+512+64 < used && n < keys:
			// Of what is lost in front of a whole record, that one tells.
			t.Fatalf("damage %d at %d: %d keys of %d", i, at, n, keys)
		case err != nil && !errors.Is(err, kverr.Corrupt) && !errors.Is(err, kverr.Format):
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
	file, log := crashed(t, 5, logBytes(1))
	path := storeName(t)
	writeFile(t, path, file)
	writeFile(t, path+"-log", log)
	if err := os.Truncate(path+"-log", 1<<40); err != nil {
		t.Skip(err)
	}
	kvtest.Within(t, 10*time.Second, func() {
		if n, err := prefixOf(t, path); n != 5 || err != nil { // what is behind the ring does not count
			t.Errorf("%d keys, %v", n, err)
		}
	})
}

func TestAStaleLogDoesNoHarmAndOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	_, log := crashed(t, 5)
	path := storeName(t)
	writeFile(t, path+"-log", log)
	h := mustOpen(t, path)
	if err := h.set("000", 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := prefixOf(t, path); n != 1 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	writeFile(t, path+"-log", []byte("Dear diary"))
	h = mustOpen(t, path)
	if err := h.set("001", 1); !errors.Is(err, kverr.Format) {
		t.Errorf("a log with the name of another file: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(path + "-log"); string(data) != "Dear diary" || err != nil {
		t.Errorf("it holds %q, %v", data, err)
	}
}

func TestAReadSeesWhatIsDurable(t *testing.T) {
	t.Parallel()
	var hold atomic.Bool
	held, gate := make(chan struct{}, 8), make(chan struct{})
	r := []option{hook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog && hold.Load() {
			held <- struct{}{}
			<-gate
		}
		return nil
	})}
	h := opened(t, storeName(t), r...)
	if err := h.set("k", 1); err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	done := make(chan error, 2)
	go func() { done <- h.set("k", 2) }()
	<-held
	if v, err := h.get("k"); v != "1" || err != nil {
		t.Errorf("before the sync: %v, %v", v, err)
	}
	if n, err := h.count(); n != 1 || err != nil {
		t.Errorf("before the sync: %d keys, %v", n, err)
	}
	// Who decides by it waits for it.
	go func() {
		n, err := h.incr("k")
		if n != 3 {
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
	if v, err := h.get("k"); v != "3" || err != nil {
		t.Errorf("after it: %v, %v", v, err)
	}
}

func TestAFailedSyncOfTheLogLatchesAndLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	var a acts
	path := storeName(t)
	h := mustOpen(t, path, hook(a.hook))
	if err := h.set("000", 0); err != nil {
		t.Fatal(err)
	}
	a.failing(access.ActSyncLog)
	if err := h.set("001", 1); !errors.Is(err, kverr.CommitUnknown) {
		t.Errorf("a write whose sync failed: %v", err)
	}
	a.failing("")
	if err := h.set("002", 2); !errors.Is(err, kverr.Unavailable) {
		t.Errorf("a write after it: %v", err)
	}
	if v, err := h.get("000"); v != "0" || err != nil {
		t.Errorf("a read: %v, %v", v, err)
	}
	h.Close()
	if n, err := prefixOf(t, path); n < 1 || n > 2 || err != nil {
		t.Errorf("opened again: %d keys, %v", n, err)
	}
}

func TestACallThatIsTooLargeForTheLogIsDoneAsAWhole(t *testing.T) {
	t.Parallel()
	path := storeName(t)
	h := mustOpen(t, path, logBytes(1))
	many := map[string]any{}
	for i := range 2000 {
		many[fmt.Sprintf("%04d", i)] = i
	}
	for round := range 3 {
		if err := h.set("small", round); err != nil {
			t.Fatal(err)
		}
		if err := h.setMany(many); err != nil {
			t.Fatal(err)
		}
		if n, err := h.count(); n != 2001 || err != nil {
			t.Errorf("%d keys, %v", n, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = mustOpen(t, path)
		if v, err := h.get("small"); v != fmt.Sprint(round) || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	}
}

func TestKeysThatComeAndGoDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	h := opened(t, storeName(t), logBytes(1))
	for i := range 500 {
		if err := h.set("k", i); err != nil {
			t.Fatal(err)
		}
		if there, err := h.remove("k"); !there || err != nil {
			t.Fatal(there, err)
		}
	}
	_, buffered := h.Size()
	if n, err := h.count(); buffered > 1000 || n != 0 || err != nil { // a tombstone or two
		t.Errorf("what is gone takes %d bytes; %d keys, %v", buffered, n, err)
	}
}

func TestAFileThatNoLogCanStandBesideIsWrittenDirectly(t *testing.T) {
	denied := []option{hook(func(act access.Act, name string) error {
		if act == access.ActCreate && filepath.Base(name) == "store.db-log" {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return nil
	})}
	path := storeName(t)
	h := mustOpen(t, path, denied...)
	for i := range 5 {
		if err := h.set(fmt.Sprintf("%03d", i), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := storeName(t)
	writeFile(t, copied, file)
	if n, err := prefixOf(t, copied); n != 5 || err != nil {
		t.Errorf("what is in the file: %d keys, %v", n, err)
	}
}

func TestAFullDiskIsNotAskedForALogAtEachWrite(t *testing.T) {
	tries := 0
	r := []option{hook(func(act access.Act, name string) error {
		if act == access.ActCreate && filepath.Base(name) == "store.db-log" {
			tries++
			return &fs.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
		}
		return nil
	})}
	h := opened(t, storeName(t), r...)
	began, sets := time.Now(), 0
	for ; sets < 20; sets++ {
		if err := h.set(fmt.Sprintf("%03d", sets), sets); err != nil {
			t.Fatal(err)
		}
	}
	if most := 1 + int(time.Since(began)/(100*time.Millisecond)); tries < 1 || tries > most {
		t.Errorf("%d tries for %d sets, want 1 to %d", tries, sets, most)
	}
}

// What is removed from a full file first must not be what a power cut leaves alone.
func TestInAFullFileOfIntervalModeNoRemovalIsAheadOfWhatItFollows(t *testing.T) {
	t.Parallel()
	var synced atomic.Pointer[[]byte] // the log, as the disk has it
	path := storeName(t)
	opts := []option{maxBytes(1 << 20), logBytes(64 << 10)}
	h := mustOpen(t, path, append(opts, interval(time.Hour), hook(func(act access.Act, _ string) error {
		if act == access.ActSyncLog {
			log, _ := os.ReadFile(path + "-log")
			synced.Store(&log)
		}
		return nil
	}))...)
	if err := h.set("todo", 1); err != nil {
		t.Fatal(err)
	}
	empty, err := os.ReadFile(path + "-log")
	if err != nil {
		t.Fatal(err)
	}
	synced.Store(&empty)
	for i := 0; ; i++ {
		if err := h.set(fmt.Sprint("fill", i), string(make([]byte, 20_000))); errors.Is(err, kverr.Full) {
			break
		} else if err != nil || i == 1000 {
			t.Fatal(i, err)
		}
	}
	if err := h.set("done", 1); err != nil {
		t.Skip("the log is full to the last byte:", err)
	}
	if _, err := h.remove("todo"); err != nil {
		t.Fatal(err)
	}
	h.Compact(t.Context()) // a checkpoint, which may fail
	copied := storeName(t)
	copyCrashed(t, path, copied)
	writeFile(t, copied+"-log", *synced.Load())
	cut := opened(t, copied)
	if !cut.has(t, "todo") && !cut.has(t, "done") {
		t.Error("a power cut leaves the delete without the set before it")
	}
	h.Close()
}

func TestALogOfAnotherSizeTakesWrites(t *testing.T) {
	for name, change := range map[string]func(log string) error{
		"smaller than the option": func(string) error { return nil },
		"longer than its ring":    func(log string) error { return os.Truncate(log, 1<<30) },
	} {
		t.Run(name, func(t *testing.T) {
			path, copied := storeName(t), storeName(t)
			h := opened(t, path, logBytes(64<<10))
			if err := h.set("a", 1); err != nil {
				t.Fatal(err)
			}
			copyCrashed(t, path, copied)
			if err := change(copied + "-log"); err != nil {
				t.Skip(err)
			}
			h = opened(t, copied)
			kvtest.Within(t, 20*time.Second, func() {
				for _, n := range []int{1, 50_000, 100_000} {
					if err := h.set("b", string(make([]byte, n))); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func TestALogThatIsDeletedUnderAStoreStopsWritesAndLosesNothing(t *testing.T) {
	path := storeName(t)
	h := mustOpen(t, path)
	if err := h.set("a", 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + "-log"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.set("b", 2); !errors.Is(err, kverr.Replaced) {
			t.Errorf("a write into a log without a name: %v", err)
		}
	}
	if !h.has(t, "a") {
		t.Error("a read finds nothing")
	}
	if err := h.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if h = mustOpen(t, path); !h.has(t, "a") {
		t.Error("opened again it lacks what was acknowledged")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnOlderFileDoesNotGoOnBehindACallThatItsLogLacks(t *testing.T) {
	t.Parallel()
	path, copied := storeName(t), storeName(t)
	h := opened(t, path, logBytes(64<<10))
	if err := h.set("a", 1); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{100_000, 1} { // the large one goes to the file directly
		if err := h.set(fmt.Sprint(n), string(make([]byte, n))); err != nil {
			t.Fatal(err)
		}
	}
	copyCrashed(t, path, copied)
	writeFile(t, copied, older)
	if _, err := open(copied); !errors.Is(err, kverr.Corrupt) {
		t.Errorf("opened with a hole: %v", err)
	}
}

func TestAFileWithinItsLimitIsOpenedAlthoughThereIsALogToCount(t *testing.T) {
	t.Parallel()
	path := storeName(t)
	h := mustOpen(t, path)
	for i := range 40 {
		if err := h.set(fmt.Sprint(i), string(make([]byte, 20_000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = opened(t, path, maxBytes(int64(len(readFile(t, path)))+1000))
	if !h.has(t, "39") {
		t.Error("a key is missing")
	}
}

// Whatever fails, and when: what was acknowledged is there, and what was reported not to
// be done is not.
func TestNoFailureOfTheDiskIsTakenForAnother(t *testing.T) {
	t.Parallel()
	for _, act := range []access.Act{access.ActWriteMetaPage, access.ActCommit, access.ActSyncMetaPage, access.ActSyncLog, access.ActSyncDir, access.ActAllocateLog, access.ActSync, access.ActCreate, access.ActRemove, access.ActRename} {
		for n := range 12 {
			t.Run(fmt.Sprintf("%s, number %d", act, n+1), func(t *testing.T) {
				left := n + 1
				path := storeName(t)
				opts := []option{logBytes(1), hook(func(a access.Act, name string) error {
					if a == act {
						if left--; left == 0 {
							return &fs.PathError{Op: string(a), Path: name, Err: syscall.EIO}
						}
					}
					return nil
				})}
				h, err := open(path, opts...)
				if err != nil {
					h, err = open(path, opts...)
				}
				if err != nil {
					t.Fatal(err)
				}
				results := map[string]error{}
				for i, size := range []int{1, 1, 1, 20_000, 1, 5000, 5000, 1} { // some go to the file directly
					key := fmt.Sprint(i)
					results[key] = h.set(key, string(make([]byte, size)))
					if i == 5 {
						h.Compact(t.Context())
					}
				}
				h.Close()
				h = opened(t, path)
				for key, err := range results {
					there := h.has(t, key)
					switch {
					case err == nil && !there:
						t.Errorf("%s was acknowledged and is not there", key)
					case err != nil && !errors.Is(err, kverr.CommitUnknown) && there:
						t.Errorf("%s is there, although it failed with %v", key, err)
					}
				}
			})
		}
	}
}
