package redisstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// randomOp makes an operation on one of n keys. Without sums there are none that add.
func randomOp(r *rand.Rand, n int, sums bool) extlibs.Op {
	values := []any{1, -7, "text", 2.5, []byte("b"), int64(1) << 62, nil}
	value := func() extlibs.Value {
		v, err := extlibs.Encode(values[r.IntN(len(values))])
		if err != nil {
			panic(err)
		}
		return v
	}
	op := extlibs.Op{Key: fmt.Sprintf("k%05d", r.IntN(n)), Value: value(), NeedOld: r.IntN(3) == 0, TTL: []time.Duration{0, 5 * time.Hour}[r.IntN(2)]}
	kinds := []extlibs.OpKind{extlibs.OpSet, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpSwapTTL, extlibs.OpDelete, extlibs.OpDeleteIf, extlibs.OpExpire, extlibs.OpCheck, extlibs.OpSetKeepTTL}
	op.Kind = kinds[r.IntN(len(kinds))]
	if sums && r.IntN(3) == 0 {
		op.Kind, op.Key, op.Value = extlibs.OpIncr, "n"+op.Key, number(int64(r.IntN(1000)-500))
	}
	switch op.Kind {
	case extlibs.OpSwap, extlibs.OpSwapTTL, extlibs.OpDeleteIf, extlibs.OpCheck:
		if op.Kind == extlibs.OpDeleteIf || r.IntN(4) > 0 {
			op.Old = value()
		}
	}
	return op
}

func number(n int64) extlibs.Value {
	v, err := extlibs.Encode(n)
	if err != nil {
		panic(err)
	}
	return v
}

// The script takes a batch in parts, and the driver sends most batches sorted by key.
func TestALargeBatchDoesWhatItDoesInMemory(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the clock of the imitation stands still")
	}
	r := kvtest.Rand(t)
	remote, local := openHandle(t, s.url(newName())), openHandle(t, ":memory:batches")
	for _, size := range []int{99, 100, 4001, 9000} {
		for _, keys := range []int{50, size, 4 * size} {
			for _, sums := range []bool{false, true} {
				ops := make([]extlibs.Op, size)
				for i := range ops {
					ops[i] = randomOp(r, keys, sums)
				}
				if r.IntN(4) == 0 { // which fails, or not
					ops[r.IntN(size)].Must = true
				}
				sameBatch(t, local, remote, ops)
			}
		}
	}
}

// The script writes the outcome in parts, because Lua passes at most 8,000 words to a command:
// also where keys in between, at the end of each part for example, stay as they are.
func TestALargeBatchIsWrittenInPartsWhereverKeysStay(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the clock of the imitation stands still")
	}
	remote, local := openHandle(t, s.url(newName())), openHandle(t, ":memory:parts")
	const size = 9000
	for _, stays := range []int{1000, 500, 250, 7, size + 1} { // each of these places is of a key that stays
		for _, op := range []extlibs.Op{
			{Kind: extlibs.OpSet, Value: number(1)},
			{Kind: extlibs.OpSet, Value: number(2), TTL: time.Hour * 5},
			{Kind: extlibs.OpSet, Value: number(3)}, // which removes the deadlines
			{Kind: extlibs.OpExpire, TTL: time.Hour * 5},
			{Kind: extlibs.OpExpire}, // the same
			{Kind: extlibs.OpSet, Value: number(4), TTL: time.Hour * 5},
			{Kind: extlibs.OpDelete}, // of keys and deadlines
		} {
			ops := make([]extlibs.Op, size)
			for i := range ops {
				ops[i] = op
				ops[i].Key = fmt.Sprintf("k%05d", i)
				if (i+1)%stays == 0 {
					ops[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: fmt.Sprintf("k%05d absent", i)}
				}
			}
			sameBatch(t, local, remote, ops)
		}
	}
}

// sameBatch carries out a batch in two stores, and compares the results and the stores.
func sameBatch(t *testing.T, local, remote *extlibs.Handle, ops []extlibs.Op) {
	t.Helper()
	var names []string
	for _, op := range ops {
		names = append(names, op.Key)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var done [2]bool
	var results [2][]extlibs.Result
	var items [2][]extlibs.Item
	var entries [2][]extlibs.Entry
	for i, h := range []*extlibs.Handle{local, remote} {
		var err error
		if results[i], err = h.Store().ApplyMany(t.Context(), ops); err != nil && !errors.Is(err, extlibs.ErrConflict) {
			t.Fatal(err)
		}
		done[i] = err == nil
		if items[i], err = h.Items(t.Context(), extlibs.ListOptions{}); err != nil {
			t.Fatal(err)
		}
		if entries[i], err = h.Store().LoadMany(t.Context(), names, extlibs.NeedTTL); err != nil { // which has another source
			t.Fatal(err)
		}
	}
	if done[0] != done[1] || len(results[0]) != len(results[1]) || len(items[0]) != len(items[1]) || len(entries[0]) != len(entries[1]) {
		t.Fatalf("%d operations: memory has done %t with %d results, and holds %d items and %d entries\nthe server %t, %d, %d, %d", len(ops),
			done[0], len(results[0]), len(items[0]), len(entries[0]), done[1], len(results[1]), len(items[1]), len(entries[1]))
	}
	for i := range results[0] {
		if a, b := results[0][i], results[1][i]; a != b {
			t.Fatalf("operation %d of %d, %+v: memory has %+v\nthe server %+v", i, len(ops), ops[i], a, b)
		}
	}
	for i := range items[0] {
		a, b := items[0][i], items[1][i]
		if a.Key != b.Key || fmt.Sprintf("%#v", a.Value) != fmt.Sprintf("%#v", b.Value) || a.TTL.Round(time.Hour) != b.TTL.Round(time.Hour) {
			t.Fatalf("%d operations: memory has %+v\nthe server %+v", len(ops), a, b)
		}
	}
	for i := range entries[0] {
		if a, b := entries[0][i], entries[1][i]; a.Key != b.Key || a.TTL.Round(time.Hour) != b.TTL.Round(time.Hour) {
			t.Fatalf("%d operations: memory has %+v\nthe server %+v", len(ops), a, b)
		}
	}
}

// Each of several parts has keys that are there, that are not, and that have expired.
func TestDeleteManyTellsWhichKeysWereLive(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	if s.mini != nil {
		t.Skip("the clock of the imitation stands still")
	}
	h := openHandle(t, s.url(newName()), extlibs.SweepInterval(time.Hour))
	const keys = 10_000
	for _, c := range []struct{ name, live, mortal, expired string }{
		{"all live", "0123456789", "", ""}, {"some absent", "013579", "", ""}, {"mortal", "0123456789", "2468", ""}, {"expired", "0123456789", "24", "68"},
	} {
		groups := map[time.Duration]map[string]any{0: {}, time.Hour: {}, time.Millisecond: {}}
		ops := make([]extlibs.Op, keys)
		for i := range keys {
			key := fmt.Sprintf("k%05d", i)
			ops[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: key}
			class := rune('0' + i%10)
			if i < 5000 { // a part without gaps
				class = '0'
			}
			ttl := time.Duration(0)
			switch {
			case slices.Contains([]rune(c.mortal), class):
				ttl = time.Hour
			case slices.Contains([]rune(c.expired), class):
				ttl = time.Millisecond
			}
			if slices.Contains([]rune(c.live), class) {
				groups[ttl][key] = i
			}
		}
		for ttl, values := range groups {
			if err := h.SetMany(t.Context(), values, ttl); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Millisecond) // the server's clock, for what expires
		results, err := h.Store().ApplyMany(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		for i, op := range ops {
			_, live := groups[0][op.Key]
			_, mortal := groups[time.Hour][op.Key]
			if results[i].Applied != (live || mortal) {
				t.Fatalf("%s: %s: %t", c.name, op.Key, results[i].Applied)
			}
		}
		if n, err := h.Count(t.Context(), "*"); n != 0 || err != nil {
			t.Errorf("%s: %d keys are left, %v", c.name, n, err)
		}
	}
}
