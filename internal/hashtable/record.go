package hashtable

import (
	"math"
	"unsafe"
)

// Record is a key with its value and deadline in one block without pointers:
// one allocation for all of them, one place in memory for a read to fetch, and
// nothing for the garbage collector to follow. It never changes; a new value is a
// new record. The type is the head of the block, and these follow it:
//
//	the value ready-made, if it is a text (16 bytes) or a number (8 bytes)
//	8 bytes  mark, if a large batch stored it
//	8 bytes  deadline, if there is one
//	key, value
//
// A ready-made text is the head of a Go string, which points into the block itself. The
// collector does not see that pointer, and need not: code that has the head has an address in
// the block, which keeps all of it alive.
type Record struct {
	keyLen   uint16
	key      uint8 // where the key begins
	flags    uint8
	valueLen uint32
}

const (
	headBytes   = int(unsafe.Sizeof(Record{}))
	textBytes   = int(unsafe.Sizeof(""))
	numberBytes = 8

	flagDeadline = 1 << iota
	flagText
	flagInt
	flagFloat
	flagMark

	flagTombstone = 1 // marks a removed key, see Large
)

// Mark identifies the large batch, and its entry, that stored a record. 0: none.
type Mark uint64

// Limits of a record, in bytes.
const (
	MaxKey   = math.MaxUint16
	MaxValue = math.MaxInt32
)

// New returns a record whose value is head and body. Its deadline is in the time of the
// table's clock; 0: none. Key and value are copied.
func New(mark Mark, key string, head []byte, body string, deadline int64) *Record {
	return build(key, head, body, deadline, 0, 0, mark)
}

// NewText is New with body as ready-made text.
func NewText(mark Mark, key string, head []byte, body string, deadline int64) *Record {
	if body == "" { // there is no byte to point to
		return New(mark, key, head, body, deadline)
	}
	r := build(key, head, body, deadline, flagText, textBytes, mark)
	// As numbers: the block is no place for a pointer that the collector knows.
	*(*[2]uintptr)(r.at(headBytes)) = [2]uintptr{
		uintptr(r.at(int(r.key) + len(key) + len(head))), uintptr(len(body)),
	}
	return r
}

// NewInt returns a record whose value encodes a number, which is also stored ready-made.
func NewInt(mark Mark, key string, value []byte, i, deadline int64) *Record {
	r := build(key, value, "", deadline, flagInt, numberBytes, mark)
	*(*int64)(r.at(headBytes)) = i
	return r
}

// NewFloat is NewInt for floats.
func NewFloat(mark Mark, key string, value []byte, f float64, deadline int64) *Record {
	r := build(key, value, "", deadline, flagFloat, numberBytes, mark)
	*(*float64)(r.at(headBytes)) = f
	return r
}

// build makes a record with ready bytes for a ready-made value. Its value
// is head and body.
func build(key string, head []byte, body string, deadline int64, flags uint8, ready int, mark Mark) *Record {
	at, valueLen := headBytes+ready, len(head)+len(body)
	if mark != 0 {
		at += numberBytes
		flags |= flagMark
	}
	if deadline != 0 {
		at += numberBytes
		flags |= flagDeadline
	}
	size := at + len(key) + valueLen
	// Words, so that a ready-made value is aligned for its type.
	block := make([]uint64, (size+wordBytes-1)/wordBytes)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(block))), size)
	r := (*Record)(unsafe.Pointer(unsafe.SliceData(block)))
	*r = Record{uint16(len(key)), uint8(at), flags, uint32(valueLen)}
	if deadline != 0 {
		*(*int64)(r.at(at - numberBytes)) = deadline
	}
	if mark != 0 {
		*(*Mark)(r.at(headBytes + ready)) = mark
	}
	n := copy(bytes[at:], key)
	n += copy(bytes[at+n:], head)
	copy(bytes[at+n:], body)
	return r
}

func (r *Record) at(offset int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(r), offset) }

// Key returns the key. It shares the record's memory.
func (r *Record) Key() string {
	return unsafe.String((*byte)(r.at(int(r.key))), int(r.keyLen))
}

// Value returns the value. It shares the record's memory.
func (r *Record) Value() string {
	if r.valueLen == 0 { // there is no byte to point to
		return ""
	}
	return unsafe.String((*byte)(r.at(int(r.key)+int(r.keyLen))), int(r.valueLen))
}

// Deadline returns the deadline in the time of the table's clock; 0: none.
func (r *Record) Deadline() int64 {
	if r.flags&flagDeadline == 0 {
		return 0
	}
	return *(*int64)(r.at(int(r.key) - numberBytes))
}

// mark returns the mark of a record that has one.
func (r *Record) mark() uint64 {
	at := int(r.key) - numberBytes
	if r.flags&flagDeadline != 0 {
		at -= numberBytes
	}
	return *(*uint64)(r.at(at))
}

// Text returns the ready-made text, or nil. It must not be written to.
func (r *Record) Text() *string {
	if r.flags&flagText == 0 {
		return nil
	}
	return (*string)(r.at(headBytes))
}

// Int returns the ready-made int, or nil. It must not be written to.
func (r *Record) Int() *int64 {
	if r.flags&flagInt == 0 {
		return nil
	}
	return (*int64)(r.at(headBytes))
}

// Float returns the ready-made float, or nil. It must not be written to.
func (r *Record) Float() *float64 {
	if r.flags&flagFloat == 0 {
		return nil
	}
	return (*float64)(r.at(headBytes))
}

// Size returns what the record counts against the table's limit of bytes. A nil Record counts
// 0.
func (r *Record) Size() int64 {
	if r == nil {
		return 0
	}
	n := int64(2*int(r.keyLen) + int(r.valueLen) + Overhead)
	if block := int(r.key) + int(r.keyLen) + int(r.valueLen); block > maxSmall {
		n += int64(-block & (pageBytes - 1)) // it has whole pages
	}
	return n
}

// Go's allocator gives a block of more than maxSmall bytes whole pages. The size
// classes of smaller ones add at most an eighth, or less than Overhead has to spare.
const (
	maxSmall  = 32 << 10
	pageBytes = 8 << 10
)

// Overhead is what an entry counts in addition to its key, which is stored twice, and its
// value: the head and the deadline of its record, the rounding of its block, its slot in the
// hash table, and its place among the deadlines.
const Overhead = 72

// count is 1 for a record of a key, 0 for a tombstone and nil.
func (r *Record) count() int {
	if r == nil || r.Tombstone() {
		return 0
	}
	return 1
}

// Tombstone reports whether the record marks a removed key.
func (r *Record) Tombstone() bool { return r.flags&flagTombstone != 0 }

func (r *Record) deadline() int64 {
	if r == nil {
		return 0
	}
	return r.Deadline()
}
