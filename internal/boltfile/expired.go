package boltfile

import (
	"encoding/binary"
	"sync"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
)

// expiredCount counts the expired entries of the index of deadlines of one commit. It keeps
// the count, so that the next one only has to find what has expired since.
type expiredCount struct {
	mu      sync.Mutex
	started bool
	until   int64 // n counts the deadlines up to it
	n       int64
	walked  int64 // entries that were ever counted, for tests
}

// at returns how many entries have expired at a time in nanoseconds since 1970. The clock
// can have been set back since the last call.
func (c *expiredCount) at(index bbpage.Tree, now int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to, sign := []byte(nil), placeAfter(now), int64(1)
	switch {
	case !c.started:
	case now < c.until:
		from, to, sign = placeAfter(now), placeAfter(c.until), -1
	case now == c.until:
		return c.n, nil
	default:
		from = placeAfter(c.until)
	}
	n, err := index.Count(from, to)
	if err != nil {
		return 0, err
	}
	c.started, c.until = true, now
	c.n += sign * n
	c.walked += n
	return c.n, nil
}

// placeAfter returns the place in the index of deadlines that follows those of a deadline.
func placeAfter(deadline int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(deadline)+1)
}
