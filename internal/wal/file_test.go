package wal

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// disk is a file that remembers what of it is durable, and fails where it is told.
type disk struct {
	mu        sync.Mutex
	data      []byte
	durable   []byte
	pending   []pendingWrite // since the last sync
	syncs     atomic.Int64
	slow      time.Duration
	onSync    func() // before the sync
	failSync  error
	failWrite error
}

type pendingWrite struct {
	off  int64
	data []byte
}

func (d *disk) ReadAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.NewReader(d.data).ReadAt(b, off)
}

func (d *disk) WriteAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failWrite != nil {
		half := len(b) / 2
		d.data = overwrite(d.data, b[:half], off)
		return half, d.failWrite
	}
	d.data = overwrite(d.data, b, off)
	d.pending = append(d.pending, pendingWrite{off, bytes.Clone(b)})
	return len(b), nil
}

func overwrite(data, b []byte, off int64) []byte {
	if grow := int(off) + len(b) - len(data); grow > 0 {
		data = append(data, make([]byte, grow)...)
	}
	copy(data[off:], b)
	return data
}

func (d *disk) Truncate(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if int64(len(d.data)) > n {
		d.data = d.data[:n]
	}
	d.pending = slices.DeleteFunc(d.pending, func(w pendingWrite) bool { return w.off >= n })
	d.data = overwrite(d.data, nil, n)
	return nil
}

// allocate is Options.Allocate.
func (d *disk) allocate(size int64) (bool, error) { return false, d.Truncate(size) }

func (d *disk) Sync() error {
	d.syncs.Add(1)
	if d.onSync != nil {
		d.onSync()
	}
	if d.slow > 0 {
		time.Sleep(d.slow)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failSync == nil {
		d.durable = overwrite(d.durable[:min(len(d.durable), len(d.data))], nil, int64(len(d.data)))
		for _, w := range d.pending { // and nothing else, whatever the page cache holds
			d.durable = overwrite(d.durable, w.data, w.off)
		}
		d.pending = nil
	}
	return d.failSync
}

func (d *disk) size() int64 { d.mu.Lock(); defer d.mu.Unlock(); return int64(len(d.data)) }

// cut returns what a power cut may leave: of what was written since the last
// sync some sectors, in no order.
func (d *disk) cut(r *rand.Rand) *disk {
	const sector = 512
	d.mu.Lock()
	defer d.mu.Unlock()
	after := overwrite(bytes.Clone(d.durable), nil, int64(len(d.data)))
	for _, w := range d.pending {
		for len(w.data) > 0 {
			n := min(sector-int(w.off)%sector, len(w.data))
			if r.IntN(3) > 0 {
				copy(after[w.off:], w.data[:n])
			}
			w.off, w.data = w.off+int64(n), w.data[n:]
		}
	}
	return &disk{data: after, durable: bytes.Clone(after)}
}

func create(t testing.TB, d *disk, size int64, opts Options) *Log {
	t.Helper()
	l, err := Create(d, size, 0, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func set(t testing.TB, l *Log, key, value string) LSN {
	t.Helper()
	var b Batch
	b.Put(key, value, 0)
	to, err := l.Append(&b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func sync1(t testing.TB, l *Log, to LSN) {
	t.Helper()
	if err := l.Sync(t.Context(), to); err != nil {
		t.Fatal(err)
	}
}

// replayed lists what a replay sees, as "key=value", "-key" and "clear".
func replayed(d *disk, id ID, from LSN) ([]string, LSN, error) {
	var got []string
	end, err := Replay(context.Background(), d, d.size(), id, from, func(op Op) error {
		switch op.Kind {
		case Put:
			got = append(got, op.Key+"="+op.Value)
		case Delete:
			got = append(got, "-"+op.Key)
		case Clear:
			got = append(got, "clear")
		}
		return nil
	})
	return got, end, err
}

func mustReplay(t testing.TB, d *disk, id ID, from LSN, want ...string) LSN {
	t.Helper()
	got, end, err := replayed(d, id, from)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("replayed %q, want %q", got, want)
	}
	return end
}
