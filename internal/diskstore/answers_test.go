package diskstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func (d db) apply(ctx context.Context, key string) error {
	return d.Write(ctx, func(p *Plan) error { return makeState(p, key, stateFor(1)) })
}

// What a store answers in each state in which it does not do what it is asked.
func TestAStoreSaysWhyItDoesNot(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	calls := map[string]func(ctx context.Context, d db) error{
		"load":    func(_ context.Context, d db) error { _, err := d.get("k"); return err },
		"view":    func(_ context.Context, d db) error { _, err := d.entries(""); return err },
		"write":   func(ctx context.Context, d db) error { return d.apply(ctx, "k") },
		"compact": func(ctx context.Context, d db) error { return d.Compact(ctx) },
		"backup":  func(ctx context.Context, d db) error { return d.Backup(ctx, new(bytes.Buffer)) },
		"backup to a file": func(ctx context.Context, d db) error {
			loc, err := (*access.List)(nil).Locate(storeName(t))
			if err != nil {
				return err
			}
			return d.BackupFile(ctx, loc)
		},
		"sweep": func(ctx context.Context, d db) error {
			_, _, err := d.RemoveExpired(ctx, time.Now().Add(time.Hour), 10)
			return err
		},
	}
	for _, c := range []struct {
		state string
		opts  []option
		ctx   context.Context
		close bool
		err   map[string]error // by call; no entry: nil
	}{
		{"open", nil, t.Context(), false, nil},
		{"read-only", []option{readOnly()}, t.Context(), false, map[string]error{"write": kverr.ReadOnly, "compact": kverr.ReadOnly, "sweep": kverr.ReadOnly}},
		{"open, and the context ended", nil, ended, false, map[string]error{"write": context.Canceled, "backup": context.Canceled, "backup to a file": context.Canceled, "sweep": context.Canceled}},
		{"closed", nil, t.Context(), true, map[string]error{"load": kverr.Closed, "view": kverr.Closed, "write": kverr.Closed, "compact": kverr.Closed, "backup": kverr.Closed, "backup to a file": kverr.Closed, "sweep": kverr.Closed}},
	} {
		path := storeName(t)
		d := mustOpen(t, path)
		err := d.Write(t.Context(), func(p *Plan) error {
			return makeState(p, "k", boltfile.State{Exists: true, Value: "v", Deadline: time.Now().Add(time.Minute).UnixNano()})
		})
		if err != nil || d.Close() != nil {
			t.Fatal(err)
		}
		for name, call := range calls {
			if name == "compact" && c.ctx == ended { // carried out if it need not wait
				continue
			}
			d := mustOpen(t, path, c.opts...)
			if c.close {
				if err := errors.Join(d.Close(), d.Close()); err != nil {
					t.Fatal(err)
				}
			}
			if err := call(c.ctx, d); !errors.Is(err, c.err[name]) {
				t.Errorf("%s, %s: %v, want %v", c.state, name, err, c.err[name])
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestEachCloseWaitsForTheFirst(t *testing.T) {
	release, reached := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	d := mustOpen(t, storeName(t), hook(func(act access.Act, _ string) error {
		if act == access.ActCommit && armed.Swap(false) {
			close(reached)
			<-release
		}
		return nil
	}))
	if err := d.set("k", 1); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	closed := make(chan error, 2)
	go func() { closed <- d.Close() }()
	<-reached
	go func() { closed <- d.Close() }()
	if err := d.set("k", 2); !errors.Is(err, kverr.Closed) {
		t.Errorf("a write while it closes: %v", err)
	}
	close(release)
	if err := errors.Join(<-closed, <-closed); err != nil {
		t.Error(err)
	}
}

func TestAFileOfTheStoreIsTheStores(t *testing.T) {
	path := storeName(t)
	d := opened(t, path)
	writeFile(t, path+".other", nil)
	for name, want := range map[string]bool{path: true, path + ".other": false} {
		if info, err := os.Stat(name); err != nil || d.Is(info) != want || d.File().Is(info) != want {
			t.Errorf("%s is the store's: %v", name, !want)
		}
	}
}

func TestAChangeIsReportedWhenReadsSeeIt(t *testing.T) {
	d := opened(t, storeName(t))
	var seen []string
	stop := d.Watch(func(key string, live bool) { seen = append(seen, fmt.Sprint(key, live)) })
	for _, call := range []func() error{
		func() error { return d.set("a", 1) },
		func() error { return d.setMany(map[string]any{"a": 1, "b": 2}) },
		func() error { _, err := d.remove("a"); return err },
		d.clear,
		func() error { stop(); return d.set("c", 1) },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"atrue", "atrue", "btrue", "afalse", "false"}; !slices.Equal(seen, want) {
		t.Errorf("reported were %q, want %q", seen, want)
	}
}

func TestABackupHasWhatTheFileCannotTake(t *testing.T) {
	var a acts
	path := storeName(t)
	d := mustOpen(t, path, hook(a.hook))
	for i := range 10 {
		if err := d.set(fmt.Sprintf("%03d", i), i); err != nil {
			t.Fatal(err)
		}
	}
	a.failing(access.ActCommit) // so no checkpoint
	copied := storeName(t)
	if err := d.backup(copied); err != nil {
		t.Fatal(err)
	}
	if n, err := prefixOf(t, copied); n != 10 || err != nil {
		t.Errorf("the copy has %d keys, %v", n, err)
	}
	if err := d.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("the close: %v", err)
	}
	if n, err := prefixOf(t, path); n != 10 || err != nil {
		t.Errorf("the store has %d keys, %v", n, err)
	}
}
