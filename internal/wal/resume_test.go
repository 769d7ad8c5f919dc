package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

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
		size, opts := int64(3*headerBytes), Options{}
		if seed%5 == 0 { // it is filled as it is used
			size, opts.Allocate = 4*firstFill, d.allocate
		}
		l, err := Create(d, size, LSN(r.IntN(3)*r.IntN(1<<30)), opts) // some continue the LSNs of another log
		if err != nil {
			t.Fatal(err)
		}
		id, from, n, next := l.ID(), l.Tail(), 0, 0 // n: known to be durable
		var all []string                            // since from
		var ends []LSN
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
					value := fmt.Sprint(next, strings.Repeat("x", r.IntN(int(size)/10)))
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
