package boltfile

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/wal"
)

// A file of large values has little more than their bytes after a compaction, also when it
// is closed. A second one has nothing to gain.
func TestCompactionOfLargeValuesMakesTheFileSmaller(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/app.db"
	f, err := openTest(t, t.Context(), path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	const values, size = 20, 1 << 20
	for i := range values {
		err := f.Update(func(tx *Tx) error {
			return tx.SetState(fmt.Sprint("key", i), State{Exists: true, Value: strings.Repeat(fmt.Sprint(i%10), size)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	length := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	const most = values*size + values*8192 + 64<<10
	before := length()
	if err := f.Compact(); err != nil {
		t.Fatal(err)
	}
	after := length()
	if before < most || after > most {
		t.Errorf("%d bytes before, %d after, want at most %d", before, after, most)
	}
	info, _ := os.Stat(path)
	if err := f.Compact(); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.Stat(path); !os.SameFile(info, again) {
		t.Error("a file was rewritten that does not become smaller")
	}
	err = f.Update(func(tx *Tx) error { return tx.SetState("key3", State{Exists: true, Value: "small"}) })
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := length(); n > most {
		t.Errorf("%d bytes after a write and a close, want at most %d", n, most)
	}
}

// The other name of a file that Compact has replaced leads to a complete store, which needs no
// log: the log belongs to the new file.
func TestCompactLeavesTheOtherNameOfAFileACompleteStore(t *testing.T) {
	t.Parallel()
	path := storedFile(t, map[string]State{"k": {Value: "v"}, "large": {Value: strings.Repeat("v", 1<<20)}})
	f, err := openTest(t, t.Context(), path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ref := LogRef{ID: wal.ID{1, 2, 3}, Pos: 4096}
	err = f.Update(func(tx *Tx) error { return errors.Join(tx.SetState("large", State{}), tx.SetLog(&ref)) })
	if err != nil {
		t.Fatal(err)
	}
	other := path + ".other"
	if err := os.Link(path, other); err != nil {
		t.Skip(err)
	}
	if err := errors.Join(f.Compact(), f.Close()); err != nil {
		t.Fatal(err)
	}
	before, errBefore := os.Stat(other)
	after, errAfter := os.Stat(path)
	if err := errors.Join(errBefore, errAfter); err != nil || os.SameFile(before, after) {
		t.Fatalf("the file was not replaced, %v", err)
	}
	for name, want := range map[string]*LogRef{path: &ref, other: nil} {
		f, err := openTest(t, t.Context(), name, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		err = f.View(func(tx *Tx) error {
			if got := tx.Log(); (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("%s needs the log %v, want %v", name, got, want)
			}
			if s, err := tx.State("k", true); err != nil || s.Value != "v" || tx.Count != 1 {
				t.Errorf("%s has %d keys, k is %+v, %v", name, tx.Count, s, err)
			}
			return nil
		})
		if err := errors.Join(err, f.Close()); err != nil {
			t.Error(err)
		}
	}
}
