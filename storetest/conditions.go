package storetest

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

var conditionTests = []test{
	{"check compares and changes nothing", checkCompares},
	{"an operation that must apply and does not is ErrConflict, alone and in a batch of any size", conditionsHold},
	{"a condition sees the operations before it in the batch", conditionsInOrder},
	{"random batches with conditions do what a plain map does", randomConditions},
	{"transfers with conditions on all of their accounts keep the sum", transfersKeepTheSum},
	{"a batch with conditions is serializable with blind writes to its keys", conditionsAndBlindWrites},
}

// check makes an OpCheck that must hold.
func check(key string, old extlibs.Value) extlibs.Op {
	return extlibs.Op{Kind: extlibs.OpCheck, Key: key, Old: old, Must: true}
}

func checkCompares(s *suite) {
	kind := extlibs.OpCheck
	runOperations(s, []operation{
		{"check of the value applies", 1, 9, swapOp(kind, 1, missing), true, 1, missing, 1, 9, nil},
		{"check of another value does not apply", 1, 9, swapOp(kind, 2, missing), false, 1, missing, 1, 9, nil},
		{"check tells an int from an equal float", 1, 0, swapOp(kind, 1.0, missing), false, 1, missing, 1, 0, nil},
		{"check of an absent key applies without a value", missing, 0, swapOp(kind, missing, missing), true, missing, missing, missing, 0, nil},
		{"check of an absent key does not apply with a value", missing, 0, swapOp(kind, 1, missing), false, missing, missing, missing, 0, nil},
		{"check of a live key does not apply without a value", nil, 0, swapOp(kind, missing, missing), false, nil, missing, nil, 0, nil},
		{"check ignores a ttl", 1, 9, swapOp(kind, 1, missing, 2), true, 1, missing, 1, 9, nil},
	})
	s.set("k", "old", s.unit())
	s.pass(1)
	if r := s.apply(swapOp(kind, "old", missing)); r.Applied {
		s.Error("a check of an expired value applies")
	}
	if r := s.apply(swapOp(kind, missing, missing)); !r.Applied {
		s.Error("a check of an expired key without a value does not apply")
	}
}

// conditionsHold tries each kind of operation, where it applies and where it does not.
func conditionsHold(s *suite) {
	large := extlibs.RawValue(string(make([]byte, 70_000)))
	for _, tt := range []struct {
		name   string
		before any
		op     extlibs.Op
		holds  bool
	}{
		{"set", missing, op(extlibs.OpSet, 1, 0), true},
		{"set that keeps the ttl", 1, op(extlibs.OpSetKeepTTL, 2, 0), true},
		{"add to an absent key", missing, op(extlibs.OpAdd, 1, 0), true},
		{"add to a live key", 1, op(extlibs.OpAdd, 2, 0), false},
		{"swap of the value", 1, swapOp(extlibs.OpSwap, 1, 2), true},
		{"swap of another value", 1, swapOp(extlibs.OpSwap, 2, 3), false},
		{"swap with a ttl of another value", 1, swapOp(extlibs.OpSwapTTL, 2, 3), false},
		{"swap of an absent key", missing, swapOp(extlibs.OpSwap, 2, 3), false},
		{"delete of a live key", 1, op(extlibs.OpDelete, missing, 0), true},
		{"delete of an absent key", missing, op(extlibs.OpDelete, missing, 0), false},
		{"delete-if of the value", 1, swapOp(extlibs.OpDeleteIf, 1, missing), true},
		{"delete-if of another value", 1, swapOp(extlibs.OpDeleteIf, 2, missing), false},
		{"expire of a live key", 1, op(extlibs.OpExpire, missing, 5), true},
		{"expire of an absent key", missing, op(extlibs.OpExpire, missing, 5), false},
		{"incr", 1, op(extlibs.OpIncr, 1, 0), true},
		{"check of the value", 1, swapOp(extlibs.OpCheck, 1, missing), true},
		{"check of another value", 1, swapOp(extlibs.OpCheck, 2, missing), false},
		{"check of a large value", 1, extlibs.Op{Kind: extlibs.OpCheck, Key: "k", Old: large}, false},
		{"swap of a large value", 1, extlibs.Op{Kind: extlibs.OpSwap, Key: "k", Old: large, Value: encode(1)}, false},
	} {
		for _, beside := range []int{-1, 0, 3, 600} { // operations beside it; -1: Apply
			for _, needOld := range []bool{false, true} {
				name := fmt.Sprintf("%s beside %d, old value %t", tt.name, beside, needOld)
				s.Run(name, func(t *testing.T) {
					s := &suite{T: t, store: s.store, advance: s.advance}
					s.holds(tt.before, tt.op, tt.holds, beside, needOld)
				})
			}
		}
	}
}

func (s *suite) holds(before any, op extlibs.Op, holds bool, beside int, needOld bool) {
	s.clear()
	s.set("kept", "before", 0)
	if before != missing {
		s.set("k", before, s.units(9))
	}
	op.TTL *= s.units(1)
	op.Must, op.NeedOld = true, needOld
	length := s.len()
	var err error
	if beside < 0 {
		_, err = s.store.Apply(ctx, op)
	} else {
		var ops []extlibs.Op
		for i := range beside {
			ops = append(ops, extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprint("beside", i), Value: encode(i)})
		}
		ops = append(slices.Insert(ops, beside/2, op), extlibs.Op{Kind: extlibs.OpDelete, Key: "kept"})
		_, err = s.store.ApplyMany(ctx, ops)
	}
	switch {
	case holds && err != nil:
		s.Errorf("it applies, and the error is %v", err)
	case holds && beside >= 0:
		s.wantAbsent("kept")
	case !holds && !errors.Is(err, extlibs.ErrConflict):
		s.Errorf("it does not apply, and the error is %v, want one that is %q", err, extlibs.ErrConflict)
	case !holds:
		s.want("kept", "before")
		s.wantLen(length)
		if before != missing {
			s.want("k", before)
			s.wantTTL("k", s.units(9))
		}
	}
}

func conditionsInOrder(s *suite) {
	s.set("k", 1, 0)
	s.applyMany(
		check("k", encode(1)),
		extlibs.Op{Kind: extlibs.OpIncr, Key: "k", Value: encode(1)},
		check("k", encode(2)),
		extlibs.Op{Kind: extlibs.OpDelete, Key: "k", Must: true},
		check("k", extlibs.Value{}),
		extlibs.Op{Kind: extlibs.OpAdd, Key: "k", Value: encode(3), Must: true},
		check("k", encode(3)),
	)
	s.want("k", 3)
	s.wantFailure(extlibs.ErrConflict,
		extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encode(4)},
		check("k", encode(3)),
	)
	s.want("k", 3)
}

// randomConditions is likeAMap for batches of which about half fail, some of them larger
// than what a store can keep others away from.
func randomConditions(s *suite) {
	r := kvtest.Rand(s)
	m := NewModel()
	for step := range times(300) {
		n := r.IntN(12)
		if r.IntN(40) == 0 {
			n = 300 + r.IntN(100)
		}
		ops := randomBatch(r, m, n)
		if _, err := m.Clone().ApplyMany(ops); err != nil && len(ops) > 256 {
			// A store can take the keys of a large batch in another order. So if several
			// operations fail, any of them can say what the error is.
			if _, err := s.store.ApplyMany(ctx, ops); err == nil {
				s.Errorf("step %d: a batch is done, want %v", step, err)
			}
			continue
		}
		s.compare(step, m, ops, func(ops []extlibs.Op) ([]extlibs.Result, error) { return s.store.ApplyMany(ctx, ops) })
		s.wantLike(step, m)
		if s.advance != nil && r.IntN(5) == 0 {
			s.advance(time.Hour)
			m.Advance(time.Hour)
		}
		if s.Failed() {
			return
		}
	}
}

// randomBatch returns operations of which many must apply, and in half of the batches do.
func randomBatch(r *rand.Rand, m *Model, n int) (ops []extlibs.Op) {
	ahead, holds := m.Clone(), r.IntN(2) == 0
	for range n {
		op := RandomOp(r, ahead, time.Hour)
		op.Must = r.IntN(2) == 0
		if _, err := ahead.Apply(op); holds && err != nil {
			continue
		}
		ops = append(ops, op)
	}
	return ops
}

// transfersKeepTheSum moves amounts between accounts, some of which come and go, while
// readers add all of them up.
func transfersKeepTheSum(s *suite) {
	const accounts, sum = 5, 1000
	keys := make([]string, accounts)
	for i := range keys {
		keys[i] = fmt.Sprint("account", i)
	}
	s.set(keys[0], sum, 0)
	total := func(entries []extlibs.Entry) (n int64) {
		for _, e := range entries {
			n += number(e.Value)
		}
		return n
	}
	while(func() {
		together(4, func(worker int) {
			r := kvtest.Rand(s, uint64(worker))
			for done := 0; done < times(50) && !s.Failed(); {
				ops, err := s.transfer(r, keys)
				if err == nil {
					_, err = s.store.ApplyMany(ctx, ops)
				}
				switch {
				case err == nil:
					done++
				case !errors.Is(err, extlibs.ErrConflict):
					s.Errorf("a transfer: %v", err)
				}
			}
		})
	}, func() {
		entries, err := s.store.LoadMany(ctx, keys, extlibs.NeedValue)
		if err != nil || total(entries) != sum {
			s.Errorf("LoadMany found a sum of %d in %d accounts, want %d (%v)", total(entries), len(entries), sum, err)
		}
	})
	entries, page := s.loadMany(keys...), s.scan(extlibs.Range{Need: extlibs.NeedAll})
	if total(entries) != sum || total(page) != sum {
		s.Errorf("the sum is %d, on a page %d; want %d", total(entries), total(page), sum)
	}
}

// transfer reads all accounts, and returns operations that move an amount from one to
// another and check the rest. An account with nothing is deleted.
func (s *suite) transfer(r *rand.Rand, keys []string) ([]extlibs.Op, error) {
	entries, err := s.store.LoadMany(ctx, keys, extlibs.NeedValue)
	if err != nil {
		return nil, err
	}
	if r.IntN(4) == 0 {
		time.Sleep(50 * time.Microsecond) // others write meanwhile, also where all of it is quick
	}
	old := map[string]extlibs.Value{}
	for _, e := range entries {
		old[e.Key] = e.Value
	}
	holds := func(key string) int64 {
		if old[key].IsZero() {
			return 0
		}
		return number(old[key])
	}
	from, to := keys[r.IntN(len(keys))], keys[r.IntN(len(keys))]
	amount := min(holds(from), r.Int64N(400))
	ops := make([]extlibs.Op, 0, len(keys))
	for _, key := range keys {
		next := holds(key)
		if key == from {
			next -= amount
		}
		if key == to {
			next += amount
		}
		switch {
		case next == holds(key):
			ops = append(ops, check(key, old[key]))
		case next == 0:
			ops = append(ops, extlibs.Op{Kind: extlibs.OpDeleteIf, Key: key, Old: old[key], Must: true})
		default:
			ops = append(ops, extlibs.Op{Kind: extlibs.OpSwap, Key: key, Old: old[key], Value: encode(next), Must: true})
		}
	}
	return ops, nil
}

// conditionsAndBlindWrites lets one caller copy a key to another, on the condition that the
// first has not changed, while another caller writes the first: the copy is never one that
// the first key no longer held when it was made.
func conditionsAndBlindWrites(s *suite) {
	s.tryMany(extlibs.Op{Kind: extlibs.OpSet, Key: "from", Value: encode(0)}, extlibs.Op{Kind: extlibs.OpSet, Key: "to", Value: encode(0)})
	copies, n := 0, times(300)
	while(func() {
		for i := range n {
			// The writer deletes the copy in the batch that changes the original.
			s.tryMany(extlibs.Op{Kind: extlibs.OpSet, Key: "from", Value: encode(i)}, extlibs.Op{Kind: extlibs.OpDelete, Key: "to"})
			e, err := s.store.Load(ctx, "from", extlibs.NeedValue)
			if err != nil {
				s.Errorf("Load: %v", err)
			}
			_, err = s.store.ApplyMany(ctx, []extlibs.Op{check("from", e.Value), {Kind: extlibs.OpSet, Key: "to", Value: e.Value}})
			if err == nil {
				copies++
			} else if !errors.Is(err, extlibs.ErrConflict) {
				s.Errorf("ApplyMany: %v", err)
			}
		}
	}, func() {
		entries, err := s.store.LoadMany(ctx, []string{"from", "to"}, extlibs.NeedValue)
		if err != nil || len(entries) == 2 && entries[0].Value != entries[1].Value {
			s.Errorf("LoadMany found %+v, %v: a copy of a value that was replaced before", entries, err)
		}
		if len(entries) > 0 { // what this reader copies can be old by then
			_, err = s.store.ApplyMany(ctx, []extlibs.Op{check("from", entries[0].Value), {Kind: extlibs.OpSet, Key: "to", Value: entries[0].Value}})
			if err != nil && !errors.Is(err, extlibs.ErrConflict) {
				s.Errorf("ApplyMany: %v", err)
			}
		}
	})
	if copies != n {
		s.Errorf("%d of %d copies were made, although no other caller writes the original", copies, n)
	}
}
