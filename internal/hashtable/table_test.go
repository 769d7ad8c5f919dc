package hashtable

import (
	"fmt"
	"strings"
	"testing"
)

// Contended reports a large batch and a lock for several keys, and does not wait for either.
// The lock of a single key does not count.
func TestATableSaysWhenItIsContended(t *testing.T) {
	calls := 0
	var table *Table
	table = NewTable(Config{
		Now: func() int64 { return 1 },
		Sooner: func(int64) { // is called with the lock
			if calls++; !table.Contended() {
				t.Error("a write that changes the deadlines is under way, and the table is not contended")
			}
		},
	})
	check := func(stage string, want bool) {
		t.Helper()
		if got := table.Contended(); got != want {
			t.Errorf("%s: the table is contended: %v, want %v", stage, got, want)
		}
	}
	check("at first", false)
	put(t, table, "k", "v", 100)
	if calls != 1 {
		t.Errorf("Sooner was called %d times, want once", calls)
	}
	check("after a write", false)
	var s Slot
	s.Lock(table, "k")
	check("a slot is locked", false)
	s.Unlock()
	for _, commit := range []bool{true, false} {
		b, next := largeOf(t, table, map[string]*modelEntry{"a": {value: "v"}}, true)
		check("a large batch is begun", true)
		installAll(t, b, next)
		check("a large batch is installed", true)
		if commit {
			b.Commit(nil)
			check("a large batch is committed", false)
		}
		b.End()
		check("a large batch has ended", false)
	}
}

// Config.Wrote is told nearly all that is stored, replaced and deleted, many records at once,
// and nothing twice.
func TestWritesAreToldManyAtOnce(t *testing.T) {
	const maxBytes = 1 << 20
	const least, most = maxBytes / (shardCount * tellParts), maxBytes / tellParts
	told := int64(0)
	table := NewTable(Config{Now: func() int64 { return 1 }, MaxBytes: maxBytes, Wrote: func(bytes int64) {
		if told += bytes; bytes < least {
			t.Errorf("Wrote is told %d bytes, the least is %d", bytes, least)
		}
	}})
	wrote := int64(0)
	check := func(stage string) {
		t.Helper()
		if told > wrote || told < wrote-most {
			t.Fatalf("%s: Wrote is told %d bytes, want %d to %d", stage, told, wrote-most, wrote)
		}
	}
	name := func(i int) string { return fmt.Sprintf("key:%04d", i) }
	record := func(i int) *Record { return New(0, name(i), nil, strings.Repeat("v", i%50), 0) }
	const keys = 2000
	for i := range keys {
		put(t, table, name(i), strings.Repeat("v", i%50), 0)
		wrote += record(i).Size() + int64(nameWrites*len(name(i)))
		check("new keys")
	}
	for i := range keys {
		put(t, table, name(i), strings.Repeat("v", i%50), 0) // without a change of its size
		wrote += record(i).Size()
		check("overwritten keys")
	}
	for i := range keys {
		put(t, table, name(i), strings.Repeat("v", i%50), 1000)
		wrote += record(i).Size()
		check("other deadlines")
	}
	for i := range keys {
		var s Slot
		s.Lock(table, name(i))
		s.Delete()
		s.Unlock()
		wrote += record(i).Size() + int64(nameWrites*len(name(i)))
		check("deleted keys")
	}
}
