package boltfile

import (
	"os"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// State is what is stored under a key, expired or not. The zero value is an absent key.
type State struct {
	Exists   bool
	Deadline int64 // nanoseconds since 1970; 0: none; UnknownDeadline
	Value    string
}

// UnknownDeadline is the deadline of an entry whose record is damaged.
const UnknownDeadline = -1

// EntryOverhead is about what an entry takes in memory in addition to its key and value,
// in bytes.
const EntryOverhead = 128

// fileOverhead is more than what an entry takes in a file in addition to its key and value:
// the element of its page, the header and the checksum of its record, and its part of a
// branch page.
const fileOverhead = 48

// Live reports whether the key exists and has not expired at a time in nanoseconds since
// 1970.
func (s State) Live(now int64) bool {
	return s.Exists && (s.Deadline <= 0 || s.Deadline > now)
}

// Check returns an error if a file cannot hold the state under a key. Writes and replays
// make the same check, so a crash never makes an acknowledged write invalid.
func (s State) Check(key string) error {
	switch {
	case key == "" || len(key) > bolt.MaxKeySize:
		return kverr.Errorf(kverr.Invalid, "a key has %d bytes; use 1 to %d", len(key), bolt.MaxKeySize)
	case !s.Exists:
	case s.Value == "":
		return kverr.Errorf(kverr.Invalid, "a value is empty")
	case s.Deadline < 0:
		return kverr.Errorf(kverr.Invalid, "a deadline is before 1970")
	}
	return nil
}

// Need is the space that puts can take in a file.
type Need struct {
	Net   int64 // bytes by which they grow the file, once they are committed
	Spare int64 // bytes by which a file whose leaves are full, as after Compact, can grow in addition
	Run   int64 // bytes that must be adjacent: pages that were never used are

	// Of the largest of them, in bytes; Sub does not take them back:
	Key   int
	Entry int64
}

// Add adds the need of other puts.
func (n *Need) Add(other Need) {
	n.Net, n.Spare, n.Run = n.Net+other.Net, n.Spare+other.Spare, n.Run+other.Run
	n.Key, n.Entry = max(n.Key, other.Key), max(n.Entry, other.Entry)
}

// Sub subtracts the need of other puts.
func (n *Need) Sub(other Need) {
	n.Net, n.Spare, n.Run = n.Net-other.Net, n.Spare-other.Spare, n.Run-other.Run
}

// Need returns the space that storing the state under a key can take; a deletion takes
// none. bbolt fills the page of a leaf that it splits until the next entry would make it more
// than half full, but with two entries at least, which are all rewritten when one of them
// changes. So a page of small entries is nearly half full; but of each two pages with large
// and small ones, only one needs to be.
func (s State) Need(key string) (n Need) {
	if !s.Exists {
		return n
	}
	bytes, page := int64(len(key)+len(s.Value))+EntryOverhead, int64(os.Getpagesize())
	n.Key, n.Entry = len(key), bytes
	net := func(bytes int64) int64 {
		if bytes <= page/8 {
			return 3 * bytes
		}
		return min(4*bytes, bytes+2*page)
	}
	const spare = 3 * (EntryOverhead - fileOverhead)
	n.Net, n.Spare = net(int64(len(key)+len(s.Value))+fileOverhead), spare
	if s.Deadline != 0 { // and the entry of the index
		n.Net += net(int64(len(key)) + fileOverhead)
		n.Spare += spare
	}
	if bytes > page {
		n.Run = 3*bytes + 2*page
	}
	return n
}
