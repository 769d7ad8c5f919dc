package sizes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// Random keys give the same result as sorting the sums of all prefixes.
func TestTopIsThatOfAllSums(t *testing.T) {
	r := kvtest.Rand(t, 1, 2)
	for range 200 {
		values := map[string]int{}
		for range r.IntN(300) {
			var key strings.Builder
			for range 1 + r.IntN(20) {
				key.WriteByte("ab:/c"[r.IntN(5)])
			}
			values[key.String()] = r.IntN(1000)
		}
		n := 1 + r.IntN(20)
		top := NewTop(n)
		keySizes, prefixSizes, keysUnder := map[string]int64{}, map[string]int64{}, map[string]int64{}
		total := int64(0)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			top.Add(key, "str", values[key])
			size := int64(len(key) + values[key])
			keySizes[key] = size
			total += size
			parts := 0
			for i := range key {
				if (key[i] == ':' || key[i] == '/') && parts < MaxParts {
					prefixSizes[key[:i+1]] += size
					keysUnder[key[:i+1]]++
					parts++
				}
			}
			if len(top.prefixes.open) > MaxParts || len(top.prefixes.largest.list) > 2*n {
				t.Fatalf("%d and %d prefixes are held", len(top.prefixes.open), len(top.prefixes.largest.list))
			}
		}
		for p := range prefixSizes { // those whose keys all have one longer prefix
			for q := range prefixSizes {
				if len(q) > len(p) && strings.HasPrefix(q, p) && keysUnder[q] == keysUnder[p] {
					delete(prefixSizes, p)
					break
				}
			}
		}
		keys, prefixes := top.Biggest()
		check(t, n, keySizes, keys, func(s Sized) string { return s.Key })
		check(t, n, prefixSizes, prefixes, func(s Sized) string { return s.Prefix })
		for _, p := range prefixes {
			if p.Keys != keysUnder[p.Prefix] {
				t.Fatalf("%q has %d keys, want %d", p.Prefix, p.Keys, keysUnder[p.Prefix])
			}
		}
		if top.Keys != int64(len(values)) || top.Bytes != total {
			t.Fatalf("%d keys of %d, %d bytes of %d", top.Keys, len(values), top.Bytes, total)
		}
	}
}

func check(t *testing.T, n int, want map[string]int64, got []Sized, name func(Sized) string) {
	t.Helper()
	sizes := slices.Sorted(maps.Values(want))
	slices.Reverse(sizes)
	sizes = sizes[:min(n, len(sizes))]
	for i, s := range got {
		if i >= len(sizes) || s.Bytes != sizes[i] || want[name(s)] != s.Bytes {
			t.Fatalf("the %d biggest of %v are %v", n, want, got)
		}
	}
	if len(got) != len(sizes) {
		t.Fatalf("%d of %d", len(got), len(sizes))
	}
}

func TestTopKeepsAFewKeysOnly(t *testing.T) {
	top := NewTop(10)
	for i := range 100_000 {
		top.Add(fmt.Sprintf("user:%06d:x", i), "int", i%1000)
		if n := len(top.keys.list) + len(top.prefixes.largest.list) + len(top.prefixes.open); n > 4*10+MaxParts {
			t.Fatalf("%d are held", n)
		}
	}
}
