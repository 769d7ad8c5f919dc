package boltfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
	bolt "go.etcd.io/bbolt"
)

// modelFile is an open file and what it has to hold.
type modelFile struct {
	*File
	t    *testing.T
	r    *rand.Rand
	path string
	now  time.Time
	want map[string]State
}

func (m *modelFile) open() {
	m.t.Helper()
	loc, err := (*access.List)(nil).Locate(m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	opts := Options{VerifyBytes: int64(m.r.IntN(3) - 1), Now: func() time.Time { return m.now }, Logger: slog.New(slog.DiscardHandler)}
	if m.File, err = Open(m.t.Context(), loc, opts); err != nil {
		m.t.Fatal(err)
	}
}

func (m *modelFile) key() string {
	key := fmt.Sprintf("key %03d", m.r.IntN(300))
	switch m.r.IntN(20) {
	case 0:
		return key + strings.Repeat("k", 2000)
	case 1:
		return key + strings.Repeat("k", bolt.MaxKeySize-len(key)) // too long for the index
	}
	return key
}

func (m *modelFile) state() State {
	if m.r.IntN(4) == 0 {
		return State{}
	}
	s := State{Exists: true, Value: strings.Repeat("v", 1+m.r.IntN(100))}
	if m.r.IntN(20) == 0 {
		s.Value = strings.Repeat("v", 30_000)
	}
	if m.r.IntN(2) == 0 {
		s.Deadline = m.now.UnixNano() + int64(m.r.IntN(100)-50)
	}
	return s
}

func (m *modelFile) update() {
	m.t.Helper()
	next := maps.Clone(m.want)
	fails := m.r.IntN(8) == 0
	wrong := errors.New("the change fails")
	err := m.Update(func(tx *Tx) error {
		clear(next)
		maps.Copy(next, m.want)
		if m.r.IntN(10) == 0 {
			clear(next)
			if err := tx.Clear(); err != nil {
				return err
			}
		}
		for range 1 + m.r.IntN(60) {
			key, s := m.key(), m.state()
			if err := tx.SetState(key, s); err != nil {
				return err
			}
			if next[key] = s; !s.Exists {
				delete(next, key)
			}
		}
		if fails {
			return wrong
		}
		return nil
	})
	switch {
	case fails && err == wrong, err == ErrUnchanged:
	case err != nil || fails:
		m.t.Fatal(err)
	default:
		m.want = next
	}
}

// check compares all that can be read of the file with the model.
func (m *modelFile) check() {
	m.t.Helper()
	err := m.View(func(tx *Tx) error {
		if tx.Count != int64(len(m.want)) {
			m.t.Errorf("%d keys, want %d", tx.Count, len(m.want))
		}
		var keys []string
		err := tx.Scan("", func(key, rec []byte) (bool, error) {
			deadline, value, err := tx.Parse(key, rec, true)
			if got := (State{true, deadline, string(value)}); got != m.want[string(key)] || err != nil {
				m.t.Errorf("scan: %.20q is %.40v, %v", key, got, err)
			}
			keys = append(keys, string(key))
			return true, nil
		})
		if want := slices.Sorted(maps.Keys(m.want)); err != nil || !slices.Equal(keys, want) {
			m.t.Errorf("scan: %d keys, want %d, %v", len(keys), len(want), err)
		}
		for range 50 {
			key := m.key()
			if s, err := tx.State(key, true); s != m.want[key] || err != nil {
				m.t.Errorf("%.20q is %.40v, %v", key, s, err)
			}
		}
		index := map[string]int64{}
		last := int64(0)
		err = tx.ScanDeadlines(nil, func(e IndexEntry) (bool, error) {
			if e.Deadline < last || tx.Indexed(e.Key, e.Deadline) != Correct || tx.Indexed(e.Key, e.Deadline+1) != Stray {
				m.t.Errorf("the index has %.20q, %d", e.Key, e.Deadline)
			}
			index[string(e.Key)], last = e.Deadline, e.Deadline
			return true, nil
		})
		want, expired := map[string]int64{}, int64(0)
		for key, s := range m.want {
			if s.Deadline != 0 {
				want[key] = s.Deadline
				if s.Deadline <= tx.Now {
					expired++
				}
			}
		}
		if err != nil || !maps.Equal(index, want) {
			m.t.Errorf("the index has %d keys, want %d, %v", len(index), len(want), err)
		}
		if n, err := tx.Expired(); n != expired || err != nil {
			m.t.Errorf("%d expired, want %d, %v", n, expired, err)
		}
		return nil
	})
	if err != nil {
		m.t.Error(err)
	}
}

// After any calls, a file and its copies have the content of the model, opened with and
// without verification of the leaves.
func TestAFileHoldsWhatItsModelHolds(t *testing.T) {
	dir := t.TempDir()
	m := &modelFile{t: t, r: kvtest.Rand(t), path: filepath.Join(dir, "kv.db"), now: time.Unix(1_700_000_000, 0), want: map[string]State{}}
	m.open()
	for i := range kvtest.Sized(40, 150, 1000) {
		switch m.r.IntN(12) {
		case 0:
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(m.path)
			if err == nil {
				_, err = verifyFile(t.Context(), f, math.MaxInt64)
				f.Close()
			}
			if err != nil {
				t.Error(err)
			}
			m.open()
		case 1:
			if err := m.Compact(); err != nil {
				t.Fatal(err)
			}
		case 2:
			copied := *m
			copied.path = filepath.Join(dir, fmt.Sprint("copy", i%3, ".db")) // the second time it is replaced
			loc, err := (*access.List)(nil).Locate(copied.path)
			if err == nil {
				err = m.BackupFile(t.Context(), loc, m.Snapshot)
			}
			if err != nil {
				t.Fatal(err)
			}
			copied.open()
			copied.check()
			if err := copied.Close(); err != nil {
				t.Error(err)
			}
		case 3:
			m.now = m.now.Add(time.Duration(m.r.IntN(40)))
		default:
			m.update()
		}
		if m.check(); t.Failed() {
			t.Fatalf("after %d steps", i)
		}
	}
	info, err := os.Stat(m.path)
	if err != nil || !m.Is(info) || m.Size() > info.Size() {
		t.Errorf("the file is another one, %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.View(func(*Tx) error { return nil }); !errors.Is(err, kverr.Closed) {
		t.Errorf("a closed file: %v", err)
	}
}

// What is no kv file, or cannot be opened, is refused with the kind of its error, is not
// changed, and is not locked afterwards.
func TestWhatCannotBeOpenedIsRefusedAndLeftUnchanged(t *testing.T) {
	kvFile := func(change func(*bolt.Tx) error) func(string) error {
		return func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			_, err = layOut(db)
			return errors.Join(err, db.Update(change), db.Close())
		}
	}
	content := func(b string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(b), 0o600) }
	}
	changed := func(change func([]byte) []byte) func(string) error {
		return func(path string) error {
			err := kvFile(func(*bolt.Tx) error { return nil })(path)
			b, err2 := os.ReadFile(path)
			return errors.Join(err, err2, os.WriteFile(path, change(b), 0o600))
		}
	}
	foreign := func(names ...string) func(string) error {
		return func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(db.Update(func(tx *bolt.Tx) (err error) {
				for _, name := range names {
					_, err2 := tx.CreateBucket([]byte(name))
					err = errors.Join(err, err2)
				}
				return err
			}), db.Close())
		}
	}
	format := func(version ...byte) func(string) error {
		return kvFile(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaFormat, version) })
	}
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprint("a bucket ", i)
	}
	for name, tt := range map[string]struct {
		make func(string) error
		opts Options
		kind error
	}{
		"a text file":             {content("this is no store\n"), Options{}, kverr.Format},
		"a long text file":        {content(strings.Repeat("this is no store\n", 5000)), Options{}, kverr.Format},
		"a file of one byte":      {content("x"), Options{}, kverr.Format},
		"a file of zeros":         {content(string(make([]byte, 1<<16))), Options{}, kverr.Format},
		"a SQLite file":           {content("SQLite format 3\x00" + string(make([]byte, 4080))), Options{}, kverr.Format},
		"a newer format":          {format(formatVersion + 1), Options{}, kverr.Format},
		"a much newer format":     {format(255), Options{}, kverr.Format},
		"a format of nothing":     {format(0), Options{}, kverr.Format},
		"a format of two bytes":   {format(1, 0), Options{}, kverr.Format},
		"a truncated file":        {changed(func(b []byte) []byte { return b[:4*os.Getpagesize()] }), Options{}, kverr.Corrupt},
		"a file of its meta page": {changed(func(b []byte) []byte { return b[:100] }), Options{}, kverr.Corrupt},
		"damaged meta pages":      {changed(func(b []byte) []byte { b[40] ^= 1; b[os.Getpagesize()+40] ^= 1; return b }), Options{}, kverr.Corrupt},
		"another bbolt file":      {foreign("users"), Options{}, kverr.Format},
		"another, with meta":      {foreign("meta"), Options{}, kverr.Format},
		"another, of many pages":  {foreign(many...), Options{}, kverr.Format},
		"a file without its data": {kvFile(func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketData) }), Options{}, kverr.Corrupt},
		"a count that is too high": {kvFile(func(tx *bolt.Tx) error {
			return setMetaNumber(tx.Bucket(bucketMeta), metaCount, 1<<40)
		}), Options{}, kverr.Corrupt},
		"a file beyond its limit": {kvFile(func(*bolt.Tx) error { return nil }), Options{MaxBytes: 8192}, kverr.Full},
		"an empty file, to read":  {content(""), Options{ReadOnly: true}, kverr.ReadOnly},
		"no file, to read":        {func(string) error { return nil }, Options{ReadOnly: true}, fs.ErrNotExist},
		"a claimed file":          {kvFile(func(*bolt.Tx) error { return nil }), Options{Claim: func(os.FileInfo) error { return kverr.InUse }}, kverr.InUse},
	} {
		for _, verify := range []int64{0, -1} {
			path := filepath.Join(t.TempDir(), "kv.db")
			if err := tt.make(path); err != nil {
				t.Fatal(name, err)
			}
			before, _ := os.ReadFile(path)
			loc, err := (*access.List)(nil).Locate(path)
			if err != nil {
				t.Fatal(err)
			}
			opts := tt.opts
			opts.VerifyBytes, opts.Now, opts.Logger = verify, time.Now, slog.New(slog.DiscardHandler)
			for range 2 {
				if f, err := Open(t.Context(), loc, opts); !errors.Is(err, tt.kind) || f != nil {
					t.Errorf("%s: %v, want %v", name, err, tt.kind)
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
				t.Errorf("%s: the file changed", name)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				continue
			}
			if locked, err := access.TryLock(f); access.CanLock && (!locked || err != nil) {
				t.Errorf("%s: it is locked, %v", name, err)
			}
			f.Close()
		}
	}
}

// The leaves that no read came to are free after a clear, and become branches and parts of
// large values.
func TestAFileThatWasNotReadIsClearedAndWrittenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{VerifyBytes: -1, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	f, err := Open(t.Context(), loc, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { f.Close() }()
	fill := func(text string) {
		t.Helper()
		for i := range 60 {
			err := f.Update(func(tx *Tx) error {
				for j := range 100 {
					value := text
					if j == 99 { // takes several pages
						value = strings.Repeat(text, 2000)
					}
					if err := tx.SetState(fmt.Sprintf("k%07d", (100*i+j)*7919%1_000_000), State{Exists: true, Value: value, Deadline: 1 << 60}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	fill("before")
	for _, again := range []bool{true, false} {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if f, err = Open(t.Context(), loc, opts); err != nil {
			t.Fatal(err)
		}
		unread := f.pages.set.Unread()
		err := f.Update(func(tx *Tx) error {
			if err := tx.Clear(); err != nil || !again {
				return err
			}
			return os.ErrInvalid
		})
		if again {
			if !errors.Is(err, os.ErrInvalid) || unread == 0 || f.pages.set.Unread() != unread {
				t.Errorf("a clear that was given up: %v; %d leaves are to be verified, there were %d", err, f.pages.set.Unread(), unread)
			}
			continue
		}
		if err != nil || f.pages.set.Unread() != 0 {
			t.Errorf("clear: %v; %d leaves are to be verified", err, f.pages.set.Unread())
		}
		fill("after")
		if err := f.View(func(tx *Tx) error {
			n := 0
			err := tx.Scan("", func(_, _ []byte) (bool, error) { n++; return true, nil })
			if n != 6000 || tx.Count != 6000 {
				t.Errorf("%d keys, the file counts %d", n, tx.Count)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestAnEmptyFileBecomesAStoreThatOneCanHave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openTest(t, t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Update(func(tx *Tx) error { return tx.SetState("k", State{Exists: true, Value: "v"}) }); err != nil {
		t.Error(err)
	}
	if _, err := openTest(t, t.Context(), path, 0); access.CanLock && !errors.Is(err, kverr.InUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Skip(err)
	}
	if err := f.Update(func(tx *Tx) error { return tx.SetState("k", State{}) }); !errors.Is(err, kverr.Replaced) {
		t.Errorf("the file was removed: %v", err)
	}
	if err := f.Err(); err != nil {
		t.Errorf("reads fail: %v", err)
	}
}
