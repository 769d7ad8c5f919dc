package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

var keyTests = []test{
	{"keys of any characters are distinguished", anyCharacters},
	{"keys may have 32768 bytes", longKeys},
	{"long keys may have a ttl, and expire", longKeysExpire},
	{"values of every type come back as they were", anyValues},
	{"values may be large", largeValues},
	{"an entry does not change when its key is written again", entriesStay},
}

func anyCharacters(s *suite) {
	for i, key := range oddKeys {
		s.set(key, i, s.units(i%2*9))
	}
	s.wantLen(len(oddKeys))
	for i, key := range oddKeys {
		s.want(key, i)
		s.wantTTL(key, s.units(i%2*9))
	}
	for i, e := range s.loadMany(oddKeys...) {
		if e.Key != oddKeys[i] || e.Value != encode(i) {
			s.Errorf("LoadMany returned %+v for %q", e, oddKeys[i])
		}
	}
	for i, key := range oddKeys {
		if r := s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: key}); r.Old != encode(i) {
			s.Errorf("delete of %q returned %s", key, show(r.Old))
		}
	}
	s.wantLen(0)
}

// longest returns keys of lengths about which a backend may have an opinion,
// each twice with a difference in its last byte.
func longest() []string {
	var keys []string
	for _, n := range []int{255, 256, 257, 1024, 4096, 32759, 32760, 32761, 32767, 32768} {
		for _, end := range "ab" {
			keys = append(keys, strings.Repeat("k", n-1)+string(end))
		}
	}
	return keys
}

func longKeys(s *suite) {
	keys := longest()
	for i, key := range keys {
		s.set(key, i, 0)
	}
	for i, key := range keys {
		s.want(key, i)
	}
	slices.Sort(keys)
	if got := keysOf(s.scan(extlibs.Range{})); !slices.Equal(got, keys) {
		s.Errorf("Scan returned %d keys, want %d, or others", len(got), len(keys))
	}
	s.wantLen(len(keys))
	if got := keysOf(s.scan(extlibs.Range{Prefix: strings.Repeat("k", 32767)})); len(got) != 2 {
		s.Errorf("%d keys have the longest prefix, want 2", len(got))
	}
	for _, key := range keys {
		s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: key})
	}
	s.wantLen(0)
}

func longKeysExpire(s *suite) {
	keys := longest()
	for i, key := range keys {
		ttl := s.unit()
		if i%4 == 1 {
			ttl = s.units(100)
		}
		s.set(key, i, ttl)
	}
	// Two of them lose their deadlines again.
	s.inTime(func() {
		s.set(keys[len(keys)-2], len(keys)-2, s.unit())
		s.apply(extlibs.Op{Kind: extlibs.OpExpire, Key: keys[len(keys)-2]})
	})
	s.set(keys[len(keys)-4], "permanent", 0)
	s.pass(1)
	want := 0
	for i, key := range keys {
		switch {
		case i == len(keys)-2:
			s.want(key, i)
		case i == len(keys)-4:
			s.want(key, "permanent")
		case i%4 == 1:
			s.want(key, i)
		default:
			s.wantAbsent(key)
			continue
		}
		want++
	}
	s.wantLen(want)
}

func anyValues(s *suite) {
	values := []any{
		nil, false, true, 0, -1, int64(1 << 62), 0.0, 1.0, -1.5, "", "text", "\xff\xfe", []byte{}, []byte{0, 255},
		[]any{}, []any{1, []any{2.0}}, extlibs.Tuple{1, "2"}, extlibs.Set{1}, map[string]any{"k": 1},
		extlibs.Dict{{Key: 1, Value: "int key"}},
	}
	for i, v := range values {
		s.set(fmt.Sprint(i), v, 0)
	}
	for i, v := range values {
		s.want(fmt.Sprint(i), v)
	}
}

func largeValues(s *suite) {
	for _, n := range []int{1 << 12, 1 << 16, 1<<20 + 1, 8 << 20} {
		s.Run(fmt.Sprintf("%d bytes", n), func(t *testing.T) {
			s := &suite{T: t, store: s.store, advance: s.advance}
			v := encode(bytes.Repeat([]byte("0123456789abcde"), n/15+1)[:n])
			s.apply(extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: v})
			if s.load("k") != v {
				s.Error("the value came back another one")
			}
			entries := s.scan(extlibs.Range{Need: extlibs.NeedAll})
			if len(entries) != 1 || entries[0].Value != v {
				s.Error("Scan returned another value")
			}
			if r := s.apply(extlibs.Op{Kind: extlibs.OpSwap, Key: "k", Old: v, Value: encode(1)}); !r.Applied {
				s.Error("swap does not find the value equal")
			}
		})
	}
}

func entriesStay(s *suite) {
	s.set("k", "first value", 0)
	e, err := s.store.Load(ctx, "k", extlibs.NeedAll)
	if err != nil {
		s.Fatal(err)
	}
	many := s.loadMany("k")
	page := s.scan(extlibs.Range{Need: extlibs.NeedAll})
	for i := range 100 {
		s.set("k", fmt.Sprint("other value ", i), 0)
		s.set(fmt.Sprint("k", i), "one more", 0)
	}
	for _, e := range append(append(many, page...), e) {
		if e.Key != "k" || e.Value != encode("first value") {
			s.Errorf("an entry became %q, %s", e.Key, show(e.Value))
		}
	}
}
