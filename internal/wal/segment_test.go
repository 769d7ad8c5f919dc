package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// newSegment writes a segment with n entries, and returns the record that names it.
func newSegment(t testing.TB, l *Log, key, value string, n int) (*SegmentWriter, *Batch) {
	t.Helper()
	w, err := l.NewSegment(int64(n * (len(key) + len(value) + 40)))
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := w.Put(t.Context(), key, value, 0); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w, b
}

// A log with segments survives power cuts: what was synced is replayed, a call completely or not
// at all, and no leftover of a segment is ever taken for another one.
func TestAPowerCutLosesNoSegment(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		d := &disk{}
		options := func() Options { // the file is truncated, and extended, or neither
			if seed%3 == 0 {
				return Options{}
			}
			return Options{Truncate: d.Truncate, Extend: d.extend}
		}
		l, err := Create(d, 3*headerBytes, 0, options())
		if err != nil {
			t.Fatal(err)
		}
		type record struct {
			entries []string
			end     LSN
		}
		id, from, n, next := l.ID(), l.Tail(), 0, 0 // n: known to be durable
		var all []record                            // since from
		for range 4 {
			for range r.IntN(40) {
				var b *Batch
				next++
				value := fmt.Sprint(next, strings.Repeat("x", r.IntN(1000)))
				entries := []string{"k=" + value}
				switch r.IntN(6) {
				case 0:
					sync1(t, l, l.Tail())
					n = len(all)
					continue
				case 1: // a checkpoint
					if k := r.IntN(n + 1); k > 0 {
						from = all[k-1].end
						all, n = all[k:], n-k
						l.Release(from)
					}
					continue
				case 2, 3:
					count := 1 + r.IntN(20)
					var w *SegmentWriter
					w, b = newSegment(t, l, "k", value, count)
					if n = len(all); r.IntN(4) == 0 { // the plan was wrong
						w.Drop()
						continue
					}
					entries = slices.Repeat(entries, count)
				default:
					b = &Batch{}
					b.Put("k", value, 0)
				}
				end, err := l.Append(b, 0)
				if err == ErrNoRoom {
					continue // a segment stays, which no record names
				}
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, record{entries, end})
			}
			d = d.cut(r)
			got, end, err := replayed(d, id, from)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			there := 0
			for left := got; there < len(all) && all[there].end <= end; there++ {
				if e := all[there].entries; len(left) < len(e) || !slices.Equal(left[:len(e)], e) {
					t.Fatalf("seed %d: record %d has other entries", seed, there)
				} else if left = left[len(e):]; there == len(all)-1 && len(left) > 0 {
					t.Fatalf("seed %d: %d entries too many", seed, len(left))
				}
			}
			if there < n {
				t.Fatalf("seed %d: %d records are there, %d of %d were durable", seed, there, n, len(all))
			}
			all, n = all[:there], there
			if l, err = Resume(d, d.size(), id, from, end, options()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// extend is Options.Extend.
func (d *disk) extend(from, to int64) error {
	if d.size() < to {
		return d.Truncate(to)
	}
	return nil
}

// The space of segments is used again once all of them were released or dropped, also after a
// crash; and the file is as short as before then.
func TestSegmentsLeaveNothingInTheFile(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{Truncate: d.Truncate, Extend: d.extend})
	short := d.size()
	w, _ := newSegment(t, l, "dropped", "v", 100)
	if d.size() <= short || l.SegmentBytes() == 0 {
		t.Fatal("there is no segment: this shows nothing")
	}
	_, b := newSegment(t, l, "k", strings.Repeat("v", 3000), 3)
	w.Drop()
	w.Drop()
	end, err := l.Append(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	sync1(t, l, end)
	if !l.HasSegments(end) || l.HasSegments(end-1) {
		t.Error("HasSegments is wrong")
	}
	value := "k=" + strings.Repeat("v", 3000)
	mustReplay(t, d, l.ID(), 0, value, value, value)

	again := &disk{data: bytes.Clone(d.data)}
	r, err := Resume(again, again.size(), l.ID(), 0, end, Options{Truncate: again.Truncate})
	if err != nil {
		t.Fatal(err)
	}
	if r.FileBytes() != short || !r.HasSegments(end) || again.size() != d.size() {
		t.Errorf("the log has %d bytes, not %d, and %d with segments, not %d", r.FileBytes(), short, again.size(), d.size())
	}
	for _, l := range []*Log{l, r} {
		l.Release(end)
		if l.SegmentBytes() != 0 || l.HasSegments(end) {
			t.Error("a released log has segments")
		}
	}
	if d.size() != short || again.size() != short {
		t.Errorf("the files have %d and %d bytes, not %d", d.size(), again.size(), short)
	}
	// A crash while a segment was written: the next open removes it.
	newSegment(t, l, "k", "v", 10)
	if _, err := Resume(d, d.size(), l.ID(), end, end, Options{Truncate: d.Truncate}); err != nil || d.size() != short {
		t.Errorf("%d bytes, not %d: %v", d.size(), short, err)
	}
}

// A log that no store has written, or that was damaged, is refused.
func TestCraftedSegmentsAreRefused(t *testing.T) {
	area := areaAt(12 << 10)
	op := func(op ...byte) []byte { return op }
	good := op(byte(Put), 1, 'k', 0, 1, 'v')
	sum := func(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
	name := func(from, length int64, sum uint32) []byte {
		b := binary.BigEndian.AppendUint64([]byte{byte(segmentKind)}, uint64(from))
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, uint64(length)), sum)
	}
	for what, c := range map[string]struct {
		segment []byte
		record  []byte // "": one that names the segment
		format  byte
		size    int64
		repeat  int
		valid   bool
	}{
		"a segment":                      {segment: good, valid: true},
		"of an earlier format":           {segment: good, format: 1},
		"a damaged one":                  {segment: good, record: name(area, 6, sum(good)+1)},
		"a shorter one":                  {segment: good, record: name(area, 5, sum(good))},
		"not of operations":              {segment: []byte{99}},
		"half an operation":              {segment: good[:4]},
		"a segment in a segment":         {segment: name(area, 0, 0)},
		"one that the file has not":      {segment: good, record: name(area+segmentAlign, 6, sum(good))},
		"a truncated one":                {segment: good, size: area + 3},
		"one in the ring":                {record: name(headerBytes, 6, 0)},
		"one at an odd place":            {segment: good, record: name(area+1, 5, sum(good[1:]))},
		"a negative place":               {record: name(-segmentAlign, 0, 0)},
		"a negative length":              {segment: good, record: name(area, -6, 0)},
		"an enormous length":             {segment: good, record: name(area, 1<<62, 0), size: 1 << 30},
		"more than all may have":         {segment: good, record: name(area, MaxSegmentBytes+1, 0), size: 1 << 30},
		"an enormous place":              {record: name(1<<62, 1<<62, 0), size: 1 << 30},
		"half a name":                    {segment: good, record: name(area, 6, sum(good))[:20]},
		"more than a name":               {segment: good, record: append(name(area, 6, sum(good)), good...)},
		"a name among operations":        {segment: good, record: append(slices.Clone(good), name(area, 6, sum(good))...)},
		"one segment in several records": {segment: make([]byte, MaxSegmentBytes/16), repeat: 20},
	} {
		t.Run(what, func(t *testing.T) {
			d := &disk{}
			l := create(t, d, 16<<10, Options{})
			record := c.record
			if record == nil {
				record = name(area, int64(len(c.segment)), sum(c.segment))
			}
			for range max(1, c.repeat) {
				b := &Batch{}
				b.start()
				b.b = append(b.b, record...)
				if _, err := l.Append(b, 0); err != nil {
					t.Fatal(err)
				}
			}
			d.data = overwrite(d.data, c.segment, area)
			size := d.size()
			if c.size > 0 {
				size = c.size
			}
			if c.format > 0 {
				d.data[len(magic)-1] = c.format
				binary.BigEndian.PutUint32(d.data[headBytes:], headerSumOf(d.data))
			}
			_, err := Replay(t.Context(), d, size, l.ID(), 0, func(Op) error { return nil })
			if c.valid != (err == nil) || err != nil && !errors.Is(err, kverr.Corrupt) {
				t.Error(err)
			}
		})
	}
}

// A log of the first format continues without segments.
func TestALogOfTheFirstFormatHasNoSegments(t *testing.T) {
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	sync1(t, l, set(t, l, "a", "1"))
	d.data[len(magic)-1] = 1
	binary.BigEndian.PutUint32(d.data[headBytes:], headerSumOf(d.data))
	end := mustReplay(t, d, l.ID(), 0, "a=1")
	l, err := Resume(d, d.size(), l.ID(), 0, end, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.NewSegment(100); err != ErrNoSegment {
		t.Errorf("a log of format 1 takes a segment: %v", err)
	}
	set(t, l, "b", "2")
	mustReplay(t, d, l.ID(), 0, "a=1", "b=2")
}

func TestSegmentsHaveALimit(t *testing.T) {
	d := &disk{}
	var extended []int64
	full := kverr.Errorf(kverr.Full, "the disk is full")
	var refuse error
	l := create(t, d, 16<<10, Options{Extend: func(from, to int64) error {
		extended = append(extended, from, to)
		return refuse
	}})
	if _, err := l.NewSegment(MaxSegmentBytes + 1); err != ErrNoSegment {
		t.Errorf("too large: %v", err)
	}
	half, err := l.NewSegment(MaxSegmentBytes/2 + 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.NewSegment(MaxSegmentBytes / 2); err != ErrNoRoom {
		t.Errorf("beside another one: %v", err)
	}
	half.Drop()
	refuse = full
	if _, err := l.NewSegment(MaxSegmentBytes / 2); err != full {
		t.Errorf("on a full disk: %v", err)
	}
	refuse = nil
	all, err := l.NewSegment(MaxSegmentBytes)
	if err != nil {
		t.Errorf("all of the space, after all others: %v", err)
	}
	if want := areaAt(12 << 10); slices.Max(extended) != want+MaxSegmentBytes || slices.Min(extended) != want {
		t.Errorf("blocks were allocated for %d", extended)
	}
	all.Drop()
	small, err := l.NewSegment(100)
	if err != nil {
		t.Fatal(err)
	}
	if err := small.Put(t.Context(), "k", strings.Repeat("v", 2<<20), 0); !errors.Is(err, kverr.Invalid) {
		t.Errorf("more than announced: %v", err)
	}
}

// A segment that cannot be made durable is certainly not stored.
func TestASegmentIsNotStoredWithoutItsSync(t *testing.T) {
	for what, c := range map[string]struct {
		fail func(d *disk)
		goes bool // the log continues
	}{
		"a write fails":         {func(d *disk) { d.failWrite = errors.New("input/output error") }, true},
		"a sync fails":          {func(d *disk) { d.failSync = errors.New("input/output error") }, false},
		"a name is not checked": {func(d *disk) { d.failSync = kverr.Errorf(ErrPassing, "unknown") }, true},
	} {
		d := &disk{}
		l := create(t, d, 16<<10, Options{})
		sync1(t, l, set(t, l, "a", "1"))
		w, err := l.NewSegment(100)
		if err != nil {
			t.Fatal(err)
		}
		c.fail(d)
		if err = w.Put(t.Context(), "k", "v", 0); err == nil {
			_, err = w.Record(t.Context())
		}
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		w.Drop()
		d.failWrite, d.failSync = nil, nil
		var b Batch
		b.Put("b", "2", 0)
		if _, err := l.Append(&b, 0); (err == nil) != c.goes {
			t.Errorf("%s: afterwards %v", what, err)
		}
		want := []string{"a=1"}
		if c.goes {
			want = append(want, "b=2")
		}
		mustReplay(t, d, l.ID(), 0, want...)
	}
	d := &disk{}
	l := create(t, d, 16<<10, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	w, err := l.NewSegment(100)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	d.onSync = func() { <-ctx.Done() }
	w.Put(ctx, "k", "v", 0)
	if _, err := w.Record(ctx); err != context.Canceled && err != nil { // the sync can end first
		t.Errorf("cancelled: %v", err)
	}
}

// The record follows a sync that began after the last byte of the segment was written, and so
// does each part of it: a sync of others that is running then does not count. Others wait for
// one part at most.
func TestASegmentIsSyncedBeforeItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{slow: time.Millisecond}
		largest := 0
		d.onSync = func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			n := 0
			for _, w := range d.pending {
				n += len(w.data)
			}
			largest = max(largest, n)
		}
		l := create(t, d, 1<<20, Options{})
		var others sync.WaitGroup
		stop := make(chan struct{})
		for range 3 {
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						to := set(t, l, "other", "v")
						sync1(t, l, to)
						l.Release(to)
					}
				}
			})
		}
		_, b := newSegment(t, l, "k", strings.Repeat("v", 100_000), 100)
		d.mu.Lock()
		start, end := areaAt(l.size), areaAt(l.size)+b.segment.length
		for _, w := range d.pending {
			if w.off >= start {
				t.Error("a part of the segment is not durable")
			}
		}
		if int64(len(d.durable)) < end || !bytes.Equal(d.durable[start:end], d.data[start:end]) {
			t.Error("the segment is not durable")
		}
		d.mu.Unlock()
		close(stop)
		others.Wait()
		if most := segmentChunk + 64<<10; largest > most {
			t.Errorf("a sync writes %d bytes, more than %d", largest, most)
		}
	})
}

// A large write, which skips a part of the log, can come during the sync of a segment. Then the
// log counts as durable up to the end of the skipped part, not only up to its beginning.
func TestASkipDuringTheSyncOfASegmentStays(t *testing.T) {
	d := &disk{}
	opts := Options{}
	opts.Flush = func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.failSync = nil
		return nil
	}
	l := create(t, d, 16<<10, opts)
	sync1(t, l, set(t, l, "a", "1"))
	w, err := l.NewSegment(1000)
	if err != nil {
		t.Fatal(err)
	}
	begun, end := make(chan struct{}), make(chan struct{})
	d.onSync = func() {
		close(begun)
		<-end
		d.onSync = nil
	}
	done := make(chan error)
	go func() {
		err := w.Put(t.Context(), "k", "v", 0)
		if err == nil {
			_, err = w.Record(t.Context())
		}
		done <- err
	}()
	<-begun
	from := l.Tail() + Gap
	l.Skip(from)
	close(end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.Drop()
	to := set(t, l, "b", "2")
	d.failSync = kverr.Errorf(kverr.Replaced, "moved")
	if err := l.Sync(t.Context(), to); !errors.Is(err, kverr.Replaced) || errors.Is(err, kverr.CommitUnknown) {
		t.Errorf("the outcome is %v", err)
	}
	if got, _, err := replayed(d, l.ID(), from); len(got) > 0 || err != nil {
		t.Errorf("a call that was not stored is replayed: %q, %v", got, err)
	}
}
