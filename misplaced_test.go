//go:build unix

package extlibs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// misplacement is what others do to the files of a store that is open, or an error
// of the system for calls with their names.
type misplacement struct {
	do    func(path string) error
	looks []syscall.Errno // that looks fail with from then on, one after the other
	found func(path string) string
	log   bool // the log is lost, and the file has to do without
}

func movedFile(path string) string   { return path + ".moved" }
func movedFolder(path string) string { return filepath.Join(filepath.Dir(path)+".moved", "app.db") }

var misplacements = map[string]misplacement{
	"file moved": {do: func(path string) error { return os.Rename(path, movedFile(path)) }, found: movedFile},
	"file replaced": {do: func(path string) error {
		return errors.Join(os.Rename(path, movedFile(path)), os.WriteFile(path, []byte("another"), 0o600))
	}, found: movedFile},
	"file and log moved": {do: func(path string) error {
		os.Rename(path+"-log", movedFile(path)+"-log") // there may be none
		return os.Rename(path, movedFile(path))
	}, found: movedFile},
	"folder moved": {do: func(path string) error {
		return os.Rename(filepath.Dir(path), filepath.Dir(movedFolder(path)))
	}, found: movedFolder},
	"log deleted":   {do: func(path string) error { return os.Remove(path + "-log") }, log: true},
	"truncated log": {do: func(path string) error { return os.Truncate(path+"-log", 0) }, log: true},
	"log halved":    {do: func(path string) error { return os.Truncate(path+"-log", 10_000) }, log: true},
	"log replaced": {do: func(path string) error {
		if err := os.Rename(path+"-log", path+".rotated"); err != nil {
			return err
		}
		return os.WriteFile(path+"-log", nil, 0o600)
	}, log: true},
	"a look fails":               {looks: []syscall.Errno{syscall.EIO}},
	"looks fail for a while":     {looks: []syscall.Errno{syscall.EACCES, syscall.EACCES, syscall.ESTALE, syscall.EIO, syscall.EPERM, syscall.EIO, syscall.EINTR}},
	"looks fail now and then":    {looks: []syscall.Errno{syscall.EACCES, 0, syscall.ESTALE, 0, 0, syscall.EIO, 0, syscall.EIO, syscall.EACCES, 0, syscall.ESTALE}},
	"a look is told of no place": {looks: []syscall.Errno{syscall.ENOENT}},
}

// misplaced runs a store whose files are misplaced when the n-th thing is done to its
// folder, and reports whether there was an n-th.
func misplaced(t *testing.T, m misplacement, n int, kill bool, mode extlibs.Mode) (happened bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "app.db")
	found := path
	before := newRegistry(extlibs.LogBytes(1))
	must(t, mustOpen(t, before, path).Set(ctx, "before", 1, 0))
	must(t, before.Close())

	var mu sync.Mutex
	open, over := false, false
	looks := m.looks
	hook := func(act access.Act, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if over || !open && m.do != nil {
			return nil // what is moved before it is opened is not the store's
		}
		if n--; n == 0 && m.do != nil {
			if err := m.do(path); err == nil {
				happened = true
				if m.found != nil {
					found = m.found(path)
				}
			} else if errors.Is(err, fs.ErrNotExist) {
				n++ // there is no log yet
			} else {
				t.Error(err)
			}
		}
		if n <= 0 && act == access.ActLook && len(looks) > 0 {
			errno := looks[0]
			looks, happened = looks[1:], true
			if errno != 0 {
				return &fs.PathError{Op: "lstat", Path: name, Err: errno}
			}
		}
		return nil
	}
	r := newRegistry(extlibs.LogBytes(1), extlibs.Durability(mode), extlibs.DiskHook(hook), extlibs.Logger(slog.New(slog.DiscardHandler)))
	results := map[string]error{"before": nil}
	h, err := r.Open(ctx, path)
	if err != nil && m.do == nil { // a look that failed fails that open alone
		h, err = openWhile(r, path, len(m.looks))
	}
	inTime := false
	if err == nil {
		mu.Lock()
		open = true
		mu.Unlock()
		for i, size := range []int{1, 1, 1, 20_000, 1, 5000, 5000, 1} { // some go to the file directly
			key := fmt.Sprint(i)
			results[key] = h.Set(ctx, key, string(make([]byte, size)), 0)
			if i == 5 {
				h.Compact(ctx)
			}
		}
		mu.Lock()
		inTime = happened
		mu.Unlock()
		h.Compact(ctx) // a checkpoint
		if m.do == nil {
			mu.Lock()
			over = true // now the looks work again
			mu.Unlock()
			if results["after"] = h.Set(ctx, "after", 1, 0); results["after"] != nil && !errors.Is(results["after"], extlibs.ErrReplaced) {
				t.Errorf("looks work again, and writes do not: %v", results["after"])
			}
		}
	} else if m.do == nil {
		t.Fatalf("no look fails now, but the store does not open: %v", err)
	}
	mu.Lock()
	over = true
	mu.Unlock()
	if !kill {
		r.Close()
	}
	if b, err := os.ReadFile(path); err == nil && string(b) != "another" {
		found = path // it was moved just before Compact replaced it
	}
	if m.log && kill && !inTime {
		return happened // no call could notice that the log is lost
	}
	if found != path {
		if _, err := os.Stat(found + "-log"); err != nil {
			os.Rename(path+"-log", found+"-log") // if there is one
		}
	}
	if kill {
		copied := filepath.Join(t.TempDir(), "app.db")
		b, err := os.ReadFile(found)
		must(t, err)
		write(t, copied, b)
		if b, err := os.ReadFile(found + "-log"); err == nil {
			write(t, copied+"-log", b)
		}
		found = copied
		defer r.Close()
	}
	again := newRegistry(extlibs.Logger(slog.New(slog.DiscardHandler)))
	defer again.Close()
	h, err = again.Open(ctx, found)
	if err != nil {
		t.Errorf("opened again: %v", err)
		return happened
	}
	for _, key := range slices.Sorted(maps.Keys(results)) {
		err := results[key]
		switch there := has(t, h, key); {
		case err == nil && !there:
			t.Errorf("%s was acknowledged and is not there", key)
		case err != nil && !errors.Is(err, extlibs.ErrCommitUnknown) && there:
			t.Errorf("%s is there, although it failed with %v", key, err)
		}
	}
	return happened
}

// openWhile opens a store that fails to open at most n times.
func openWhile(r *extlibs.Registry, path string, n int) (h *extlibs.Handle, err error) {
	for range n {
		if h, err = r.Open(ctx, path); err == nil {
			break
		}
	}
	return h, err
}

// Whenever others move, replace or cut the files of an open store, and whatever looks at
// them fail with: what was acknowledged is there, where the files are now, what was reported
// not to be done is not, and the file opens.
func TestMisplacedFilesLoseNothingAndBringNothingBack(t *testing.T) {
	t.Parallel()
	random := kvtest.Rand(t)
	step := kvtest.Sized(36, 12, 1) // of so many one, from a random one on; all of them take ten minutes
	runs := 0
	for _, name := range slices.Sorted(maps.Keys(misplacements)) {
		for _, kill := range []bool{false, true} {
			for modeName, mode := range map[string]extlibs.Mode{"durable": extlibs.Always(), "interval": extlibs.Interval(time.Hour)} {
				end := map[bool]string{true: "kill", false: "close"}[kill]
				from := 1 + random.IntN(step)
				t.Run(name+"/"+end+"/"+modeName, func(t *testing.T) {
					for n := from; ; n += step {
						runs++
						if !misplaced(t, misplacements[name], n, kill, mode) {
							break
						}
						if t.Failed() {
							t.Fatalf("at the %d. thing that is done", n)
						}
					}
				})
			}
		}
	}
	t.Logf("%d runs", runs)
}
