package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scriptling-kv/extlibs"
)

var watchTests = []test{
	{"a watch reports each change of a key", watchChanges},
	{"a watch reports the keys of batches of any size", watchBatches},
	{"a watch reports that any key can have changed after a clear", watchClear},
	{"a watch reports expired keys", watchExpiry},
	{"a change is reported after reads see it, and the last one is not missed", watchLast},
	{"a watch reports nothing after stop, and another one can begin", watchStop},
	{"a watch can be stopped after the store is closed", watchClosed},
}

// patience is how long a report can take: sweepers come when they come.
var patience = 20 * time.Second

// reports collects what a watch reports.
type reports struct {
	s    *suite
	mu   sync.Mutex
	live map[string]bool // as the last report of a key says
	all  int
	more chan struct{} // has room for one signal
	stop func()
}

// watch begins a watch, or skips the test: a backend need not have it.
func (s *suite) watch() *reports {
	s.Helper()
	w, ok := s.store.(extlibs.Watcher)
	if !ok {
		s.Skip("the store is no Watcher")
	}
	r := &reports{s: s, live: map[string]bool{}, more: make(chan struct{}, 1)}
	stop, err := w.Watch(ctx, func(key string, live bool) {
		r.mu.Lock()
		r.live[key] = live
		r.all++
		r.mu.Unlock()
		select {
		case r.more <- struct{}{}:
		default:
		}
	})
	if errors.Is(err, errors.ErrUnsupported) {
		s.Skip("the store cannot be watched")
	}
	if err != nil {
		s.Fatalf("Watch: %v", err)
	}
	r.stop = stop
	s.Cleanup(stop)
	return r
}

// forget forgets the reports so far.
func (r *reports) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.live)
}

func (r *reports) of(key string) (live, reported bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	live, reported = r.live[key]
	return live, reported
}

// want waits for the report of a key.
func (r *reports) want(key string, live bool) {
	r.s.Helper()
	end := time.After(patience)
	for {
		got, reported := r.of(key)
		if reported && got == live {
			return
		}
		select {
		case <-r.more:
		case <-end:
			r.s.Fatalf("no report that %s changed, live: %v", name(key), live)
		}
	}
}

func watchChanges(s *suite) {
	r := s.watch()
	for i, tt := range []struct {
		op   extlibs.Op
		live bool
	}{
		{extlibs.Op{Kind: extlibs.OpSet, Value: encode(1)}, true},
		{extlibs.Op{Kind: extlibs.OpSet, Value: encode(2), TTL: s.units(9)}, true},
		{extlibs.Op{Kind: extlibs.OpSet, Value: encode(2), NeedOld: true}, true},
		{extlibs.Op{Kind: extlibs.OpExpire, TTL: s.units(9)}, true},
		{extlibs.Op{Kind: extlibs.OpIncr, Value: encode(1)}, true},
		{extlibs.Op{Kind: extlibs.OpSwap, Old: encode(3), Value: encode("x")}, true},
		{extlibs.Op{Kind: extlibs.OpSwapTTL, Old: encode("x"), Value: encode("y")}, true},
		{extlibs.Op{Kind: extlibs.OpDeleteIf, Old: encode("y")}, false},
		{extlibs.Op{Kind: extlibs.OpAdd, Value: encode(1), TTL: s.units(9)}, true},
		{extlibs.Op{Kind: extlibs.OpIncr, Value: encode(5)}, true},
		{extlibs.Op{Kind: extlibs.OpIncrInt, Value: encode(5)}, true},
		{extlibs.Op{Kind: extlibs.OpIncr, Value: encode(0.5)}, true},
		{extlibs.Op{Kind: extlibs.OpDelete}, false},
		{extlibs.Op{Kind: extlibs.OpIncrInt, Value: encode(5)}, true},
		{extlibs.Op{Kind: extlibs.OpDelete, NeedOld: true}, false},
		{extlibs.Op{Kind: extlibs.OpIncr, Value: encode(5), TTL: s.units(9)}, true},
		{extlibs.Op{Kind: extlibs.OpSwap, Old: encode(5), Value: encode("x")}, true},
	} {
		tt.op.Key = "the key"
		r.forget()
		got, err := s.store.Apply(ctx, tt.op)
		if err != nil || !got.Applied {
			s.Fatalf("operation %d: %v, applied: %v", i, err, got.Applied)
		}
		r.want("the key", tt.live)
	}
	if _, ok := r.of("other"); ok {
		s.Error("a report of a key that was not written")
	}
}

func watchBatches(s *suite) {
	r := s.watch()
	for _, n := range []int{2, 300, 5000} {
		for _, kind := range []extlibs.OpKind{extlibs.OpSet, extlibs.OpDelete, extlibs.OpAdd, extlibs.OpDelete} {
			ops := make([]extlibs.Op, n)
			for i := range ops {
				ops[i] = extlibs.Op{Kind: kind, Key: fmt.Sprint("k", i)}
				if kind != extlibs.OpDelete {
					ops[i].Value = encode(i)
				}
			}
			r.forget()
			if _, err := s.store.ApplyMany(ctx, ops); err != nil {
				s.Fatal(err)
			}
			for _, i := range []int{0, 1, n / 2, n - 1} {
				r.want(ops[i].Key, kind != extlibs.OpDelete)
			}
			if _, ok := r.of("other"); ok {
				s.Error("a report of a key that was not written")
			}
		}
	}
}

func watchClear(s *suite) {
	s.set("k", 1, 0)
	r := s.watch()
	s.clear()
	r.want("", false)
	s.set("k", 1, 0)
	r.want("k", true)
}

func watchExpiry(s *suite) {
	s.set("before", 1, s.unit())
	r := s.watch()
	s.set("after", 1, s.unit())
	r.want("after", true)
	s.pass(2)
	r.want("before", false)
	r.want("after", false)
}

// watchLast has a reader that looks only when something is reported. It begins at any
// moment, and sees the last value in the end.
func watchLast(s *suite) {
	s.watch().stop()
	for round := range times(50) {
		key, last := fmt.Sprint("n", round), int64(100)
		var writer sync.WaitGroup
		writer.Go(func() {
			for range last {
				if _, err := s.store.Apply(ctx, extlibs.Op{Kind: extlibs.OpIncr, Key: key, Value: encode(1)}); err != nil {
					s.Error(err)
				}
			}
		})
		func() {
			defer writer.Wait()
			s.readLast(key, last)
		}()
	}
}

// readLast reads a key after each report until it holds an int.
func (s *suite) readLast(key string, last int64) {
	s.Helper()
	r := s.watch()
	defer r.stop()
	end := time.After(patience)
	for s.load(key) != encode(last) {
		select {
		case <-r.more:
		case <-end:
			s.Fatalf("the reader sleeps at %s of %d", show(s.load(key)), last)
		}
	}
}

func watchStop(s *suite) {
	first := s.watch()
	s.set("a", 1, 0)
	first.want("a", true)
	first.stop()
	s.set("a", 2, 0)
	s.set("b", 1, 0)
	second := s.watch()
	s.set("c", 1, 0)
	second.want("c", true)
	if _, ok := first.of("b"); ok {
		s.Error("a report after stop")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	second.stop()
	if stop, err := s.store.(extlibs.Watcher).Watch(ended, func(string, bool) {}); err == nil {
		stop()
	}
	third := s.watch()
	s.set("d", 1, 0)
	third.want("d", true)
}

func watchClosed(s *suite) {
	r := s.watch()
	if err := s.store.Close(); err != nil {
		s.Fatal(err)
	}
	r.stop()
}
