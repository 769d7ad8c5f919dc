package storetest

import (
	"errors"
	"sync"

	"github.com/scriptling-kv/extlibs"
)

var lifeTests = []test{
	{"clear removes every key", clearRemoves},
	{"clear changes the epoch of pages, and nothing else does", clearEpoch},
	{"a cleared store is as good as new", clearedStore},
	{"a closed store answers every call with ErrClosed", closedStore},
	{"closing twice is no error", closeTwice},
	{"calls during close end well or with ErrClosed", closeDuring},
}

func clearRemoves(s *suite) {
	keys := s.fill(3000)
	s.set("mortal", 1, s.units(9))
	s.clear()
	s.wantLen(0)
	s.wantAbsent("mortal")
	if got := s.loadMany(keys...); len(got) != 0 {
		s.Errorf("LoadMany still finds %d keys", len(got))
	}
	if got := s.scan(extlibs.Range{}); len(got) != 0 {
		s.Errorf("Scan still finds %d keys", len(got))
	}
}

func clearEpoch(s *suite) {
	epoch := func() uint64 {
		s.Helper()
		page, err := s.store.Scan(ctx, extlibs.Range{Limit: 1})
		if err != nil {
			s.Fatal(err)
		}
		return page.Epoch
	}
	seen := map[uint64]bool{}
	for range 5 {
		first := epoch()
		if seen[first] {
			s.Fatalf("epoch %d comes again after a clear", first)
		}
		seen[first] = true
		s.set("a", 1, 0)
		s.set("b", 1, s.units(1))
		s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: "a"})
		if second := epoch(); second != first {
			s.Fatalf("the epoch went from %d to %d without a clear", first, second)
		}
		s.clear()
	}
}

// clearedStore looks for deadlines that outlived their keys.
func clearedStore(s *suite) {
	s.set("k", 1, s.unit())
	s.set("gone", 1, s.unit())
	s.clear()
	s.clear() // an empty store
	r := s.apply(extlibs.Op{Kind: extlibs.OpAdd, Key: "k", Value: encode(2)})
	if !r.Applied || !r.Old.IsZero() {
		s.Errorf("add after clear is applied: %v, old %s", r.Applied, show(r.Old))
	}
	s.wantTTL("k", 0)
	s.pass(2)
	s.want("k", 2)
	s.wantLen(1)
}

// everyCall makes each call of a store but Close.
func everyCall(store extlibs.Store) map[string]error {
	op := extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encode(1)}
	errs := map[string]error{}
	_, errs["Load"] = store.Load(ctx, "k", extlibs.NeedAll)
	_, errs["LoadMany"] = store.LoadMany(ctx, []string{"k"}, extlibs.NeedAll)
	_, errs["Apply"] = store.Apply(ctx, op)
	_, errs["ApplyMany"] = store.ApplyMany(ctx, []extlibs.Op{op})
	_, errs["Scan"] = store.Scan(ctx, extlibs.Range{})
	_, errs["Len"] = store.Len(ctx)
	errs["Clear"] = store.Clear(ctx)
	return errs
}

func closedStore(s *suite) {
	s.set("k", 1, 0)
	for call, err := range everyCall(s.store) {
		if err != nil {
			s.Errorf("%s before Close: %v", call, err)
		}
	}
	if err := s.store.Close(); err != nil {
		s.Fatal(err)
	}
	for call, err := range everyCall(s.store) {
		if !errors.Is(err, extlibs.ErrClosed) {
			s.Errorf("%s is %v, want ErrClosed", call, err)
		}
	}
}

func closeTwice(s *suite) {
	s.set("k", 1, s.units(1))
	for range 3 {
		if err := s.store.Close(); err != nil {
			s.Fatal(err)
		}
	}
}

func closeDuring(s *suite) {
	var calls, begun sync.WaitGroup
	for range 4 {
		begun.Add(1)
		calls.Go(func() {
			for i := 0; ; i++ {
				closed := 0
				for call, err := range everyCall(s.store) {
					switch {
					case errors.Is(err, extlibs.ErrClosed):
						closed++
					case err != nil && !errors.Is(err, extlibs.ErrNotFound):
						s.Errorf("%s: %v", call, err)
					}
				}
				if i == 0 {
					begun.Done()
				}
				if closed == 7 {
					return
				}
			}
		})
	}
	begun.Wait()
	for range 2 {
		calls.Go(func() {
			if err := s.store.Close(); err != nil {
				s.Errorf("Close: %v", err)
			}
		})
	}
	calls.Wait()
}
