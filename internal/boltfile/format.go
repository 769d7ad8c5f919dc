package boltfile

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// The layout of a file, which the package documentation describes for others:
//
//	meta    "format" -> 1 byte; "count" -> uint64: keys in data;
//	        "epoch" -> uint64: clears so far;
//	        "log" -> the id of the log that the file needs (16 bytes), and the
//	        position in it from which on the file lacks what it says (int64);
//	        absent where the file is complete. It came with format 2;
//	        "closed" -> the id of the last log that the file needed;
//	        "twin" -> uint64: bbolt's number of the last commit that left the
//	        file without a log. The next commit repeats it: see Tx.Twin.
//	data    key -> record
//	expiry  deadline (uint64) + key -> "", or, for a key over 32,760 bytes,
//	        deadline + SHA-256 of the key -> key
//
// Numbers are big-endian. A deadline is in nanoseconds since 1970, UTC. A record
// is a header, a CRC-32C of key, header and value, and the value in CBOR; the
// header is one byte and, if its lowest bit is set, the deadline.
const formatVersion = 2

var (
	bucketMeta   = []byte("meta")
	bucketData   = []byte("data")
	bucketExpiry = []byte("expiry")

	metaFormat = []byte("format")
	metaCount  = []byte("count")
	metaEpoch  = []byte("epoch")
	metaLog    = []byte("log")
	metaClosed = []byte("closed")
	metaTwin   = []byte("twin")
)

const (
	flagDeadline  = 1
	checksumBytes = 4
	deadlineBytes = 8
	hashBytes     = sha256.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends the record of a value. A deadline of 0 is none.
func appendRecord(b []byte, key string, deadline int64, value string) []byte {
	if deadline == 0 {
		b = append(b, 0)
	} else {
		b = binary.BigEndian.AppendUint64(append(b, flagDeadline), uint64(deadline))
	}
	sum := recordChecksum([]byte(key), b, []byte(value))
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, value...)
}

func recordChecksum(key, header, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, header)
	return crc32.Update(sum, castagnoli, value)
}

// ParseRecord splits the record of a key. The value is part of rec.
func ParseRecord(key, rec []byte) (deadline int64, value []byte, err error) {
	header := 1
	if len(rec) > 0 && rec[0] == flagDeadline {
		header += deadlineBytes
	}
	if len(rec) < header+checksumBytes || rec[0] > flagDeadline {
		return 0, nil, errBadRecord
	}
	sum := binary.BigEndian.Uint32(rec[header:])
	value = rec[header+checksumBytes:]
	if sum != recordChecksum(key, rec[:header], value) {
		return 0, nil, errBadRecord
	}
	if deadline, ok := recordDeadline(rec); ok {
		return deadline, value, nil
	}
	return 0, nil, errBadRecord
}

// recordDeadline returns the deadline in the header of a record whose checksum is not
// checked. ok is false if it is not one that a store writes.
func recordDeadline(rec []byte) (deadline int64, ok bool) {
	switch {
	case len(rec) > deadlineBytes && rec[0] == flagDeadline:
		deadline = int64(binary.BigEndian.Uint64(rec[1:]))
		return deadline, deadline > 0
	case len(rec) > 0 && rec[0] == 0:
		return 0, true
	}
	return 0, false
}

var errBadRecord = kverr.Errorf(kverr.Corrupt, "the checksum of an entry does not match, or no store wrote its deadline: the file is damaged; restore it from a backup")

// expiryEntry is a key's entry in the bucket expiry. A key too long for
// bbolt after a deadline is stored as its hash, and completely in the value.
func expiryEntry(deadline int64, key string) (k, v []byte) {
	k = binary.BigEndian.AppendUint64(make([]byte, 0, deadlineBytes+len(key)), uint64(deadline))
	if deadlineBytes+len(key) <= bolt.MaxKeySize {
		return append(k, key...), nil
	}
	sum := sha256.Sum256([]byte(key))
	return append(k, sum[:]...), []byte(key)
}

// splitExpiryEntry is the reverse of expiryEntry.
func splitExpiryEntry(k, v []byte) (deadline int64, key []byte) {
	if len(k) < deadlineBytes {
		return 0, nil // damaged: due at once, the key of nothing
	}
	deadline, key = int64(binary.BigEndian.Uint64(k)), k[deadlineBytes:]
	if len(v) > 0 {
		key = v
	}
	return deadline, key
}

func metaNumber(meta *bolt.Bucket, name []byte) uint64 {
	if v := meta.Get(name); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func setMetaNumber(meta *bolt.Bucket, name []byte, n uint64) error {
	return meta.Put(name, binary.BigEndian.AppendUint64(nil, n))
}

// LogRef names the log that a file needs, and the position up to which the file has
// its records.
type LogRef struct {
	ID  wal.ID
	Pos wal.LSN
}

const logRefBytes = len(wal.ID{}) + 8

func (r *LogRef) encode() []byte {
	return binary.BigEndian.AppendUint64(r.ID[:len(r.ID):len(r.ID)], uint64(r.Pos))
}

func parseLogRef(b []byte) (*LogRef, error) {
	if len(b) != logRefBytes {
		return nil, kverr.Errorf(kverr.Corrupt, "the file's reference to its log is damaged; restore it from a backup")
	}
	n := len(wal.ID{})
	return &LogRef{wal.ID(b[:n]), wal.LSN(binary.BigEndian.Uint64(b[n:]))}, nil
}
