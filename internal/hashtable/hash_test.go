package hashtable

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// Of keys that differ in little, as those of programs do, no shard and no low bits
// of the hash may get many more than others: they decide where a key goes.
func TestHashesOfKeysThatDifferInLittleAreSpread(t *testing.T) {
	families := map[string]func(i int) string{
		"counted":     func(i int) string { return fmt.Sprint(i) },
		"last digits": func(i int) string { return fmt.Sprintf("key:%08d", i) },
		"first":       func(i int) string { return fmt.Sprintf("%08d:key", i) },
		"middle":      func(i int) string { return fmt.Sprintf("session:%08d:user", i) },
		"long":        func(i int) string { return fmt.Sprintf("session:%08d:%s", i, strings.Repeat("x", 40)) },
		"two words":   func(i int) string { return fmt.Sprintf("%07d.%07d.", i, i) },
		"words swapped": func(i int) string {
			if i%2 == 0 {
				return fmt.Sprintf("%08daaaaaaaa", i)
			}
			return fmt.Sprintf("aaaaaaaa%08d", i-1)
		},
		"lengths":   func(i int) string { return strings.Repeat("a", i%33) + ":" + fmt.Sprint(i/33) },
		"high bits": func(i int) string { return string(rune(0x4e00+i%20000)) + string(rune('a'+i/20000)) },
		"zeros": func(i int) string {
			return strings.Repeat("\x00", 4) + string([]byte{byte(i), byte(i >> 8)}) + strings.Repeat("\x00", 6)
		},
	}
	const keys = 1 << 15
	rounds := 8
	if testing.Short() {
		rounds = 1
	}
	for name, key := range families {
		for round := range rounds {
			h := newHasher()
			shards, groups, whole := make([]int, shardCount), make([]int, keys/8), map[uint64]bool{}
			for i := range keys {
				hash := h.hash(key(i))
				shards[shardOf(hash)]++
				groups[hash%uint64(len(groups))]++
				whole[hash] = true
			}
			for what, counts := range map[string][]int{"shards": shards, "groups": groups} {
				// The sum of squares is that of a random spread, whose deviation
				// is about sqrt(2 n) of n degrees of freedom.
				n, want, chi := float64(len(counts)), float64(keys)/float64(len(counts)), 0.0
				for _, c := range counts {
					chi += (float64(c) - want) * (float64(c) - want) / want
				}
				if limit := n + 8*math.Sqrt(2*n); chi > limit {
					t.Errorf("%s, round %d: %s have a chi square of %.0f, more than %.0f", name, round, what, chi, limit)
				}
			}
			if len(whole) < keys {
				t.Errorf("%s, round %d: %d keys have %d hashes", name, round, keys, len(whole))
			}
		}
	}
}
