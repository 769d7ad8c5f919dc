package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// allowedTree makes a folder with an allowed one in it, and returns both.
func allowedTree(t *testing.T) (dir, allowed string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"allowed/sub", "allowed-evil", "outside"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir, filepath.Join(dir, "allowed")
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symlinks here: %v", err)
	}
}

// openFile opens a file, or makes it.
func openFile(loc Location) (*os.File, os.FileInfo, error) {
	dir, err := loc.OpenDir(nil)
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	f, info, err := dir.Open(dir.Base(), os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = dir.Create(dir.Base())
	}
	return f, info, err
}

// tryOpen opens a file as far as a store does it before the engine.
func tryOpen(a *List, name string) error {
	loc, err := a.Locate(name)
	if err != nil {
		return err
	}
	f, _, err := openFile(loc)
	if err == nil {
		f.Close()
	}
	return err
}

func TestAFileIsOpenedOnlyInsideAnAllowedFolder(t *testing.T) {
	dir, allowed := allowedTree(t)
	t.Chdir(dir)
	secret := filepath.Join(dir, "outside", "secret.db")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	symlink(t, filepath.Join(dir, "outside"), filepath.Join(allowed, "out"))
	symlink(t, secret, filepath.Join(allowed, "secret.db"))
	symlink(t, filepath.Join(dir, "outside", "dangling.db"), filepath.Join(allowed, "dangling.db"))
	symlink(t, "../../outside/relative.db", filepath.Join(allowed, "sub", "relative.db"))
	symlink(t, "loop.db", filepath.Join(allowed, "loop.db"))
	absolute, relative := New([]string{allowed}), New([]string{"allowed"})
	several := New([]string{"", filepath.Join(dir, "nosuch"), "s3://bucket", allowed})
	for _, tt := range []struct {
		name string
		kind error // nil: it opens
	}{
		{"allowed/new.db", nil},
		{"allowed/sub/new.db", nil},
		{"allowed/sub/../new.db", nil},
		{allowed + "/new.db", nil},
		{"allowed/../outside/secret.db", kverr.NotAllowed},
		{"allowed/" + strings.Repeat("../", 50) + "etc/passwd", kverr.NotAllowed},
		{secret, kverr.NotAllowed},
		{"allowed-evil/new.db", kverr.NotAllowed},
		{"new.db", kverr.NotAllowed},
		{"/", kverr.NotAllowed},
		{"allowed/out/secret.db", kverr.NotAllowed},
		{"allowed/out/new.db", kverr.NotAllowed},
		{"allowed/secret.db", kverr.NotAllowed},
		{"allowed/dangling.db", kverr.NotAllowed},
		{"allowed/sub/relative.db", kverr.NotAllowed},
		{"allowed", kverr.Format},
		{"allowed/sub", kverr.Format},
		{"allowed/no/such/folder/new.db", fs.ErrNotExist},
		{"allowed/new.db\x00.txt", kverr.Invalid},
		{"\x00", kverr.Invalid},
	} {
		for rules, a := range map[string]*List{"an absolute path": absolute, "a relative path": relative, "several paths": several} {
			if err := tryOpen(a, tt.name); !errors.Is(err, tt.kind) || (err == nil) != (tt.kind == nil) {
				t.Errorf("with %s, %q is %v, want %v", rules, tt.name, err, tt.kind)
			}
		}
		if err := tryOpen(New([]string{}), tt.name); !errors.Is(err, kverr.NotAllowed) && !errors.Is(err, kverr.Invalid) {
			t.Errorf("with no path at all, %q is %v", tt.name, err)
		}
	}
	if err := tryOpen(absolute, "allowed/loop.db"); err == nil {
		t.Error("a symlink to itself opens")
	}
	for _, never := range []string{"outside/new.db", "outside/dangling.db", "outside/relative.db", "allowed-evil/new.db", "new.db"} {
		if _, err := os.Lstat(filepath.Join(dir, never)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was created: %v", never, err)
		}
	}
}

// It swaps what is checked for what is opened
// all the time: a file and a folder for symlinks that lead out.
func TestASymlinkThatIsSwappedInLeadsNowhere(t *testing.T) {
	dir, allowed := allowedTree(t)
	outside := filepath.Join(dir, "outside")
	secret := filepath.Join(outside, "secret.db")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	symlink(t, secret, filepath.Join(dir, "link to file"))
	symlink(t, outside, filepath.Join(dir, "link to folder"))
	var stop atomic.Bool
	swapped := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			for name, link := range map[string]string{"secret.db": "link to file", "sub": "link to folder"} {
				path := filepath.Join(allowed, name)
				os.Rename(path, filepath.Join(dir, "aside "+name))
				os.Rename(filepath.Join(dir, link), path)
				os.Rename(path, filepath.Join(dir, link))
				os.Rename(filepath.Join(dir, "aside "+name), path)
			}
		}
		swapped <- n
	}()
	a := New([]string{allowed})
	info, err := os.Stat(secret)
	if err != nil {
		t.Fatal(err)
	}
	opened, refused := 0, 0
	for range 3000 {
		for _, name := range []string{"secret.db", "sub/secret.db"} {
			loc, err := a.Locate(filepath.Join(allowed, name))
			if err != nil {
				refused++
				continue
			}
			f, made, err := openFile(loc)
			if err != nil {
				refused++
				continue
			}
			if opened++; made != nil && os.SameFile(made, info) {
				t.Error("the file outside was opened")
			}
			f.Close()
		}
	}
	stop.Store(true)
	if n := <-swapped; n == 0 || opened == 0 || refused == 0 {
		t.Logf("%d swaps, %d opened, %d refused: nothing met nothing", n, opened, refused)
	}
}
