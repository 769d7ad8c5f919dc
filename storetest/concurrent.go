package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs"
)

var concurrentTests = []test{
	{"incr loses nothing", concurrentIncr},
	{"swap loses nothing", concurrentSwap},
	{"one of several adds wins", concurrentAdd},
	{"one of several deletes gets the value", concurrentDelete},
	{"batches of the same keys do not mix", concurrentBatches},
	{"a batch is never seen half done", batchNeverHalf},
	{"a batch that fails is never seen", failedBatchUnseen},
	{"a state between two operations of a batch is never seen", betweenUnseen},
	{"LoadMany and a page of Scan show one moment", oneMoment},
	{"clear is never seen half done", clearNeverHalf},
	{"a write that returned is seen by every later call", writesAreSeen},
}

// together runs fn in n goroutines and waits for them.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

// while runs watch in two goroutines, again and again, as long as fn runs.
func while(fn func(), watch func()) {
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !done.Load() {
				watch()
			}
		})
	}
	fn()
	done.Store(true)
	wg.Wait()
}

// try is apply for goroutines, which must not end the test.
func (s *suite) try(op extlibs.Op) extlibs.Result {
	op.NeedOld = true
	r, err := s.store.Apply(ctx, op)
	if err != nil {
		s.Errorf("Apply(%s): %v", describe(op), err)
	}
	return r
}

func (s *suite) tryMany(ops ...extlibs.Op) {
	if _, err := s.store.ApplyMany(ctx, ops); err != nil {
		s.Errorf("ApplyMany: %v", err)
	}
}

func concurrentIncr(s *suite) {
	const workers = 8
	calls := times(60)
	var seen sync.Map
	together(workers, func(int) {
		for range calls {
			r := s.try(extlibs.Op{Kind: extlibs.OpIncr, Key: "n", Value: encode(1)})
			if _, twice := seen.LoadOrStore(r.New, true); twice {
				s.Errorf("two calls got %s", show(r.New))
			}
		}
	})
	s.want("n", workers*calls)
}

func concurrentSwap(s *suite) {
	const workers = 4
	calls := times(30)
	s.set("n", 0, 0)
	together(workers, func(int) {
		for range calls {
			for {
				e, err := s.store.Load(ctx, "n", extlibs.NeedAll)
				if err != nil {
					s.Errorf("Load: %v", err)
					return
				}
				if s.try(extlibs.Op{Kind: extlibs.OpSwap, Key: "n", Old: e.Value, Value: plusOne(e.Value)}).Applied {
					break
				}
			}
		}
	})
	s.want("n", workers*calls)
}

func plusOne(v extlibs.Value) extlibs.Value { return encode(number(v) + 1) }

// number is the int in v, or -1.
func number(v extlibs.Value) int64 {
	if n, err := v.Decode(); err == nil {
		if n, ok := n.(int64); ok {
			return n
		}
	}
	return -1
}

func concurrentAdd(s *suite) {
	const keys = 40
	var wins [keys]atomic.Int32
	together(4, func(worker int) {
		for k := range keys {
			r := s.try(extlibs.Op{Kind: extlibs.OpAdd, Key: fmt.Sprint(k), Value: encode(worker)})
			if r.Applied {
				wins[k].Add(1)
			} else if r.Old.IsZero() {
				s.Error("a lost add does not say what won")
			}
		}
	})
	for k := range wins {
		if n := wins[k].Load(); n != 1 {
			s.Errorf("%d adds of key %d won", n, k)
		}
	}
	s.wantLen(keys)
}

func concurrentDelete(s *suite) {
	const keys = 40
	var wins [keys]atomic.Int32
	s.fill(keys)
	together(4, func(int) {
		for k := range keys {
			if r := s.try(extlibs.Op{Kind: extlibs.OpDelete, Key: fmt.Sprintf("key%06d", k)}); r.Applied {
				wins[k].Add(1)
			}
		}
	})
	for k := range wins {
		if n := wins[k].Load(); n != 1 {
			s.Errorf("%d deletes of key %d won", n, k)
		}
	}
	s.wantLen(0)
}

// concurrentBatches moves amounts between accounts: the sum must stay.
func concurrentBatches(s *suite) {
	const accounts = 4
	for i := range accounts {
		s.set(fmt.Sprint(i), 100, 0)
	}
	together(4, func(worker int) {
		for i := range times(40) {
			from, to := (worker+i)%accounts, (worker+i*i+1)%accounts
			s.tryMany(
				extlibs.Op{Kind: extlibs.OpIncr, Key: fmt.Sprint(from), Value: encode(-i)},
				extlibs.Op{Kind: extlibs.OpIncr, Key: fmt.Sprint(to), Value: encode(i)},
			)
		}
	})
	sum := int64(0)
	for _, e := range s.scan(extlibs.Range{Need: extlibs.NeedAll}) {
		sum += number(e.Value)
	}
	if sum != 100*accounts {
		s.Errorf("the sum is %d, want %d", sum, 100*accounts)
	}
}

var batchKeys = []string{"a", "b", "c", "d", "e", "f", "g", "h"}

func setAll(v any) []extlibs.Op {
	ops := make([]extlibs.Op, len(batchKeys))
	for i, key := range batchKeys {
		ops[i] = extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: encode(v)}
	}
	return ops
}

func deleteAll() []extlibs.Op {
	ops := make([]extlibs.Op, len(batchKeys))
	for i, key := range batchKeys {
		ops[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: key}
	}
	return ops
}

// views reads the batch's keys in every way, and reports those views that
// cannot be of one moment.
func (s *suite) views() {
	same := func(call string, entries []extlibs.Entry, err error) {
		if err != nil {
			s.Errorf("%s: %v", call, err)
			return
		}
		if n := len(entries); n != 0 && n != len(batchKeys) {
			s.Errorf("%s found %d of %d keys", call, n, len(batchKeys))
		}
		for _, e := range entries {
			if e.Value != entries[0].Value {
				s.Errorf("%s found %s beside %s", call, show(e.Value), show(entries[0].Value))
				return
			}
		}
	}
	entries, err := s.store.LoadMany(ctx, batchKeys, extlibs.NeedAll)
	same("LoadMany", entries, err)
	page, err := s.store.Scan(ctx, extlibs.Range{Need: extlibs.NeedAll})
	if err != nil || !page.More {
		same("Scan", page.Entries, err)
	}
	if n, err := s.store.Len(ctx); err != nil || n != 0 && n != len(batchKeys) {
		s.Errorf("Len is %d, %v", n, err)
	}
	// What is written last is read first, so that it cannot be the newer one.
	last, err1 := s.store.Load(ctx, batchKeys[len(batchKeys)-1], extlibs.NeedAll)
	first, err2 := s.store.Load(ctx, batchKeys[0], extlibs.NeedAll)
	if err1 == nil && err2 == nil && number(first.Value) < number(last.Value) {
		s.Errorf("Load found %s, then %s", show(last.Value), show(first.Value))
	}
}

func batchNeverHalf(s *suite) {
	while(func() {
		for i := range times(150) {
			s.tryMany(setAll(i)...)
			if i%10 == 9 {
				s.tryMany(deleteAll()...)
			}
		}
	}, s.views)
}

func failedBatchUnseen(s *suite) {
	s.tryMany(setAll(1)...)
	s.set("max", maxInt, 0)
	ops := append(setAll(2), extlibs.Op{Kind: extlibs.OpAdd, Key: "new", Value: encode(2)}, overflow("max"))
	while(func() {
		for range times(400) {
			if _, err := s.store.ApplyMany(ctx, ops); !errors.Is(err, extlibs.ErrOverflow) {
				s.Errorf("ApplyMany: %v", err)
			}
		}
	}, func() {
		for _, key := range []string{"a", "d", "h"} {
			if e, err := s.store.Load(ctx, key, extlibs.NeedAll); err != nil || e.Value != encode(1) {
				s.Errorf("Load found %s, %v", show(e.Value), err)
			}
		}
		if _, err := s.store.Load(ctx, "new", extlibs.NeedAll); !errors.Is(err, extlibs.ErrNotFound) {
			s.Errorf("Load of a key that only failed batches add: %v", err)
		}
		if n, err := s.store.Len(ctx); err != nil || n != len(batchKeys)+1 {
			s.Errorf("Len is %d, %v", n, err)
		}
	})
}

func betweenUnseen(s *suite) {
	s.set("k", "before", 0)
	var ops []extlibs.Op
	for range 20 {
		ops = append(ops,
			extlibs.Op{Kind: extlibs.OpDelete, Key: "k"},
			extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encode("between")},
			extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encode("before")})
	}
	while(func() {
		for range times(200) {
			s.tryMany(ops...)
		}
	}, func() {
		if e, err := s.store.Load(ctx, "k", extlibs.NeedAll); err != nil || e.Value != encode("before") {
			s.Errorf("Load found %s, %v", show(e.Value), err)
		}
		if n, err := s.store.Len(ctx); err != nil || n != 1 {
			s.Errorf("Len is %d, %v", n, err)
		}
	})
}

// oneMoment writes two keys, one after the other: a view in which the second one
// is newer, or the first one is two rounds ahead, never was. The many keys
// between them leave time to write during the reading.
func oneMoment(s *suite) {
	const between = 500
	keys := append(append([]string{"a"}, s.fill(between)...), "z")
	s.set("a", 0, 0)
	s.set("z", 0, 0)
	check := func(call string, entries []extlibs.Entry, err error) {
		if err != nil || len(entries) != len(keys) {
			s.Errorf("%s returned %d entries, %v", call, len(entries), err)
			return
		}
		first, last := number(entries[0].Value), number(entries[len(entries)-1].Value)
		if last > first || first > last+1 {
			s.Errorf("%s found %d in the first key and %d in the last", call, first, last)
		}
	}
	while(func() {
		for i := range times(200) {
			s.try(extlibs.Op{Kind: extlibs.OpSet, Key: "a", Value: encode(i)})
			s.try(extlibs.Op{Kind: extlibs.OpSet, Key: "z", Value: encode(i)})
		}
	}, func() {
		entries, err := s.store.LoadMany(ctx, keys, extlibs.NeedAll)
		check("LoadMany", entries, err)
		page, err := s.store.Scan(ctx, extlibs.Range{Need: extlibs.NeedAll})
		if err != nil || !page.More {
			check("Scan", page.Entries, err)
		}
	})
}

func clearNeverHalf(s *suite) {
	while(func() {
		for i := range times(100) {
			s.tryMany(setAll(i)...)
			if err := s.store.Clear(ctx); err != nil {
				s.Errorf("Clear: %v", err)
			}
		}
	}, s.views)
}

func writesAreSeen(s *suite) {
	together(4, func(worker int) {
		key := fmt.Sprint("key of ", worker)
		for i := range times(40) {
			s.try(extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: encode(i)})
			if e, err := s.store.Load(ctx, key, extlibs.NeedAll); err != nil || e.Value != encode(i) {
				s.Errorf("after set of %d, Load found %s, %v", i, show(e.Value), err)
			}
			if page, err := s.store.Scan(ctx, extlibs.Range{Prefix: key, Need: extlibs.NeedAll}); err != nil || len(page.Entries) != 1 || page.Entries[0].Value != encode(i) {
				s.Errorf("after set of %d, Scan found %+v, %v", i, page.Entries, err)
			}
			s.try(extlibs.Op{Kind: extlibs.OpDelete, Key: key})
			if e, err := s.store.Load(ctx, key, extlibs.NeedAll); !errors.Is(err, extlibs.ErrNotFound) {
				s.Errorf("after delete, Load found %s, %v", show(e.Value), err)
			}
		}
	})
	s.wantLen(0)
}
