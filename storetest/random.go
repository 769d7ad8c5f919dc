package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

var randomTests = []test{
	{"a random list of calls does what a plain map does", likeAMap},
	{"another list of calls to the same end leaves the same store", sameEnd},
}

// RandomOp returns an operation on one of a few keys. It prefers operations whose condition
// holds in m. Times to live are multiples of unit.
func RandomOp(r *rand.Rand, m *Model, unit time.Duration) extlibs.Op {
	kinds := []extlibs.OpKind{extlibs.OpSet, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpSwapTTL,
		extlibs.OpDelete, extlibs.OpDeleteIf, extlibs.OpExpire, extlibs.OpIncr, extlibs.OpIncrInt, extlibs.OpCheck, extlibs.OpSetKeepTTL}
	value := func(numbers int) extlibs.Value { return encode(randomValues[r.IntN(numbers)]) }
	op := extlibs.Op{Kind: kinds[r.IntN(len(kinds))], Key: fmt.Sprint("key", r.IntN(8)), NeedOld: r.IntN(2) == 0}
	switch op.Kind {
	case extlibs.OpSet, extlibs.OpSetKeepTTL, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpSwapTTL:
		op.Value = value(len(randomValues))
	case extlibs.OpIncr, extlibs.OpIncrInt:
		op.Value = value(randomNumbers)
	}
	switch op.Kind {
	case extlibs.OpSwap, extlibs.OpSwapTTL, extlibs.OpDeleteIf, extlibs.OpCheck:
		if e, ok := m.Load(op.Key); ok && r.IntN(3) > 0 {
			op.Old = e.Value
		} else if r.IntN(2) == 0 || op.Kind == extlibs.OpDeleteIf {
			op.Old = value(len(randomValues))
		}
	}
	op.Must = r.IntN(6) == 0
	if op.Kind != extlibs.OpDelete && op.Kind != extlibs.OpDeleteIf && op.Kind != extlibs.OpCheck {
		op.TTL = time.Duration(max(0, r.IntN(8)-3)) * unit
	}
	return op
}

// randomValues are the values of random operations, numbers first.
var randomValues = []any{0, 1, -7, 1000, 0.5, "text", "other"}

const randomNumbers = 5

func likeAMap(s *suite) {
	r := kvtest.Rand(s)
	unit := time.Hour // nothing that a clock that runs on notices
	m := NewModel()
	for step := range times(1200) {
		switch n := r.IntN(100); {
		case n < 60:
			s.compare(step, m, []extlibs.Op{RandomOp(r, m, unit)}, func(ops []extlibs.Op) ([]extlibs.Result, error) {
				result, err := s.store.Apply(ctx, ops[0])
				return []extlibs.Result{result}, err
			})
		case n < 80:
			ops, ahead := make([]extlibs.Op, r.IntN(6)), m.Clone()
			for i := range ops {
				ops[i] = RandomOp(r, ahead, unit)
				ahead.Apply(ops[i]) // one that fails changes nothing
			}
			s.compare(step, m, ops, func(ops []extlibs.Op) ([]extlibs.Result, error) {
				return s.store.ApplyMany(ctx, ops)
			})
		case n < 95:
			if s.advance != nil {
				d := time.Duration(r.IntN(3)) * unit
				s.advance(d)
				m.Advance(d)
			}
		case n < 96:
			s.clear()
			m.Clear()
		}
		s.wantLike(step, m)
		if s.Failed() {
			return
		}
	}
}

// compare carries out the same operations on the model and on the store.
func (s *suite) compare(step int, m *Model, ops []extlibs.Op, do func([]extlibs.Op) ([]extlibs.Result, error)) {
	s.Helper()
	want, wantErr := m.ApplyMany(ops)
	results, err := do(ops)
	if (err == nil) != (wantErr == nil) {
		s.Errorf("step %d: the operations end with %v, want %v", step, err, wantErr)
	}
	for _, kind := range []error{extlibs.ErrType, extlibs.ErrOverflow, extlibs.ErrInvalid, extlibs.ErrConflict} {
		if errors.Is(wantErr, kind) != errors.Is(err, kind) {
			s.Errorf("step %d: the operations end with %v, want %v", step, err, wantErr)
		}
	}
	if err == nil && wantErr == nil && !slices.Equal(results, want) {
		s.Errorf("step %d: the results are %+v, want %+v", step, results, want)
	}
	if s.Failed() {
		for _, op := range ops {
			s.Logf("step %d: %s", step, describe(op))
		}
	}
}

// wantLike compares all that the store shows with the model.
func (s *suite) wantLike(step int, m *Model) {
	s.Helper()
	live := m.Keys()
	if n := s.len(); n != len(live) {
		s.Errorf("step %d: Len is %d, want %d", step, n, len(live))
	}
	entries := s.scan(extlibs.Range{Need: extlibs.NeedAll})
	if got := keysOf(entries); !slices.Equal(got, live) {
		s.Errorf("step %d: Scan found %q, want %q", step, got, live)
		return
	}
	many := s.loadMany(live...)
	for i, key := range live {
		want, _ := m.Load(key)
		e, err := s.store.Load(ctx, key, extlibs.NeedAll)
		for _, e := range []extlibs.Entry{e, entries[i], many[i]} {
			if err != nil || e.Value != want.Value {
				s.Errorf("step %d: %s holds %s, %v, want %s", step, key, show(e.Value), err, show(want.Value))
			}
			if e.TTL > want.TTL || e.TTL < want.TTL-time.Minute || (want.TTL == 0) != (e.TTL == 0) {
				s.Errorf("step %d: %s has %v left, want %v", step, key, e.TTL, want.TTL)
			}
		}
	}
	for i := range 8 {
		key := fmt.Sprint("key", i)
		if _, err := s.store.Load(ctx, key, extlibs.NeedAll); err != nil && !errors.Is(err, extlibs.ErrNotFound) {
			s.Errorf("step %d: Load(%s): %v", step, key, err)
		} else if (err == nil) != slices.Contains(live, key) {
			s.Errorf("step %d: %s is there: %v", step, key, err == nil)
		}
	}
}

// sameEnd takes two ways to one end in one store: call by call, and as one
// batch. Results and entries must be the same.
func sameEnd(s *suite) {
	r := kvtest.Rand(s)
	for round := range 20 {
		m := NewModel()
		var ops []extlibs.Op
		for range 15 {
			op := RandomOp(r, m, time.Hour)
			op.NeedOld = true
			if _, err := m.Apply(op); err == nil {
				ops = append(ops, op)
			}
		}
		var single []extlibs.Result
		for _, op := range ops {
			single = append(single, s.apply(op))
		}
		want := s.scan(extlibs.Range{Need: extlibs.NeedAll})
		s.clear()
		batch := s.applyMany(ops...)
		got := s.scan(extlibs.Range{Need: extlibs.NeedAll})
		if !slices.Equal(batch, single) {
			s.Fatalf("round %d: a batch has the results\n%+v, single calls\n%+v", round, batch, single)
		}
		sameEntry := func(a, b extlibs.Entry) bool {
			return a.Key == b.Key && a.Value == b.Value && (a.TTL == 0) == (b.TTL == 0)
		}
		if !slices.EqualFunc(got, want, sameEntry) {
			s.Fatalf("round %d: a batch left\n%+v, single calls\n%+v", round, got, want)
		}
		s.clear()
	}
}
