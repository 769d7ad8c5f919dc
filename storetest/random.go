package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs"
)

var randomTests = []test{
	{"a random list of calls does what a plain map does", likeAMap},
	{"another list of calls to the same end leaves the same store", sameEnd},
}

// model is a store as a reader of the contract would write it down, with Go
// values. It shares no code with the stores under test.
type model struct {
	now  time.Duration
	keys map[string]modelEntry
}

type modelEntry struct {
	value any           // int, float64 or string
	end   time.Duration // 0: none
}

func (m *model) find(key string) (modelEntry, bool) {
	e, ok := m.keys[key]
	return e, ok && (e.end == 0 || e.end > m.now)
}

func (m *model) live() []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(m.keys)) {
		if _, ok := m.find(key); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

func (m *model) end(ttl time.Duration) time.Duration {
	if ttl == 0 {
		return 0
	}
	return m.now + ttl
}

// call is an extlibs.Op in Go values.
type call struct {
	kind       extlibs.OpKind
	key        string
	value, old any // missing: none
	ttl        time.Duration
}

func (c call) op() extlibs.Op {
	return extlibs.Op{Kind: c.kind, Key: c.key, Value: encodeOrMissing(c.value), Old: encodeOrMissing(c.old), TTL: c.ttl}
}

// do carries out a call. ok is false where it fails.
func (m *model) do(c call) (applied bool, ok bool) {
	e, exists := m.find(c.key)
	switch c.kind {
	case extlibs.OpSet:
		m.keys[c.key] = modelEntry{c.value, m.end(c.ttl)}
		return true, true
	case extlibs.OpAdd:
		if !exists {
			m.keys[c.key] = modelEntry{c.value, m.end(c.ttl)}
		}
		return !exists, true
	case extlibs.OpSwap, extlibs.OpSwapTTL:
		if exists && e.value != c.old || !exists && c.old != missing {
			return false, true
		}
		end := m.end(c.ttl)
		if exists && c.kind == extlibs.OpSwap {
			end = e.end
		}
		m.keys[c.key] = modelEntry{c.value, end}
		return true, true
	case extlibs.OpDeleteIf:
		if !exists || e.value != c.old {
			return false, true
		}
		delete(m.keys, c.key)
		return true, true
	case extlibs.OpDelete:
		delete(m.keys, c.key)
		return exists, true
	case extlibs.OpExpire:
		if exists {
			m.keys[c.key] = modelEntry{e.value, m.end(c.ttl)}
		}
		return exists, true
	}
	if !exists {
		m.keys[c.key] = modelEntry{c.value, m.end(c.ttl)}
		return true, true
	}
	sum := any(nil)
	switch v := e.value.(type) {
	case int:
		if d, isInt := c.value.(int); isInt {
			sum = v + d
		} else {
			sum = float64(v) + c.value.(float64)
		}
	case float64:
		if d, isInt := c.value.(int); isInt {
			sum = v + float64(d)
		} else {
			sum = v + c.value.(float64)
		}
	default:
		return false, false
	}
	m.keys[c.key] = modelEntry{sum, e.end}
	return true, true
}

func (m *model) clone() *model { return &model{m.now, maps.Clone(m.keys)} }

// randomCall prefers calls whose condition holds.
func randomCall(r *rand.Rand, m *model, unit time.Duration) call {
	kinds := []extlibs.OpKind{extlibs.OpSet, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpSwapTTL,
		extlibs.OpDelete, extlibs.OpDeleteIf, extlibs.OpExpire, extlibs.OpIncr}
	values := []any{0, 1, -7, 1000, 0.5, "text", "other"}
	c := call{
		kind:  kinds[r.IntN(len(kinds))],
		key:   fmt.Sprint("key", r.IntN(8)),
		value: values[r.IntN(len(values))],
		old:   missing,
		ttl:   time.Duration(max(0, r.IntN(8)-3)) * unit,
	}
	switch c.kind {
	case extlibs.OpSwap, extlibs.OpSwapTTL, extlibs.OpDeleteIf:
		if e, ok := m.find(c.key); ok && r.IntN(3) > 0 {
			c.old = e.value
		} else if r.IntN(2) == 0 {
			c.old = values[r.IntN(len(values))]
		}
	case extlibs.OpDelete:
		c.value, c.ttl = missing, 0
	case extlibs.OpExpire:
		c.value = missing
	case extlibs.OpIncr:
		c.value = values[r.IntN(5)]
	}
	if c.kind == extlibs.OpDeleteIf {
		c.value, c.ttl = missing, 0
		if c.old == missing {
			c.old = values[0]
		}
	}
	return c
}

func (s *suite) random() *rand.Rand {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func likeAMap(s *suite) {
	r := s.random()
	unit := time.Hour // nothing that a clock that runs on notices
	m := &model{keys: map[string]modelEntry{}}
	for step := range times(1200) {
		switch n := r.IntN(100); {
		case n < 60:
			c := randomCall(r, m, unit)
			s.compare(step, m, []call{c}, func(ops []extlibs.Op) ([]extlibs.Result, error) {
				result, err := s.store.Apply(ctx, ops[0])
				return []extlibs.Result{result}, err
			})
		case n < 80:
			calls := make([]call, r.IntN(6))
			ahead := m.clone()
			for i := range calls {
				calls[i] = randomCall(r, ahead, unit)
				ahead.do(calls[i])
			}
			s.compare(step, m, calls, func(ops []extlibs.Op) ([]extlibs.Result, error) {
				return s.store.ApplyMany(ctx, ops)
			})
		case n < 95:
			if s.advance != nil {
				d := time.Duration(r.IntN(3)) * unit
				s.advance(d)
				m.now += d
			}
		case n < 96:
			if err := s.store.Clear(ctx); err != nil {
				s.Fatal(err)
			}
			clear(m.keys)
		}
		s.wantLike(step, m)
		if s.Failed() {
			return
		}
	}
}

// compare makes the same calls to the model and to the store.
func (s *suite) compare(step int, m *model, calls []call, do func([]extlibs.Op) ([]extlibs.Result, error)) {
	s.Helper()
	ops := make([]extlibs.Op, len(calls))
	applied := make([]bool, len(calls))
	next, ok := m.clone(), true
	for i, c := range calls {
		ops[i] = c.op()
		if ok {
			applied[i], ok = next.do(c)
		}
	}
	results, err := do(ops)
	if (err == nil) != ok {
		s.Errorf("step %d: the calls end with %v, want them done: %v", step, err, ok)
	}
	if ok && err == nil {
		*m = *next
		for i, r := range results {
			if r.Applied != applied[i] {
				s.Errorf("step %d: %s is applied: %v, want %v", step, describe(ops[i]), r.Applied, applied[i])
			}
		}
	}
	if s.Failed() {
		for _, op := range ops {
			s.Logf("step %d: %s", step, describe(op))
		}
	}
}

// wantLike compares all that the store shows with the model.
func (s *suite) wantLike(step int, m *model) {
	s.Helper()
	live := m.live()
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
		want, _ := m.find(key)
		e, err := s.store.Load(ctx, key, extlibs.NeedAll)
		for _, e := range []extlibs.Entry{e, entries[i], many[i]} {
			if err != nil || e.Value != encode(want.value) {
				s.Errorf("step %d: %s holds %s, %v, want %v", step, key, show(e.Value), err, want.value)
			}
			left := max(0, want.end-m.now)
			if e.TTL > left || e.TTL < left-time.Minute || (left == 0) != (e.TTL == 0) {
				s.Errorf("step %d: %s has %v left, want %v", step, key, e.TTL, left)
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
	r := s.random()
	for round := range 20 {
		m := &model{keys: map[string]modelEntry{}}
		var ops []extlibs.Op
		for range 15 {
			c := randomCall(r, m, time.Hour)
			if next := m.clone(); func() bool { _, ok := next.do(c); return ok }() {
				m, ops = next, append(ops, c.op())
			}
		}
		var single []extlibs.Result
		for _, op := range ops {
			single = append(single, s.apply(op))
		}
		want := s.scan(extlibs.Range{Need: extlibs.NeedAll})
		if err := s.store.Clear(ctx); err != nil {
			s.Fatal(err)
		}
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
		if err := s.store.Clear(ctx); err != nil {
			s.Fatal(err)
		}
	}
}
