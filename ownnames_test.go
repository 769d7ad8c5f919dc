package extlibs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// ownNames are names that the library's own files have, or look like them.
func ownNames() []string {
	names := []string{"app.db-log", "-log"}
	for _, kind := range []string{access.TempNew, access.TempCompact, access.TempBackup, access.TempExport} {
		own := access.TempName(kind)
		names = append(names, own, ".kv-"+kind+"-", ".kv-"+kind+"-20261129", ".kv-"+kind+"-7.db", strings.ToUpper(own), ".KV-"+kind+"-1", ".\u212av-"+kind+"-x")
	}
	return names
}

// A name of the library's files is no name of a store, for scripts and hosts,
// also through symlinks.
func TestNoStoreHasANameOfTheLibrarysOwnFiles(t *testing.T) {
	for _, name := range ownNames() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			path := filepath.Join(dir, name)
			r := onDisk.registry(t)
			h := mustOpen(t, r, filepath.Join(dir, "store.db"))
			_, opened := r.Open(ctx, path)
			refusals := map[string]error{
				"Open":       opened,
				"Init":       r.Init(path),
				"BackupFile": h.BackupFile(ctx, path),
			}
			if err := os.Symlink(path, filepath.Join(dir, "link.db")); err == nil {
				_, refusals["Open of a symlink to it"] = r.Open(ctx, filepath.Join(dir, "link.db"))
			}
			other := filepath.Join(t.TempDir(), name)
			if err := os.Symlink(filepath.Join(dir, "target.db"), other); err == nil {
				_, refusals["Open of a symlink of that name"] = r.Open(ctx, other)
			}
			for call, err := range refusals {
				if !errors.Is(err, extlibs.ErrInvalid) || !strings.Contains(err.Error(), "choose another") {
					t.Errorf("%s: %v", call, err)
				}
			}
			for _, allowed := range [][]string{nil, {dir}} {
				clause, message := opens(t, r, registrations["RegisterWithSecurity"], allowed, name)
				if clause != "ValueError" || !strings.Contains(message, "choose another") {
					t.Errorf("a script's open with %v allowed: %s %s", allowed, clause, message)
				}
			}
			for _, left := range names(t, dir) {
				if left != "store.db" && left != "link.db" {
					t.Errorf("%s was made", left)
				}
			}
			// A file that is there by that name is refused, and stays.
			must(t, os.WriteFile(path, []byte("x"), 0o600))
			if _, err := r.Open(ctx, path); !errors.Is(err, extlibs.ErrInvalid) {
				t.Errorf("Open of a file: %v", err)
			}
		})
	}
}

// What a person has put beside a store stays, whatever it is called.
func TestNoFileThatSomebodyElseMadeIsTakenForALeftOver(t *testing.T) {
	dir := t.TempDir()
	r := onDisk.registry(t, extlibs.LogBytes(1))
	path := filepath.Join(dir, "store.db")
	h := mustOpen(t, r, path)
	must(t, h.Set(ctx, "k", 1, 0))
	must(t, h.Close())
	copied, err := os.ReadFile(path)
	must(t, err)
	var kept []string
	for _, kind := range []string{access.TempNew, access.TempCompact, access.TempBackup, access.TempExport} {
		own := access.TempName(kind)
		other := own[:len(own)-1] + string('0'+('f'-own[len(own)-1])%2)
		if other == own {
			other = own[:len(own)-1] + "2"
		}
		kept = append(kept, other, own+".db", own+"-1", strings.ToUpper(own), "x"+own,
			".kv-"+kind+"-20261129", ".kv-"+kind+"-0", ".kv-"+kind+"-18446744073709551615", ".kv-"+kind, ".kv-"+kind+"-0123456789abcdef-00000000")
	}
	for _, name := range kept {
		must(t, os.WriteFile(filepath.Join(dir, name), copied, 0o600))
	}
	for range 2 {
		h = mustOpen(t, r, path)
		must(t, h.Compact(ctx))
		must(t, h.BackupFile(ctx, filepath.Join(dir, "backup.db")))
		must(t, h.Close())
		mustOpen(t, r, filepath.Join(dir, "other.db"))
		must(t, extlibs.CompactFile(ctx, path))
	}
	for _, name := range kept {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != string(copied) {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// names are those in a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
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

func TestWhoOpensALogIsToldItsStore(t *testing.T) {
	path := onDisk.storeName(t) + "-log"
	_, err := newRegistry().Open(ctx, path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store with the name of a log: %v", err)
	}
	want := fmt.Sprintf("%q", strings.TrimSuffix(filepath.Base(path), "-log"))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want the name %s in it", err, want)
	}
}
