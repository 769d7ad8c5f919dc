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
	"github.com/scriptling-kv/extlibs/internal/kvtest"
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
		{"open, and the context ended", nil, ended, false, map[string]error{"compact": context.Canceled, "write": context.Canceled, "backup": context.Canceled, "backup to a file": context.Canceled, "sweep": context.Canceled}},
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

// Whichever operation on the folder fails once, no call reports success that it did not
// have: the next open finds all that was acknowledged, and a large write is all there or not.
func TestAnyActThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	large := map[string]any{}
	for i := range 300 {
		large[fmt.Sprintf("large %03d", i)] = "value"
	}
	random := kvtest.Rand(t)
	for at := 1; ; at++ {
		if testing.Short() && random.IntN(3) > 0 {
			continue
		}
		path, seen := storeName(t), 0
		var failed access.Act
		d, err := open(path, logBytes(1), hook(func(act access.Act, _ string) error {
			if seen++; seen != at {
				return nil
			}
			failed = act
			return syscall.EIO
		}))
		acknowledged := map[string]string{}
		allLarge := false
		if err == nil {
			for i := range 4 {
				key := fmt.Sprint("k", i)
				if d.set(key, i) == nil {
					acknowledged[key] = fmt.Sprint(i)
				}
				switch i {
				case 1:
					allLarge = d.setMany(large) == nil
				case 2:
					d.Compact(t.Context())
				}
			}
			d.Close()
		}
		again, err := open(path)
		if err != nil {
			t.Fatalf("act %d, %s: %v", at, failed, err)
		}
		for key, value := range acknowledged {
			if got, err := again.get(key); got != value || err != nil {
				t.Errorf("act %d, %s: %s is %q, %v", at, failed, key, got, err)
			}
		}
		if found, err := again.entries("large"); err != nil || len(found) != len(large) && (allLarge || len(found) > 0) {
			t.Errorf("act %d, %s: %d keys of the large write, %v", at, failed, len(found), err)
		}
		if err := again.Close(); err != nil {
			t.Errorf("act %d, %s: %v", at, failed, err)
		}
		if failed == "" {
			break
		}
	}
}

// The file's state of a key is read in groups, and the caller takes memory for the values.
func TestAPlanReadsAsMuchAsItsCallerTakes(t *testing.T) {
	d := opened(t, storeName(t))
	if err := d.setMany(map[string]any{"a": "12", "b": "345"}); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no memory")
	for most, want := range map[int]error{5: nil, 4: full} {
		err := d.Write(t.Context(), func(p *Plan) error {
			n := 0
			return p.Read([]Change{{Key: "a"}, {Key: "b"}, {Key: "c"}}, true, func(bytes int) error {
				if n += bytes; n > most {
					return full
				}
				return nil
			})
		})
		if err != want {
			t.Errorf("%d bytes: %v, want %v", most, err, want)
		}
	}
	epoch := func() (e uint64) {
		d.View(time.Now(), func(v *View) error { e = v.Epoch(); return nil })
		return e
	}
	before := epoch()
	if err := d.clear(); err != nil || epoch() == before {
		t.Errorf("a clear leaves the epoch at %d, %v", before, err)
	}
}
