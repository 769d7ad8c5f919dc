package diskstore

import (
	"encoding/binary"
	"slices"
	"sort"
	"sync"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/tidwall/btree"
)

// tally counts the states of existing keys, ordered by deadline.
type tally struct {
	n         int64
	deadlines btree.Set[string] // deadline, big-endian, and key
	expired   expired
}

// expired counts the deadlines of a tally up to a time. It keeps the count, so that the next
// one only has to find what has expired since.
type expired struct {
	mu     sync.Mutex // count is called by readers of the memtable
	until  int64
	n      int64
	walked int64 // deadlines that count has ever visited, for tests
}

// deadlineBytes is the size of a deadline.
const deadlineBytes = 8

func deadlineKey(key string, deadline int64) string {
	b := make([]byte, 0, deadlineBytes+len(key))
	return string(append(binary.BigEndian.AppendUint64(b, uint64(deadline)), key...))
}

func splitDeadlineKey(k string) (key string, deadline int64) {
	return k[deadlineBytes:], int64(binary.BigEndian.Uint64([]byte(k[:deadlineBytes])))
}

// copyTo makes an empty tally a copy.
func (c *tally) copyTo(to *tally) {
	c.expired.mu.Lock()
	defer c.expired.mu.Unlock()
	to.n, to.deadlines = c.n, *c.deadlines.Copy()
	to.expired.until, to.expired.n = c.expired.until, c.expired.n
}

func (c *tally) add(key string, s boltfile.State) { c.change(key, s, 1) }

func (c *tally) remove(key string, s boltfile.State) { c.change(key, s, -1) }

// change adds or removes the state of a key. No other call is under way.
func (c *tally) change(key string, s boltfile.State, by int64) {
	if !s.Exists {
		return
	}
	c.n += by
	if s.Deadline <= 0 {
		return
	}
	if by > 0 {
		c.deadlines.Insert(deadlineKey(key, s.Deadline))
	} else {
		c.deadlines.Delete(deadlineKey(key, s.Deadline))
	}
	if s.Deadline <= c.expired.until {
		c.expired.n += by
	}
}

// live counts the states that have not expired.
func (c *tally) live(now int64) int64 { return c.n - c.expired.count(&c.deadlines, now) }

// count returns how many deadlines have passed. The clock can have been set back since the
// last call.
func (e *expired) count(deadlines *btree.Set[string], now int64) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	from, to, sign := e.until, now, int64(1)
	if to < from {
		from, to, sign = to, from, -1
	}
	if from < to {
		deadlines.Ascend(deadlineKey("", from+1), func(k string) bool {
			if _, deadline := splitDeadlineKey(k); deadline > to {
				return false
			}
			e.n += sign
			e.walked++
			return true
		})
		e.until = now
	}
	return e.n
}

// due visits keys in the order of their deadlines.
func (c *tally) due(visit func(key string, deadline int64) bool) {
	c.deadlines.Scan(func(k string) bool { return visit(splitDeadlineKey(k)) })
}

// partTally counts states that a tally counts too: see piece.
type partTally struct {
	n         int64
	deadlines []int64 // in order, once sort was called
}

func (c *partTally) add(s boltfile.State) {
	if !s.Exists {
		return
	}
	c.n++
	if s.Deadline > 0 {
		c.deadlines = append(c.deadlines, s.Deadline)
	}
}

// sort is called once all states were added.
func (c *partTally) sort() { slices.Sort(c.deadlines) }

// live counts the states that have not expired.
func (c *partTally) live(now int64) int64 {
	return c.n - int64(sort.Search(len(c.deadlines), func(i int) bool { return c.deadlines[i] > now }))
}
