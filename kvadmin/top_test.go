package kvadmin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// The sums of prefixes and the largest of them are those that a map of all of them gives, and
// memory does not grow with the number of keys.
func TestTheBiggestPrefixesAreThoseOfAMap(t *testing.T) {
	random := kvtest.Rand(t)
	for range 200 {
		n := 1 + random.IntN(10)
		keys := map[string]int64{}
		for range random.IntN(300) {
			key := ""
			for range 1 + random.IntN(5) {
				key += fmt.Sprint(random.IntN(4)) + []string{":", "/", "", "::"}[random.IntN(4)]
			}
			keys[key+"k"] = 1 + random.Int64N(1000)
		}
		sums, counts := map[string]int64{}, map[string]int64{}
		p := prefixes{largest: biggest{n: n}}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			parts := 0
			for i := range len(key) {
				if strings.ContainsRune(separators, rune(key[i])) && parts < maxParts {
					parts++
					sums[key[:i+1]] += keys[key]
					counts[key[:i+1]]++
				}
			}
			p.add(key, keys[key])
			if len(p.open) > maxParts || len(p.largest.list) > 2*n {
				t.Fatalf("%d and %d prefixes are kept", len(p.open), len(p.largest.list))
			}
		}
		p.close(0)
		p.largest.cut()
		var want []int64
		for prefix, sum := range sums {
			longer := false // all of its keys have a longer prefix
			for other := range sums {
				longer = longer || len(other) > len(prefix) && strings.HasPrefix(other, prefix) && counts[other] == counts[prefix]
			}
			if !longer {
				want = append(want, sum)
			}
		}
		slices.SortFunc(want, func(x, y int64) int { return cmp.Compare(y, x) })
		want = want[:min(n, len(want))]
		var got []int64
		for _, s := range p.largest.list {
			got = append(got, s.Bytes)
			if sums[s.Prefix] != s.Bytes || counts[s.Prefix] != s.Keys {
				t.Errorf("%q has %d bytes in %d keys, want %d in %d", s.Prefix, s.Bytes, s.Keys, sums[s.Prefix], counts[s.Prefix])
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the largest have %d bytes, want %d", got, want)
		}
	}
}
