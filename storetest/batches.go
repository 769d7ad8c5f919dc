package storetest

import (
	"errors"
	"fmt"

	"github.com/scriptling-kv/extlibs"
)

var batchTests = []test{
	{"a batch does its operations in their order", batchInOrder},
	{"an operation sees what those before it did to the same key", batchSameKey},
	{"an operation whose condition fails does not stop the others", batchConditions},
	{"a batch that fails in its last operation changes nothing", batchFailsLast},
	{"a batch that fails restores a key that it changed several times", batchFailsSameKey},
	{"a batch that fails restores ttls", batchFailsTTL},
	{"a batch of no operations does nothing", emptyBatch},
	{"a batch may hold thousands of operations", largeBatch},
}

func batchInOrder(s *suite) {
	s.set("gone", 1, 0)
	results := s.applyMany(
		extlibs.Op{Kind: extlibs.OpSet, Key: "b", Value: encode(1)},
		extlibs.Op{Kind: extlibs.OpSet, Key: "a", Value: encode(2)},
		extlibs.Op{Kind: extlibs.OpDelete, Key: "gone"},
		extlibs.Op{Kind: extlibs.OpIncr, Key: "n", Value: encode(5)},
	)
	want := []extlibs.Result{
		{Applied: true, New: encode(1)},
		{Applied: true, New: encode(2)},
		{Applied: true, Old: encode(1)},
		{Applied: true, New: encode(5)},
	}
	for i, r := range results {
		if r != want[i] {
			s.Errorf("result %d is %+v, want %+v", i, r, want[i])
		}
	}
	s.want("b", 1)
	s.want("a", 2)
	s.want("n", 5)
	s.wantAbsent("gone")
	s.wantLen(3)
}

func batchSameKey(s *suite) {
	results := s.applyMany(
		extlibs.Op{Kind: extlibs.OpAdd, Key: "k", Value: encode(1), TTL: s.units(9)},
		extlibs.Op{Kind: extlibs.OpAdd, Key: "k", Value: encode(7)},
		extlibs.Op{Kind: extlibs.OpIncr, Key: "k", Value: encode(2)},
		extlibs.Op{Kind: extlibs.OpSwap, Key: "k", Old: encode(3), Value: encode("x")},
		extlibs.Op{Kind: extlibs.OpDelete, Key: "k"},
		extlibs.Op{Kind: extlibs.OpDelete, Key: "k"},
		extlibs.Op{Kind: extlibs.OpAdd, Key: "k", Value: encode(4), TTL: s.units(5)},
		extlibs.Op{Kind: extlibs.OpIncr, Key: "k", Value: encode(1)},
	)
	for i, applied := range []bool{true, false, true, true, true, false, true, true} {
		if results[i].Applied != applied {
			s.Errorf("operation %d is applied: %v", i, results[i].Applied)
		}
	}
	if results[1].Old != encode(1) || results[4].Old != encode("x") || results[7].New != encode(5) {
		s.Errorf("values on the way are %s, %s, %s", show(results[1].Old), show(results[4].Old), show(results[7].New))
	}
	s.want("k", 5)
	s.wantTTL("k", s.units(5))
	s.wantLen(1)
}

func batchConditions(s *suite) {
	s.set("there", 1, 0)
	results := s.applyMany(
		extlibs.Op{Kind: extlibs.OpAdd, Key: "there", Value: encode(2)},
		extlibs.Op{Kind: extlibs.OpSwap, Key: "there", Old: encode(3), Value: encode(2)},
		extlibs.Op{Kind: extlibs.OpExpire, Key: "absent", TTL: s.units(1)},
		extlibs.Op{Kind: extlibs.OpSet, Key: "new", Value: encode(4)},
	)
	for i, r := range results {
		if r.Applied != (i == 3) {
			s.Errorf("operation %d is applied: %v", i, r.Applied)
		}
	}
	s.want("there", 1)
	s.want("new", 4)
	s.wantAbsent("absent")
}

// overflow is an operation that fails where key holds the largest int.
func overflow(key string) extlibs.Op {
	return extlibs.Op{Kind: extlibs.OpIncr, Key: key, Value: encode(1)}
}

func (s *suite) wantFailure(kind error, ops ...extlibs.Op) {
	s.Helper()
	if results, err := s.store.ApplyMany(ctx, ops); !errors.Is(err, kind) {
		s.Errorf("ApplyMany is %+v, %v; want an error that is %q", results, err, kind)
	}
}

func batchFailsLast(s *suite) {
	s.set("max", maxInt, 0)
	s.set("set", "before", 0)
	s.set("deleted", "before", 0)
	s.set("counted", 1, 0)
	s.wantFailure(extlibs.ErrOverflow,
		extlibs.Op{Kind: extlibs.OpSet, Key: "set", Value: encode("after")},
		extlibs.Op{Kind: extlibs.OpSet, Key: "new", Value: encode("after")},
		extlibs.Op{Kind: extlibs.OpDelete, Key: "deleted"},
		extlibs.Op{Kind: extlibs.OpIncr, Key: "counted", Value: encode(1)},
		overflow("max"),
	)
	s.want("max", maxInt)
	s.want("set", "before")
	s.want("deleted", "before")
	s.want("counted", 1)
	s.wantAbsent("new")
	s.wantLen(4)
	if got := keysOf(s.scan(extlibs.Range{})); len(got) != 4 {
		s.Errorf("Scan returned %q", got)
	}
	s.wantFailure(extlibs.ErrType,
		extlibs.Op{Kind: extlibs.OpDelete, Key: "max"},
		extlibs.Op{Kind: extlibs.OpIncr, Key: "set", Value: encode(1)},
	)
	s.want("max", maxInt)
}

func batchFailsSameKey(s *suite) {
	s.set("max", maxInt, 0)
	s.set("k", "before", s.units(9))
	s.wantFailure(extlibs.ErrOverflow,
		extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encode(1)},
		extlibs.Op{Kind: extlibs.OpDelete, Key: "k"},
		extlibs.Op{Kind: extlibs.OpAdd, Key: "k", Value: encode(2), TTL: s.units(2)},
		extlibs.Op{Kind: extlibs.OpAdd, Key: "new", Value: encode(2)},
		extlibs.Op{Kind: extlibs.OpDelete, Key: "new"},
		extlibs.Op{Kind: extlibs.OpAdd, Key: "new", Value: encode(3)},
		overflow("max"),
	)
	s.want("k", "before")
	s.wantTTL("k", s.units(9))
	s.wantAbsent("new")
	s.wantLen(2)
}

// batchFailsTTL also waits for the ttls, because an index of deadlines might
// have kept those of the batch.
func batchFailsTTL(s *suite) {
	s.set("max", maxInt, 0)
	s.set("permanent", 1, 0)
	s.set("mortal", 1, s.unit())
	s.wantFailure(extlibs.ErrOverflow,
		extlibs.Op{Kind: extlibs.OpExpire, Key: "permanent", TTL: s.unit()},
		extlibs.Op{Kind: extlibs.OpExpire, Key: "mortal"},
		extlibs.Op{Kind: extlibs.OpSet, Key: "new", Value: encode(1), TTL: s.unit()},
		overflow("max"),
	)
	s.pass(1)
	s.want("permanent", 1)
	s.wantTTL("permanent", 0)
	s.wantAbsent("mortal")
	s.wantAbsent("new")
	s.wantLen(2)
}

func emptyBatch(s *suite) {
	s.set("k", 1, 0)
	if results := s.applyMany(); len(results) != 0 {
		s.Errorf("%d results", len(results))
	}
	s.wantLen(1)
}

func largeBatch(s *suite) {
	const n = 5000
	ops := make([]extlibs.Op, n)
	for i := range ops {
		ops[i] = extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprint(i), Value: encode(i)}
	}
	s.applyMany(ops...)
	s.wantLen(n)
	for i := range ops {
		ops[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: fmt.Sprint(i)}
	}
	for i, r := range s.applyMany(ops...) {
		if !r.Applied || r.Old != encode(i) {
			s.Fatalf("delete %d is applied: %v, old %s", i, r.Applied, show(r.Old))
		}
	}
	s.wantLen(0)
}
