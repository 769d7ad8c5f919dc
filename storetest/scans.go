package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

var scanTests = []test{
	{"an empty store has one empty page", scanEmpty},
	{"entries come in the order of their keys' bytes", scanOrder},
	{"an entry has its value and its remaining ttl", scanEntries},
	{"prefix, after, before, limit and match select together, in either order", scanSelects},
	{"pages of thousands of keys are complete and without repeats", func(s *suite) { s.scanPages(false) }},
	{"pages in descending order are complete and without repeats", func(s *suite) { s.scanPages(true) }},
	{"a page may end before its limit but never goes beyond it", scanLimits},
	{"keys that are changed between pages do not disturb the others", func(s *suite) { s.scanChanges(false) }},
	{"keys that are changed between pages in descending order do not disturb the others", func(s *suite) { s.scanChanges(true) }},
	{"match sees each key under the prefix and no other", scanMatch},
}

func scanEmpty(s *suite) {
	page, err := s.store.Scan(ctx, extlibs.Range{})
	if err != nil || len(page.Entries) != 0 || page.More {
		s.Errorf("the page is %+v, %v", page, err)
	}
}

// oddKeys are keys that a comparison of anything but bytes puts elsewhere, or
// that end badly where bytes have a meaning.
var oddKeys = []string{
	"\x00", "\x00\x00", "\x00a", "a", "a\x00", "a\x00b", "a\x01", "aa", "ab", "b", "B", "Z", "z", "é", "e\u0301",
	"\n", " ", "%", "*", "?", "[a]", "{a,b}", "\\", "/", "a/b", "..", ":memory:", "\x7f", "\u0080", "\u07ff",
	"\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "\U0010ffff\U0010ffff", "日本", "日本語",
	"null", "0", "00", "10", "9", "-1",
}

func scanOrder(s *suite) {
	for _, i := range rand.Perm(len(oddKeys)) {
		s.set(oddKeys[i], i, 0)
	}
	got := keysOf(s.scan(extlibs.Range{}))
	if want := slices.Sorted(slices.Values(oddKeys)); !slices.Equal(got, want) {
		s.Errorf("Scan returned\n%q, want\n%q", got, want)
	}
	got = keysOf(s.scan(extlibs.Range{Reverse: true}))
	slices.Reverse(got)
	if want := slices.Sorted(slices.Values(oddKeys)); !slices.Equal(got, want) {
		s.Errorf("Scan in descending order returned, reversed,\n%q, want\n%q", got, want)
	}
}

func scanEntries(s *suite) {
	s.set("a", "value of a", 0)
	s.set("b", "value of b", s.units(7))
	entries := s.scan(extlibs.Range{Need: extlibs.NeedAll})
	if len(entries) != 2 {
		s.Fatalf("%d entries", len(entries))
	}
	if e := entries[0]; e.Key != "a" || e.Value != encode("value of a") || e.TTL != 0 {
		s.Errorf("the permanent entry is %+v", e)
	}
	if e := entries[1]; e.Key != "b" || e.Value != encode("value of b") || e.TTL <= 0 || e.TTL > s.units(7) {
		s.Errorf("the entry with a ttl is %+v", e)
	}
	if got := keysOf(s.scan(extlibs.Range{})); !slices.Equal(got, []string{"a", "b"}) {
		s.Errorf("keys alone: %q", got)
	}
}

// scanSelects compares random ranges with what a plain loop over the keys finds. Some of
// the keys expire in between.
func scanSelects(s *suite) {
	r := kvtest.Rand(s)
	keys := append([]string{}, oddKeys...)
	for i := range 300 {
		keys = append(keys, fmt.Sprintf("user:%d", i))
	}
	slices.Sort(keys)
	var ops []extlibs.Op
	expiring := map[string]bool{}
	for i, key := range keys {
		op := extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: encode(key)}
		if i%5 == 3 && s.advance != nil {
			op.TTL, expiring[key] = s.units(2), true
		}
		ops = append(ops, op)
	}
	s.applyMany(ops...)
	// Prefixes that no key has, and that end within a character, are no errors.
	prefixes := []string{"", "", "user:", "user:1", "user:19", "user;", "a", "\x00", "日", "日"[:2], "\U0010ffff", "\xf4", "\xff", "\xff\xff", "none"}
	limits := append([]string{"", "", "", "user", "user:", "user:199", "user:1999", "user:\U0010ffff", "user:\xff", "zzz", "\xff", "\xe6"}, oddKeys...)
	matches := []func(string) bool{nil, nil,
		func(key string) bool { return strings.HasSuffix(key, "7") },
		func(key string) bool { return len(key)%2 == 0 },
		func(string) bool { return false },
	}
	for round := range 2 * times(400) {
		if round == times(400) && s.advance != nil {
			s.pass(2)
			keys = slices.DeleteFunc(keys, func(key string) bool { return expiring[key] })
		}
		of := extlibs.Range{
			Prefix:  prefixes[r.IntN(len(prefixes))],
			After:   limits[r.IntN(len(limits))],
			Before:  limits[r.IntN(len(limits))],
			Reverse: r.IntN(2) == 0,
			Limit:   max(0, r.IntN(60)-20),
			Need:    extlibs.Need(r.IntN(4)),
		}
		match := r.IntN(len(matches))
		of.Match = matches[match]
		var want []string
		for i := range keys {
			key := keys[i]
			if of.Reverse {
				key = keys[len(keys)-1-i]
			}
			if strings.HasPrefix(key, of.Prefix) && key > of.After && (of.Before == "" || key < of.Before) &&
				(of.Match == nil || of.Match(key)) && (of.Limit == 0 || len(want) < of.Limit) {
				want = append(want, key)
			}
		}
		entries := s.scan(of)
		if got := keysOf(entries); !slices.Equal(got, want) {
			s.Fatalf("prefix %q, after %q, before %q, reverse %v, limit %d, match %d: Scan returned\n%q, want\n%q",
				of.Prefix, of.After, of.Before, of.Reverse, of.Limit, match, got, want)
		}
		for _, e := range entries {
			if of.Need&extlibs.NeedValue != 0 && e.Value != encode(e.Key) {
				s.Fatalf("the value of %s is %s", name(e.Key), show(e.Value))
			}
			if of.Need&extlibs.NeedTTL != 0 && (e.TTL > 0) != expiring[e.Key] {
				s.Fatalf("%s has %v left", name(e.Key), e.TTL)
			}
		}
	}
}

// scanPages follows pages of thousands of keys, all of them, those up to a match at the far
// end, and pages with the limit of the caller.
func (s *suite) scanPages(reverse bool) {
	const n = 7000
	keys := s.fill(n)
	if reverse {
		slices.Reverse(keys)
	}
	for _, r := range []extlibs.Range{
		{Need: extlibs.NeedAll}, {}, {Limit: n + 1}, {Prefix: "key"}, {Match: func(string) bool { return true }},
	} {
		r.Reverse = reverse
		if got := keysOf(s.scan(r)); !slices.Equal(got, keys) {
			s.Fatalf("Scan returned %d keys, want %d, or others", len(got), n)
		}
	}
	// The pages before the match are empty.
	last := keys[n-1]
	if got := keysOf(s.scan(extlibs.Range{Reverse: reverse, Match: func(key string) bool { return key == last }})); !slices.Equal(got, []string{last}) {
		s.Errorf("a match of the last key found %q", got)
	}
	var got []string
	for r := (extlibs.Range{Limit: 700, Reverse: reverse}); ; {
		page := s.scan(r)
		if len(page) == 0 {
			break
		}
		got = append(got, keysOf(page)...)
		r.Resume(page[len(page)-1].Key)
	}
	if !slices.Equal(got, keys) {
		s.Errorf("pages of 700 have %d keys, want %d, or others", len(got), n)
	}
}

// fill stores n keys and returns them in order.
func (s *suite) fill(n int) []string {
	s.Helper()
	keys := make([]string, n)
	var ops []extlibs.Op
	for i := range n {
		keys[i] = fmt.Sprintf("key%06d", i)
		ops = append(ops, extlibs.Op{Kind: extlibs.OpSet, Key: keys[i], Value: encode(i)})
		if len(ops) == 1000 || i == n-1 {
			s.applyMany(ops...)
			ops = nil
		}
	}
	return keys
}

func scanLimits(s *suite) {
	keys := s.fill(50)
	for limit := 1; limit <= len(keys)+1; limit++ {
		want := keys[:min(limit, len(keys))]
		if got := keysOf(s.scan(extlibs.Range{Limit: limit})); !slices.Equal(got, want) {
			s.Errorf("limit %d: %q", limit, got)
		}
	}
	var got []string
	after := ""
	for range len(keys) + 1 {
		for _, e := range s.scan(extlibs.Range{Limit: 1, After: after}) {
			got, after = append(got, e.Key), e.Key
		}
	}
	if !slices.Equal(got, keys) {
		s.Errorf("one at a time: %q", got)
	}
}

func (s *suite) scanChanges(reverse bool) {
	keys := s.fill(5000)
	if reverse {
		slices.Reverse(keys)
	}
	seen := map[string]int{}
	for r := (extlibs.Range{Limit: 500, Reverse: reverse}); ; {
		page, err := s.store.Scan(ctx, r)
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range page.Entries {
			seen[e.Key]++
		}
		if !page.More {
			break
		}
		// The last key of the page goes, one that was seen changes, and a new one comes.
		s.apply(extlibs.Op{Kind: extlibs.OpDelete, Key: page.Next})
		s.set(keys[0], "changed", 0)
		s.set(page.Next+"+", "new", 0)
		r.Resume(page.Next)
	}
	for _, key := range keys {
		if seen[key] != 1 {
			s.Fatalf("%s was on %d pages", key, seen[key])
		}
	}
}

func scanMatch(s *suite) {
	s.fill(30)
	var asked []string
	s.scan(extlibs.Range{Prefix: "key00001", Match: func(key string) bool {
		asked = append(asked, key)
		return true
	}})
	slices.Sort(asked)
	for _, key := range slices.Compact(asked) {
		if !strings.HasPrefix(key, "key00001") {
			s.Errorf("match was asked about %s", key)
		}
	}
	if len(asked) < 10 {
		s.Errorf("match was asked about %q only", asked)
	}
}
