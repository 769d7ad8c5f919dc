package boltfile

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
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
