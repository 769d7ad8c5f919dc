package hashtable

import (
	"fmt"
	"testing"
)

// A small batch has to wait for exactly the keys that a conditional large batch has installed,
// until that ends, and for the same keys as a single write.
func TestABatchIsBusyWithKeysOfALargeBatch(t *testing.T) {
	table := NewTable(Config{Now: func() int64 { return 1 }})
	changes := map[string]*modelEntry{"replaced": {value: "new"}, "added": {value: "new"}, "deleted": nil}
	keys := []string{"replaced", "added", "deleted", "other", "marked", "number", "absent"}
	for _, key := range []string{"replaced", "deleted", "other"} {
		put(t, table, key, "old", 0)
	}
	// A large batch that has ended leaves marks in its records.
	b, next := largeOf(t, table, map[string]*modelEntry{"marked": {value: "v"}}, false)
	installAll(t, b, next)
	b.Commit(nil)
	b.End()

	var waits []<-chan struct{}
	check := func(stage string, busy bool) {
		t.Helper()
		small := table.LockAll(len(keys), func(i int) string { return keys[i] })
		got := map[string]<-chan struct{}{}
		for _, key := range keys {
			got[key] = small.Busy(key)
		}
		small.Unlock()
		for _, key := range keys {
			var s Slot
			s.Lock(table, key)
			if wait := s.Busy(); wait != got[key] {
				t.Errorf("%s: key %q is busy for a batch: %v, for a single write: %v", stage, key, got[key] != nil, wait != nil)
			}
			s.Unlock()
			_, changed := changes[key]
			if want := busy && changed; want != (got[key] != nil) {
				t.Errorf("%s: key %q is busy: %v, want %v", stage, key, got[key] != nil, want)
			}
			if got[key] != nil {
				waits = append(waits, got[key])
			}
		}
	}
	check("at first", false)
	for _, blind := range []bool{true, false} {
		for _, undo := range []bool{true, false} {
			stage := fmt.Sprintf("blind %v, undone %v, ", blind, undo)
			b, next := largeOf(t, table, changes, blind)
			var s Slot
			s.Lock(table, "number") // one that is no mark
			s.Put(NewInt(0, "number", nil, int64(b.Mark(0)), 0))
			s.Unlock()
			check(stage+"begun", false)
			installAll(t, b, next)
			check(stage+"installed", !blind)
			for _, wait := range waits {
				select {
				case <-wait:
					t.Errorf("%s: the wait ends before the batch", stage)
				default:
				}
			}
			if !undo {
				b.Commit(nil)
				check(stage+"committed", false)
			}
			b.End()
			check(stage+"ended", false)
			for _, wait := range waits {
				select {
				case <-wait:
				default:
					t.Errorf("%s: the batch has ended, the wait has not", stage)
				}
			}
			waits = nil
			for _, key := range []string{"replaced", "deleted"} {
				put(t, table, key, "old", 0)
			}
			s.Lock(table, "added")
			s.Delete()
			s.Unlock()
		}
	}
	if err := table.Check(); err != nil {
		t.Error(err)
	}
}
