package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// fault returns a hook that fails each operation of a kind after arm is called.
func fault(act Act, err error) (hook Hook, arm func()) {
	armed := false
	return func(a Act, _ string) error {
		if armed && a == act {
			return err
		}
		return nil
	}, func() { armed = true }
}

func TestTheRootFolderAllowsAllPaths(t *testing.T) {
	if a := New([]string{"relative", "/"}); a == nil || tryOpen(a, filepath.Join(t.TempDir(), "new.db")) != nil {
		t.Error("a path below / is refused")
	}
	if New(nil) != nil {
		t.Error("nil is a rule")
	}
}

func TestTheFileOfALocationIsDescribedInsideItsFolderOnly(t *testing.T) {
	dir, allowed := allowedTree(t)
	for _, name := range []string{"allowed/in.db", "outside/out.db"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, rules := range []*List{nil, New([]string{allowed})} {
		loc, err := rules.Locate(filepath.Join(allowed, "in.db"))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := loc.Stat(); err != nil || info.Size() != 5 {
			t.Errorf("%v, %v", info, err)
		}
		if loc, err = rules.Locate(filepath.Join(allowed, "none.db")); err != nil {
			t.Fatal(err)
		}
		if _, err := loc.Stat(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that does not exist: %v", err)
		}
		symlink(t, filepath.Join(dir, "outside", "out.db"), filepath.Join(allowed, "none.db"))
		_, err = loc.Stat()
		os.Remove(filepath.Join(allowed, "none.db"))
		if (rules != nil) != errors.Is(err, kverr.NotAllowed) {
			t.Errorf("a symlink that leads out: %v", err)
		}
	}
	loc, err := New([]string{allowed}).Locate(filepath.Join(allowed, "in.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(allowed, allowed+"-moved"); err != nil {
		t.Fatal(err)
	}
	if _, err := loc.Stat(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that was moved: %v", err)
	}
}

func TestAFolderThatCannotBeOpenedSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	symlink(t, "loop.db", filepath.Join(dir, "loop.db"))
	for name, want := range map[string]string{
		"none/a.db":   "its directory does not exist; create it first",
		"~/a.db":      `"~" is not expanded`,
		"loop.db":     "it is a symlink to itself",
		"none/../":    "it is a directory; give the path of a file in it",
		"/":           "it is a directory; give the path of a file in it",
		"x/../~x/a.b": `"~" is not expanded`,
	} {
		if !filepath.IsAbs(name) {
			name = dir + "/" + name
		}
		err := tryOpen(nil, name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	loc, err := (*List)(nil).Locate(filepath.Join(dir, "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loc.OpenDir(func(Act, string) error { return syscall.EROFS }); !errors.Is(err, kverr.ReadOnly) {
		t.Error(err)
	}
}

func TestErrorsOfOpeningSayWhatToDo(t *testing.T) {
	notAllowed, said := errOutside("a.db"), kverr.Errorf(fs.ErrPermission, "no permission to open it")
	for _, c := range []struct{ err, want error }{
		{notAllowed, notAllowed}, {said, said}, {fs.ErrNotExist, fs.ErrNotExist}, {syscall.ENOTDIR, fs.ErrNotExist}, {syscall.EROFS, kverr.ReadOnly},
		{syscall.EACCES, fs.ErrPermission}, {syscall.ENOSPC, kverr.Full}, {syscall.EIO, syscall.EIO},
	} {
		if got := OpenError(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v becomes %v", c.err, got)
		}
	}
	for mode, want := range map[fs.FileMode]string{fs.ModeNamedPipe: "named pipe", fs.ModeSocket: "socket", fs.ModeDevice: "device", fs.ModeIrregular: "special file"} {
		if got := kindOf(mode); got != want {
			t.Errorf("%v is a %s", mode, got)
		}
	}
}

func TestRealFollowsLinksToFilesThatDoNotExist(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	symlink(t, at("file"), at("link"))
	symlink(t, at("new"), at("dangling"))
	symlink(t, "dangling", at("relative"))
	symlink(t, "loop", at("loop"))
	for name, want := range map[string]string{"file": "file", "link": "file", "new": "new", "dangling": "new", "relative": "new", "loop": "loop", "none/file": "none/file"} {
		if got := Real(at(name)); got != at(want) {
			t.Errorf("%s is %s", name, got)
		}
	}
}

func TestAnErrorOfPermissionTellsWhoseTheFileIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := NoPermission(syscall.EIO, "the file", info); got != syscall.EIO {
		t.Error(got)
	}
	if got := NoPermission(fs.ErrPermission, "the file", nil); !errors.Is(got, fs.ErrPermission) || !strings.HasPrefix(got.Error(), "no permission to open the file; allow") {
		t.Error(got)
	}
	if got := NoPermission(fs.ErrPermission, "the log", info); !strings.HasPrefix(got.Error(), "no permission to open the log (mode 0") {
		t.Error(got)
	}
}

func TestTheNamesOfLogsAndTemporaryFilesAreReserved(t *testing.T) {
	for name, ok := range map[string]bool{
		"app.db": true, "app-log.db": true, ".kv-new": true,
		"app-log": false, "dir/app-log": false, ".kv-new-1": false, ".KV-Backup-x": false, ".\u212av-export-": false, TempName(TempCompact): false,
	} {
		if err := CheckStoreName(name); (err == nil) != ok || err != nil && !errors.Is(err, kverr.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// open opens the folder of a file that exists.
func open(t *testing.T, hook Hook) (*Dir, os.FileInfo) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	loc, err := (*List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := loc.OpenDir(hook)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	info, err := d.Stat("a.db")
	if err != nil {
		t.Fatal(err)
	}
	return d, info
}

func TestAFolderNoticesThatItsFileIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *Dir) error
		want   error
	}{
		"unchanged": {func(*Dir) error { return nil }, nil},
		"deleted":   {func(d *Dir) error { return d.Remove("a.db") }, kverr.Replaced},
		"replaced": {func(d *Dir) error {
			if err := os.WriteFile(d.Path()+"2", nil, 0o600); err != nil {
				return err
			}
			return d.Rename("a.db2", "a.db")
		}, kverr.Replaced},
		"renamed": {func(d *Dir) error { return d.Rename("a.db", "b.db") }, kverr.Replaced},
		"in a folder that was moved": {func(d *Dir) error {
			dir := filepath.Dir(d.Path())
			t.Cleanup(func() { os.RemoveAll(dir + "-moved") })
			return os.Rename(dir, dir+"-moved")
		}, kverr.Replaced},
	} {
		d, info := open(t, nil)
		if err := c.change(d); err != nil {
			t.Fatal(err)
		}
		if err := d.Holds(info); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATestCanSayThatAFileIsMounted(t *testing.T) {
	hook, arm := fault(ActMount, syscall.EIO)
	d, _ := open(t, hook)
	f, _, err := d.Open("a.db", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if d.Mounted(f) {
		t.Error("it is mounted before")
	}
	if arm(); !d.Mounted(f) {
		t.Error("it is not mounted")
	}
}

func TestATemporaryFileThatCannotBeMadeIsRemoved(t *testing.T) {
	for _, act := range []Act{ActCreate, ActLook} {
		hook, arm := fault(act, syscall.EIO)
		d, _ := open(t, hook)
		arm()
		if _, _, err := d.Temp(TempNew); err != syscall.EIO {
			t.Errorf("%s: %v", act, err)
		}
		if names, err := os.ReadDir(filepath.Dir(d.Path())); len(names) != 1 || err != nil {
			t.Errorf("%s: %v, %v", act, names, err)
		}
	}
}

func TestOnlyTemporaryFilesThatNobodyUsesAreLeftOver(t *testing.T) {
	d, own := open(t, nil)
	abandoned, name, err := d.Temp(TempNew)
	if err != nil {
		t.Fatal(err)
	}
	abandoned.Close()
	used, usedName, err := d.Temp(TempNew)
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	folder := TempName(TempNew)
	if err := os.Mkdir(filepath.Join(filepath.Dir(d.Path()), folder), 0o700); err != nil {
		t.Fatal(err)
	}
	d.RemoveLeftovers(own)
	for name, left := range map[string]bool{name: false, usedName: true, folder: true, "a.db": true} {
		if _, err := d.Stat(name); (err == nil) != left {
			t.Errorf("%s: %v", name, err)
		}
	}
	info, err := used.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d.RemoveLeftovers(info)
	if _, err := d.Stat(usedName); !Gone(err) {
		t.Errorf("the temporary name of the caller's own file stays: %v", err)
	}
}

func TestAFolderThatIsAllowedThroughASymlinkIsAllowed(t *testing.T) {
	dir, allowed := allowedTree(t)
	symlink(t, allowed, filepath.Join(dir, "link"))
	rules := New([]string{filepath.Join(dir, "link")})
	for name, want := range map[string]error{"link/a.db": nil, "allowed/a.db": nil, "outside/a.db": kverr.NotAllowed} {
		if err := tryOpen(rules, filepath.Join(dir, name)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestANewFileGetsTheOwnerAndThePermissionsOfTheOldOne(t *testing.T) {
	d, info := open(t, nil)
	if err := os.Chmod(d.Path(), 0o664); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(d.Path(), 12345, 12346); err != nil {
			t.Fatal(err)
		}
	}
	like, err := d.Stat(d.Base())
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("new")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if kept, err := Keep(f, like); !kept || err != nil {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if made, err := f.Stat(); err != nil || !Alike(made, like) || os.Geteuid() == 0 && Alike(info, like) {
		t.Errorf("%v is not like %v, %v", made, like, err)
	}
}
