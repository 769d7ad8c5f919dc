package hashtable

import (
	"iter"
	"slices"
	"strings"
)

// names is the set of the keys in the order of their bytes: a sorted list of
// leaves, each of which holds its keys packed one after the other, in branches. Short
// names of records that a sweep has removed are dead, and stay until compact removes them.
type names struct {
	branches  []*branch
	firsts    firsts // of the branches
	n         int    // names, dead ones included
	dead      int    // names without a record
	deadBytes int64  // what the dead names count, see deadSize
	added     uint64 // names that have ever come
}

// find returns the spot of the leaf that a key belongs to: the first one for a key before all
// others. It returns false if there are no leaves.
func (x *names) find(key string) (at spot, ok bool) {
	if len(x.branches) == 0 {
		return at, false
	}
	at.branch = max(0, x.firsts.search(key, x.first))
	b := x.branches[at.branch]
	at.leaf = max(0, b.firsts.search(key, b.first))
	return at, true
}

func (x *names) first(i int) string { return x.branches[i].first(0) }

// ascending returns the leaves from the one that a key belongs to.
func (x *names) ascending(from string) iter.Seq[*leaf] {
	return func(yield func(*leaf) bool) {
		at, ok := x.find(from)
		for ok && at.branch < len(x.branches) {
			for _, l := range x.branches[at.branch].leaves[at.leaf:] {
				if !yield(l) {
					return
				}
			}
			at = spot{at.branch + 1, 0}
		}
	}
}

// descending returns the leaves down from the one that a key belongs to, all leaves for "".
func (x *names) descending(to string) iter.Seq[*leaf] {
	return func(yield func(*leaf) bool) {
		last := len(x.branches) - 1
		for i := last; i >= 0; i-- {
			leaves := x.branches[i].leaves
			if i == last && to != "" {
				at, _ := x.find(to)
				i = at.branch
				leaves = x.branches[i].leaves[:at.leaf+1]
			}
			for _, l := range slices.Backward(leaves) {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// replace replaces n leaves of a branch.
func (x *names) replace(at spot, n int, leaves ...*leaf) {
	b := x.branches[at.branch]
	b.replace(at.leaf, at.leaf+n, leaves...)
	switch i, n := at.branch, len(b.leaves); {
	case n == 0:
		x.replaceBranches(i, i+1)
	case n > branchLeaves:
		x.replaceBranches(i, i+1, newBranch(b.leaves[:n/2]), newBranch(b.leaves[n/2:]))
	case n < branchLeaves/4 && i > 0 && n+len(x.branches[i-1].leaves) <= branchLeaves/2:
		x.joinBranches(i - 1)
	case n < branchLeaves/4 && i+1 < len(x.branches) && n+len(x.branches[i+1].leaves) <= branchLeaves/2:
		x.joinBranches(i)
	case at.leaf == 0:
		x.firsts.replace(i, i+1, 1, x.first)
	}
}

func (x *names) joinBranches(i int) {
	x.replaceBranches(i, i+2, newBranch(slices.Concat(x.branches[i].leaves, x.branches[i+1].leaves)))
}

func (x *names) replaceBranches(i, j int, branches ...*branch) {
	x.branches = trim(slices.Replace(x.branches, i, j, branches...))
	x.firsts.replace(i, j, len(branches), x.first)
}

// add notes the name of a record.
func (x *names) add(key string) {
	at, ok := x.find(key)
	if !ok {
		x.n++
		x.added++
		x.replaceBranches(0, 0, newBranch([]*leaf{newLeaf(key)}))
		return
	}
	l := x.branches[at.branch].leaves[at.leaf]
	i, found := l.search(key)
	if found { // a dead one comes back
		x.dead--
		x.deadBytes -= deadSize(key)
		return
	}
	x.n++
	x.added++
	if l.fits(key) {
		l.insert(i, key)
		if i == 0 {
			x.replace(at, 1, l) // by its new first key
		}
		return
	}
	// Keys that come in their order leave full leaves, others half full ones.
	n := len(l.begins)
	switch {
	case i == n:
		x.replace(at, 1, l.part(0, n), newLeaf(key))
		return
	case i == 0:
		x.replace(at, 0, newLeaf(key))
		return
	}
	cut := l.middle()
	left, right := l.part(0, cut), l.part(cut, n)
	switch {
	case i <= cut && left.fits(key):
		left.insert(i, key)
	case i >= cut && right.fits(key):
		right.insert(i-cut, key)
	default: // the key needs a leaf between its neighbors
		x.replace(at, 1, l.part(0, i), newLeaf(key), l.part(i, n))
		return
	}
	x.replace(at, 1, left, right)
}

// remove forgets the name of a record.
func (x *names) remove(key string) {
	at, ok := x.find(key)
	if !ok {
		return
	}
	b := x.branches[at.branch]
	l := b.leaves[at.leaf]
	i, found := l.search(key)
	if !found {
		return
	}
	x.n--
	if len(l.begins) == 1 {
		if at.leaf+1 < len(b.leaves) && at.leaf > 0 && small(b.leaves[at.leaf-1], b.leaves[at.leaf+1]) { // they become neighbors
			x.replace(spot{at.branch, at.leaf - 1}, 3, joined(b.leaves[at.leaf-1], b.leaves[at.leaf+1])...)
			return
		}
		x.replace(at, 1)
		return
	}
	l.remove(i)
	if len(l.begins) <= leafKeys/4 {
		for _, first := range []int{at.leaf - 1, at.leaf} {
			if first >= 0 && first+1 < len(b.leaves) && small(b.leaves[first], b.leaves[first+1]) {
				x.replace(spot{at.branch, first}, 2, joined(b.leaves[first], b.leaves[first+1])...)
				return
			}
		}
	}
	if i == 0 {
		x.replace(at, 1, l)
	}
}

// small reports whether neighbors should be one leaf.
func small(a, b *leaf) bool {
	return len(a.begins)+len(b.begins) <= leafKeys/2 && len(a.data)+len(b.data) <= leafBytes/2
}

func joined(a, b *leaf) []*leaf {
	p := packer{}
	p.addAll(a)
	p.addAll(b)
	return p.leaves()
}

// compact leaves out dead names of some leaves of a branch, from the leaf that holds a key
// on, and packs the rest. It returns the key to continue from, "" at the end.
func (x *names) compact(from string, leaves int, live func(l *leaf, each func(key string))) (next string) {
	at, ok := x.find(from)
	if !ok {
		return ""
	}
	b := x.branches[at.branch]
	if at.leaf > 0 && len(b.leaves[at.leaf-1].begins) < leafKeys/2 {
		at.leaf-- // what the last slice left over
	}
	end := min(at.leaf+leaves, len(b.leaves))
	switch {
	case end < len(b.leaves):
		next = strings.Clone(b.first(end))
	case at.branch+1 < len(x.branches):
		next = strings.Clone(x.first(at.branch + 1))
	}
	p, dropped, droppedBytes := packer{}, 0, int64(0)
	for _, l := range b.leaves[at.leaf:end] {
		dropped += len(l.begins)
		droppedBytes += int64(len(l.data))
		live(l, func(key string) {
			dropped--
			droppedBytes -= int64(len(key))
			p.add(key)
		})
	}
	x.replace(at, end-at.leaf, p.leaves()...)
	x.n -= dropped
	x.dead -= dropped
	x.deadBytes -= droppedBytes + int64(dropped)*deadOverhead
	return next
}

// A name of at most shortName bytes stays in its leaf when a sweep removes its record:
// removing it then takes longer than the rest of the sweep. It counts deadSize bytes
// of the table's limit until it is removed.
const (
	shortName    = 64
	deadOverhead = 8
)

func deadSize(name string) int64 { return int64(len(name)) + deadOverhead }

// die notes that a sweep removed the record of a name.
func (x *names) die(key string) {
	if len(key) > shortName {
		x.remove(key)
		return
	}
	x.dead++
	x.deadBytes += deadSize(key)
}

// untidy reports whether more names are dead than may stay.
func (x *names) untidy() bool { return x.dead > x.n/maxDead }

const maxDead = 8 // the part of the names that may stay dead
