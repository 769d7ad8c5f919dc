package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// traffic is a sequence of keys that a program looks up in a cache. A key that is missing
// is stored.
type traffic struct {
	name     string
	title    string
	zipf     bool
	redis    bool // Redis takes part, which takes longer than all others
	capacity int  // keys that the cache holds
	keys     func() []uint32
}

// zipf draws numbers below n: the k-th most frequent one in proportion to 1/k^s.
type zipf struct{ sums []float64 }

func newZipf(s float64, n int) zipf {
	sums, sum := make([]float64, n), 0.0
	for i := range sums {
		sum += math.Pow(float64(i+1), -s)
		sums[i] = sum
	}
	return zipf{sums}
}

func (z zipf) draw(r *rand.Rand) uint32 {
	return uint32(sort.SearchFloat64s(z.sums, r.Float64()*z.sums[len(z.sums)-1]))
}

// cacheTraffic scales with n, the length of the sequences.
func cacheTraffic(n int) (all []traffic) {
	keys := n / 10
	add := func(name, title string, capacity int, draw func(r *rand.Rand, i int) uint32) {
		all = append(all, traffic{name: name, title: title, capacity: max(capacity, 10), keys: func() []uint32 {
			r := rand.New(rand.NewPCG(1, 2))
			drawn := make([]uint32, n)
			for i := range drawn {
				drawn[i] = draw(r, i)
			}
			return drawn
		}})
	}
	for _, s := range []float64{0.8, 0.9, 1.0, 1.1, 1.2} {
		for _, part := range []int{100, 10} {
			z := newZipf(s, keys)
			add(fmt.Sprintf("zipf %.1f, 1/%d", s, part), fmt.Sprintf("Zipf %.1f, the cache holds 1/%d of the keys", s, part), keys/part,
				func(r *rand.Rand, _ int) uint32 { return z.draw(r) })
			all[len(all)-1].zipf = true
		}
	}
	z := newZipf(1, keys)
	scan := uint32(keys)
	add("scans", "Zipf 1.0, a third of the lookups in scans of keys that never come back", keys/20, func(r *rand.Rand, i int) uint32 {
		if i/keys%3 != 2 {
			return z.draw(r)
		}
		scan++
		return scan
	})
	add("a scan again and again", "Zipf 1.0, a third of the lookups in scans of the same keys", keys/20, func(r *rand.Rand, i int) uint32 {
		if i/(keys/10)%3 != 2 {
			return z.draw(r)
		}
		return uint32(keys + i%(keys/10))
	})
	for _, part := range []float64{1.1, 1.5, 3} {
		size := keys / 10
		loop := int(part * float64(size))
		add(fmt.Sprintf("loop %.1f", part), fmt.Sprintf("a loop over %.1f times as many keys as the cache holds", part), size, func(_ *rand.Rand, i int) uint32 { return uint32(i % loop) })
	}
	half := newZipf(0.9, keys/2)
	for _, lookups := range []int{n / 40, n / 10} {
		add(fmt.Sprintf("shift 1/%d", n/lookups), fmt.Sprintf("Zipf 0.9 over other keys after each 1/%d of the lookups", n/lookups), keys/20, func(r *rand.Rand, i int) uint32 {
			return half.draw(r) + uint32(i/lookups*keys)
		})
	}
	add("shift of half", "Zipf 0.9, half of the keys are others after each 1/20 of the lookups", keys/20, func(r *rand.Rand, i int) uint32 {
		k := half.draw(r)
		if k%2 == 0 {
			k += uint32(i / (n / 20) * keys)
		}
		return k
	})
	add("sliding", "any of the last keys, twice as many as the cache holds", keys/20, func(r *rand.Rand, i int) uint32 {
		return uint32(i/10 + r.IntN(keys/10))
	})
	add("sessions", "each key is looked up six times within a short time, then never again", keys/33, func(r *rand.Rand, i int) uint32 {
		return uint32(max(0, float64(i/6+keys/5)-r.ExpFloat64()*float64(keys)/66))
	})
	for _, i := range []int{0, 1, len(all) - 1} {
		all[i].redis = true
	}
	return all
}
