package hashtable

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Leaves of one long key each are so many that branches are split and joined. The keys share
// prefixes that are longer and shorter than those of which a branch takes a copy, and differ
// by zeros.
func TestBranchesAreSplitAndJoined(t *testing.T) {
	families := []string{"", "a", "user:", "user:1", strings.Repeat("p", maxPrefix-1), strings.Repeat("p", maxPrefix+20)}
	pad := strings.Repeat("k", leafBytes/2)
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 11))
		var x names
		var model []string // in order
		key := func() string {
			i := r.IntN(1000)
			family := families[r.IntN(len(families))]
			switch r.IntN(20) {
			case 0:
				return family + strings.Repeat("\x00", 1+i%10)
			case 1:
				return family + "\xff" + pad[:i]
			}
			return family + fmt.Sprintf("%03d", i) + pad[:len(pad)-i%2*20]
		}
		check := func() {
			t.Helper()
			if err := x.check(); err != nil {
				t.Fatalf("seed %d: %.300s", seed, err)
			}
			var up, down []string
			for l := range x.ascending("") {
				for i := range l.begins {
					up = append(up, l.key(i))
				}
			}
			for l := range x.descending("") {
				for i := range slices.Backward(l.begins) {
					down = append(down, l.key(i))
				}
			}
			slices.Reverse(down)
			if !slices.Equal(up, model) || !slices.Equal(down, model) || x.n != len(model) {
				t.Fatalf("seed %d: %d names ascending, %d descending, %d counted, want %d", seed, len(up), len(down), x.n, len(model))
			}
		}
		most := 0
		for _, phase := range []struct{ add, steps int }{{9, 6000}, {5, 2000}, {1, 9000}, {8, 5000}, {0, 12000}} {
			for step := range phase.steps {
				if k := key(); r.IntN(10) < phase.add {
					if i, found := slices.BinarySearch(model, k); !found {
						x.add(k)
						model = slices.Insert(model, i, k)
					}
				} else if len(model) > 0 {
					i := r.IntN(len(model))
					if r.IntN(3) == 0 {
						i = 0
					}
					x.remove(model[i])
					model = slices.Delete(model, i, i+1)
				}
				most = max(most, len(x.branches))
				if step%1000 == 0 {
					check()
				}
			}
			check()
			for from := ""; ; { // of neighbors that all live
				if from = x.compact(from, compactLeaves, func(l *leaf, each func(string)) {
					for i := range l.begins {
						each(l.key(i))
					}
				}); from == "" {
					break
				}
			}
			check()
		}
		if most < 4 {
			t.Errorf("seed %d: there were at most %d branches", seed, most)
		}
		if len(model) > 0 || len(x.branches) > 0 {
			t.Errorf("seed %d: %d names and %d branches are left", seed, len(model), len(x.branches))
		}
	}
}

// Every key is found where a comparison of all first keys finds it.
func TestFirstsFindWhatComparisonsFind(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 12))
		key := func() string {
			k := strings.Repeat("p", r.IntN(3)*r.IntN(maxPrefix))
			for range 1 + r.IntN(12) {
				k += string("\x00\x01ab\xff"[r.IntN(5)])
			}
			return k
		}
		var keys []string
		for range 1 + r.IntN(40) {
			keys = append(keys, key())
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		first := func(i int) string { return keys[i] }
		var f firsts
		f.replace(0, 0, len(keys), first)
		for range 100 {
			k := key()
			want, found := slices.BinarySearch(keys, k)
			if !found {
				want--
			}
			if got := f.search(k, first); got != want {
				t.Fatalf("seed %d: %q is in number %d of %q, want %d", seed, k, got, keys, want)
			}
		}
	}
}
