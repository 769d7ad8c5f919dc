package wal

import (
	"errors"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// written returns how many bytes were written since the last sync.
func (d *disk) written() (n int64) {
	for _, w := range d.pending {
		n += int64(len(w.data))
	}
	return n
}

func TestALogWritesWhatItHolds(t *testing.T) {
	d := &disk{}
	total := int64(0)
	d.onSync = func() { total += d.written() }
	l := create(t, d, 8<<20, Options{Allocate: d.allocate})
	if total > 40<<10 {
		t.Errorf("a new log wrote %d bytes", total)
	}
	value := strings.Repeat("x", 10<<10)
	for lap := range 3 {
		for {
			var b Batch
			b.Put("k", value, 0)
			to, err := l.Append(&b, 0)
			if err == ErrNoRoom {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			sync1(t, l, to)
			if most := 40<<10 + int64(to) + min(2*int64(to), int64(to)+maxFill, l.size); total > most {
				t.Fatalf("%d bytes were written for %d of records", total, to)
			}
		}
		l.Release(l.Tail())
		if d.size() != l.FileBytes() || l.filled != l.size {
			t.Fatalf("lap %d: the file has %d bytes of %d, %d of %d are filled", lap, d.size(), l.FileBytes(), l.filled, l.size)
		}
	}
}

func TestALogThatNeedsNoZerosWritesNone(t *testing.T) {
	d := &disk{}
	l := create(t, d, 1<<20, Options{Allocate: func(size int64) (bool, error) { return true, d.Truncate(size) }})
	d.failWrite = errors.New("written")
	if err := l.prepare(l.size); err != nil {
		t.Error(err)
	}
}

func TestALogThatCannotBeFilledChangesNothing(t *testing.T) {
	full := kverr.Errorf(kverr.Full, "the disk is full")
	d := &disk{}
	if _, err := Create(d, 1<<20, 0, Options{Allocate: func(int64) (bool, error) { return false, full }}); !errors.Is(err, kverr.Full) {
		t.Errorf("Create: %v", err)
	}
	l := create(t, d, 1<<20, Options{Allocate: d.allocate})
	sync1(t, l, set(t, l, "a", "1"))
	d.failWrite = full
	var b Batch
	b.Put("b", strings.Repeat("x", firstFill), 0)
	if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Full) {
		t.Errorf("Append: %v", err)
	}
	mustReplay(t, d, l.ID(), 0, "a=1")
	d.failWrite = nil
	sync1(t, l, set(t, l, "c", strings.Repeat("y", 2*firstFill)))
	mustReplay(t, d, l.ID(), 0, "a=1", "c="+strings.Repeat("y", 2*firstFill))
}
