package wal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// The layout of a log:
//
//	header  4,096 bytes: magic (8), id (16), size of the ring (8), CRC-32C of
//	        these (4), whether there is an end (1: 1, or 0 in earlier versions), zeros
//	ring    LSN n is at byte n modulo the ring's size
//	end     a byte of zero
//
// A record begins at a multiple of 32 bytes and is padded to one with zeros. It has: salt
// (8: the beginning of the id), its LSN (8), the LSN up to which the log was known to be
// durable when the record was written (8), the length of the payload (4), a CRC-32C of
// the id, the preceding fields and the payload (4), payload. A payload is a sequence of
// operations: kind (1), length of the key (uvarint), key and, for a put, deadline
// (uvarint, 0: none), length of the value (uvarint), value. A clear has only its kind. The payload
// of a record with a segment has its kind (1), the place of the segment in the file (8), a
// multiple of 4,096 after the end, its length (8) and its CRC-32C (4). A segment has operations,
// as a payload. Numbers are big-endian.
//
// Format 1 of logs had no segments.
const (
	// HeaderBytes is the size of the header of a log, and therefore the minimum size of its
	// file.
	HeaderBytes = 4096

	headerBytes = HeaderBytes
	idBytes     = 16
	sizeBytes   = 8
	headBytes   = len(magic) + idBytes + sizeBytes // the header before its checksum
	saltBytes   = 8
	recordAlign = 32
	recordHead  = 32
	crcBytes    = 4
	endAt       = headBytes + crcBytes

	// endBytes follow the ring, and are never written again. If a log is truncated while
	// it is open, later records can restore the length of the ring, but not these bytes,
	// so the length of the file shows that it was truncated.
	endBytes = 1

	maxPos  = 1 << 62
	maxFrom = 1 << 61 // of a replay; no log gets so far, and appends after it never reach maxPos

	// MaxRecordBytes limits the payload of a record.
	MaxRecordBytes = 1 << 30

	// MaxBytes limits the size of a log, and so the memory of a replay. Create makes no
	// larger log.
	MaxBytes = 64 << 20
)

const magic = Magic + "\x00\x02"

// Magic is the beginning of a log, in each of its formats.
const Magic = "kv log"

// Suffix is appended to the name of a file to name its log.
const Suffix = "-log"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ID identifies a log. A database file stores the id of the log that it needs.
type ID [idBytes]byte

// LSN is a log sequence number: how many bytes of records precede a position since the
// log was created.
type LSN int64

// Kind is the kind of an operation.
type Kind byte

// The kinds of operations. An operation states the result for a key, not the request, so
// operations are idempotent.
const (
	Put Kind = iota + 1
	Delete
	Clear

	segmentKind // the operations of the record are in a segment
)

// Op is one operation of a record.
type Op struct {
	Kind     Kind
	Key      string
	Value    string
	Deadline int64 // nanoseconds since 1970; 0: none
}

// Batch collects the operations of one record. The zero value is an empty batch.
type Batch struct {
	b       []byte
	err     error    // about an operation that replay would refuse
	segment *segment // that holds the operations; nil: none does
}

func (b *Batch) start() {
	if len(b.b) == 0 {
		b.b = append(b.b, make([]byte, recordHead)...)
	}
}

// Put adds an operation that stores a value. A deadline of 0 is none. A batch with a
// negative deadline, which replay refuses, cannot be appended.
func (b *Batch) Put(key, value string, deadline int64) {
	if !validDeadline(uint64(deadline)) {
		b.err = kverr.Errorf(kverr.Invalid, "a deadline is negative")
	}
	b.op(Put, key)
	b.b = binary.AppendUvarint(b.b, uint64(deadline))
	b.b = append(binary.AppendUvarint(b.b, uint64(len(value))), value...)
}

// Delete adds an operation that removes a key.
func (b *Batch) Delete(key string) { b.op(Delete, key) }

// Clear adds an operation that removes all keys.
func (b *Batch) Clear() {
	b.start()
	b.b = append(b.b, byte(Clear))
}

func (b *Batch) op(kind Kind, key string) {
	b.start()
	b.b = append(binary.AppendUvarint(append(b.b, byte(kind)), uint64(len(key))), key...)
}

// validDeadline reports whether a deadline can be appended and replayed.
func validDeadline(deadline uint64) bool { return deadline <= math.MaxInt64 }

// Len returns the number of bytes that the record will take in the log.
func (b *Batch) Len() int64 { return align(int64(max(len(b.b), recordHead))) }

func align(n int64) int64 { return (n + recordAlign - 1) &^ (recordAlign - 1) }

// seal returns the record for an LSN.
func (b *Batch) seal(id ID, at, durable LSN) []byte {
	b.start()
	h := b.b[:recordHead]
	copy(h, id[:saltBytes])
	binary.BigEndian.PutUint64(h[8:], uint64(at))
	binary.BigEndian.PutUint64(h[16:], uint64(durable))
	binary.BigEndian.PutUint32(h[24:], uint32(len(b.b)-recordHead))
	sum := crc32.Update(headSum(id, h), castagnoli, b.b[recordHead:])
	binary.BigEndian.PutUint32(h[28:], sum)
	return append(b.b, make([]byte, b.Len()-int64(len(b.b)))...)
}

func headSum(id ID, head []byte) uint32 {
	return crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, head[:recordHead-crcBytes])
}

// head is the parsed head of a record.
type head struct {
	at, durable LSN
	length      int64
	start, sum  uint32 // checksum of the head, and of the record
}

// end returns the LSN of the next record.
func (h head) end() LSN { return h.at + LSN(align(recordHead+h.length)) }

// parseHead parses the head of a record. It reports false if b is not a head of this log.
func parseHead(id ID, b []byte) (head, bool) {
	h := head{
		at:      LSN(binary.BigEndian.Uint64(b[8:])),
		durable: LSN(binary.BigEndian.Uint64(b[16:])),
		length:  int64(binary.BigEndian.Uint32(b[24:])),
		sum:     binary.BigEndian.Uint32(b[28:]),
	}
	ok := bytes.Equal(b[:saltBytes], id[:saltBytes]) && h.length <= MaxRecordBytes && validPlace(h.at, h.durable)
	if ok {
		h.start = headSum(id, b)
	}
	return h, ok
}

// validPlace reports whether replay accepts a record at an LSN that says up to which LSN
// the log was durable.
func validPlace(at, durable LSN) bool {
	return at >= 0 && at <= maxPos && at%recordAlign == 0 && durable >= 0 && durable <= at
}

// errOps is the error of a record with a valid checksum and an invalid payload.
var errOps = kverr.Errorf(kverr.Corrupt, "a record of the log does not have the log's format; restore the store from a backup")

// payload is what decodeOps reads a record from.
type payload interface {
	io.ByteReader
	Len() int64 // bytes that remain
	Text(n int64) (string, error)
}

// decodeOps calls fn for each operation of a payload. It checks every length against the
// bytes that remain.
func decodeOps(r payload, fn func(Op) error) error {
	text := func() (string, error) {
		n, err := binary.ReadUvarint(r)
		if err != nil || n > uint64(r.Len()) {
			return "", errOps
		}
		return r.Text(int64(n))
	}
	for r.Len() > 0 {
		kind, err := r.ReadByte()
		if err != nil {
			return err
		}
		op := Op{Kind: Kind(kind)}
		switch op.Kind {
		case Put, Delete:
			if op.Key, err = text(); err != nil {
				return err
			}
			if op.Kind == Delete {
				break
			}
			deadline, err := binary.ReadUvarint(r)
			if err != nil || !validDeadline(deadline) {
				return errOps
			}
			op.Deadline = int64(deadline)
			if op.Value, err = text(); err != nil {
				return err
			}
		case Clear:
		default:
			return errOps
		}
		if err := fn(op); err != nil {
			return err
		}
	}
	return nil
}

// newHeader returns a new id and the header of its log.
func newHeader(size int64) (ID, []byte) {
	var id ID
	rand.Read(id[:])
	b := make([]byte, headerBytes)
	copy(b, magic)
	copy(b[len(magic):], id[:])
	binary.BigEndian.PutUint64(b[len(magic)+idBytes:], uint64(size))
	binary.BigEndian.PutUint32(b[headBytes:], headerSumOf(b))
	b[endAt] = 1
	return id, b
}

func headerSumOf(b []byte) uint32 { return crc32.Checksum(b[:headBytes], castagnoli) }

// ReadID reads the id of the log in a file. The error is kverr.Format if the file is not
// a log, and kverr.Corrupt if it is a damaged log.
func ReadID(f io.ReaderAt) (ID, error) {
	id, _, err := readHeader(f)
	return id, err
}

// hasEnd reports whether a log has an end mark.
func hasEnd(f io.ReaderAt) bool {
	var b [1]byte
	n, _ := f.ReadAt(b[:], int64(endAt)) // a file without this byte fails elsewhere
	return n == 1 && b[0] == 1
}

func readHeader(f io.ReaderAt) (id ID, size int64, err error) {
	id, size, _, err = readFormat(f)
	return id, size, err
}

// readFormat is readHeader, and returns the format too.
func readFormat(f io.ReaderAt) (id ID, size int64, format byte, err error) {
	var b [headBytes + crcBytes]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return id, 0, 0, err
	}
	if !strings.HasPrefix(string(b[:n]), Magic) {
		return id, 0, 0, kverr.Errorf(kverr.Format, "it is not the log of a store; move it away")
	}
	if n == len(b) && b[7] > magic[7] {
		return id, 0, 0, kverr.Errorf(kverr.Format, "the log has format %d, and this version of the library reads formats up to %d; update the library", b[7], magic[7])
	}
	if n < len(b) || binary.BigEndian.Uint32(b[headBytes:]) != headerSumOf(b[:]) {
		return id, 0, 0, kverr.Errorf(kverr.Corrupt, "the log's header is damaged; restore the store from a backup")
	}
	size = int64(binary.BigEndian.Uint64(b[headBytes-sizeBytes:]))
	if size < headerBytes || size > MaxBytes || size%headerBytes != 0 {
		return id, 0, 0, kverr.Errorf(kverr.Corrupt, "the log's header claims a size of %d bytes, which is invalid; restore the store from a backup", size)
	}
	return ID(b[len(magic) : len(magic)+idBytes]), size, b[len(magic)-1], nil
}
