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
	{"LoadMany returns the live entries in the order asked for", loadsMany},
	{"Len counts the keys", countsKeys},
}

func neverStored(s *suite) {
	if e, err := s.store.Load(ctx, "k"); !errors.Is(err, extlibs.ErrNotFound) {
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
	set, add, swap, del, expire, incr := extlibs.OpSet, extlibs.OpAdd, extlibs.OpSwap, extlibs.OpDelete, extlibs.OpExpire, extlibs.OpIncr
	runOperations(s, []operation{
		{"set stores a value", missing, 0, op(set, 1, 0), true, missing, 1, 1, 0, nil},
		{"set replaces a value and returns the old one", "a", 0, op(set, 1, 0), true, "a", 1, 1, 0, nil},
		{"set stores a ttl", missing, 0, op(set, 1, 5), true, missing, 1, 1, 5, nil},
		{"set replaces a ttl", 1, 9, op(set, 2, 5), true, 1, 2, 2, 5, nil},
		{"set without a ttl makes a key permanent", 1, 9, op(set, 2, 0), true, 1, 2, 2, 0, nil},
		{"set of the same value still replaces the ttl", 1, 9, op(set, 1, 0), true, 1, 1, 1, 0, nil},
		{"set may store None", missing, 0, op(set, nil, 0), true, missing, nil, nil, 0, nil},

		{"add stores into an absent key", missing, 0, op(add, 1, 5), true, missing, 1, 1, 5, nil},
		{"add leaves a live key alone and returns its value", 1, 9, op(add, 2, 5), false, 1, 1, 1, 9, nil},
		{"add leaves a stored None alone", nil, 0, op(add, 2, 0), false, nil, nil, nil, 0, nil},

		{"swap stores where the value is the old one", "a", 0, swapOp(swap, "a", 2), true, "a", 2, 2, 0, nil},
		{"swap keeps the time left", "a", 9, swapOp(swap, "a", 2), true, "a", 2, 2, 9, nil},
		{"swap leaves another value alone", "b", 9, swapOp(swap, "a", 2), false, "b", "b", "b", 9, nil},
		{"swap with an old value leaves an absent key absent", missing, 0, swapOp(swap, "a", 2), false, missing, missing, missing, 0, nil},
		{"swap for nothing stores into an absent key", missing, 0, swapOp(swap, missing, 2), true, missing, 2, 2, 0, nil},
		{"swap for nothing leaves a live key alone", 1, 0, swapOp(swap, missing, 2), false, 1, 1, 1, 0, nil},
		{"swap tells an int from an equal float", 1, 0, swapOp(swap, 1.0, 2), false, 1, 1, 1, 0, nil},

		{"delete removes a key and returns its value", 1, 0, op(del, missing, 0), true, 1, missing, missing, 0, nil},
		{"delete removes a key that has a ttl", 1, 9, op(del, missing, 0), true, 1, missing, missing, 0, nil},
		{"delete of an absent key is not applied", missing, 0, op(del, missing, 0), false, missing, missing, missing, 0, nil},

		{"expire gives a permanent key a ttl", 1, 0, op(expire, missing, 5), true, 1, 1, 1, 5, nil},
		{"expire makes a ttl longer", 1, 5, op(expire, missing, 9), true, 1, 1, 1, 9, nil},
		{"expire makes a ttl shorter", 1, 9, op(expire, missing, 5), true, 1, 1, 1, 5, nil},
		{"expire with 0 makes a key permanent", 1, 9, op(expire, missing, 0), true, 1, 1, 1, 0, nil},
		{"expire of an absent key is not applied", missing, 0, op(expire, missing, 5), false, missing, missing, missing, 0, nil},

		{"incr of an absent key starts at 0 and takes the ttl", missing, 0, op(incr, 3, 5), true, missing, 3, 3, 5, nil},
		{"incr adds ints to an int", 2, 0, op(incr, -5, 0), true, 2, -3, -3, 0, nil},
		{"incr of a live key keeps the time left", 2, 9, op(incr, 1, 5), true, 2, 3, 3, 9, nil},
		{"incr of a permanent key keeps it permanent", 2, 0, op(incr, 1, 5), true, 2, 3, 3, 0, nil},
		{"incr by a float makes an int a float", 2, 0, op(incr, 1.0, 0), true, 2, 3.0, 3.0, 0, nil},
		{"incr of a float by an int stays a float", 0.5, 0, op(incr, 1, 0), true, 0.5, 1.5, 1.5, 0, nil},
		{"incr of an absent key by a float is a float", missing, 0, op(incr, 1.0, 0), true, missing, 1.0, 1.0, 0, nil},
		{"incr reaches the largest int", maxInt - 1, 0, op(incr, 1, 0), true, maxInt - 1, maxInt, maxInt, 0, nil},
		{"incr reaches the smallest int", minInt + 1, 0, op(incr, -1, 0), true, minInt + 1, minInt, minInt, 0, nil},
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

func swapOp(kind extlibs.OpKind, old, v any) extlibs.Op {
	o := op(kind, v, 0)
	o.Old = encodeOrMissing(old)
	return o
}

func runOperations(s *suite, list []operation) {
	for _, tt := range list {
		s.Run(tt.name, func(t *testing.T) {
			s := &suite{T: t, store: s.store, advance: s.advance}
			if err := s.store.Clear(ctx); err != nil {
				s.Fatal(err)
			}
			if tt.before != missing {
				s.set("k", tt.before, s.units(tt.ttl))
			}
			s.set("other", "untouched", 0)
			tt.op.TTL *= s.units(1)
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

func countsKeys(s *suite) {
	for i, key := range []string{"a", "b", "a", "c"} {
		s.set(key, i, 0)
	}
	s.wantLen(3)
	s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: "b"})
	s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: "b"})
	s.wantLen(2)
}
