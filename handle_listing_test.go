package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// listingParts are what random keys, prefixes and limits consist of: the ends of UTF-8's
// lengths, characters with a meaning in patterns, and bytes that no key has.
var (
	keyParts   = []string{"a", "b", ":", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff", "*", "[", "user:", "1", "2"}
	limitParts = append([]string{"\xff", "\xf4", "\xc3", "\xf4\x8f"}, keyParts...)
)

func randomText(r *rand.Rand, parts []string, most int) (s string) {
	for range r.IntN(most + 1) {
		s += parts[r.IntN(len(parts))]
	}
	return s
}

// listed is an entry of the model: a sorted slice.
type listed struct {
	key   string
	value int64
	end   time.Time // zero: no expiry
}

// listingModel returns the live entries of sorted entries that o selects, without a view's
// prefix, as a loop over all of them finds them.
func listingModel(t *testing.T, all []listed, view string, o extlibs.ListOptions, now time.Time) (want []extlibs.Item) {
	p, err := glob.Compile(o.Pattern)
	if err != nil {
		t.Fatal(err)
	}
	all = slices.Clone(all)
	if o.Reverse {
		slices.Reverse(all)
	}
	for _, e := range all {
		key, inView := strings.CutPrefix(e.key, view)
		switch {
		case !inView || key == "" || !e.end.IsZero() && !e.end.After(now):
		case !strings.HasPrefix(key, o.Prefix) || key <= o.After && o.After != "" || o.Before != "" && key >= o.Before || !p.Selects(key):
		case o.Limit > 0 && len(want) == o.Limit:
		default:
			item := extlibs.Item{Key: key, Value: e.value}
			if !e.end.IsZero() {
				item.TTL = e.end.Sub(now)
			}
			want = append(want, item)
		}
	}
	return want
}

// Whatever is listed with whatever options, on whatever backend, in Go and in scripts, in a
// store and in a view, is what a sorted slice says, while keys come, go and expire.
func TestRandomListingsAreThoseOfASortedSlice(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		r, clock := kvtest.Rand(t), newClock()
		registry := b.registry(t, clock.option())
		name := b.storeName(t)
		h := mustOpen(t, registry, name)
		var all []listed
		write := func() {
			ops := make([]extlibs.Op, 1+r.IntN(60))
			for i := range ops {
				e := listed{key: "k" + randomText(r, keyParts, 4), value: r.Int64N(1000)}
				if r.IntN(4) > 0 {
					e.key = e.key[1:] + "z"
				}
				at, found := slices.BinarySearchFunc(all, e.key, func(e listed, key string) int { return strings.Compare(e.key, key) })
				if r.IntN(4) == 0 {
					ops[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: e.key}
					if found {
						all = slices.Delete(all, at, at+1)
					}
					continue
				}
				v, err := extlibs.Encode(e.value)
				if err != nil {
					t.Fatal(err)
				}
				ops[i] = extlibs.Op{Kind: extlibs.OpSet, Key: e.key, Value: v}
				if r.IntN(3) == 0 {
					ops[i].TTL = time.Duration(1+r.IntN(20)) * time.Second
					e.end = clock.Now().Add(ops[i].TTL)
				}
				if found {
					all[at] = e
				} else {
					all = slices.Insert(all, at, e)
				}
			}
			if _, err := h.Store().ApplyMany(ctx, ops); err != nil {
				t.Fatal(err)
			}
		}
		p := interpreter(registry, &bytes.Buffer{})
		eval(t, p, fmt.Sprintf("import scriptling.runtime.kv as kv\nstore = kv.open(%q)\n", name)+`
def listing(view, pattern, limit, after, before, prefix, reverse):
    s = store
    if view:
        s = store.sub(view)
    items = s.items(pattern, limit, after=after, before=before, prefix=prefix, reverse=reverse)
    each = []
    n = s.each(lambda k, v: each.append((k, v)), pattern, limit=limit, after=after, before=before, prefix=prefix, reverse=reverse)
    if each != items or n != len(items):
        return "each " + str(each)
    if s.keys(pattern, limit, after, before, prefix, reverse) != [k for k, v in items]:
        return "keys"
    if after == "" and before == "" and limit == 0 and s.count(pattern, prefix) != len(items):
        return "count " + str(s.count(pattern, prefix))
    return str(items)
def remove(view, pattern, prefix):
    s = store
    if view:
        s = store.sub(view)
    return s.delete_matching(pattern, prefix)
`)
		for round := range kvtest.Sized(300, 2000, 20_000) {
			if r.IntN(3) == 0 {
				write()
			}
			if r.IntN(4) == 0 {
				clock.Advance(time.Duration(r.IntN(4000)) * time.Millisecond)
			}
			existing := func() string {
				if len(all) == 0 {
					return "a"
				}
				return all[r.IntN(len(all))].key
			}
			o := extlibs.ListOptions{
				Pattern: one(r, "*", "*", "*z", "a*", "?", "?*", "[!a]*", "{a,b}*", "user:*z", "*:*", "\u0080*", "nope", `\**`),
				Prefix:  one(r, "", "", randomText(r, limitParts, 2)),
				After:   one(r, "", randomText(r, limitParts, 3), existing()),
				Before:  one(r, "", randomText(r, limitParts, 3), existing()),
				Limit:   max(0, r.IntN(30)-10),
				Reverse: r.IntN(2) == 0,
			}
			view := one(r, "", "", "a", "user:", "k", "\U0010ffff")
			target := h
			if view != "" {
				target = h.Sub(view)
			}
			now := clock.Now()
			want := listingModel(t, all, view, o, now)
			fail := func(call string, got any) {
				t.Fatalf("round %d, view %q, %+q: %s returned\n%+q, want\n%+q", round, view, fmt.Sprintf("%+v", o), call, fmt.Sprint(got), fmt.Sprint(want))
			}
			items, err := target.Items(ctx, o)
			if err != nil || !slices.Equal(items, want) {
				fail("Items", fmt.Sprint(items, err))
			}
			items = nil
			for item, err := range target.All(ctx, o) {
				if err != nil {
					t.Fatal(err)
				}
				items = append(items, item)
			}
			if !slices.Equal(items, want) {
				fail("All", items)
			}
			keys, err := target.Keys(ctx, o)
			if err != nil || !slices.EqualFunc(keys, want, func(k string, item extlibs.Item) bool { return k == item.Key }) {
				fail("Keys", fmt.Sprint(keys, err))
			}
			if round%8 > 0 { // scripts take longer
				continue
			}
			got, err := p.CallFunction("listing", view, o.Pattern, o.Limit, o.After, o.Before, o.Prefix, o.Reverse)
			if err != nil {
				t.Fatal(err)
			}
			list := &object.List{}
			for _, item := range want {
				list.Elements = append(list.Elements, &object.Tuple{Elements: []object.Object{object.NewString(item.Key), object.NewInteger(item.Value.(int64))}})
			}
			if text, _ := got.AsString(); text != list.Inspect() {
				fail("the script", text)
			}
			if round%40 > 0 {
				continue
			}
			every := listingModel(t, all, view, extlibs.ListOptions{Pattern: o.Pattern, Prefix: o.Prefix}, now)
			n, err := p.CallFunction("remove", view, o.Pattern, o.Prefix)
			if err != nil || n.Inspect() != fmt.Sprint(len(every)) {
				fail("delete_matching", fmt.Sprintf("%v, %v; it should remove %d", n, err, len(every)))
			}
			for _, item := range every {
				all = slices.DeleteFunc(all, func(e listed) bool { return e.key == view+item.Key })
			}
		}
	})
}

// Prefixes and limits that are longer than every key select what they say, without being
// taken to the backend.
func TestListingsWithLimitsLongerThanKeys(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		longest := strings.Repeat("k", extlibs.MaxKeyBytes)
		keys := []string{"a", longest[1:], longest, "l"}
		for _, key := range keys {
			if err := h.Set(ctx, key, 1, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, limit := range []string{longest, longest + "\x00", longest + "k", longest + strings.Repeat("k", 1<<20), longest[1:] + "\xff", strings.Repeat("\xff", 1<<20)} {
			for _, reverse := range []bool{false, true} {
				for name, o := range map[string]extlibs.ListOptions{
					"after": {After: limit, Reverse: reverse}, "before": {Before: limit, Reverse: reverse}, "prefix": {Prefix: limit, Reverse: reverse},
				} {
					var want []string
					for _, key := range keys {
						if strings.HasPrefix(key, o.Prefix) && key > o.After && (o.Before == "" || key < o.Before) {
							want = append(want, key)
						}
					}
					if reverse {
						slices.Reverse(want)
					}
					if got, err := h.Keys(ctx, o); !slices.Equal(got, want) || err != nil {
						t.Errorf("%s of %d bytes, reverse %v: %d keys, want %d, %v", name, len(limit), reverse, len(got), len(want), err)
					}
				}
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		for name, o := range map[string]extlibs.ListOptions{
			"two prefixes": {Pattern: "a*", Prefix: "b"}, "a long prefix": {Prefix: longest + "k"}, "reverse": {Reverse: true}, "a key and a prefix": {Pattern: "a", Prefix: "b"},
		} {
			if keys, err := h.Keys(ctx, o); !errors.Is(err, extlibs.ErrClosed) {
				t.Errorf("%s of a closed store: %q, %v", name, keys, err)
			}
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		open := b.open(t)
		if err := open.Set(ctx, "a", 1, 0); err != nil {
			t.Fatal(err)
		}
		if keys, err := open.Keys(cancelled, extlibs.ListOptions{Reverse: true, Prefix: "a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %q, %v", keys, err)
		}
	})
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
