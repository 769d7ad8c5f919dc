package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

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
	b = Batch{}
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
	var ends []LSN
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
	for _, from := range []LSN{-32, 1, 1<<63 - 32, maxPos + 32} {
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
				copy(h, b.seal(l.id, LSN(from), 0)[:recordHead])
			}
		}
		file := &disk{data: data}
		total := 0
		end, err := Replay(context.Background(), file, file.size(), l.id, LSN(from), func(op Op) error { total += len(op.Key) + len(op.Value); return nil })
		if total > len(data) {
			t.Fatal("more than the log holds")
		}
		if err != nil {
			return
		}
		if end < LSN(from) || int64(end)-from > int64(len(data)) {
			t.Fatal(from, end)
		}
		resumed, err := Resume(file, file.size(), l.id, LSN(from), end, Options{})
		if err != nil {
			t.Fatal(err)
		}
		again := 0
		at, err := Replay(context.Background(), file, file.size(), l.id, LSN(from), func(op Op) error { again += len(op.Key) + len(op.Value); return nil })
		if err != nil || at != end || again != total || resumed.Tail() != end {
			t.Fatal(at, end, err)
		}
	})
}
