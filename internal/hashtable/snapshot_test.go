package hashtable

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// between is a context that calls a function whenever Records looks at it.
type between struct {
	context.Context
	call func()
}

func (b between) Err() error {
	b.call()
	return b.Context.Err()
}

// A snapshot holds no lock between two checks of its context, which are at most LockedKeys
// keys apart, and returns the records of one moment whatever happens to the keys
// meanwhile: sets, deletes, sweeps, rebuilt shards, and all that a large batch does.
func TestASnapshotIsOfOneMomentAndHoldsNoLock(t *testing.T) {
	r := kvtest.Rand(t)
	for round := range kvtest.Sized(30, 100, 3000) {
		var clock atomic.Int64
		clock.Store(1000)
		table := NewTable(Config{Now: clock.Load})
		const n = 2*LockedKeys + 50
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprint("key ", r.IntN(n))
		}
		set := func(key string) {
			deadline := int64(0)
			if r.IntN(3) == 0 {
				deadline = clock.Load() + r.Int64N(20)
			}
			var s Slot
			if !s.TryLock(table, key) {
				t.Fatal("a lock is held")
			}
			defer s.Unlock()
			switch {
			case s.Busy() != nil:
			case r.IntN(3) == 0:
				s.Delete()
			default:
				s.Put(New(0, key, nil, fmt.Sprint(r.Uint64()), deadline))
			}
		}
		batch := &batchSteps{t: t, table: table, r: r, keys: keys}
		change := func() {
			for range r.IntN(200) {
				switch r.IntN(30) {
				case 0:
					batch.step()
				case 1:
					table.Sweep(clock.Add(r.Int64N(5)))
				case 2:
					table.TidyNext()
				default:
					set(keys[r.IntN(n)])
				}
			}
		}
		for range n {
			change()
			if r.IntN(n/8) == 0 {
				break
			}
		}
		want := make([]*Record, n)
		for i, key := range keys {
			want[i] = table.Get(key)
		}
		moment, looks := clock.Load(), 0
		got, now, err := table.Records(between{t.Context(), func() {
			looks++
			for i := range table.shards {
				if !table.shards[i].mu.TryLock() {
					t.Fatalf("round %d: shard %d is locked", round, i)
				}
				table.shards[i].mu.Unlock()
			}
			change()
		}}, keys)
		if err != nil || now != moment {
			t.Fatalf("round %d: the moment is %d, want %d, %v", round, now, moment, err)
		}
		if looks != (n+LockedKeys-1)/LockedKeys {
			t.Fatalf("round %d: %d checks of the context", round, looks)
		}
		for i, key := range keys {
			if got[i] != want[i] {
				t.Fatalf("round %d: %q is %v, want %v", round, key, show(got[i]), show(want[i]))
			}
		}
		batch.end()
		if err := table.Check(); err != nil {
			t.Fatal(err)
		}
		for i := range table.shards {
			if table.shards[i].saved != nil {
				t.Fatal("records are saved after the snapshot")
			}
		}
	}
}

func show(r *Record) string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("%q until %d, flags %x", r.Value(), r.Deadline(), r.flags)
}

// batchSteps is a large batch that proceeds a step at a time.
type batchSteps struct {
	t     *testing.T
	table *Table
	r     *rand.Rand
	keys  []string
	b     *Large
	next  int
	sure  bool // it is committed
}

func (s *batchSteps) step() {
	switch {
	case s.b == nil:
		byHash := map[uint64]string{}
		for range 5 + s.r.IntN(40) {
			key := s.keys[s.r.IntN(len(s.keys))]
			byHash[s.table.Hash(key)] = key
		}
		hashes := sorted(byHash)
		var err error
		s.b, err = s.table.Begin(context.Background(), hashes, func(i int) string { return byHash[hashes[i]] }, s.r.IntN(2) == 0)
		if err != nil {
			s.t.Fatal(err)
		}
		s.next, s.sure = 0, false
	case s.next < len(s.b.hashes):
		next, err := s.b.Install(s.next, s.table.config.Now(), func(i int, live *Record) (*Record, error) {
			if s.r.IntN(3) == 0 {
				return s.b.Tombstone(i), nil
			}
			return New(s.b.Mark(i), s.b.key(i), nil, fmt.Sprint("batch ", s.r.Uint64()), 0), nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if s.next = next; s.r.IntN(200) == 0 {
			s.end() // undone
		}
	case !s.sure && s.r.IntN(4) > 0:
		s.sure = s.b.Commit(nil) == None
	case s.r.IntN(4) == 0:
		s.end()
	}
}

func (s *batchSteps) end() {
	if s.b != nil {
		s.b.End()
		s.b = nil
	}
}

func sorted(m map[uint64]string) (hashes []uint64) {
	for h := range m {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	return hashes
}

// Where more is overwritten than may be saved, the keys are read under their locks: the
// records are of one later moment.
func TestASnapshotGivesUpWhereItWouldKeepTooMuch(t *testing.T) {
	const limit, n = 1 << 20, 2 * LockedKeys
	table := NewTable(Config{Now: func() int64 { return 1 }, MaxBytes: limit})
	keys := make([]string, n)
	set := func(i int, c string) {
		var s Slot
		s.Lock(table, keys[i])
		defer s.Unlock()
		if limit := s.Put(New(0, keys[i], nil, strings.Repeat(c, limit/n/2), 0)); limit != None {
			t.Fatal("the table is full")
		}
	}
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
		set(i, "a")
	}
	changed := 0
	records, _, err := table.Records(between{t.Context(), func() {
		for i := range keys {
			set(i, "b")
			if changed++; table.saved.Load() > limit/4 {
				t.Fatalf("%d bytes are saved", table.saved.Load())
			}
		}
	}}, keys)
	if err != nil || changed == 0 {
		t.Fatalf("%d changes, %v", changed, err)
	}
	for i, r := range records {
		if r == nil || r.Value()[0] != 'b' {
			t.Errorf("key %d is not of the moment of the others", i)
		}
	}
}

func TestASnapshotEndsWithItsContextAlsoWhileItWaits(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	keys := make([]string, 2*LockedKeys)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := table.Records(between{ctx, func() {
		waiting, stop := context.WithCancel(context.Background())
		stop()
		if _, _, err := table.Records(waiting, keys); err != context.Canceled {
			t.Errorf("a snapshot beside another one: %v", err)
		}
		cancel()
	}}, keys)
	if err != context.Canceled {
		t.Errorf("a snapshot whose context ended: %v", err)
	}
	if records, _, err := table.Records(t.Context(), keys); err != nil || len(records) != len(keys) {
		t.Errorf("the next one: %d records, %v", len(records), err)
	}
}

// Each writer keeps its keys equal, by small batches and large ones; readers of all keys
// see them equal.
func TestSnapshotsSeeWholeBatches(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	const writers, each = 2, 2 * LockedKeys
	var keys []string
	for w := range writers {
		for i := range each {
			keys = append(keys, fmt.Sprint(w, " ", i))
		}
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			mine := keys[w*each : (w+1)*each]
			byHash := map[uint64]string{}
			for _, key := range mine {
				byHash[table.Hash(key)] = key
			}
			hashes := sorted(byHash)
			for n := 0; !stop.Load(); n++ {
				value := fmt.Sprint(n)
				if w == 0 {
					b := table.LockAll(len(mine), func(i int) string { return mine[i] })
					changes := make([]Change, len(mine))
					for i, key := range mine {
						changes[i] = Change{key, New(0, key, nil, value, 0)}
					}
					b.Commit(changes, nil)
					b.Unlock()
					continue
				}
				b, err := table.Begin(context.Background(), hashes, func(i int) string { return byHash[hashes[i]] }, true)
				if err != nil {
					t.Error(err)
					return
				}
				for i := 0; i < len(hashes); {
					i, _ = b.Install(i, 1, func(i int, _ *Record) (*Record, error) {
						if n%3 == 2 {
							return b.Tombstone(i), nil
						}
						return New(b.Mark(i), b.key(i), nil, value, 0), nil
					})
				}
				if n%5 != 4 {
					b.Commit(nil)
				}
				b.End()
			}
		})
	}
	for range kvtest.Sized(200, 1000, 20_000) {
		records, _, err := table.Records(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for w := range writers {
			mine := records[w*each : (w+1)*each]
			for _, r := range mine {
				if (r == nil) != (mine[0] == nil) || r != nil && r.Value() != mine[0].Value() {
					t.Fatalf("writer %d's keys are %s and %s at once", w, show(mine[0]), show(r))
				}
			}
		}
	}
	stop.Store(true)
	wg.Wait()
	if err := table.Check(); err != nil {
		t.Fatal(err)
	}
}
