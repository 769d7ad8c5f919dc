package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

var operationTests = []test{
	{"a key that was never stored is ErrNotFound", neverStored},
	{"each operation does what Op.Next says", eachOperation},
	{"an operation that fails changes nothing", failingOperations},
	{"a result has the old value where it is needed, and only there", oldWhereNeeded},
	{"LoadMany returns the live entries in the order asked for", loadsMany},
	{"an entry has what is needed of it", whatIsNeeded},
	{"Len counts the keys", countsKeys},
}

func neverStored(s *suite) {
	if e, err := s.store.Load(ctx, "k", extlibs.NeedAll); !errors.Is(err, extlibs.ErrNotFound) {
		s.Errorf("Load is %+v, %v; want ErrNotFound", e, err)
	}
	if entries := s.loadMany("k", "l"); len(entries) != 0 {
		s.Errorf("LoadMany returned %d entries", len(entries))
	}
	s.wantLen(0)
}

// operation is one call on a key, with what it finds and leaves. Values are Go
// values; missing is no value.
type operation struct {
	name   string
	before any
	ttl    int // units before, 0: none
	op     extlibs.Op

	applied  bool
	old, new any
	after    any
	left     int // units after
	err      error
}

type absence struct{}

var missing absence

func encodeOrMissing(v any) extlibs.Value {
	if v == missing {
		return extlibs.Value{}
	}
	return encode(v)
}

func eachOperation(s *suite) {
	set, keep, add, swap, swapTTL := extlibs.OpSet, extlibs.OpSetKeepTTL, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpSwapTTL
	del, delIf, expire, incr, incrInt := extlibs.OpDelete, extlibs.OpDeleteIf, extlibs.OpExpire, extlibs.OpIncr, extlibs.OpIncrInt
	runOperations(s, []operation{
		{"set stores a value", missing, 0, op(set, 1, 0), true, missing, 1, 1, 0, nil},
		{"set replaces a value and returns the old one", "a", 0, op(set, 1, 0), true, "a", 1, 1, 0, nil},
		{"set stores a ttl", missing, 0, op(set, 1, 5), true, missing, 1, 1, 5, nil},
		{"set replaces a ttl", 1, 9, op(set, 2, 5), true, 1, 2, 2, 5, nil},
		{"set without a ttl makes a key permanent", 1, 9, op(set, 2, 0), true, 1, 2, 2, 0, nil},
		{"set of the same value still replaces the ttl", 1, 9, op(set, 1, 0), true, 1, 1, 1, 0, nil},
		{"set may store None", missing, 0, op(set, nil, 0), true, missing, nil, nil, 0, nil},

		{"set that keeps the ttl keeps the remaining ttl", 1, 9, op(keep, 2, 0), true, 1, 2, 2, 9, nil},
		{"set that keeps the ttl ignores its ttl if there is a remaining ttl", 1, 9, op(keep, 2, 5), true, 1, 2, 2, 9, nil},
		{"set that keeps the ttl of a permanent key keeps it permanent", 1, 0, op(keep, 2, 5), true, 1, 2, 2, 0, nil},
		{"set that keeps the ttl of an absent key takes its ttl", missing, 0, op(keep, 2, 5), true, missing, 2, 2, 5, nil},
		{"set that keeps the ttl of an absent key is permanent without one", missing, 0, op(keep, 2, 0), true, missing, 2, 2, 0, nil},
		{"set that keeps the ttl of the same value", nil, 9, op(keep, nil, 0), true, nil, nil, nil, 9, nil},

		{"add stores into an absent key", missing, 0, op(add, 1, 5), true, missing, 1, 1, 5, nil},
		{"add leaves a live key alone and returns its value", 1, 9, op(add, 2, 5), false, 1, missing, 1, 9, nil},
		{"add leaves a stored None alone", nil, 0, op(add, 2, 0), false, nil, missing, nil, 0, nil},

		{"swap stores where the value is the old one", "a", 0, swapOp(swap, "a", 2), true, "a", 2, 2, 0, nil},
		{"swap keeps the remaining ttl", "a", 9, swapOp(swap, "a", 2), true, "a", 2, 2, 9, nil},
		{"swap leaves another value alone", "b", 9, swapOp(swap, "a", 2), false, "b", missing, "b", 9, nil},
		{"swap with an old value leaves an absent key absent", missing, 0, swapOp(swap, "a", 2), false, missing, missing, missing, 0, nil},
		{"swap for nothing stores into an absent key", missing, 0, swapOp(swap, missing, 2), true, missing, 2, 2, 0, nil},
		{"swap for nothing leaves a live key alone", 1, 0, swapOp(swap, missing, 2), false, 1, missing, 1, 0, nil},
		{"swap tells an int from an equal float", 1, 0, swapOp(swap, 1.0, 2), false, 1, missing, 1, 0, nil},

		{"swap with a ttl stores where the value is the old one", "a", 0, swapOp(swapTTL, "a", 2, 5), true, "a", 2, 2, 5, nil},
		{"swap with a ttl replaces the remaining ttl", "a", 9, swapOp(swapTTL, "a", 2, 5), true, "a", 2, 2, 5, nil},
		{"swap with a ttl of 0 makes a key permanent", "a", 9, swapOp(swapTTL, "a", 2), true, "a", 2, 2, 0, nil},
		{"swap with a ttl replaces the ttl of the same value", "a", 9, swapOp(swapTTL, "a", "a", 5), true, "a", "a", "a", 5, nil},
		{"swap with a ttl leaves another value alone", "b", 9, swapOp(swapTTL, "a", 2, 5), false, "b", missing, "b", 9, nil},
		{"swap with a ttl leaves an absent key absent", missing, 0, swapOp(swapTTL, "a", 2, 5), false, missing, missing, missing, 0, nil},
		{"swap with a ttl for nothing stores into an absent key", missing, 0, swapOp(swapTTL, missing, 2, 5), true, missing, 2, 2, 5, nil},
		{"swap with a ttl for nothing leaves a live key alone", 1, 9, swapOp(swapTTL, missing, 2, 5), false, 1, missing, 1, 9, nil},

		{"delete removes a key and returns its value", 1, 0, op(del, missing, 0), true, 1, missing, missing, 0, nil},
		{"delete removes a key that has a ttl", 1, 9, op(del, missing, 0), true, 1, missing, missing, 0, nil},
		{"delete of an absent key is not applied", missing, 0, op(del, missing, 0), false, missing, missing, missing, 0, nil},

		{"delete-if removes a key that holds the old value", "a", 0, swapOp(delIf, "a", missing), true, "a", missing, missing, 0, nil},
		{"delete-if removes a key that has a ttl", nil, 9, swapOp(delIf, nil, missing), true, nil, missing, missing, 0, nil},
		{"delete-if leaves another value alone", "b", 9, swapOp(delIf, "a", missing), false, "b", missing, "b", 9, nil},
		{"delete-if tells an int from an equal float", 1, 0, swapOp(delIf, 1.0, missing), false, 1, missing, 1, 0, nil},
		{"delete-if of an absent key is not applied", missing, 0, swapOp(delIf, "a", missing), false, missing, missing, missing, 0, nil},

		{"expire gives a permanent key a ttl", 1, 0, op(expire, missing, 5), true, 1, missing, 1, 5, nil},
		{"expire makes a ttl longer", 1, 5, op(expire, missing, 9), true, 1, missing, 1, 9, nil},
		{"expire makes a ttl shorter", 1, 9, op(expire, missing, 5), true, 1, missing, 1, 5, nil},
		{"expire with 0 makes a key permanent", 1, 9, op(expire, missing, 0), true, 1, missing, 1, 0, nil},
		{"expire of an absent key is not applied", missing, 0, op(expire, missing, 5), false, missing, missing, missing, 0, nil},

		{"incr of an absent key starts at 0 and takes the ttl", missing, 0, op(incr, 3, 5), true, missing, 3, 3, 5, nil},
		{"incr adds ints to an int", 2, 0, op(incr, -5, 0), true, 2, -3, -3, 0, nil},
		{"incr of a live key keeps the remaining ttl", 2, 9, op(incr, 1, 5), true, 2, 3, 3, 9, nil},
		{"incr of a permanent key keeps it permanent", 2, 0, op(incr, 1, 5), true, 2, 3, 3, 0, nil},
		{"incr by a float makes an int a float", 2, 0, op(incr, 1.0, 0), true, 2, 3.0, 3.0, 0, nil},
		{"incr of a float by an int stays a float", 0.5, 0, op(incr, 1, 0), true, 0.5, 1.5, 1.5, 0, nil},
		{"incr of an absent key by a float is a float", missing, 0, op(incr, 1.0, 0), true, missing, 1.0, 1.0, 0, nil},
		{"incr reaches the largest int", maxInt - 1, 0, op(incr, 1, 0), true, maxInt - 1, maxInt, maxInt, 0, nil},
		{"incr reaches the smallest int", minInt + 1, 0, op(incr, -1, 0), true, minInt + 1, minInt, minInt, 0, nil},
		{"incr of ints adds as incr does", 2, 9, op(incrInt, 1, 5), true, 2, 3, 3, 9, nil},
		{"incr of ints stores into an absent key", missing, 0, op(incrInt, 3, 5), true, missing, 3, 3, 5, nil},
	})
}

func failingOperations(s *suite) {
	incr := extlibs.OpIncr
	var none extlibs.OpKind
	fails := func(name string, before any, o extlibs.Op, err error) operation {
		return operation{name: name, before: before, ttl: 9, op: o, after: before, left: 9, err: err}
	}
	runOperations(s, []operation{
		fails("incr beyond the largest int is ErrOverflow", maxInt, op(incr, 1, 0), extlibs.ErrOverflow),
		fails("incr beyond the smallest int is ErrOverflow", minInt, op(incr, -1, 0), extlibs.ErrOverflow),
		fails("incr of a smallest int by the smallest is ErrOverflow", minInt, op(incr, minInt, 0), extlibs.ErrOverflow),
		fails("incr of ints of a float is ErrType", 0.5, op(extlibs.OpIncrInt, 1, 0), extlibs.ErrType),
		fails("incr of a str is ErrType", "1", op(incr, 1, 0), extlibs.ErrType),
		fails("incr of a bool is ErrType", true, op(incr, 1, 0), extlibs.ErrType),
		fails("incr of None is ErrType", nil, op(incr, 1, 0), extlibs.ErrType),
		fails("incr by a str is ErrType", 1, op(incr, "1", 0), extlibs.ErrType),
		fails("incr of an absent key by a str is ErrType", missing, op(incr, "1", 0), extlibs.ErrType),
		fails("an unknown operation is ErrInvalid", 1, op(none, 1, 0), extlibs.ErrInvalid),
		fails("an unknown operation on an absent key is ErrInvalid", missing, op(200, 1, 0), extlibs.ErrInvalid),
	})
}

// op makes an operation whose ttl counts units, not yet nanoseconds.
func op(kind extlibs.OpKind, v any, ttl time.Duration) extlibs.Op {
	return extlibs.Op{Kind: kind, Key: "k", Value: encodeOrMissing(v), TTL: ttl}
}

// swapOp makes an operation with an old value, and a ttl or none.
func swapOp(kind extlibs.OpKind, old, v any, ttl ...time.Duration) extlibs.Op {
	o := op(kind, v, 0)
	if len(ttl) > 0 {
		o.TTL = ttl[0]
	}
	o.Old = encodeOrMissing(old)
	return o
}

func runOperations(s *suite, list []operation) {
	for _, tt := range list {
		s.Run(tt.name, func(t *testing.T) {
			s := &suite{T: t, store: s.store, advance: s.advance}
			s.clear()
			if tt.before != missing {
				s.set("k", tt.before, s.units(tt.ttl))
			}
			s.set("other", "untouched", 0)
			tt.op.TTL *= s.units(1)
			tt.op.NeedOld = true
			r, err := s.store.Apply(ctx, tt.op)
			if tt.err != nil {
				if !errors.Is(err, tt.err) {
					s.Errorf("Apply is %+v, %v; want an error that is %q", r, err, tt.err)
				}
			} else {
				s.wantResult(r, err, tt)
			}
			if tt.after == missing {
				s.wantAbsent("k")
				s.wantLen(1)
			} else {
				s.want("k", tt.after)
				s.wantTTL("k", s.units(tt.left))
				s.wantLen(2)
			}
			s.want("other", "untouched")
		})
	}
}

func (s *suite) wantResult(r extlibs.Result, err error, tt operation) {
	s.Helper()
	if err != nil {
		s.Fatalf("Apply: %v", err)
	}
	if r.Applied != tt.applied {
		s.Errorf("Applied is %v, want %v", r.Applied, tt.applied)
	}
	if r.Old != encodeOrMissing(tt.old) {
		s.Errorf("Old is %s, want %s", show(r.Old), show(encodeOrMissing(tt.old)))
	}
	if r.New != encodeOrMissing(tt.new) {
		s.Errorf("New is %s, want %s", show(r.New), show(encodeOrMissing(tt.new)))
	}
}

// oldWhereNeeded keeps a store honest that could send old values for nothing:
// callers must not rely on them.
func oldWhereNeeded(s *suite) {
	for _, o := range []extlibs.Op{
		op(extlibs.OpSet, 2, 0), op(extlibs.OpAdd, 2, 0), swapOp(extlibs.OpSwap, 1, 2), swapOp(extlibs.OpSwap, 3, 2),
		swapOp(extlibs.OpSwapTTL, 1, 2), op(extlibs.OpDelete, missing, 0), swapOp(extlibs.OpDeleteIf, 1, missing),
		op(extlibs.OpExpire, missing, 0), op(extlibs.OpIncr, 1, 0), op(extlibs.OpIncrInt, 1, 0),
		swapOp(extlibs.OpCheck, 1, missing), swapOp(extlibs.OpCheck, 2, missing),
	} {
		for _, needed := range []bool{false, true} {
			want := encodeOrMissing(missing)
			if o.NeedOld = needed; needed {
				want = encode(1)
			}
			s.set("k", 1, 0)
			single, err := s.store.Apply(ctx, o)
			if err != nil || single.Old != want {
				s.Errorf("Apply(%s), old value needed: %v: old %s, %v", describe(o), needed, show(single.Old), err)
			}
			s.set("k", 1, 0)
			batch, err := s.store.ApplyMany(ctx, []extlibs.Op{o})
			if err != nil || len(batch) != 1 || batch[0].Old != want {
				s.Errorf("ApplyMany(%s), old value needed: %v: %+v, %v", describe(o), needed, batch, err)
			}
		}
	}
}

func loadsMany(s *suite) {
	for _, k := range []string{"a", "b", "c", "d"} {
		s.set(k, k, 0)
	}
	s.set("c", "c with a ttl", s.units(5))
	entries := s.loadMany("d", "no", "c", "a", "nor")
	if got := keysOf(entries); !slices.Equal(got, []string{"d", "c", "a"}) {
		s.Fatalf("LoadMany returned %q", got)
	}
	if entries[1].Value != encode("c with a ttl") || entries[1].TTL <= 0 || entries[1].TTL > s.units(5) {
		s.Errorf("the entry with a ttl is %s, %v", show(entries[1].Value), entries[1].TTL)
	}
	if entries[2].Value != encode("a") || entries[2].TTL != 0 {
		s.Errorf("the permanent entry is %s, %v", show(entries[2].Value), entries[2].TTL)
	}
	if entries := s.loadMany(); len(entries) != 0 {
		s.Errorf("LoadMany of no keys returned %d entries", len(entries))
	}
}

func whatIsNeeded(s *suite) {
	s.set("k", "value", s.units(5))
	check := func(call string, need extlibs.Need, entries []extlibs.Entry, err error) {
		if err != nil || len(entries) != 1 || entries[0].Key != "k" {
			s.Errorf("%s with need %d: %d entries, %v", call, need, len(entries), err)
			return
		}
		e := entries[0]
		if need&extlibs.NeedValue != 0 && e.Value != encode("value") {
			s.Errorf("%s with need %d: the value is %s", call, need, show(e.Value))
		}
		if need&extlibs.NeedTTL != 0 && (e.TTL <= 0 || e.TTL > s.units(5)) {
			s.Errorf("%s with need %d: %v left", call, need, e.TTL)
		}
	}
	for _, need := range []extlibs.Need{0, extlibs.NeedValue, extlibs.NeedTTL, extlibs.NeedAll} {
		e, err := s.store.Load(ctx, "k", need)
		check("Load", need, []extlibs.Entry{e}, err)
		many, err := s.store.LoadMany(ctx, []string{"absent", "k"}, need)
		check("LoadMany", need, many, err)
		page, err := s.store.Scan(ctx, extlibs.Range{Need: need})
		check("Scan", need, page.Entries, err)
		if _, err := s.store.Load(ctx, "absent", need); !errors.Is(err, extlibs.ErrNotFound) {
			s.Errorf("Load of an absent key with need %d: %v", need, err)
		}
	}
}

func countsKeys(s *suite) {
	for i, key := range []string{"a", "b", "a", "c"} {
		s.set(key, i, 0)
	}
	s.wantLen(3)
	s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: "b"})
	s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: "b"})
	s.wantLen(2)
}
