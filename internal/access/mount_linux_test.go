package access

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFileThatIsAMountOfItsOwnIsNoticed(t *testing.T) {
	dir := t.TempDir()
	kept, here := filepath.Join(dir, "kept.db"), filepath.Join(dir, "here.db")
	for _, path := range []string{kept, here} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mounted := func(path string) bool {
		loc, err := (*List)(nil).Locate(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := loc.OpenDir(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		f, _, err := d.Open(d.Base(), os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return d.Mounted(f)
	}
	if mounted(here) {
		t.Error("an ordinary file is taken for a mount")
	}
	if err := syscall.Mount(kept, here, "", syscall.MS_BIND, ""); err != nil {
		t.Skip("this process may not mount:", err)
	}
	defer syscall.Unmount(here, syscall.MNT_DETACH)
	if !mounted(here) { // the device is the same
		t.Error("a file that is mounted by itself is not noticed")
	}
	if mounted(kept) {
		t.Error("the file that is mounted elsewhere is taken for a mount")
	}
}
