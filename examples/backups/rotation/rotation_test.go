package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func open(t *testing.T, name string, opts ...extlibs.Option) *extlibs.Handle {
	t.Helper()
	r := extlibs.NewRegistry(opts...)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := r.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newFolder(t *testing.T, keep int) *Folder {
	t.Helper()
	f, err := New(filepath.Join(t.TempDir(), "[a] folder"), keep)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// filesOf returns the names of all files, of temporary ones too.
func filesOf(t *testing.T, f *Folder) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(f.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTheNewestBackupsAreKeptAndRestored(t *testing.T) {
	for name, of := range map[string]func() string{
		"memory": func() string { return ":memory:app" },
		"file":   func() string { return filepath.Join(t.TempDir(), "a.db") },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			store, f := open(t, of()), newFolder(t, 3)
			if err := errors.Join(store.Set(ctx, "user", map[string]any{"name": "bob", "photo": []byte{0, 255}}, time.Hour), store.Set(ctx, "pi", 3.0, 0)); err != nil {
				t.Fatal(err)
			}
			var made []string
			for i := range 5 {
				if err := store.Set(ctx, "round", i, 0); err != nil {
					t.Fatal(err)
				}
				path, err := f.Backup(ctx, store)
				if err != nil {
					t.Fatal(err)
				}
				made = append(made, path)
			}
			kept, err := f.List()
			if err != nil || !reflect.DeepEqual(kept, made[2:]) {
				t.Fatalf("kept %v (%v), want %v", kept, err, made[2:])
			}
			if files := filesOf(t, f); len(files) != 3 {
				t.Errorf("the folder has %v", files)
			}
			for i, path := range kept {
				restored := open(t, of())
				if n, err := Restore(ctx, restored, path); err != nil || n != 3 {
					t.Fatal(n, err)
				}
				round, err := restored.Get(ctx, "round")
				if err != nil || round != int64(i+2) {
					t.Errorf("round is %v (%v), want %d", round, err, i+2)
				}
				for _, key := range []string{"user", "pi"} {
					want, err := store.Get(ctx, key)
					got, gotErr := restored.Get(ctx, key)
					if err != nil || gotErr != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("%s is %v, want %v (%v, %v)", key, got, want, gotErr, err)
					}
				}
				if ttl, err := restored.TTL(ctx, "user"); err != nil || ttl <= 0 || ttl > time.Hour {
					t.Errorf("user has %v left (%v)", ttl, err)
				}
				if _, err := Restore(ctx, restored, path); err == nil {
					t.Error("restored to a store that has keys")
				}
			}
		})
	}
}

// failing is a store whose second page cannot be read.
type failing struct{ extlibs.Store }

var errUnreadable = errors.New("cannot be read")

func (f failing) Scan(ctx context.Context, r extlibs.Range) (extlibs.Page, error) {
	if r.After != "" {
		return extlibs.Page{}, errUnreadable
	}
	return f.Store.Scan(ctx, r)
}

func TestAFailedBackupLeavesTheOldOnesAndNothingElse(t *testing.T) {
	extlibs.RegisterDriver("failing", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:x")
		if err != nil {
			return nil, err
		}
		return failing{h.Store()}, nil
	})
	ctx, f := t.Context(), newFolder(t, 1)
	store, bad := open(t, ":memory:app"), open(t, "failing://x")
	for i := range 5000 {
		if err := bad.Set(ctx, fmt.Sprint(i), strings.Repeat("x", 1000), 0); err != nil {
			t.Fatal(err)
		}
	}
	good, err := f.Backup(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.path, ".backup-1.tmp"), []byte(`{"key":"ha`), 0o600); err != nil { // left by a killed process
		t.Fatal(err)
	}
	if path, err := f.Backup(ctx, bad); !errors.Is(err, errUnreadable) || path != "" {
		t.Errorf("%q, %v", path, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if path, err := f.Backup(canceled, store); !errors.Is(err, context.Canceled) || path != "" {
		t.Errorf("%q, %v", path, err)
	}
	if files := filesOf(t, f); len(files) != 1 || files[0] != filepath.Base(good) {
		t.Errorf("the folder has %v, want %s", files, good)
	}
}

func TestFilesOfOthersAreKept(t *testing.T) {
	ctx, f, store := t.Context(), newFolder(t, 1), open(t, ":memory:app")
	for _, name := range []string{"notes.txt", "backup-old.jsonl", "backup-20260101T000000.000Z.jsonl.gz"} {
		if err := os.WriteFile(filepath.Join(f.path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := f.Backup(ctx, store); err != nil {
			t.Fatal(err)
		}
	}
	if files := filesOf(t, f); len(files) != 4 {
		t.Errorf("the folder has %v", files)
	}
}

func TestABackupIsTheNewestAlsoIfTheClockWasSetBack(t *testing.T) {
	ctx, f, store := t.Context(), newFolder(t, 2), open(t, ":memory:app")
	future := filepath.Join(f.path, nameAfter(nil, time.Now().Add(24*time.Hour)))
	if err := os.WriteFile(future, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := f.Backup(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := f.List(); err != nil || !reflect.DeepEqual(kept, []string{future, path}) {
		t.Errorf("kept %v (%v), want %s last", kept, err, path)
	}
}

func TestEveryPeriodHasABackupUntilTheContextEnds(t *testing.T) {
	f := newFolder(t, 10)
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		store := open(t, ":memory:app")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			f.Every(ctx, time.Hour, store, slog.New(slog.NewTextHandler(&log, nil)))
		}()
		time.Sleep(3*time.Hour + time.Minute)
		synctest.Wait()
		if kept, err := f.List(); err != nil || len(kept) != 3 {
			t.Errorf("%d backups (%v) after three hours", len(kept), err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if kept, err := f.List(); err != nil || len(kept) != 3 || !strings.Contains(log.String(), "backup failed") {
			t.Errorf("%d backups (%v) with a closed store; the log is %q", len(kept), err, &log)
		}
		cancel()
		<-ended
	})
}
