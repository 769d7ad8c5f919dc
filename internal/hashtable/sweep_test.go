package hashtable

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"unsafe"
)

// Soonest, Due and Wasted say when a sweep or a tidying has something to do.
func TestATableSaysWhenToSweepAndToTidy(t *testing.T) {
	now, sooner := int64(10), []int64(nil)
	table := NewTable(Config{Now: func() int64 { return now }, Sooner: func(d int64) { sooner = append(sooner, d) }})
	check := func(stage string, soonest int64, due, wasted bool) {
		t.Helper()
		if deadline, ok := table.Soonest(); ok != (soonest != 0) || ok && deadline != soonest {
			t.Errorf("%s: the soonest is %d, %v; want %d", stage, deadline, ok, soonest)
		}
		if got := table.Due(now); got != due {
			t.Errorf("%s: keys are due: %v, want %v", stage, got, due)
		}
		if got := table.Wasted(now); got != wasted {
			t.Errorf("%s: memory is wasted: %v, want %v", stage, got, wasted)
		}
	}
	told := func(stage string, want ...int64) {
		t.Helper()
		if !slices.Equal(sooner, want) {
			t.Errorf("%s: Sooner is told %v, want %v", stage, sooner, want)
		}
		sooner = nil
	}
	check("empty", 0, false, false)
	put(t, table, "plain", "v", 0)
	check("one key without a deadline", 0, false, false)
	put(t, table, "c", "v", 300)
	put(t, table, "a", "v", 100)
	put(t, table, "b", "v", 200)
	told("three deadlines", 300, 100)
	check("three deadlines", 100, false, false)
	now = 99
	check("just before the first one", 100, false, false)
	now = 100
	check("at the first one", 100, true, true)

	// What a large batch can undo is not swept.
	b, next := largeOf(t, table, map[string]*modelEntry{"d": {value: "v", deadline: 50}}, true)
	installAll(t, b, next)
	check("a large batch is under way", 50, false, false)
	told("a large batch is under way")
	b.Commit(nil)
	told("its commit", 50)
	check("after its commit", 50, true, true)
	b.End()

	if n := table.Sweep(now); n != 2 {
		t.Errorf("a sweep removes %d keys, want 2", n)
	}
	if n := table.Sweep(now); n != 0 {
		t.Errorf("another sweep removes %d keys", n)
	}
	check("names are dead", 200, false, true)
	tidied := 0
	for tidied < 10 && table.TidyNext() {
		tidied++
	}
	if tidied < 1 || tidied > 2 {
		t.Errorf("TidyNext found dead names %d times", tidied)
	}
	check("tidy", 200, false, false)

	// A deleted key takes its deadline with it.
	for _, key := range []string{"b", "c"} {
		var s Slot
		s.Lock(table, key)
		s.Delete()
		s.Unlock()
	}
	check("no deadline is left", 0, false, false)
	if now = 1000; table.Sweep(now) != 0 {
		t.Error("a sweep removes keys that are deleted")
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}

// SweepKeys tells each key that it removes once, as a copy that keeps no record in memory.
func TestASweepTellsTheKeysThatItRemoves(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	records, want := map[string]*Record{}, map[string]bool{}
	for i := range 700 {
		key, deadline := fmt.Sprint(i), int64(i%5)*10 // 0: none
		records[key] = New(0, key, nil, "v", deadline)
		var s Slot
		s.Lock(table, key)
		s.Put(records[key])
		s.Unlock()
		if deadline != 0 && deadline <= 20 {
			want[key] = true
		}
	}
	got, removed := map[string]bool{}, 0
	for more := true; more; {
		n := table.SweepKeys(20, func(key string) {
			if got[key] {
				t.Errorf("%q is removed twice", key)
			}
			if got[key] = true; unsafe.StringData(key) == unsafe.StringData(records[key].Key()) {
				t.Fatalf("key %q shares the memory of its record", key)
			}
		})
		removed += n
		more = n > 0
	}
	if !maps.Equal(got, want) || removed != len(want) {
		t.Errorf("sweeps say that they removed %d keys, and tell %d; want %d", removed, len(got), len(want))
	}
	for key := range records {
		if (table.Get(key) == nil) != want[key] {
			t.Errorf("key %q is removed: %v, want %v", key, table.Get(key) == nil, want[key])
		}
	}
}
