package hashtable

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// Whatever a table holds and whatever was swept, PopFirst removes the first live key of a
// view.
func TestPopFirstRemovesTheFirstLiveKeyOfAView(t *testing.T) {
	r := kvtest.Rand(t)
	for range kvtest.Sized(30, 100, 1000) {
		now := int64(1)
		table := NewTable(Config{Now: func() int64 { return now }})
		live := map[string]int64{} // deadlines
		for range 400 {
			key := fmt.Sprintf("%c%03d", 'a'+r.IntN(3), r.IntN(300))
			if r.IntN(20) == 0 {
				key += strings.Repeat("x", 3000)
			}
			deadline := int64(0)
			if r.IntN(3) == 0 {
				deadline = now + int64(r.IntN(200))
			}
			var s Slot
			s.Lock(table, key)
			s.Put(New(0, key, nil, "v", deadline))
			s.Unlock()
			live[key] = deadline
			if now++; r.IntN(30) == 0 {
				table.Sweep(now)
			}
		}
		for step := range 500 {
			if now++; step%50 == 0 {
				table.Sweep(now)
			}
			v := View{Reverse: r.IntN(2) == 0}
			if r.IntN(3) > 0 {
				v.From = string(rune('a' + r.IntN(3)))
				v.To = string(v.From[0] + 1)
			}
			maps.DeleteFunc(live, func(_ string, deadline int64) bool { return deadline != 0 && deadline <= now })
			keys := slices.DeleteFunc(slices.Sorted(maps.Keys(live)), func(key string) bool { return key < v.From || v.To != "" && key >= v.To })
			if v.Reverse {
				slices.Reverse(keys)
			}
			f := table.PopFirst(v, 100)
			switch {
			case f.Declined || f.Busy != nil:
				t.Fatalf("PopFirst declined: %+v", f)
			case len(keys) == 0 && f.Record != nil:
				t.Fatalf("PopFirst removed %q of no live keys", f.Record.Key())
			case len(keys) > 0 && (f.Record == nil || f.Record.Key() != keys[0]):
				t.Fatalf("PopFirst removed %v, want %q", f.Record, keys[0])
			case len(keys) > 0:
				delete(live, keys[0])
			}
		}
		if err := table.Check(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPopFirstLeavesALargeValue(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	var s Slot
	s.Lock(table, "k")
	s.Put(New(0, "k", nil, "value", 0))
	s.Unlock()
	if f := table.PopFirst(View{}, 4); !f.Declined || table.Get("k") == nil {
		t.Errorf("PopFirst of at most 4 bytes: %+v", f)
	}
	if f := table.PopFirst(View{}, 5); f.Declined || f.Record == nil || table.Get("k") != nil {
		t.Errorf("PopFirst of at most 5 bytes: %+v", f)
	}
}

// What sweeps leave in front of a queue costs a few calls, not all of them.
func TestPopFirstRemovesDeadNames(t *testing.T) {
	now := int64(1)
	table := NewTable(Config{Now: func() int64 { return now }})
	put := func(key string, deadline int64) {
		var s Slot
		s.Lock(table, key)
		defer s.Unlock()
		s.Put(New(0, key, nil, "v", deadline))
	}
	const dead = 10_000
	for i := range dead {
		put(fmt.Sprintf("job:%06d", i), 5)
	}
	for i := range 10 * dead { // so that the names are tidy enough
		put(fmt.Sprintf("other:%06d", i), 0)
	}
	for i := range 100 {
		put(fmt.Sprintf("job:%06d", dead+i), 0)
	}
	for now = 10; table.Sweep(now) > 0; {
	}
	if table.names.dead != dead {
		t.Fatalf("%d names are dead, want %d", table.names.dead, dead)
	}
	calls := 0
	for popped := 0; popped < 100; calls++ {
		if f := table.PopFirst(View{From: "job:", To: "job;", Reverse: popped%2 == 1}, 100); f.Record != nil {
			popped++
		}
	}
	if calls > 150 || table.names.dead > 0 {
		t.Errorf("after %d calls for 100 keys %d names are dead", calls, table.names.dead)
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}

func TestPopFirstAndALargeBatch(t *testing.T) {
	for _, blind := range []bool{true, false} {
		table := NewTable(Config{Now: func() int64 { return 1 }})
		for _, key := range []string{"b", "d"} {
			var s Slot
			s.Lock(table, key)
			s.Put(New(0, key, nil, "old", 0))
			s.Unlock()
		}
		keys := []string{"a", "b", "c"}
		slices.SortFunc(keys, func(x, y string) int {
			if table.Hash(x) < table.Hash(y) {
				return -1
			}
			return 1
		})
		hashes := make([]uint64, len(keys))
		for i, key := range keys {
			hashes[i] = table.Hash(key)
		}
		large, err := table.Begin(t.Context(), hashes, func(i int) string { return keys[i] }, blind)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(keys); {
			i, err = large.Install(i, 1, func(i int, _ *Record) (*Record, error) { return New(large.Mark(i), keys[i], nil, "new", 0), nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		f := table.PopFirst(View{}, 100)
		if blind && (f.Record == nil || f.Record.Key() != "b" || f.Record.Value() != "old") {
			t.Errorf("before the commit of a blind batch, PopFirst removed %+v", f)
		}
		if !blind && f.Busy == nil {
			t.Errorf("before the commit of a batch that is not blind: %+v", f)
		}
		if limit := large.Commit(nil); limit != None {
			t.Fatal(limit)
		}
		large.End()
		var got []string
		for f := table.PopFirst(View{}, 100); f.Record != nil; f = table.PopFirst(View{}, 100) {
			got = append(got, f.Record.Key()+"="+f.Record.Value())
		}
		if want := []string{"a=new", "b=new", "c=new", "d=old"}; !slices.Equal(got, want) {
			t.Errorf("after the commit there are %q, want %q", got, want)
		}
		if err := table.Check(); err != nil {
			t.Error(err)
		}
	}
}

// StartPopping and TryPopping give the right to pop to one caller at a time.
func TestOneCallerAtATimePops(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	for range 2 {
		if !table.TryPopping() {
			t.Fatal("no caller pops, and TryPopping fails")
		}
		if table.TryPopping() {
			t.Fatal("two callers have the right to pop")
		}
		table.EndPopping()
		table.StartPopping()
		if table.TryPopping() {
			t.Fatal("a caller pops beside one that has waited for its turn")
		}
		table.EndPopping()
	}
}

func TestConcurrentPopFirstTakesEachKeyOnce(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	const keys = 2000
	var seen sync.Map
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range keys / 4 {
				if worker < 4 {
					key := fmt.Sprintf("%d:%d", i, worker)
					var s Slot
					s.Lock(table, key)
					s.Put(New(0, key, nil, "v", 0))
					s.Unlock()
					continue
				}
				table.StartPopping()
				f := table.PopFirst(View{Reverse: worker%2 == 0}, 100)
				table.EndPopping()
				if f.Record != nil {
					if _, twice := seen.LoadOrStore(f.Record.Key(), true); twice {
						t.Errorf("%s was removed twice", f.Record.Key())
					}
				}
			}
		})
	}
	wg.Wait()
	n := table.Live()
	seen.Range(func(any, any) bool { n++; return true })
	if n != keys {
		t.Errorf("%d keys are removed or left, want %d", n, keys)
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}
