package extlibs

import (
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// memoryIndex orders the keys by name and by deadline.
type memoryIndex struct {
	mu     sync.RWMutex
	byName btree.Set[string]
	byTime *btree.BTreeG[dueKey] // nil until a key has a deadline
}

type dueKey struct {
	deadline int64
	key      string
}

// replace notes that a key appeared, disappeared or changed its deadline. It is
// called in the key's critical section.
func (x *memoryIndex) replace(key string, existed bool, oldDeadline int64, exists bool, deadline int64) {
	if existed == exists && oldDeadline == deadline {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case exists && !existed:
		x.byName.Insert(key)
	case existed && !exists:
		x.byName.Delete(key)
	}
	if oldDeadline == deadline {
		return
	}
	if x.byTime == nil {
		x.byTime = btree.NewBTreeGOptions(func(a, b dueKey) bool {
			return a.deadline < b.deadline || a.deadline == b.deadline && a.key < b.key
		}, btree.Options{NoLocks: true})
	}
	if oldDeadline != 0 {
		x.byTime.Delete(dueKey{oldDeadline, key})
	}
	if deadline != 0 {
		x.byTime.Set(dueKey{deadline, key})
	}
}

// walk calls add for the keys of a range, which returns how many entries there
// are so far. Where mayExpire is false no key has a deadline. It looks at no more
// than memoryScanStep keys.
func (x *memoryIndex) walk(r Range, add func(key string, mayExpire bool) int) (more bool, last string) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	mayExpire := x.byTime != nil && x.byTime.Len() > 0
	looked := 0
	x.byName.Ascend(max(r.Prefix, r.After), func(key string) bool {
		if key == r.After && key != "" {
			return true
		}
		if !strings.HasPrefix(key, r.Prefix) {
			return key < r.Prefix
		}
		if looked == memoryScanStep {
			more = true
			return false
		}
		looked++
		last = key
		if r.Match == nil || r.Match(key) {
			if n := add(key, mayExpire); n == r.Limit && r.Limit > 0 {
				more = true
				return false
			}
		}
		return true
	})
	return more, last
}

// live counts the keys that are not expired, without walking them.
func (x *memoryIndex) live(now func() int64) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := x.byName.Len()
	if x.byTime != nil && x.byTime.Len() > 0 {
		n -= x.rank(now())
	}
	return n
}

func (x *memoryIndex) expired(now int64) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.rank(now)
}

// rank counts the deadlines up to now by bisection.
func (x *memoryIndex) rank(now int64) int {
	if x.byTime == nil {
		return 0
	}
	low, high := 0, x.byTime.Len()
	for low < high {
		mid := int(uint(low+high) >> 1)
		if item, _ := x.byTime.GetAt(mid); item.deadline <= now {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// due returns up to limit keys whose deadline has passed, and the time until
// the next deadline as sweeper.step wants it.
func (x *memoryIndex) due(now int64, limit int) (keys []string, next time.Duration) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	next = -1
	if x.byTime == nil {
		return nil, next
	}
	x.byTime.Scan(func(item dueKey) bool {
		if item.deadline > now {
			next = time.Duration(item.deadline - now)
			return false
		}
		if len(keys) == limit {
			next = 0
			return false
		}
		keys = append(keys, item.key)
		return true
	})
	return keys, next
}
