//go:build unix

package extlibs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/scriptling-kv/extlibs"
)

// boltFile makes a file of the engine with other contents than a store's.
func boltFile(t *testing.T, path string, fill func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(fill); err != nil {
		t.Fatal(err)
	}
}

// storeFile makes a file with a store of one key in it.
func storeFile(t *testing.T, path string) {
	t.Helper()
	b := fileBackends()[0]
	h := mustOpen(t, b.registry(t), path)
	if err := h.Set(ctx, "k", "v", 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// The package boltfile has a test of all that is wrong with files.
func TestAWrongFileIsRefusedAndLeftUnchanged(t *testing.T) {
	t.Parallel()
	write := func(data string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	changed := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			storeFile(t, path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(string(change(data)))(t, path)
		}
	}
	meta := func(version []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			storeFile(t, path)
			boltFile(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), version) })
		}
	}
	for name, tt := range map[string]struct {
		make func(*testing.T, string)
		kind error
	}{
		"a text file":    {write("this is no store\n"), extlibs.ErrFormat},
		"a newer format": {meta([]byte{3}), extlibs.ErrFormat},
		// A new file has four pages, and every commit since has taken others.
		"a truncated file": {changed(func(b []byte) []byte { return b[:4*os.Getpagesize()] }), extlibs.ErrCorrupt},
		"a store without its data": {func(t *testing.T, path string) {
			storeFile(t, path)
			boltFile(t, path, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("data")) })
		}, extlibs.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			tt.make(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := backends[0].registry(t)
			for range 2 {
				if h, err := r.Open(ctx, path); !errors.Is(err, tt.kind) || h != nil {
					t.Errorf("Open: %v, want an error that is %q", err, tt.kind)
				} else if hint := "scriptling-kv check"; strings.Contains(err.Error(), hint) != (tt.kind == extlibs.ErrCorrupt) {
					t.Errorf("Open: %v, which names %s or not", err, hint)
				}
			}
			if err := r.Init(path); !errors.Is(err, tt.kind) {
				t.Errorf("Init: %v, want an error that is %q", err, tt.kind)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the file changed, %v", err)
			}
			// Its lock is free: another program may use it.
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
				t.Errorf("the file is locked: %v", err)
			}
		})
	}
}

func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skipf("no FIFO here: %v", err)
	}
	r := backends[0].registry(t)
	for path, kind := range map[string]error{
		dir: extlibs.ErrFormat, dir + "/": extlibs.ErrFormat, fifo: extlibs.ErrFormat, "/dev/null": extlibs.ErrFormat, "/dev/zero": extlibs.ErrFormat,
		filepath.Join(dir, "no", "store.db"): os.ErrNotExist, filepath.Join(fifo, "store.db"): os.ErrNotExist,
	} {
		if _, err := r.Open(ctx, path); !errors.Is(err, kind) {
			t.Errorf("Open(%q): %v, want an error that is %q", path, err, kind)
		}
	}
}

func TestAnEmptyFileBecomesAStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, backends[0].registry(t), path).Set(ctx, "k", 1, 0); err != nil {
		t.Error(err)
	}
}

func TestANewFileIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	mustOpen(t, backends[0].registry(t), path)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

func TestAFileThatCannotBeMadeAStoreIsTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	r := backends[0].registry(t, extlibs.MaxFileBytes(4096)) // less than an empty store takes
	if _, err := r.Open(ctx, path); !errors.Is(err, extlibs.ErrFull) {
		t.Errorf("Open: %v, want ErrFull", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestAFileInUseByAnotherProcessIsErrInUseInTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "taken.db")
	holdInAnotherProcess(t, path)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	timeouts := []time.Duration{0, 50 * time.Millisecond, 400 * time.Millisecond, extlibs.DefaultLockTimeout}
	if testing.Short() {
		timeouts = timeouts[:2]
	}
	for _, timeout := range timeouts {
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			r := backends[0].registry(t, extlibs.LockTimeout(timeout))
			began := time.Now()
			_, err := r.Open(ctx, path)
			if took := time.Since(began); took > timeout+500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			if !errors.Is(err, extlibs.ErrInUse) {
				t.Errorf("Open: %v, want ErrInUse", err)
			}
		})
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file changed, %v", err)
	}
}
