package storetest

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// popTests are those of a store that is an extlibs.FirstPopper.
var popTests = []test{
	{"PopFirst removes and returns the first entry of a range", popsFirst},
	{"PopFirst passes over expired keys", popsNoExpired},
	{"PopFirst leaves a value that is too large", popLeavesLarge},
	{"random calls of PopFirst among others do what a plain map does", randomPops},
	{"concurrent callers of PopFirst get different keys, and together all of them", concurrentPops},
	{"PopFirst returns no key after a smaller one was stored", popsInOrder},
}

// popper returns the store as a FirstPopper, and ends the subtest if it is not one.
func (s *suite) popper() extlibs.FirstPopper {
	s.Helper()
	p, ok := s.store.(extlibs.FirstPopper)
	if !ok {
		s.Skip("the store is not a FirstPopper: PopFirst of a Handle reads pages")
	}
	return p
}

// pop takes the first key of a range, and returns none at the end. A store can decline, as
// it does if finding a key takes long; then a page finds it.
func (s *suite) pop(r extlibs.Range) (extlibs.Entry, error) {
	for range 1000 {
		e, done, err := s.popper().PopFirst(ctx, r, math.MaxInt32)
		if errors.Is(err, extlibs.ErrNotFound) {
			return extlibs.Entry{}, nil
		}
		if done || err != nil {
			return e, err
		}
	}
	return extlibs.Entry{}, errors.New("PopFirst declines again and again")
}

func popsFirst(s *suite) {
	s.popper()
	for _, key := range []string{"", "a", "b", "job:", "job:1", "job:10", "job:2", "job;", "z\U0010ffff"} {
		if key != "" {
			s.set(key, "value of "+key, s.units(len(key)))
		}
	}
	for _, tt := range []struct {
		r    extlibs.Range
		want string
	}{
		{extlibs.Range{Prefix: "job:", After: "job:"}, "job:1"},
		{extlibs.Range{Prefix: "job:", Reverse: true}, "job:2"},
		{extlibs.Range{Prefix: "job:", Before: "job:2"}, "job:"},
		{extlibs.Range{Prefix: "none"}, ""},
		{extlibs.Range{Prefix: "job:", After: "job:10"}, ""},
		{extlibs.Range{Prefix: "b", Before: "b"}, ""},
		{extlibs.Range{}, "a"},
		{extlibs.Range{Reverse: true}, "z\U0010ffff"},
		{extlibs.Range{Reverse: true, Before: "job;"}, "job:10"},
		{extlibs.Range{}, "b"},
		{extlibs.Range{After: "\x00"}, "job;"},
		{extlibs.Range{}, ""},
		{extlibs.Range{Reverse: true}, ""},
	} {
		e, err := s.pop(tt.r)
		if err != nil || e.Key != tt.want {
			s.Fatalf("PopFirst(%+v) is %s, %v; want %s", tt.r, name(e.Key), err, name(tt.want))
		}
		if want := s.units(len(tt.want)); tt.want != "" && (e.Value != encode("value of "+tt.want) || e.TTL > want || e.TTL < want-s.units(1)) {
			s.Errorf("PopFirst(%+v) returned %s with %v left", tt.r, show(e.Value), e.TTL)
		}
		if tt.want != "" {
			s.wantAbsent(tt.want)
		}
	}
	s.wantLen(0)
	s.set("permanent", 1, 0)
	if e, err := s.pop(extlibs.Range{}); err != nil || e.TTL != 0 {
		s.Errorf("a key without expiry has %v left (%v)", e.TTL, err)
	}
	for _, v := range []any{nil, 1, -5, int64(1 << 62), 0.5, "", "text", []byte{33, 0}, []any{1}, strings.Repeat("x", 100_000)} {
		s.set("k", v, s.units(5))
		if e, err := s.pop(extlibs.Range{Prefix: "k"}); err != nil || e.Value != encode(v) || e.TTL > s.units(5) || e.TTL < s.units(4) {
			s.Errorf("PopFirst of %s returned %s with %v left, %v", show(encode(v)), show(e.Value), e.TTL, err)
		}
	}
}

func popsNoExpired(s *suite) {
	s.popper()
	for i := range 300 { // more than a store may pass over at once
		s.set(fmt.Sprintf("a%03d", i), i, s.unit())
	}
	s.set("b", "live", s.unit()+s.units(5))
	s.set("c", strings.Repeat("x", 100_000), s.unit())
	s.pass(1)
	for _, reverse := range []bool{false, true} {
		if e, err := s.pop(extlibs.Range{Reverse: reverse}); err != nil || e.Key != "b" {
			s.Errorf("PopFirst is %s, %v; want b", name(e.Key), err)
		}
		if e, err := s.pop(extlibs.Range{Reverse: reverse}); err != nil || e.Key != "" {
			s.Errorf("PopFirst of expired keys is %s, %v", name(e.Key), err)
		}
		s.set("b", "live", s.units(5))
	}
	s.wantLen(1)
}

func popLeavesLarge(s *suite) {
	p := s.popper()
	s.set("a", strings.Repeat("x", 5000), 0)
	s.set("b", 1, 0)
	if e, done, err := p.PopFirst(ctx, extlibs.Range{}, 4000); done || err != nil {
		s.Errorf("PopFirst of at most 4,000 bytes is %s, %v, %v", name(e.Key), done, err)
	}
	s.wantLen(2)
	if e, done, err := p.PopFirst(ctx, extlibs.Range{}, 10_000); !done || err != nil || e.Key != "a" {
		s.Errorf("PopFirst of at most 10,000 bytes is %s, %v, %v", name(e.Key), done, err)
	}
	s.wantLen(1)
}

// PopFirst removes and returns the first entry of a range.
func (m *Model) PopFirst(r extlibs.Range) (extlibs.Entry, bool) {
	from, to := r.Bounds()
	keys := slices.DeleteFunc(m.Keys(), func(key string) bool { return key < from || to != "" && key >= to })
	if len(keys) == 0 {
		return extlibs.Entry{}, false
	}
	key := keys[0]
	if r.Reverse {
		key = keys[len(keys)-1]
	}
	e, _ := m.Load(key)
	delete(m.keys, key)
	return e, true
}

func randomPops(s *suite) {
	s.popper()
	r := kvtest.Rand(s)
	m := NewModel()
	for step := range times(600) {
		switch n := r.IntN(10); {
		case n < 4:
			ops := randomBatch(r, m, 1+r.IntN(4))
			s.compare(step, m, ops, func(ops []extlibs.Op) ([]extlibs.Result, error) { return s.store.ApplyMany(ctx, ops) })
		case n < 9:
			rng := extlibs.Range{Reverse: r.IntN(2) == 0}
			if r.IntN(2) == 0 {
				rng.Prefix = "key"
			}
			if r.IntN(3) == 0 {
				rng.After = fmt.Sprint("key", r.IntN(8))
			}
			if r.IntN(3) == 0 {
				rng.Before = fmt.Sprint("key", r.IntN(8))
			}
			want, _ := m.PopFirst(rng)
			if e, err := s.pop(rng); err != nil || e.Key != want.Key || e.Value != want.Value || (e.TTL == 0) != (want.TTL == 0) {
				s.Fatalf("step %d: PopFirst(%+v) is %s with %s, %v; want %s with %s", step, rng, name(e.Key), show(e.Value), err, name(want.Key), show(want.Value))
			}
		case s.advance != nil:
			s.advance(time.Hour)
			m.Advance(time.Hour)
		}
		if r.IntN(100) == 0 {
			s.clear()
			m.Clear()
		}
		s.wantLike(step, m)
		if s.Failed() {
			return
		}
	}
}

func concurrentPops(s *suite) {
	s.popper()
	const workers = 8
	keys := times(400)
	var seen sync.Map
	together(2*workers, func(worker int) {
		if worker < workers { // one half stores
			for i := worker; i < keys; i += workers {
				s.try(extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprintf("job:%06d", i), Value: encode(i)})
			}
			return
		}
		for range keys / workers / 2 { // the other takes, but not all
			e, err := s.pop(extlibs.Range{Prefix: "job:", Reverse: worker%2 == 0})
			if err != nil {
				s.Errorf("PopFirst: %v", err)
			} else if _, twice := seen.LoadOrStore(e.Key, true); twice && e.Key != "" {
				s.Errorf("%s was returned twice", name(e.Key))
			}
		}
	})
	for {
		e, err := s.pop(extlibs.Range{Prefix: "job:"})
		if err != nil {
			s.Fatal(err)
		}
		if e.Key == "" {
			break
		}
		if _, twice := seen.LoadOrStore(e.Key, true); twice {
			s.Errorf("%s was returned twice", name(e.Key))
		}
	}
	n := 0
	seen.Range(func(key, _ any) bool {
		if key != "" {
			n++
		}
		return true
	})
	if n != keys {
		s.Errorf("%d keys were returned, want %d", n, keys)
	}
	s.wantLen(0)
}

// popsInOrder stores smaller and smaller keys, and checks after each whether the key before
// still exists, while another caller takes first keys. It must not take the larger of two
// keys first if both existed.
func popsInOrder(s *suite) {
	s.popper()
	keys := times(300)
	key := func(i int) string { return fmt.Sprintf("key%06d", i) }
	both := make([]bool, keys+1) // i and i+1 existed
	taken := map[string]int{}    // as which of them a key was taken
	var left atomic.Int32        // stored and not taken
	together(2, func(i int) {
		for n := keys - 1; i == 0 && n >= 0; n-- {
			runtime.Gosched() // so that both are under way all the time
			for n%4 == 0 && left.Load() > 0 && !s.Failed() {
				runtime.Gosched()
			}
			left.Add(1)
			s.try(extlibs.Op{Kind: extlibs.OpSet, Key: key(n), Value: encode(n)})
			if _, err := s.store.Load(ctx, key(n+1), 0); err == nil {
				both[n] = true
			} else if !errors.Is(err, extlibs.ErrNotFound) {
				s.Errorf("Load: %v", err)
			}
		}
		for i == 1 && len(taken) < keys && !s.Failed() {
			e, err := s.pop(extlibs.Range{})
			if err != nil {
				s.Errorf("PopFirst: %v", err)
			} else if e.Key != "" {
				taken[e.Key] = len(taken)
				left.Add(-1)
			}
			runtime.Gosched()
		}
	})
	for n := range keys - 1 {
		if both[n] && taken[key(n+1)] < taken[key(n)] {
			s.Fatalf("PopFirst took %s, although %s was stored before", key(n+1), key(n))
		}
	}
}
