package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// A complete file gets its name; where an act fails, either the file has no name yet or
// named says that it has.
func TestPublishNamesACompleteFileOrLeavesTheNameAlone(t *testing.T) {
	for _, existing := range []Existing{MustNotExist, Replace} {
		for _, taken := range []bool{false, true} {
			for _, fails := range []Act{"", ActOpen, ActSync, ActLink, ActRename, ActSyncDir} {
				t.Run(fmt.Sprint(existing, taken, fails), func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "file")
					if taken {
						if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					armed := false
					d, f, name := tempFile(t, path, func(act Act, name string) error {
						if armed && act == fails {
							return syscall.EIO
						}
						return nil
					})
					armed = true
					named, err := d.Publish(f, name, existing)
					unused := fails == ActLink && existing == Replace || fails == ActRename && existing == MustNotExist
					refused := existing == MustNotExist && taken
					reached := refused && fails == ActSyncDir || unused || fails == ""
					wantNamed := !refused && (reached || fails == ActSyncDir)
					if named != wantNamed || (err == nil) != (reached && !refused) {
						t.Errorf("named %v, %v", named, err)
					}
					if refused && reached && !errors.Is(err, fs.ErrExist) {
						t.Errorf("%v, want fs.ErrExist", err)
					}
					want := map[bool]string{true: "new", false: "old"}[named]
					if b, err := os.ReadFile(path); (named || taken) && string(b) != want || err != nil && (named || taken) {
						t.Errorf("the file holds %q, %v", b, err)
					} else if !named && !taken && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("the file exists: %v", err)
					}
				})
			}
		}
	}
}

// Without hard links the content is copied, and a name in use stays.
func TestPublishCopiesWhereThereAreNoLinks(t *testing.T) {
	for _, taken := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "file")
		if taken {
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var acts []Act
		d, f, name := tempFile(t, path, func(act Act, name string) error {
			acts = append(acts, act)
			if act == ActLink {
				return syscall.EPERM
			}
			return nil
		})
		acts = nil
		named, err := d.Publish(f, name, MustNotExist)
		if named == taken || taken != errors.Is(err, fs.ErrExist) || !taken && err != nil {
			t.Errorf("taken %v: named %v, %v", taken, named, err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != map[bool]string{true: "old", false: "new"}[taken] {
			t.Errorf("taken %v: %q, %v", taken, b, err)
		}
		if !taken && !slices.Equal(acts, []Act{ActOpen, ActSync, ActLink, ActCreate, ActSync, ActSyncDir}) {
			t.Errorf("acts are %q", acts)
		}
	}
}

// tempFile creates a temporary file with the content "new" for path.
func tempFile(t *testing.T, path string, hook Hook) (*Dir, *os.File, string) {
	t.Helper()
	loc, err := (*List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := loc.OpenDir(hook)
	if err != nil {
		t.Fatal(err)
	}
	f, name, err := d.Temp(TempNew)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		d.Close()
	})
	if _, err := f.WriteString("new"); err != nil {
		t.Fatal(err)
	}
	return d, f, name
}
