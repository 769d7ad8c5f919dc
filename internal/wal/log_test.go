package wal

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

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

// What Append takes, Replay reads: a record that it would refuse is not appended.
func TestNothingIsAppendedThatAReplayRefuses(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	starts := []LSN{0, recordAlign, maxFrom - recordAlign, maxFrom, maxFrom + recordAlign, maxPos - 2*recordAlign, maxPos - recordAlign, maxPos, math.MaxInt64 &^ (recordAlign - 1)}
	for range 20 {
		starts = append(starts, LSN(r.Int64())&^(recordAlign-1))
	}
	for _, from := range starts {
		d := &disk{}
		l := create(t, d, 16<<10, Options{})
		if _, _, err := replayed(d, l.ID(), from); err != nil { // no log continues there
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
			} else if l.latched.err != nil {
				t.Fatalf("seed %d: from %d: %v", seed, from, err)
			}
		}
		if len(want) < 4 {
			t.Errorf("seed %d: from %d: %v", seed, from, want)
		}
		mustReplay(t, d, l.ID(), from, want...)
	}
}
