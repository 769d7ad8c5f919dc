package boltfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
)

// failing is a hook that fails one operation on the folder.
type failing struct {
	at, seen int
	act      access.Act // that failed; "": none yet
	err      error
}

func (f *failing) hook(act access.Act, _ string) error {
	if f.seen++; f.seen != f.at {
		return nil
	}
	f.act = act
	return f.err
}

func openHooked(path string, hook access.Hook, opts Options) (*File, error) {
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		return nil, err
	}
	opts.Hook, opts.Now, opts.Logger = hook, time.Now, slog.New(slog.DiscardHandler)
	return Open(context.Background(), loc, opts)
}

// keysOf opens a file and returns how many keys it has.
func keysOf(path string) (n int64, err error) {
	f, err := openHooked(path, nil, Options{})
	if err != nil {
		return 0, err
	}
	err = f.View(func(tx *Tx) error { n = tx.Count; return nil })
	return n, errors.Join(err, f.Close())
}

// Whatever operation on the folder fails, the file is complete, no call reports success
// that it did not have, and no temporary file is left, except that one which could not be
// removed stays until the next open.
func TestAnyActThatFailsLeavesACompleteFile(t *testing.T) {
	t.Parallel()
	const keys = 500
	stored := map[string]State{}
	for i := range keys {
		stored[fmt.Sprintf("%03d", i)] = State{Value: strings.Repeat("v", 200)}
	}
	file, err := os.ReadFile(storedFile(t, stored))
	if err != nil {
		t.Fatal(err)
	}
	withFile := func(do func(f *File, path string) error) func(path string, hook access.Hook) error {
		return func(path string, hook access.Hook) error {
			f, err := openHooked(path, hook, Options{})
			if err != nil {
				return err
			}
			err = do(f, path)
			return errors.Join(err, f.Close())
		}
	}
	for name, c := range map[string]struct {
		before []byte // nil: there is no file
		do     func(path string, hook access.Hook) error
		after  []int64 // keys that the file can have, the last one after success
	}{
		"create":       {nil, withFile(func(*File, string) error { return nil }), []int64{0}},
		"create empty": {[]byte{}, withFile(func(*File, string) error { return nil }), []int64{0}},
		"open":         {file, withFile(func(*File, string) error { return nil }), []int64{keys}},
		"update": {file, withFile(func(f *File, _ string) error {
			return f.Update(func(tx *Tx) error { return tx.SetState("new", State{Exists: true, Value: "v"}) })
		}), []int64{keys, keys + 1}},
		"compact": {file, withFile(func(f *File, _ string) error {
			err := f.Update(func(tx *Tx) error {
				for i := range keys - 10 {
					if err := tx.SetState(fmt.Sprintf("%03d", i), State{}); err != nil {
						return err
					}
				}
				return nil
			})
			return errors.Join(err, f.Compact())
		}), []int64{keys, 10}},
		"remove": {file, withFile(func(f *File, _ string) error {
			done, err := f.Remove(context.Background(), Removal{Clear: true}, func(swap func() bool) { swap() })
			if err == nil && !done {
				return errors.New("not done")
			}
			return err
		}), []int64{keys, 0}},
		"backup": {file, withFile(func(f *File, _ string) error {
			return f.Backup(context.Background(), io.Discard, f.Snapshot)
		}), []int64{keys}},
		"backup to a file": {file, withFile(func(f *File, path string) error {
			loc, err := (*access.List)(nil).Locate(path + ".copy")
			if err == nil {
				err = f.BackupFile(context.Background(), loc, f.Snapshot)
			}
			if err != nil {
				return err
			}
			n, err := keysOf(path + ".copy")
			if err == nil && n != keys {
				err = fmt.Errorf("the copy has %d keys", n)
			}
			return errors.Join(err, os.Remove(path+".copy"))
		}), []int64{keys}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				path := filepath.Join(t.TempDir(), "kv.db")
				if c.before != nil {
					if err := os.WriteFile(path, c.before, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				fault := &failing{at: at, err: syscall.EIO}
				err := c.do(path, fault.hook)
				what := fmt.Sprintf("act %d, %s: %v", at, fault.act, err)
				leftovers := func() (names []string) {
					names, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".kv-*"))
					if err != nil {
						t.Fatal(err)
					}
					return names
				}
				if left := leftovers(); len(left) > 0 && fault.act != access.ActRemove {
					t.Errorf("%s: %q is left", what, left)
				}
				n, after := keysOf(path)
				possible := c.after
				if err == nil {
					possible = c.after[len(c.after)-1:]
				}
				if after != nil || n != possible[0] && n != possible[len(possible)-1] {
					t.Errorf("%s: then %d keys, %v", what, n, after)
				}
				if left := leftovers(); len(left) > 0 {
					t.Errorf("%s: %q is left after the next open", what, left)
				}
				if fault.act == "" {
					if err != nil {
						t.Errorf("without a fault: %v", err)
					}
					return
				}
			}
		})
	}
}

func TestABackupRefusesNamesThatAreTaken(t *testing.T) {
	path := storedFile(t, map[string]State{"k": {Value: "v"}})
	f, err := openTest(t, t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	folder := filepath.Dir(path)
	for _, c := range []struct {
		ctx  context.Context
		name string
		want error
	}{
		{t.Context(), path, kverr.InUse},
		{t.Context(), filepath.Join(folder, "a-log"), kverr.Invalid},
		{t.Context(), filepath.Join(folder, "none", "a.db"), fs.ErrNotExist},
		{t.Context(), folder, kverr.Format},
		{ended, filepath.Join(folder, "a.db"), context.Canceled},
		{t.Context(), filepath.Join(folder, "b.db"), nil},
		{t.Context(), filepath.Join(folder, "b.db"), nil}, // replaced
	} {
		loc, err := (*access.List)(nil).Locate(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.BackupFile(c.ctx, loc, f.Snapshot); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if n, err := keysOf(filepath.Join(folder, "b.db")); n != 1 || err != nil {
		t.Errorf("the copy has %d keys, %v", n, err)
	}
}

func TestOpenSaysWhyItDoesNot(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, content []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	empty, beside := at("empty.db", nil), at("beside.db", nil)
	at("beside.db-log", []byte("no log"))
	truncated := at("truncated.db", nil)
	at("truncated.db-log", []byte(wal.Magic))
	claimed := errors.New("claimed")
	claim := func(os.FileInfo) error { return claimed }
	noPermission := func(act access.Act, name string) error {
		if act == access.ActOpen {
			return fs.ErrPermission
		}
		return nil
	}
	for _, c := range []struct {
		path string
		hook access.Hook
		opts Options
		want error
		text string
	}{
		{filepath.Join(dir, "none.db"), nil, Options{ReadOnly: true}, fs.ErrNotExist, "without ReadOnly"},
		{filepath.Join(dir, "none", "a.db"), nil, Options{}, fs.ErrNotExist, "create it first"},
		{filepath.Join(dir, "a-log"), nil, Options{}, kverr.Invalid, "is the log of the store"},
		{filepath.Join(dir, "small.db"), nil, Options{MaxBytes: 1}, kverr.Full, "raise MaxFileBytes"},
		{filepath.Join(dir, "claimed.db"), nil, Options{Claim: claim}, claimed, ""},
		{empty, nil, Options{Claim: claim}, claimed, ""},
		{empty, nil, Options{MaxBytes: 1}, kverr.Full, "raise MaxFileBytes"},
		{truncated, nil, Options{}, kverr.Corrupt, "is the log of a store"},
		{empty, noPermission, Options{}, fs.ErrPermission, "no permission to open the file"},
	} {
		f, err := openHooked(c.path, c.hook, c.opts)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%s: %v, %v, want %v: %s", c.path, f, err, c.want, c.text)
		}
	}
	if f, err := openHooked(beside, nil, Options{}); err != nil {
		t.Errorf("%v, %v", f, err)
	} else if err := f.Close(); err != nil {
		t.Error(err)
	}
}
