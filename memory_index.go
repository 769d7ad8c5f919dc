package extlibs

import (
	"strings"
	"sync"
	"time"

	"github.com/tidwall/btree"
)

// memoryIndex orders the keys by name and by deadline. Its entries are records
// without a value, one for both orders, because the table's records change with
// every write. It is written to in the critical section of the key.
type memoryIndex struct {
	mu     sync.RWMutex
	byName *btree.BTreeG[*record]
	byTime *btree.BTreeG[dueKey] // nil until a key has a deadline
	swept  btree.PathHint        // where byName lost a key last: the next one is often near
}

type dueKey struct {
	deadline int64
	key      *record
}

func lessName(a, b *record) bool { return a.key() < b.key() }

func lessTime(a, b dueKey) bool {
	return a.deadline < b.deadline || a.deadline == b.deadline && a.key.key() < b.key.key()
}

var noLocks = btree.Options{NoLocks: true}

// nameOnly is a record to look for.
func nameOnly(key string) *record { return newRecord(key, Value{}, 0) }

func (x *memoryIndex) add(r *record) {
	x.mu.Lock()
	x.addLocked(r)
	x.mu.Unlock()
}

// addLocked notes the key of a new record.
func (x *memoryIndex) addLocked(r *record) {
	name := nameOnly(r.key())
	if x.byName == nil {
		x.byName = btree.NewBTreeGOptions(lessName, noLocks)
	}
	x.byName.Set(name)
	x.setDeadline(name, r.deadline())
}

func (x *memoryIndex) setDeadline(name *record, deadline int64) {
	if deadline == 0 {
		return
	}
	if x.byTime == nil {
		x.byTime = btree.NewBTreeGOptions(lessTime, noLocks)
	}
	x.byTime.Set(dueKey{deadline, name})
}

func (x *memoryIndex) remove(r *record) {
	x.mu.Lock()
	x.removeLocked(r)
	x.mu.Unlock()
}

// removeLocked forgets the key of a record.
func (x *memoryIndex) removeLocked(r *record) {
	x.byName.Delete(r)
	if deadline := r.deadline(); deadline != 0 {
		x.byTime.Delete(dueKey{deadline, r})
	}
}

func (x *memoryIndex) move(old, next *record) {
	x.mu.Lock()
	x.moveLocked(old, next)
	x.mu.Unlock()
}

// moveLocked notes that a key has another deadline.
func (x *memoryIndex) moveLocked(old, next *record) {
	if deadline := old.deadline(); deadline != 0 {
		x.byTime.Delete(dueKey{deadline, old})
	}
	if name, ok := x.byName.Get(old); ok {
		x.setDeadline(name, next.deadline())
	}
}

// walk calls add for the keys of a range, which returns how many entries there
// are so far. Where mayExpire is false no key has a deadline. It looks at no more
// than memoryScanStep keys.
func (x *memoryIndex) walk(r Range, add func(key string, mayExpire bool) int) (more bool, last string) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.byName == nil {
		return false, ""
	}
	mayExpire := x.byTime != nil && x.byTime.Len() > 0
	looked := 0
	x.byName.Ascend(nameOnly(max(r.Prefix, r.After)), func(name *record) bool {
		key := name.key()
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
	if x.byName == nil {
		return 0
	}
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

// popDue takes out the key whose time has been over for the longest. Where there
// is none, it returns the time until the next deadline as sweeper.step wants it.
// The index is locked.
func (x *memoryIndex) popDue(now int64) (name *record, next time.Duration) {
	if x.byTime == nil {
		return nil, -1
	}
	first, ok := x.byTime.Min()
	switch {
	case !ok:
		return nil, -1
	case first.deadline > now:
		return nil, time.Duration(first.deadline - now)
	}
	x.byTime.PopMin()
	x.byName.DeleteHint(first.key, &x.swept)
	return first.key, 0
}
