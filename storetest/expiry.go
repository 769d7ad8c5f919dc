package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

var expiryTests = []test{
	{"a key is live until its deadline and absent from then on", expiresExactly},
	{"the remaining ttl decreases", timeLeftShrinks},
	{"all calls agree about an expired key", agreeOnExpiry},
	{"operations find an expired key absent", operationsAfterExpiry},
	{"a key that was made permanent stays", madePermanent},
	{"a key whose ttl was made longer lives on to its new end", madeLonger},
	{"a key whose ttl was made shorter ends sooner", madeShorter},
	{"swap and incr do not lengthen a life", keptTimeEnds},
	{"an expired key can be stored again, with a new ttl", storedAgain},
	{"thousands of keys expire at once, and the others stay", manyExpire},
}

func expiresExactly(s *suite) {
	if s.advance == nil {
		began := time.Now()
		s.set("k", 1, 2*s.unit())
		got := s.load("k")
		if got.IsZero() && time.Since(began) < 2*s.unit() {
			s.Error("the key is absent before its deadline")
		}
		s.pass(2)
		s.wantAbsent("k")
		return
	}
	s.set("k", 1, 3*s.unit())
	for range 2 {
		s.pass(1)
		s.want("k", 1)
	}
	s.pass(1)
	s.wantAbsent("k")
	s.wantLen(0)
}

func timeLeftShrinks(s *suite) {
	ttl := s.units(5)
	s.set("k", 1, ttl)
	s.wantTTL("k", ttl)
	s.pass(2)
	e, err := s.store.Load(ctx, "k", extlibs.NeedAll)
	if err != nil {
		s.Fatal(err)
	}
	if left := ttl - 2*s.unit(); e.TTL > left || e.TTL <= 0 {
		s.Errorf("%v left, want no more than %v", e.TTL, left)
	}
}

// agreeOnExpiry interleaves keys that have expired with keys that have not.
func agreeOnExpiry(s *suite) {
	var all, live []string
	for i := range 40 {
		key := fmt.Sprintf("key%02d", i)
		all = append(all, key)
		ttl := time.Duration(0)
		switch i % 4 {
		case 0:
			ttl = s.unit()
		case 1:
			ttl = 2 * s.unit()
		case 2:
			ttl = s.units(1000)
		}
		s.set(key, i, ttl)
		if i%4 > 1 {
			live = append(live, key)
		}
	}
	s.pass(2)
	s.wantLen(len(live))
	for _, need := range []extlibs.Need{0, extlibs.NeedAll} {
		if got := keysOf(s.scan(extlibs.Range{Need: need})); !slices.Equal(got, live) {
			s.Errorf("Scan (need %d) returned %q, want %q", need, got, live)
		}
	}
	if got := keysOf(s.loadMany(all...)); !slices.Equal(got, live) {
		s.Errorf("LoadMany returned %q, want %q", got, live)
	}
	for _, key := range all {
		if got := !s.load(key).IsZero(); got != slices.Contains(live, key) {
			s.Errorf("Load(%s) finds it: %v", key, got)
		}
	}
	for _, key := range all {
		r := s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: key})
		if r.Applied != slices.Contains(live, key) {
			s.Errorf("delete of %s is applied: %v", key, r.Applied)
		}
	}
	s.wantLen(0)
}

func operationsAfterExpiry(s *suite) {
	for _, tt := range []struct {
		name    string
		op      extlibs.Op
		applied bool
		after   any
	}{
		{"set", op(extlibs.OpSet, 1, 0), true, 1},
		{"set that keeps the ttl", op(extlibs.OpSetKeepTTL, 1, 0), true, 1},
		{"add", op(extlibs.OpAdd, 1, 0), true, 1},
		{"swap for the expired value", swapOp(extlibs.OpSwap, "old", 1), false, missing},
		{"swap for nothing", swapOp(extlibs.OpSwap, missing, 1), true, 1},
		{"swap with a ttl for the expired value", swapOp(extlibs.OpSwapTTL, "old", 1), false, missing},
		{"swap with a ttl for nothing", swapOp(extlibs.OpSwapTTL, missing, 1), true, 1},
		{"delete-if", swapOp(extlibs.OpDeleteIf, "old", missing), false, missing},
		{"check of the expired value", swapOp(extlibs.OpCheck, "old", missing), false, missing},
		{"check for nothing", swapOp(extlibs.OpCheck, missing, missing), true, missing},
		{"delete", op(extlibs.OpDelete, missing, 0), false, missing},
		{"expire", op(extlibs.OpExpire, missing, 0), false, missing},
		{"incr", op(extlibs.OpIncr, 1, 0), true, 1},
	} {
		s.Run(tt.name, func(t *testing.T) {
			s := &suite{T: t, store: s.store, advance: s.advance}
			s.clear()
			s.set("k", "old", s.unit())
			s.pass(1)
			r := s.apply(tt.op)
			if r.Applied != tt.applied || !r.Old.IsZero() || r.New != encodeOrMissing(tt.after) {
				s.Errorf("the result is %v, old %s, new %s", r.Applied, show(r.Old), show(r.New))
			}
			if tt.after == missing {
				s.wantAbsent("k")
				s.wantLen(0)
				return
			}
			s.want("k", tt.after)
			s.wantTTL("k", 0)
			s.wantLen(1)
		})
	}
}

func madePermanent(s *suite) {
	s.set("by set", 1, s.unit())
	s.set("by set", 2, 0)
	s.inTime(func() {
		s.set("by expire", 1, s.unit())
		s.apply(extlibs.Op{Kind: extlibs.OpExpire, Key: "by expire"})
	})
	s.pass(3)
	s.want("by set", 2)
	s.want("by expire", 1)
	s.wantLen(2)
}

func madeLonger(s *suite) {
	s.inTime(func() {
		s.set("k", 1, s.unit())
		s.apply(extlibs.Op{Kind: extlibs.OpExpire, Key: "k", TTL: 4 * s.unit()})
	})
	s.pass(2)
	s.want("k", 1)
	s.pass(2)
	s.wantAbsent("k")
	s.wantLen(0)
}

func madeShorter(s *suite) {
	s.set("k", 1, s.units(100))
	s.apply(extlibs.Op{Kind: extlibs.OpExpire, Key: "k", TTL: s.unit()})
	s.pass(1)
	s.wantAbsent("k")
	s.wantLen(0)
}

func keptTimeEnds(s *suite) {
	for _, key := range []string{"swapped", "counted"} {
		s.set(key, 1, 2*s.unit())
	}
	s.pass(1)
	s.apply(extlibs.Op{Kind: extlibs.OpSwap, Key: "swapped", Old: encode(1), Value: encode(2), TTL: s.units(50)})
	s.apply(extlibs.Op{Kind: extlibs.OpIncr, Key: "counted", Value: encode(1), TTL: s.units(50)})
	if s.advance != nil { // else a slow machine is past the end already
		s.want("swapped", 2)
		s.want("counted", 2)
		s.pass(1)
		s.wantAbsent("swapped")
		s.wantAbsent("counted")
	}
}

func storedAgain(s *suite) {
	s.set("permanent", 1, s.unit())
	s.set("mortal", 1, s.unit())
	s.pass(1)
	s.set("permanent", 2, 0)
	s.set("mortal", 2, 2*s.unit())
	s.pass(1)
	s.want("permanent", 2)
	if s.advance != nil {
		s.want("mortal", 2)
	}
	s.pass(1)
	s.want("permanent", 2)
	s.wantAbsent("mortal")
	s.wantLen(1)
}

func manyExpire(s *suite) {
	const n = 3000
	var ops []extlibs.Op
	for i := range n {
		ttl := s.unit()
		if i%3 == 0 {
			ttl = 0
		}
		ops = append(ops, extlibs.Op{Kind: extlibs.OpSet, Key: fmt.Sprintf("key%05d", i), Value: encode(i), TTL: ttl})
	}
	s.applyMany(ops...)
	s.pass(1)
	s.wantLen(n / 3)
	entries := s.scan(extlibs.Range{Need: extlibs.NeedAll})
	if len(entries) != n/3 {
		s.Fatalf("Scan returned %d entries, want %d", len(entries), n/3)
	}
	for i, e := range entries {
		if e.Key != fmt.Sprintf("key%05d", 3*i) || e.Value != encode(3*i) {
			s.Fatalf("entry %d is %s, %s", i, e.Key, show(e.Value))
		}
	}
}
