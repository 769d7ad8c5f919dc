package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// disk is a file that remembers what of it is durable, and fails where it is told.
type disk struct {
	mu        sync.Mutex
	data      []byte
	durable   []byte
	pending   []pendingWrite // since the last sync
	syncs     atomic.Int64
	slow      time.Duration
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

func (d *disk) Sync() error {
	d.syncs.Add(1)
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
	l, err := Create(d, size, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func set(t testing.TB, l *Log, key, value string) Pos {
	t.Helper()
	var b Batch
	b.Put(key, value, 0)
	to, err := l.Append(&b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func sync1(t testing.TB, l *Log, to Pos) {
	t.Helper()
	if err := l.Sync(t.Context(), to); err != nil {
		t.Fatal(err)
	}
}

// replayed lists what a replay sees, as "key=value", "-key" and "clear".
func replayed(d *disk, id ID, from Pos) ([]string, Pos, error) {
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

func mustReplay(t testing.TB, d *disk, id ID, from Pos, want ...string) Pos {
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

func TestReplayReturnsWhatWasAppendedInItsOrder(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	var b Batch
	b.Put("a", "1", 0)
	b.Put("b", "", 17)
	b.Delete("a")
	b.Clear()
	b.Put("c", strings.Repeat("x", 300), 1<<62)
	if _, err := l.Append(&b, 0); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if _, err := l.Append(&b, 0); err != nil { // a record of nothing
		t.Fatal(err)
	}
	end := set(t, l, "d", "2")
	var deadlines []int64
	_, err := Replay(context.Background(), d, d.size(), l.ID(), 0, func(op Op) error { deadlines = append(deadlines, op.Deadline); return nil })
	if err != nil || !slices.Equal(deadlines, []int64{0, 17, 0, 0, 1 << 62, 0}) {
		t.Fatal(deadlines, err)
	}
	if got := mustReplay(t, d, l.ID(), 0, "a=1", "b=", "-a", "clear", "c="+strings.Repeat("x", 300), "d=2"); got != end {
		t.Fatalf("replay ended at %d, the log at %d", got, end)
	}
	mustReplay(t, d, l.ID(), end)
}

func TestRecordsOfEarlierLapsAreNotReplayed(t *testing.T) {
	d := &disk{}
	l := create(t, d, 2*headerBytes, Options{})
	var ends []Pos
	for i := range 2000 {
		end := set(t, l, fmt.Sprint("k", i), strings.Repeat("v", i%300))
		ends = append(ends, end)
		if i >= 3 {
			l.Release(ends[i-3])
			mustReplay(t, d, l.ID(), ends[i-3], fmt.Sprint("k", i-2, "=", strings.Repeat("v", (i-2)%300)),
				fmt.Sprint("k", i-1, "=", strings.Repeat("v", (i-1)%300)), fmt.Sprint("k", i, "=", strings.Repeat("v", i%300)))
			mustReplay(t, d, l.ID(), end)
		}
	}
	if int64(ends[len(ends)-1]) < 20*l.size {
		t.Fatal("the ring was not gone round")
	}
}

func TestAppendRefusesWhatHasNoRoom(t *testing.T) {
	d := &disk{}
	l := create(t, d, 2*headerBytes, Options{})
	var b Batch
	b.Put("k", strings.Repeat("v", headerBytes-recordHead-6), 0)
	if b.Len() != headerBytes {
		t.Fatal(b.Len())
	}
	if _, err := l.Append(&b, 1); err != ErrNoRoom {
		t.Fatal(err)
	}
	end, err := l.Append(&b, 0)
	if err != nil {
		t.Fatal(err)
	}
	mustReplay(t, d, l.ID(), 0, "k="+strings.Repeat("v", headerBytes-recordHead-6))
	var small Batch
	small.Delete("k")
	if _, err := l.Append(&small, 0); err != ErrNoRoom {
		t.Fatal(err)
	}
	l.Release(end)
	if _, err := l.Append(&small, 0); err != nil {
		t.Fatal(err)
	}
	mustReplay(t, d, l.ID(), end, "-k")
}

func TestATornEndIsNormal(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	first := set(t, l, "a", "1")
	sync1(t, l, first)
	last := set(t, l, "b", strings.Repeat("x", 100))
	for at := first; at < last; at++ {
		torn := &disk{data: bytes.Clone(d.data)}
		for i := at; i < last; i++ {
			torn.data[headerBytes+i] = 0
		}
		got, _, err := replayed(torn, l.ID(), 0)
		// The record may end with zeros that no one misses.
		if err != nil || got[0] != "a=1" || len(got) > 1 && at < last-recordAlign {
			t.Fatal(at, got, err)
		}
		torn.data[headerBytes+at] ^= 0x5a
		if got, _, err = replayed(torn, l.ID(), 0); err != nil || got[0] != "a=1" {
			t.Fatal(at, got, err)
		}
	}
}

func TestWhatWasDurableAndIsLostIsNamed(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	a := set(t, l, "a", "1")
	sync1(t, l, a)
	b := set(t, l, "b", "2")
	sync1(t, l, b)
	set(t, l, "c", "3")
	set(t, l, "d", "4")

	d.data[headerBytes+a+recordHead+2] ^= 1 // b: c was written when it was durable
	if _, _, err := replayed(d, l.ID(), 0); !errors.Is(err, kverr.Corrupt) {
		t.Fatal(err)
	}
	d.data[headerBytes+a+recordHead+2] ^= 1
	d.data[headerBytes+b+recordHead+2] ^= 1 // c: it never was
	mustReplay(t, d, l.ID(), 0, "a=1", "b=2")
}

func TestALogOfAnotherStoreIsRefused(t *testing.T) {
	d, other := &disk{}, &disk{}
	l, o := create(t, d, 16<<10, Options{}), create(t, other, 16<<10, Options{})
	set(t, o, "a", "1")
	if _, _, err := replayed(other, l.ID(), 0); !errors.Is(err, kverr.Corrupt) {
		t.Fatal(err)
	}
	// Its records in this log's file, too.
	copy(d.data[headerBytes:], other.data[headerBytes:])
	mustReplay(t, d, l.ID(), 0)
}

func TestOtherFilesAreRefused(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	set(t, l, "a", "1")
	whole := bytes.Clone(d.data)
	cases := []struct {
		name string
		make func() []byte
		size int64
		kind error
	}{
		{"empty", func() []byte { return nil }, 0, kverr.Format},
		{"text", func() []byte { return []byte("Dear diary, ...") }, 15, kverr.Format},
		{"a newer format", func() []byte { b := bytes.Clone(whole); b[7] = 9; return b }, int64(len(whole)), kverr.Format},
		{"damaged header", func() []byte { b := bytes.Clone(whole); b[9] ^= 1; return b }, int64(len(whole)), kverr.Corrupt},
		{"header only", func() []byte { return whole[:headerBytes] }, headerBytes, kverr.Corrupt},
		{"cut in the header", func() []byte { return whole[:20] }, 20, kverr.Corrupt},
		{"enormous", func() []byte { _, b := newHeader(1 << 50); return b }, 1 << 50, kverr.Corrupt},
		{"cut", func() []byte { return whole[:len(whole)-headerBytes] }, int64(len(whole)) - headerBytes, kverr.Corrupt},
		{"shorter than it says", func() []byte { return whole[:headerBytes+100] }, int64(len(whole)), io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		_, err := Replay(context.Background(), &disk{data: c.make()}, c.size, l.ID(), 0, func(Op) error { return nil })
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, from := range []Pos{-32, 1, 1<<63 - 32, maxPos + 32} {
		if _, _, err := replayed(d, l.ID(), from); !errors.Is(err, kverr.Corrupt) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

func TestALengthIsNotBelieved(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	// The checksum holds, the lengths within the record do not.
	for _, payload := range [][]byte{
		{byte(Put), 0xff, 0xff, 0xff, 0xff, 0x7f, 'k'},
		{byte(Put), 1, 'k', 0, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{byte(Put), 1, 'k', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0},
		{byte(Put), 1, 'k'},
		{byte(Delete), 2, 'k'},
		{99},
	} {
		b := Batch{b: append(make([]byte, recordHead), payload...)}
		from := l.Tail()
		if _, err := l.Append(&b, 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := replayed(d, l.ID(), from); !errors.Is(err, kverr.Corrupt) {
			t.Errorf("%v: %v", payload, err)
		}
		l.Release(l.Tail())
	}
}

func TestALogOfHeadsThatOverlapIsRefusedAtOnce(t *testing.T) {
	const size = 4 << 20
	d := &disk{}
	l := create(t, d, headerBytes+size, Options{})
	id := l.ID()
	for at := int64(0); at < size; at += recordAlign {
		h := d.data[headerBytes+at:][:recordHead]
		copy(h, id[:saltBytes])
		binary.BigEndian.PutUint64(h[8:], uint64(at))
		binary.BigEndian.PutUint64(h[16:], uint64(at))
		binary.BigEndian.PutUint32(h[24:], uint32(size-at-recordHead))
	}
	began := time.Now()
	if _, _, err := replayed(d, id, 0); !errors.Is(err, kverr.Corrupt) {
		t.Error(err)
	}
	if _, err := Unused(d, int64(len(d.data)), id); !errors.Is(err, kverr.Corrupt) {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second { // reading each as a whole takes minutes
		t.Errorf("it took %v", took)
	}
}

func TestAFailedSyncLatches(t *testing.T) {
	d := &disk{slow: time.Millisecond}
	l := create(t, d, 16<<10, Options{})
	sync1(t, l, set(t, l, "a", "1"))
	d.failSync = errors.New("input/output error")
	to := set(t, l, "b", "2")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := l.Sync(context.Background(), to); !errors.Is(err, kverr.CommitUnknown) || errors.Is(err, kverr.Unavailable) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	d.mu.Lock()
	d.failSync = nil
	d.mu.Unlock()
	var b Batch
	b.Delete("a")
	if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Unavailable) || errors.Is(err, kverr.CommitUnknown) {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context(), to); !errors.Is(err, kverr.CommitUnknown) {
		t.Fatal(err)
	}
	if l.Err() == nil {
		t.Fatal("the log goes on")
	}
	sync1(t, l, to-recordAlign*2) // what was durable before is
}

func TestAFullDiskLeavesTheLogAsItWas(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	set(t, l, "a", "1")
	d.failWrite = kverr.Errorf(kverr.Full, "the disk is full")
	var b Batch
	b.Put("b", strings.Repeat("x", 1000), 0)
	if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Full) {
		t.Fatal(err)
	}
	mustReplay(t, d, l.ID(), 0, "a=1")
	d.failWrite = nil
	if _, err := l.Append(&b, 0); err != nil {
		t.Fatal(err)
	}
	set(t, l, "c", "3")
	mustReplay(t, d, l.ID(), 0, "a=1", "b="+strings.Repeat("x", 1000), "c=3")

	d.failWrite = errors.New("input/output error")
	if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Unavailable) {
		t.Fatal(err)
	}
	d.failWrite = nil
	if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Unavailable) {
		t.Fatal(err)
	}
}

func TestCallersShareSyncs(t *testing.T) {
	for _, c := range []struct {
		writers int
		most    float64
	}{{1, 1}, {8, 0.3}, {64, 0.06}} {
		d := &disk{}
		l := create(t, d, 16<<20, Options{})
		d.slow = 300 * time.Microsecond
		before := d.syncs.Load()
		const each = 100
		var wait sync.WaitGroup
		for range c.writers {
			wait.Go(func() {
				for range each {
					sync1(t, l, set(t, l, "k", "v"))
				}
			})
		}
		wait.Wait()
		per := float64(d.syncs.Load()-before) / float64(each*c.writers)
		t.Logf("%d writers: %.3f syncs per record", c.writers, per)
		if per > c.most {
			t.Errorf("%d writers: %.3f syncs per record, at most %.2f expected", c.writers, per, c.most)
		}
	}
}

func TestDurableIsToldBeforeThoseWhoWait(t *testing.T) {
	d := &disk{}
	var told atomic.Int64
	l := create(t, d, 1<<20, Options{Durable: func(p Pos) { told.Store(int64(p)) }})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				to := set(t, l, "k", "v")
				sync1(t, l, to)
				if Pos(told.Load()) < to {
					t.Error("woken first")
				}
			}
		})
	}
	wait.Wait()
}

func TestTheEndOfAContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		l := create(t, d, 16<<10, Options{})
		d.slow = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := l.Sync(ctx, set(t, l, "k", "v"))
		if !errors.Is(err, kverr.CommitUnknown) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
			t.Fatal(err, time.Since(began))
		}
	})
}

func TestARecordIsSyncedWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 100 * time.Millisecond
		f := &disk{}
		l := create(t, f, 1<<20, Options{Interval: d})
		f.slow = 10 * time.Millisecond
		before := f.syncs.Load()
		for range 100 {
			at := set(t, l, "k", "v")
			if err := l.Promise(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(d, func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				if l.durable < at {
					t.Error("not durable in time")
				}
			})
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(2 * d)
		if n := f.syncs.Load() - before; n > 11 {
			t.Errorf("%d syncs in half a second", n)
		}
		n := f.syncs.Load()
		time.Sleep(time.Hour)
		if f.syncs.Load() != n {
			t.Error("it syncs where there is nothing to sync")
		}
	})
}

func TestASlowDiskMakesWritersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 100 * time.Millisecond
		f := &disk{}
		l := create(t, f, 1<<20, Options{Interval: d})
		f.slow = time.Second
		for range 500 {
			set(t, l, "k", "v")
			if err := l.Promise(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.mu.Lock()
			if !l.since.IsZero() && time.Since(l.since) > d {
				t.Error("acknowledged while older writes were not durable for", time.Since(l.since))
			}
			l.mu.Unlock()
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func TestResumeLeavesNothingBehindTheEnd(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	a := set(t, l, "a", "1")
	sync1(t, l, a)
	b := set(t, l, "b", "2")
	set(t, l, "c", "3")
	clear(d.data[headerBytes+a : headerBytes+b]) // the power was cut: b is lost, c is there
	end := mustReplay(t, d, l.ID(), 0, "a=1")
	clear(d.durable[headerBytes:]) // and the page cache is all that has a
	d.pending = nil

	r, err := Resume(d, d.size(), l.ID(), 0, end, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustReplay(t, &disk{data: bytes.Clone(d.durable)}, l.ID(), 0, "a=1")
	if set(t, r, "b", "4") != b {
		t.Fatal("the new record does not end where the lost one did")
	}
	mustReplay(t, d, l.ID(), 0, "a=1", "b=4")
}

func TestAPowerCutLosesNothingThatWasSynced(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		d := &disk{}
		l, err := Create(d, 3*headerBytes, Options{})
		if err != nil {
			t.Fatal(err)
		}
		id, from, n, next := l.ID(), Pos(0), 0, 0 // n: known to be durable
		var all []string                          // since from
		var ends []Pos
		for range 4 {
			for range r.IntN(40) {
				switch r.IntN(4) {
				case 0:
					sync1(t, l, l.Tail())
					n = len(all)
				case 1: // a checkpoint
					if k := r.IntN(n + 1); k > 0 {
						from = ends[k-1]
						all, ends, n = all[k:], ends[k:], n-k
						l.Release(from)
					}
				default:
					var b Batch
					value := fmt.Sprint(next, strings.Repeat("x", r.IntN(1200)))
					b.Put("k", value, 0)
					end, err := l.Append(&b, 0)
					if err == ErrNoRoom {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					next++
					all, ends = append(all, "k="+value), append(ends, end)
				}
			}
			d = d.cut(r)
			got, end, err := replayed(d, id, from)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if len(got) < n || len(got) > len(all) || !slices.Equal(got, all[:len(got)]) {
				t.Fatalf("seed %d: %d records are there, %d of %d were durable", seed, len(got), n, len(all))
			}
			all, ends, n = all[:len(got)], ends[:len(got)], len(got)
			if l, err = Resume(d, d.size(), id, from, end, Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func FuzzReplay(f *testing.F) {
	d := &disk{}
	l := create(f, d, 2*headerBytes, Options{})
	l.id = ID{1, 2, 3, 4, 5, 6, 7, 8}
	for i := range 60 {
		end := set(f, l, fmt.Sprint("key", i), strings.Repeat("v", i))
		sync1(f, l, end)
		if i == 20 || i == 40 {
			l.Release(end)
		}
	}
	ring := d.data[headerBytes:]
	f.Add(ring, int64(0), false)
	f.Add(ring, int64(l.head), false)
	f.Add(ring, int64(l.head), true)
	f.Add([]byte{}, int64(0), true)
	f.Fuzz(func(t *testing.T, ring []byte, from int64, mend bool) {
		data := append(bytes.Clone(d.data[:headerBytes]), ring...)
		copy(data[len(magic):], l.id[:])
		binary.BigEndian.PutUint64(data[len(magic)+idBytes:], uint64(min(ringSize(int64(len(data))), MaxBytes)))
		binary.BigEndian.PutUint32(data[headBytes:], headerSumOf(data))
		if mend { // make the checksum of the record there hold, so that its payload is read
			if off := from % max(ringSize(int64(len(data))), 1); off >= 0 && from >= 0 && off+recordHead <= int64(len(ring)) {
				h := data[headerBytes+off:]
				copy(h, l.id[:saltBytes])
				binary.BigEndian.PutUint64(h[8:], uint64(from))
				binary.BigEndian.PutUint64(h[16:], 0)
				n := min(int64(binary.BigEndian.Uint32(h[24:])), int64(len(h))-recordHead)
				binary.BigEndian.PutUint32(h[24:], uint32(n))
				b := Batch{b: bytes.Clone(h[:recordHead+n])}
				copy(h, b.seal(l.id, Pos(from), 0)[:recordHead])
			}
		}
		file := &disk{data: data}
		total := 0
		end, err := Replay(context.Background(), file, file.size(), l.id, Pos(from), func(op Op) error { total += len(op.Key) + len(op.Value); return nil })
		if total > len(data) {
			t.Fatal("more than the log holds")
		}
		if err != nil {
			return
		}
		if end < Pos(from) || int64(end)-from > int64(len(data)) {
			t.Fatal(from, end)
		}
		resumed, err := Resume(file, file.size(), l.id, Pos(from), end, Options{})
		if err != nil {
			t.Fatal(err)
		}
		again := 0
		at, err := Replay(context.Background(), file, file.size(), l.id, Pos(from), func(op Op) error { again += len(op.Key) + len(op.Value); return nil })
		if err != nil || at != end || again != total || resumed.Tail() != end {
			t.Fatal(at, end, err)
		}
	})
}

// What Append takes, Replay reads: a record that it would refuse is not appended.
func TestNothingIsAppendedThatAReplayRefuses(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	starts := []Pos{0, recordAlign, maxFrom - recordAlign, maxFrom, maxFrom + recordAlign, maxPos - 2*recordAlign, maxPos - recordAlign, maxPos, math.MaxInt64 &^ (recordAlign - 1)}
	for range 20 {
		starts = append(starts, Pos(r.Int64())&^(recordAlign-1))
	}
	for _, from := range starts {
		d := &disk{}
		l := create(t, d, 16<<10, Options{})
		if _, _, err := replayed(d, l.ID(), from); err != nil { // no log goes on there
			continue
		}
		l.Skip(from)
		var want []string
		for i, deadline := range []int64{0, 1, math.MaxInt64, -1, math.MinInt64, r.Int64() | math.MinInt64, r.Int64()} {
			var b Batch
			key := fmt.Sprint("k", i)
			b.Put(key, "v", deadline)
			if _, err := l.Append(&b, 0); err == nil {
				want = append(want, key+"=v")
			} else if l.Err() != nil {
				t.Fatalf("seed %d: from %d: %v", seed, from, err)
			}
		}
		if len(want) < 4 {
			t.Errorf("seed %d: from %d: %v", seed, from, want)
		}
		mustReplay(t, d, l.ID(), from, want...)
	}
}

func TestALogDoesNotGoOnWhereNoReplayFollows(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	before := bytes.Clone(d.data)
	l.Skip(maxPos + recordAlign)
	var b Batch
	b.Put("k", "v", 0)
	for range 3 {
		if _, err := l.Append(&b, 0); !errors.Is(err, kverr.Unavailable) || !bytes.Equal(d.data, before) {
			t.Fatal(err, "or the log was written")
		}
	}
}
