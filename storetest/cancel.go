package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/scriptling-kv/extlibs"
)

var cancelTests = []test{
	{"a call with a cancelled context fails or completes", cancelledBefore},
	{"a cancelled batch is atomic", cancelledDuring},
	{"a failed call with a live context names its own failure", failsOfItself},
}

func cancelledBefore(s *suite) {
	s.set("k", 1, 0)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	check := func(call string, err error) bool {
		s.Helper()
		if err != nil && !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want context.Canceled or no error", call, err)
		}
		return err == nil
	}
	e, err := s.store.Load(ended, "k", extlibs.NeedAll)
	if check("Load", err) && e.Value != encode(1) {
		s.Errorf("Load found %s", show(e.Value))
	}
	entries, err := s.store.LoadMany(ended, []string{"k"}, extlibs.NeedAll)
	if check("LoadMany", err) && len(entries) != 1 {
		s.Errorf("LoadMany found %d keys", len(entries))
	}
	page, err := s.store.Scan(ended, extlibs.Range{})
	if check("Scan", err) && len(page.Entries) != 1 && !page.More {
		s.Errorf("Scan found %d keys", len(page.Entries))
	}
	n, err := s.store.Len(ended)
	if check("Len", err) && n != 1 {
		s.Errorf("Len is %d", n)
	}
	_, err = s.store.Apply(ended, extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: encode(2)})
	s.wantOneOf("k", 1, 2, check("Apply", err), err)
	s.set("k", 1, 0)
	_, err = s.store.ApplyMany(ended, []extlibs.Op{
		{Kind: extlibs.OpSet, Key: "k", Value: encode(2)},
		{Kind: extlibs.OpSet, Key: "l", Value: encode(2)},
	})
	done := s.wantOneOf("k", 1, 2, check("ApplyMany", err), err)
	if there := !s.load("l").IsZero(); there != done {
		s.Errorf("one operation of the batch is done: %v, the other: %v", done, there)
	}
	before := s.len()
	if check("Clear", s.store.Clear(ended)) {
		s.wantLen(0)
	} else if n := s.len(); n != before && n != 0 {
		s.Errorf("after a cancelled clear %d of %d keys exist", n, before)
	}
}

// wantOneOf checks a key after a write that was done, that failed, or whose outcome is
// unknown, and reports whether it was done.
func (s *suite) wantOneOf(key string, before, after any, done bool, err error) bool {
	s.Helper()
	got := s.load(key)
	if errors.Is(err, extlibs.ErrCommitUnknown) {
		done = got == encode(after)
	}
	if done {
		s.want(key, after)
	} else {
		s.want(key, before)
	}
	return done
}

// A write whose outcome is unknown is taken for not done when it has not shown
// for so long, all of them in a subtest together.
const (
	pollInterval = 5 * time.Millisecond
	pollPatience = 2 * time.Second
)

func cancelledDuring(s *suite) {
	patience := pollPatience
	for i := range 60 {
		old := s.load("a")
		running, cancel := context.WithCancel(ctx)
		go cancel()
		_, err := s.store.ApplyMany(running, setAll(i))
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			s.Errorf("ApplyMany: %v, want context.Canceled or no error", err)
		}
		// If that is unknown, it may yet be done, but not for long.
		for errors.Is(err, extlibs.ErrCommitUnknown) && s.load("a") != encode(i) && patience > 0 {
			time.Sleep(pollInterval)
			patience -= pollInterval
		}
		entries := s.loadMany(batchKeys...) // of one moment
		a := s.load("a")
		for _, e := range entries {
			if len(entries) != len(batchKeys) || e.Value != entries[0].Value {
				s.Fatalf("%s holds %s, but %s holds %s, and %d of %d keys exist",
					e.Key, show(e.Value), entries[0].Key, show(entries[0].Value), len(entries), len(batchKeys))
			}
		}
		switch {
		case err == nil && a != encode(i):
			s.Errorf("the batch returned but a holds %s, want %d", show(a), i)
		case err != nil && !errors.Is(err, extlibs.ErrCommitUnknown) && a != old:
			s.Errorf("the batch failed (%v) but a holds %s, want %s", err, show(a), show(old))
		}
	}
}

func failsOfItself(s *suite) {
	s.set("max", maxInt, 0)
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := s.store.Apply(running, overflow("max"))
	if !errors.Is(err, extlibs.ErrOverflow) || errors.Is(err, context.Canceled) {
		s.Errorf("Apply: %v", err)
	}
}
