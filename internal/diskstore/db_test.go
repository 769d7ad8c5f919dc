package diskstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
)

// db is a store whose tests are about keys and values, which are what fmt.Sprint makes of
// them.
type db struct{ *Store }

// option changes the options of a store.
type option func(*Options)

func readOnly() option                { return func(o *Options) { o.ReadOnly = true } }
func logBytes(n int64) option         { return func(o *Options) { o.LogBytes = n } }
func maxBytes(n int64) option         { return func(o *Options) { o.MaxBytes = n } }
func verifyBytes(n int64) option      { return func(o *Options) { o.VerifyBytes = n } }
func hook(h access.Hook) option       { return func(o *Options) { o.Hook = h } }
func interval(d time.Duration) option { return func(o *Options) { o.Interval = d } }

func storeName(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") }

func open(path string, opts ...option) (db, error) {
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		return db{}, err
	}
	all := Options{
		Options:  boltfile.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler), LockTimeout: time.Second},
		LogBytes: 256 << 10,
	}
	for _, o := range opts {
		o(&all)
	}
	s, err := Open(context.Background(), loc, all)
	return db{s}, err
}

func mustOpen(t testing.TB, path string, opts ...option) db {
	t.Helper()
	d, err := open(path, opts...)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	return d
}

// opened is mustOpen of a store that the end of the test closes.
func opened(t testing.TB, path string, opts ...option) db {
	t.Helper()
	d := mustOpen(t, path, opts...)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func stateFor(value any) boltfile.State {
	return boltfile.State{Exists: true, Value: fmt.Sprint(value)}
}

func (d db) set(key string, value any) error {
	return d.Write(context.Background(), func(p *Plan) error { return makeState(p, key, stateFor(value)) })
}

func (d db) setMany(values map[string]any) error {
	return d.Write(context.Background(), func(p *Plan) error {
		var changes []Change
		for key := range values {
			changes = append(changes, Change{Key: key})
		}
		slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Key, b.Key) })
		err := p.Read(changes, false, nil)
		for i := range changes {
			changes[i].Next, changes[i].Changed = stateFor(values[changes[i].Key]), true
		}
		return cmp.Or(err, p.Make(changes))
	})
}

// incr adds one to a number.
func (d db) incr(key string) (n int, err error) {
	err = d.Write(context.Background(), func(p *Plan) error {
		s, err := p.state(key, true)
		if err != nil {
			return err
		}
		fmt.Sscan(s.Value, &n)
		n++
		return makeState(p, key, stateFor(n))
	})
	return n, err
}

// remove reports whether there was a key.
func (d db) remove(key string) (existed bool, err error) {
	err = d.Write(context.Background(), func(p *Plan) error {
		s, err := p.state(key, false)
		if existed = s.Exists; err != nil || !existed {
			return err
		}
		return makeState(p, key, boltfile.State{})
	})
	return existed, err
}

func (d db) clear() error {
	return d.Write(context.Background(), func(p *Plan) error { p.Clear(); return nil })
}

// get returns "" for an absent key.
func (d db) get(key string) (string, error) {
	s, err := d.Load(time.Now(), key, true)
	return s.Value, err
}

func (d db) has(t testing.TB, key string) bool {
	t.Helper()
	s, err := d.Load(time.Now(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	return s.Exists
}

func (d db) count() (int, error) {
	n, err := d.Len(time.Now())
	return int(n), err
}

// entries returns the live entries of a prefix, in the order of Scan.
func (d db) entries(prefix string) (list []Change, err error) {
	err = d.View(time.Now(), func(v *View) error {
		return v.Scan(Range{From: prefix, To: prefix + "\xff"}, true, func(key string, value []byte, deadline int64, exists bool) (bool, error) {
			if s := (boltfile.State{Exists: exists, Deadline: deadline, Value: string(value)}); s.Live(v.tx.Now) {
				list = append(list, Change{Key: key, Was: s})
			}
			return true, nil
		})
	})
	return list, err
}

func (d db) backup(path string) error {
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		return err
	}
	return d.BackupFile(context.Background(), loc)
}

// acts makes an act on a folder fail, once it was done some times.
type acts struct {
	mu   sync.Mutex
	fail access.Act
	left int
}

func (a *acts) hook(act access.Act, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if act != a.fail {
		return nil
	}
	if a.left--; a.left < 0 {
		return &fs.PathError{Op: string(act), Path: name, Err: syscall.EIO}
	}
	return nil
}

func (a *acts) failing(act access.Act, after ...int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail, a.left = act, 0
	if len(after) > 0 {
		a.left = after[0]
	}
}

// noLogHook refuses a log beside the file.
func noLogHook(act access.Act, name string) error {
	if act == access.ActCreate && strings.HasSuffix(name, "-log") {
		return &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return nil
}

// copyCrashed copies the two files of an open store, as a crash leaves them.
func copyCrashed(t testing.TB, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-log"} {
		writeFile(t, to+suffix, readFile(t, from+suffix))
	}
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// crashed returns the two files of a store in which n keys were set, as a crash leaves
// them.
func crashed(t testing.TB, n int, opts ...option) (file, log []byte) {
	t.Helper()
	path := storeName(t)
	d := opened(t, path, opts...)
	for i := range n {
		if err := d.set(fmt.Sprintf("%03d", i), i); err != nil {
			t.Fatal(err)
		}
	}
	return readFile(t, path), readFile(t, path+"-log")
}

// prefixOf opens a store that a crash left, and returns how many of its keys exist: the
// first ones and no others.
func prefixOf(t testing.TB, path string, opts ...option) (n int, err error) {
	t.Helper()
	d, err := open(path, opts...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	entries, err := d.entries("")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.Key != fmt.Sprintf("%03d", i) || e.Was.Value != fmt.Sprint(i) {
			t.Fatalf("key %d is %q with %q", i, e.Key, e.Was.Value)
		}
	}
	if n, err := d.count(); n != len(entries) || err != nil {
		t.Errorf("count: %d, %v", n, err)
	}
	return len(entries), nil
}
