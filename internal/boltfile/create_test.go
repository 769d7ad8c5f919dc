package boltfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// A program that ends while it creates a store can leave a file that bbolt has begun and that
// contains no store yet. A check finds nothing wrong with it, but for a log beside it, and an
// open makes it a store.
func TestAFileThatBboltHasBegunIsANewStore(t *testing.T) {
	begun := func(log []byte) string {
		path := filepath.Join(t.TempDir(), "kv.db")
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if log != nil {
			if err := os.WriteFile(path+"-log", log, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	check := func(path string) (Report, error) {
		d, err := OpenDamaged(path, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		return d.Check(context.Background(), func(r Record) error {
			t.Errorf("a file without a store has the record of key %q", r.Key)
			return nil
		})
	}
	path := begun(nil)
	if r, err := check(path); err != nil || r.Keys != 0 || len(r.Damage) > 0 || r.Log {
		t.Errorf("the report is %+v, %v", r, err)
	}
	if n, err := keysOf(path); n != 0 || err != nil {
		t.Errorf("the new store has %d keys, %v", n, err)
	}
	path = begun([]byte(wal.Magic))
	if r, err := check(path); err != nil || len(r.Damage) != 1 || !strings.Contains(r.Damage[0], "log") || !r.Log {
		t.Errorf("beside the log of a store the report is %+v, %v", r, err)
	}

	// After a commit it is no new file: its store has been lost.
	path = begun(nil)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(*bolt.Tx) error { return nil }), db.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := keysOf(path); !errors.Is(err, kverr.Corrupt) {
		t.Errorf("a file with a commit and without a store is a new one with %d keys, %v", n, err)
	}
	if r, err := check(path); err != nil || len(r.Damage) == 0 {
		t.Errorf("the report on a file with a commit and without a store is %+v, %v", r, err)
	}
}

// A folder in which no file can be created, such as that of a device, is the mistake of the
// caller, who is told so.
func TestAFolderThatTakesNoFileIsNamed(t *testing.T) {
	for _, c := range []struct {
		fails error
		want  string
	}{
		{fs.ErrNotExist, "no file can be created in its directory; choose another path"},
		{fs.ErrPermission, "permission"},
	} {
		path := filepath.Join(t.TempDir(), "kv.db")
		hook := func(act access.Act, name string) error {
			if act == access.ActCreate {
				return &fs.PathError{Op: "openat", Path: name, Err: c.fails}
			}
			return nil
		}
		if _, err := openHooked(path, hook, Options{}); !errors.Is(err, c.fails) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.fails, err, c.want)
		}
		if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) > 0 {
			t.Errorf("%v: there are %v, %v", c.fails, files, err)
		}
	}
}
