package extlibs

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/codec"
)

// Update[T] changes what T sees of a value and leaves the rest: members of dicts that
// the struct does not name, and the types that T has no other word for, such as those
// of tuples and sets. It compares three values: the old one, the one that T saw of it,
// and the one that T has now.

// mergeSeen returns old with the changes that lead from seen to next.
func mergeSeen(ctx context.Context, old, seen, next Value) (any, error) {
	var trees [3]any
	for i, v := range []Value{old, seen, next} {
		var err error
		if trees[i], err = decodeGo(ctx, v); err != nil {
			return nil, err
		}
	}
	return merge(trees[0], trees[1], trees[2]), nil
}

func merge(old, seen, next any) any {
	if same(seen, next) {
		return old
	}
	oldPairs, ok1 := pairsOf(old)
	seenPairs, ok2 := pairsOf(seen)
	nextPairs, ok3 := pairsOf(next)
	if ok1 && ok2 && ok3 {
		return mergeDicts(oldPairs, seenPairs, nextPairs)
	}
	oldElems, remakeOld, ok1 := elementsOfValue(old)
	seenElems, remakeSeen, ok2 := elementsOfValue(seen)
	nextElems, remake, ok3 := elementsOfValue(next)
	if !ok1 || !ok2 || !ok3 {
		return next
	}
	merged := mergeLists(oldElems, seenElems, nextElems)
	if scriptType(remakeSeen(nil)) == scriptType(remake(nil)) { // T did not choose another type
		remake = remakeOld
	}
	if _, isSet := remake(nil).(Set); isSet {
		if slices.ContainsFunc(merged, unhashable) {
			return merged
		}
		return Set(distinctElements(merged))
	}
	return remake(merged)
}

// keyOf is the same for equal decoded values, of which few need more than an encoding.
func keyOf(v any) string {
	if s, ok := v.(string); ok {
		return "s" + s
	}
	raw, err := Encode(v)
	if err == nil {
		if sum, err := codec.Digest(context.Background(), raw.Raw()); err == nil {
			return "d" + string(sum[:])
		}
	}
	return "" // what was decoded is encoded
}

func distinctElements(elems []any) []any {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(elems), func(el any) bool {
		key := keyOf(el)
		dup := seen[key]
		seen[key] = true
		return dup
	})
}

// same reports whether decoded values are equal, types included.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case Tuple:
		b, ok := b.(Tuple)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, v := range a {
			if other, ok := b[key]; !ok || !same(v, other) {
				return false
			}
		}
		return true
	case Set, Dict:
		return scriptType(a) == scriptType(b) && keyOf(a) == keyOf(b)
	}
	switch b.(type) {
	case []byte, []any, Tuple, map[string]any, Set, Dict:
		return false // which Go could not compare
	}
	return a == b
}

func mergeDicts(old, seen, next Dict) any {
	oldAt, seenAt := indexOf(old), indexOf(seen)
	nextAt := indexOf(next)
	// A field takes a member whose name differs in case only.
	spelled := map[string]int{} // of old, by a key of seen that old does not have
	for key, i := range seenAt {
		name, ok := seen[i].Key.(string)
		if _, there := oldAt[key]; there || !ok {
			continue
		}
		for oldKey, j := range oldAt {
			if other, ok := old[j].Key.(string); ok && strings.EqualFold(name, other) {
				if _, seenToo := seenAt[oldKey]; !seenToo {
					spelled[key] = j
				}
			}
		}
	}
	var merged Dict
	named := map[int]bool{} // members of old that T sees
	for key := range seenAt {
		if j, ok := oldAt[key]; ok {
			named[j] = true
		} else if j, ok := spelled[key]; ok {
			named[j] = true
		}
	}
	for j, p := range old {
		if _, replaced := nextAt[keyOf(p.Key)]; !named[j] && !replaced {
			merged = append(merged, p)
		}
	}
	for _, p := range next {
		key := keyOf(p.Key)
		j, ok := oldAt[key]
		if i, wasSeen := seenAt[key]; wasSeen {
			if !ok {
				if j, ok = spelled[key]; ok {
					p.Key = old[j].Key
				}
			}
			if ok {
				p.Value = merge(old[j].Value, seen[i].Value, p.Value)
			} else if same(seen[i].Value, p.Value) {
				continue // a field that the dict has no member for, and that fn left
			}
		}
		merged = append(merged, p)
	}
	texts := make(map[string]any, len(merged))
	for _, p := range merged {
		name, ok := p.Key.(string)
		if !ok {
			return merged
		}
		texts[name] = p.Value
	}
	return texts
}

// indexOf returns the index of each key of a dict.
func indexOf(d Dict) map[string]int {
	at := make(map[string]int, len(d))
	for i, p := range d {
		at[keyOf(p.Key)] = i
	}
	return at
}

// maxComparisons limits the pairs of elements that are compared for the most alike.
const maxComparisons = 1 << 16

// mergeLists finds for each element of next the one of old that it was. Elements that T
// left as they were are recognized wherever they are now. Of the others, where there are
// as many as before, each is the one that was in its turn; else the one that it shares
// the most members with.
func mergeLists(old, seen, next []any) []any {
	if len(seen) > len(old) {
		return next
	}
	tail := old[len(seen):] // a Go array had no room for it
	old = old[:len(seen)]
	if len(next) != len(seen) {
		tail = nil
	}
	merged := slices.Clone(next)
	hidden := false
	for i := range old {
		hidden = hidden || !same(old[i], seen[i])
	}
	if !hidden {
		return append(merged, tail...)
	}
	first, last := 0, 0
	for first < min(len(seen), len(next)) && same(seen[first], next[first]) {
		merged[first] = old[first]
		first++
	}
	for last < min(len(seen), len(next))-first && same(seen[len(seen)-1-last], next[len(next)-1-last]) {
		last++
		merged[len(next)-last] = old[len(seen)-last]
	}
	unchanged := map[string][]int{} // indexes of seen
	for i := first; i < len(seen)-last; i++ {
		key := keyOf(seen[i])
		unchanged[key] = append(unchanged[key], i)
	}
	used := make([]bool, len(seen))
	var changed []int // indexes of next
	for j := first; j < len(next)-last; j++ {
		key := keyOf(next[j])
		if at := unchanged[key]; len(at) > 0 {
			merged[j], used[at[0]] = old[at[0]], true
			unchanged[key] = at[1:]
		} else {
			changed = append(changed, j)
		}
	}
	var left []int // indexes of seen
	for i := first; i < len(seen)-last; i++ {
		if !used[i] {
			left = append(left, i)
		}
	}
	switch {
	case len(left) == len(changed):
		for n, j := range changed {
			merged[j] = merge(old[left[n]], seen[left[n]], next[j])
		}
	case len(left)*len(changed) <= maxComparisons:
		for _, j := range changed {
			best, most := -1, 0
			for n, i := range left {
				if shared := sharedMembers(seen[i], next[j]); !used[i] && shared > most {
					best, most = n, shared
				}
			}
			if best >= 0 {
				i := left[best]
				merged[j], used[i] = merge(old[i], seen[i], next[j]), true
			}
		}
	}
	return append(merged, tail...)
}

// sharedMembers returns how many members two dicts have in common.
func sharedMembers(a, b any) (n int) {
	x, ok := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok || !ok2 {
		return 0
	}
	for key, v := range x {
		if other, there := y[key]; there && same(v, other) {
			n++
		}
	}
	return n
}
