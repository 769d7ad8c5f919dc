package boltfile

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

func openLate(t *testing.T, path string, opts Options) *File {
	t.Helper()
	loc, err := (*access.List)(nil).Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	opts.VerifyBytes, opts.Now, opts.Logger = -1, func() time.Time { return time.Unix(1000, 0) }, slog.New(slog.DiscardHandler)
	f, err := Open(t.Context(), loc, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// storedFile makes a file of some keys, and returns its path.
func storedFile(t *testing.T, states map[string]State) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kv.db")
	f, err := openTest(t, t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Update(func(tx *Tx) (err error) {
		for key, s := range states {
			s.Exists = true
			err = errors.Join(err, tx.SetState(key, s))
		}
		return err
	})
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func edit(t *testing.T, path string, change func([]byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// index returns the keys in the index of deadlines.
func index(t *testing.T, f *File) (keys []string, places [][]byte) {
	t.Helper()
	err := f.View(func(tx *Tx) error {
		return tx.ScanDeadlines(nil, func(e IndexEntry) (bool, error) {
			keys, places = append(keys, string(e.Key)), append(places, bytes.Clone(e.Place))
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, places
}

// The deadline of a damaged record is unknown: its entry of the index is found when the
// record is replaced.
func TestADamagedRecordCanBeReplaced(t *testing.T) {
	path := storedFile(t, map[string]State{"bad": {Value: "damaged", Deadline: 5}, "good": {Value: "whole", Deadline: 6}, "large": {Value: strings.Repeat("v", 3000)}}) // not inline: those are verified at once
	edit(t, path, func(b []byte) {
		for at := bytes.Index(b, []byte("damaged")); at >= 0; at = bytes.Index(b, []byte("damaged")) {
			b[at] = 'D'
		}
	})
	f := openLate(t, path, Options{})
	err := f.View(func(tx *Tx) error {
		if s, err := tx.State("bad", true); !errors.Is(err, kverr.Corrupt) || s.Deadline != UnknownDeadline {
			t.Errorf("it is %v, %v", s, err)
		}
		if tx.Indexed([]byte("bad"), 5) != Unreadable {
			t.Error("its entry of the index is readable")
		}
		if _, err := tx.State("absent", true); !errors.Is(err, kverr.Corrupt) {
			t.Errorf("beside a damaged record absent keys are unknown: %v", err)
		}
		s, err := tx.State("good", true)
		if s.Value != "whole" {
			t.Errorf("the other one is %v", s)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := f.Update(func(tx *Tx) error { return tx.SetState("bad", State{true, 7, "new"}) }); err != nil {
		t.Fatal(err)
	}
	if keys, _ := index(t, f); strings.Join(keys, " ") != "good bad" {
		t.Errorf("the index has %q", keys)
	}
}

func TestStrayEntriesOfTheIndexAreDropped(t *testing.T) {
	path := storedFile(t, map[string]State{"k": {Value: "v", Deadline: 5}})
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		wrong, v := expiryEntry(4, "k")
		absent, long := expiryEntry(3, strings.Repeat("k", bolt.MaxKeySize))
		return errors.Join(tx.Bucket(bucketExpiry).Put(wrong, v), tx.Bucket(bucketExpiry).Put(absent, long), tx.Bucket(bucketExpiry).Put([]byte("short"), nil))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	f := openLate(t, path, Options{})
	keys, places := index(t, f)
	if len(keys) != 4 {
		t.Fatalf("the index has %.20q", keys)
	}
	if err := f.Update(func(tx *Tx) error { return tx.DropStray(places) }); err != nil {
		t.Fatal(err)
	}
	if keys, _ := index(t, f); len(keys) != 1 || keys[0] != "k" {
		t.Errorf("the index has %.20q", keys)
	}
}

func TestAValueBeyondTheLimitOfReadsIsNotRead(t *testing.T) {
	f := openLate(t, storedFile(t, map[string]State{"k": {Value: strings.Repeat("v", 500), Deadline: 5}}), Options{MaxValue: 100, ReadOnly: true})
	err := f.View(func(tx *Tx) error {
		if _, err := tx.State("k", true); !errors.Is(err, kverr.TooLarge) {
			t.Errorf("with its value: %v", err)
		}
		s, err := tx.State("k", false)
		if !s.Exists || s.Deadline != 5 {
			t.Errorf("without its value: %v", s)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := f.Update((*Tx).Clear); err == nil || !f.ReadOnly() {
		t.Error("a file that was opened for reading is written")
	}
}

// check returns what Check says of a file.
func check(t *testing.T, path string) Report {
	t.Helper()
	d, err := OpenDamaged(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := d.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCheckSaysWhatIsLost(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "kv.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := check(t, empty); len(r.Damage) > 0 || r.Keys != 0 {
		t.Errorf("an empty file: %+v", r)
	}
	if err := os.WriteFile(empty+access.LogSuffix, []byte("kv log, and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := check(t, empty); len(r.Damage) != 1 || !r.Log || r.Torn() {
		t.Errorf("an empty file beside a log: %+v", r)
	}

	path := storedFile(t, map[string]State{"a": {Value: "first"}, "b": {Value: "second"}})
	if r := check(t, path); len(r.Damage) > 0 || r.Records != 2 {
		t.Errorf("a whole file: %+v", r)
	}
	edit(t, path, func(b []byte) { b[bytes.LastIndex(b, []byte("second"))] ^= 1 })
	r := check(t, path)
	if n, known := r.Lost(); n != 1 || !known || r.Bad != 1 || len(r.Damage) != 1 {
		t.Errorf("a damaged record: %+v", r)
	}

	path = storedFile(t, map[string]State{"a": {Value: "v"}})
	edit(t, path, func(b []byte) { b[os.Getpagesize()+40] ^= 1 })
	if r := check(t, path); !r.Torn() {
		t.Errorf("a torn meta page: %+v", r)
	}
}
