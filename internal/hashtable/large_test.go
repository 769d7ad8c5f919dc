package hashtable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// largeOf begins a large batch of changes; nil removes a key.
func largeOf(t *testing.T, table *Table, changes map[string]*modelEntry, blind bool) (b *Large, next func(i int, live *Record) (*Record, error)) {
	t.Helper()
	keys := slices.Collect(maps.Keys(changes))
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(table.Hash(a), table.Hash(b)) })
	hashes := make([]uint64, len(keys))
	for i, key := range keys {
		hashes[i] = table.Hash(key)
	}
	b, err := table.Begin(context.Background(), hashes, func(i int) string { return keys[i] }, blind)
	if err != nil {
		t.Fatal(err)
	}
	return b, func(i int, _ *Record) (*Record, error) {
		e := changes[keys[i]]
		if e == nil {
			return b.Tombstone(i), nil
		}
		return NewText(b.Mark(i), keys[i], []byte(e.value[:len(e.value)/2]), e.value[len(e.value)/2:], e.deadline), nil
	}
}

func (m *model) check(t *testing.T, table *Table, now int64) {
	t.Helper()
	live, bytes := m.count(now)
	if table.Live() != live || table.Bytes() != bytes+table.names.deadBytes {
		t.Fatalf("%d keys and %d bytes, want %d and %d", table.Live(), table.Bytes(), live, bytes+table.names.deadBytes)
	}
}

// checkKey compares what all ways to read a key see with the model.
func (m *model) checkKey(t *testing.T, table *Table, key string, now int64) {
	t.Helper()
	e, want := m.entries[key]
	if got := table.Get(key); (got != nil && !(got.Deadline() != 0 && got.Deadline() <= now)) != (want && e.live(now)) || got != nil && want && got.Value() != e.value {
		t.Fatalf("key %q is %v, want %v %q", key, got, want, e.value)
	}
	b := table.LockAll(1, func(int) string { return key })
	if got := b.Record(key); (got != nil) != (want && e.live(now)) {
		t.Fatalf("with its lock key %q is %v, want %v", key, got, want)
	}
	b.Unlock()
}

// Single writes, small batches, reads, pages, counts, sweeps and tidying go on while a
// large batch is half done, and see nothing of it until it is committed, or ever, if it
// is undone.
func TestALargeBatchIsInvisibleUntilItIsCommitted(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 11))
			now := int64(1000)
			m := model{entries: map[string]modelEntry{}}
			switch seed % 3 {
			case 1:
				m.maxKeys = 400
			case 2:
				m.maxBytes = 120_000
			}
			sooner := int64(never)
			table := NewTable(Config{Now: func() int64 { return now }, MaxKeys: int64(m.maxKeys), MaxBytes: m.maxBytes, Sooner: func(d int64) { sooner = min(sooner, d) }})
			entry := func() *modelEntry {
				e := &modelEntry{value: strings.Repeat("v", r.IntN(40))}
				if r.IntN(2) == 0 {
					e.deadline = now + 1 + r.Int64N(300)
				}
				return e
			}
			outcomes := map[string]int{}
			tidied := ""
			for round := range rounds {
				changes := map[string]*modelEntry{}
				for range r.IntN(400) {
					key := randomKey(r)
					if changes[key] = nil; r.IntN(3) > 0 {
						changes[key] = entry()
					}
				}
				if len(changes) == 0 {
					continue
				}
				batched := slices.Collect(maps.Keys(changes))
				b, next := largeOf(t, table, changes, true)
				stop := len(changes) + 1
				if r.IntN(3) == 0 {
					stop = r.IntN(len(changes))
				}
				for i := 0; i < min(stop, len(changes)); {
					var err error
					if i, err = b.Install(i, now, next); err != nil {
						t.Fatal(err)
					}
					for range r.IntN(8) {
						key := randomKey(r)
						if r.IntN(2) == 0 { // of the batch, stored already or not
							key = batched[r.IntN(len(batched))]
						}
						switch op := r.IntN(100); {
						case op < 30:
							e := entry()
							var s Slot
							s.Lock(table, key)
							want := m.limit(map[string]*modelEntry{key: e}, now, table.names.deadBytes)
							if got := s.Put(record(r, key, e.value, e.deadline)); got != want {
								t.Fatalf("round %d: put meets limit %d, want %d", round, got, want)
							}
							s.Unlock()
						case op < 50:
							var s Slot
							s.Lock(table, key)
							s.Delete()
							s.Unlock()
							delete(m.entries, key)
						case op < 60:
							other, e := batched[r.IntN(len(batched))], entry()
							small := map[string]*modelEntry{key: nil, other: e}
							l := table.LockAll(2, func(i int) string { return []string{key, other}[i] })
							list := []Change{{Key: other, Next: record(r, other, e.value, e.deadline)}}
							if key != other {
								list = append(list, Change{Key: key})
							}
							want := m.limit(small, now, table.names.deadBytes)
							if got := l.Commit(list, nil); got != want {
								t.Fatalf("round %d: a small batch meets limit %d, want %d", round, got, want)
							}
							l.Unlock()
						case op < 70:
							now += r.Int64N(20)
						case op < 80:
							if table.Sweep(now) != 0 {
								t.Fatal("a sweep removes what a batch may have to put back")
							}
							if r.IntN(2) == 0 {
								table.TidyNext()
							} else {
								tidied, _ = table.Tidy(tidied)
							}
						case op < 90:
							checkPage(t, r, table, &m, now)
						default:
							m.checkKey(t, table, key, now)
						}
						m.check(t, table, now)
					}
				}
				if stop > len(changes) {
					for key, e := range changes {
						if e == nil {
							changes[key] = nil
						}
					}
					want := m.limit(changes, now, table.names.deadBytes)
					got := b.Commit(nil)
					if got != want {
						t.Fatalf("round %d: the batch meets limit %d, want %d", round, got, want)
					}
					outcomes[fmt.Sprint("limit ", got)]++
				} else {
					outcomes["undone"]++
				}
				m.check(t, table, now)
				for _, key := range batched[:min(len(batched), 50)] {
					m.checkKey(t, table, key, now)
				}
				checkPage(t, r, table, &m, now)
				b.End()
				m.check(t, table, now)
				if err := table.Check(); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
				for key := range m.entries {
					m.checkKey(t, table, key, now)
				}
				for n := r.IntN(4); n > 0 && table.Sweep(now) > 0; n-- {
				}
				for k, e := range m.entries {
					if !e.live(now) && table.Get(k) == nil {
						delete(m.entries, k)
					}
				}
				m.check(t, table, now)
			}
			t.Log(outcomes)
		})
	}
}

// Large batches of several goroutines, undone now and then, beside readers of all kinds:
// no reader sees a part of one.
func TestNobodySeesAPartOfALargeBatch(t *testing.T) {
	const keys = 600
	table := NewTable(Config{Now: func() int64 { return 1 }})
	name := func(i int) string { return fmt.Sprintf("key:%04d", i) }
	changes := func(value string) map[string]*modelEntry {
		all := make(map[string]*modelEntry, keys)
		for i := range keys {
			if all[name(i)] = nil; value != "" {
				all[name(i)] = &modelEntry{value: value}
			}
		}
		return all
	}
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for round := range rounds {
				value := fmt.Sprintf("%d:%06d", w, round+1)
				if r.IntN(4) == 0 {
					value = ""
				}
				b, next := largeOf(t, table, changes(value), r.IntN(2) == 0)
				undo := r.IntN(3) == 0
				for i := 0; i < keys; {
					i, _ = b.Install(i, 1, next)
				}
				if !undo {
					b.Commit(nil)
				}
				b.End()
			}
		})
	}
	check := func(what string, values []string) {
		for _, v := range values {
			if v != values[0] {
				t.Errorf("%s sees %q and %q", what, values[0], v)
				done.Store(true)
				return
			}
		}
	}
	value := func(r *Record) string {
		if r == nil {
			return ""
		}
		return strings.Clone(r.Value())
	}
	for n := range 2 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 6))
			for !done.Load() {
				a, c := name(r.IntN(keys)), name(r.IntN(keys))
				b := table.LockAll(2, func(i int) string { return []string{a, c}[i] })
				values := []string{value(b.Record(a)), value(b.Record(c))}
				b.Unlock()
				check("a get of two", values)
				values = values[:0]
				table.Page(View{Values: true, Limit: 10_000}, func(_ string, r *Record) bool {
					values = append(values, value(r))
					return true
				})
				if len(values) != 0 && len(values) != keys {
					t.Errorf("a page has %d of %d keys", len(values), keys)
				}
				check("a page", values)
				n := 0
				table.Page(View{Limit: 10_000}, func(string, *Record) bool { n++; return true })
				if live := table.Live(); n != 0 && n != keys || live != 0 && live != keys {
					t.Errorf("names are %d, the count is %d of %d keys", n, live, keys)
				}
				// What one key shows never goes back to what was before.
				last := [2]string{}
				for range 20 {
					v := value(table.Get(a))
					if v == "" {
						continue
					}
					if w := int(v[0] - '0'); v < last[w] {
						t.Errorf("key %q is %q after %q", a, v, last[w])
					} else {
						last[w] = v
					}
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}

// A conditional batch that is under way has its keys to itself; a blind one does not. A
// second batch waits for the first, until its context ends.
func TestOnlyAConditionalBatchKeepsWritersFromItsKeys(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	for _, blind := range []bool{true, false} {
		b, next := largeOf(t, table, map[string]*modelEntry{"a": {value: "batch"}, "b": nil}, blind)
		for i := 0; i < 2; {
			i, _ = b.Install(i, 1, next)
		}
		for key, busy := range map[string]bool{"a": !blind, "b": !blind, "c": false} {
			var s Slot
			s.Lock(table, key)
			wait := s.Busy()
			s.Unlock()
			if (wait != nil) != busy {
				t.Errorf("blind %v: key %q is busy: %v", blind, key, wait != nil)
			}
			if wait != nil {
				select {
				case <-wait:
					t.Error("nobody has to wait")
				default:
					defer func() { <-wait }()
				}
			}
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(nil)
		if _, err := table.Begin(ctx, nil, nil, true); !errors.Is(err, context.Canceled) {
			t.Errorf("a second batch: %v", err)
		}
		b.End()
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}

// A batch whose Install fails continues nowhere, and its end puts back what it installed.
func TestAnErrorEndsInstall(t *testing.T) {
	now := int64(1)
	table := NewTable(Config{Now: func() int64 { return now }})
	changes := map[string]*modelEntry{}
	for i := range 300 {
		key := fmt.Sprint(i)
		if i%2 == 0 {
			put(t, table, key, "old "+key, int64(i%3)*100)
		}
		if changes[key] = nil; i%5 > 0 {
			changes[key] = &modelEntry{value: "new", deadline: int64(i%4) * 50}
		}
	}
	live, bytes := table.Live(), table.Bytes()
	for _, failing := range []int{0, 1, 150, 299} {
		b, next := largeOf(t, table, changes, true)
		broken, at := errors.New("broken"), 0
		var err error
		for at < len(changes) && err == nil {
			at, err = b.Install(at, now, func(i int, live *Record) (*Record, error) {
				if i == failing {
					return nil, broken
				}
				return next(i, live)
			})
		}
		if at != failing || !errors.Is(err, broken) {
			t.Errorf("Install ends at key %d with %v, want %d", at, err, failing)
		}
		b.End()
		if err := table.Check(); err != nil || table.Live() != live || table.Bytes() != bytes {
			t.Errorf("after the end there are %d keys and %d bytes, want %d and %d, %v", table.Live(), table.Bytes(), live, bytes, err)
		}
		for i := range 300 {
			key := fmt.Sprint(i)
			if r := table.Get(key); (r != nil) != (i%2 == 0) || r != nil && (r.Value() != "old "+key || r.Deadline() != int64(i%3)*100) {
				t.Errorf("after the end key %q has %v", key, r)
			}
		}
	}
}

// Old is what readers saw of a key until the commit, also if others wrote to the key while the
// batch was under way.
func TestACommittedBatchKnowsWhatItReplaced(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	changes := map[string]*modelEntry{}
	for _, key := range []string{"old", "absent", "overwritten", "deleted", "added"} {
		changes[key] = &modelEntry{value: "new"}
		changes[key+", removed"] = nil
	}
	for key := range changes {
		if !strings.HasPrefix(key, "absent") && !strings.HasPrefix(key, "added") {
			put(t, table, key, "old "+key, 0)
		}
	}
	b, next := largeOf(t, table, changes, true)
	installAll(t, b, next)
	want := map[string]string{}
	for key := range changes {
		switch what, _, _ := strings.Cut(key, ","); what {
		case "old":
			want[key] = "old " + key
		case "overwritten", "added":
			put(t, table, key, "later", 0)
			want[key] = "later"
		case "deleted":
			var s Slot
			s.Lock(table, key)
			s.Delete()
			s.Unlock()
		}
	}
	if limit := b.Commit(nil); limit != None {
		t.Fatalf("the batch meets limit %d", limit)
	}
	got := map[string]string{}
	for i := range b.entries {
		if old := b.Old(i); old != nil {
			if got[b.key(i)] = old.Value(); old.Key() != b.key(i) {
				t.Errorf("key %q has replaced the record of %q", b.key(i), old.Key())
			}
		}
	}
	b.End()
	if !maps.Equal(got, want) {
		t.Errorf("the batch replaced %q, want %q", got, want)
	}
}
