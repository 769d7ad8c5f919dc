package hashtable

import (
	"fmt"
	"testing"
)

// put stores a value without the limits of a test's model.
func put(t *testing.T, table *Table, key, value string, deadline int64) {
	t.Helper()
	var s Slot
	s.Lock(table, key)
	defer s.Unlock()
	if limit := s.Put(New(0, key, nil, value, deadline)); limit != None {
		t.Fatalf("put of %q meets limit %d", key, limit)
	}
}

// installAll installs all keys of a large batch.
func installAll(t *testing.T, b *Large, next func(i int, live *Record) (*Record, error)) {
	t.Helper()
	for i := 0; i < len(b.hashes); {
		var err error
		if i, err = b.Install(i, b.t.config.Now(), next); err != nil {
			t.Fatal(err)
		}
	}
}

// TryLock fails if the shard of the key is locked. Else it leaves a slot as Lock does, whatever
// the slot was used for before.
func TestTryLockFindsWhatLockFinds(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 100 }})
	put(t, table, "live", "v", 0)
	put(t, table, "with deadline", "v", 101)
	put(t, table, "expired", "v", 100)
	put(t, table, "replaced", "old", 0)
	put(t, table, "deleted", "old", 0)
	keys := []string{"live", "with deadline", "expired", "replaced", "deleted", "added", "absent", ""}

	var used Slot
	check := func(stage string) {
		t.Helper()
		for _, before := range keys {
			for _, key := range keys {
				var want, second Slot
				want.Lock(table, key)
				got := want
				if second.TryLock(table, key) {
					t.Fatalf("%s: %q is locked twice", stage, key)
				}
				want.Unlock()
				if want != got {
					t.Fatalf("%s: a TryLock of %q that fails changes the slot", stage, key)
				}
				used.Lock(table, before)
				used.Now()
				used.Unlock()
				if !used.TryLock(table, key) {
					t.Fatalf("%s: %q is locked by no caller, and TryLock fails", stage, key)
				}
				if used != want {
					t.Errorf("%s: TryLock of %q after %q finds %+v, Lock %+v", stage, key, before, used, want)
				}
				if second.TryLock(table, key) {
					t.Fatalf("%s: TryLock has not locked %q", stage, key)
				}
				used.Unlock()
			}
		}
	}
	check("at first")
	for _, blind := range []bool{true, false} {
		b, next := largeOf(t, table, map[string]*modelEntry{"replaced": {value: "new"}, "deleted": nil, "added": {value: "new"}}, blind)
		installAll(t, b, next)
		check(fmt.Sprintf("before the commit, blind %v", blind))
		if !blind {
			b.Commit(nil)
			check("after the commit")
		}
		b.End()
		check("after the end")
	}
}

// A slot that TryLock found takes writes.
func TestTryLockLocksForAWrite(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	for i := range 300 {
		key := fmt.Sprint(i % 100)
		var s Slot
		if !s.TryLock(table, key) {
			t.Fatalf("TryLock of %q fails", key)
		}
		if i < 200 {
			s.Put(New(0, key, nil, fmt.Sprint(i), int64(i%3)*5))
		} else {
			s.Delete()
		}
		s.Unlock()
		if r := table.Get(key); (r != nil) != (i < 200) || r != nil && r.Value() != fmt.Sprint(i) {
			t.Fatalf("after write %d key %q has record %v", i, key, r)
		}
	}
	if err := table.Check(); err != nil || table.Held() != 0 {
		t.Errorf("%d records are left, %v", table.Held(), err)
	}
}
