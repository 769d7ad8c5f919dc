package hashtable

import (
	"encoding/binary"
	"slices"
	"strings"
)

// branchLeaves is the most leaves of a branch: an insert moves the pointers of one branch,
// not those of all leaves.
const branchLeaves = 512

// branch is a run of neighboring leaves, at least one.
type branch struct {
	leaves []*leaf
	firsts firsts // of the leaves
}

// spot is the place of a leaf.
type spot struct{ branch, leaf int }

func newBranch(leaves []*leaf) *branch {
	b := &branch{leaves: slices.Clone(leaves)}
	b.firsts.replace(0, 0, len(b.leaves), b.first)
	return b
}

func (b *branch) first(i int) string { return b.leaves[i].key(0) }

func (b *branch) replace(i, j int, leaves ...*leaf) {
	b.leaves = trim(slices.Replace(b.leaves, i, j, leaves...))
	b.firsts.replace(i, j, len(leaves), b.first)
}

// firsts finds a key among the first keys of leaves or branches: most comparisons are of
// words, which are next to each other in memory, and not of keys, which are anywhere.
type firsts struct {
	prefix string   // of all first keys
	words  []uint64 // the eight bytes of each after the prefix
}

// maxPrefix is the most bytes of firsts.prefix, which is a copy.
const maxPrefix = 64

// wordOf returns a number that compares as the first eight bytes of a key do. Keys that differ
// later, or by zeros at the end, can have the same word.
func wordOf(key string) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64([]byte(key[:8]))
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// search returns the last element whose first key is at most key, or -1.
func (f *firsts) search(key string, first func(i int) string) int {
	rest, ok := strings.CutPrefix(key, f.prefix)
	if !ok {
		if key < f.prefix {
			return -1
		}
		return len(f.words) - 1
	}
	word := wordOf(rest)
	lo, hi := 0, len(f.words) // those before lo have a lesser word, those from hi on a greater one
	if last := hi - 1; last >= 0 && word > f.words[last] {
		return last // keys often come in their order
	}
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); f.words[mid] < word {
			lo = mid + 1
		} else if f.words[mid] > word {
			hi = mid
		} else if first(mid) <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// replace notes n elements in place of those from i up to j.
func (f *firsts) replace(i, j, n int, first func(i int) string) {
	f.words = trim(slices.Replace(f.words, i, j, make([]uint64, n)...))
	for k := i; k < i+n; k++ {
		rest, ok := strings.CutPrefix(first(k), f.prefix)
		if !ok || len(f.words) == n {
			f.rebuild(first)
			return
		}
		f.words[k] = wordOf(rest)
	}
}

func (f *firsts) rebuild(first func(i int) string) {
	a, b := first(0), first(len(f.words)-1)
	n := 0
	for n < min(len(a), len(b), maxPrefix) && a[n] == b[n] {
		n++
	}
	f.prefix = strings.Clone(a[:n])
	for k := range f.words {
		f.words[k] = wordOf(first(k)[n:])
	}
}
