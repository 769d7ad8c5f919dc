package extlibs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// The layout of a file, which the package documentation describes for others:
//
//	meta    "format" -> 1 byte; "count" -> uint64: keys in data;
//	        "epoch" -> uint64: clears so far
//	data    key -> record
//	expiry  deadline (uint64) + key -> "", or, for a key over 32,760 bytes,
//	        deadline + SHA-256 of the key -> key
//
// Numbers are big-endian. A deadline is in nanoseconds since 1970, UTC. A record
// is a header, a CRC-32C of key, header and value, and the value in CBOR; the
// header is one byte and, if its lowest bit is set, the deadline.
const formatVersion = 1

var (
	bucketMeta   = []byte("meta")
	bucketData   = []byte("data")
	bucketExpiry = []byte("expiry")

	metaFormat = []byte("format")
	metaCount  = []byte("count")
	metaEpoch  = []byte("epoch")
)

const (
	flagDeadline  = 1
	checksumBytes = 4
	deadlineBytes = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends the record of a value. A deadline of 0 is none.
func appendRecord(b []byte, key string, deadline int64, value Value) []byte {
	if deadline == 0 {
		b = append(b, 0)
	} else {
		b = binary.BigEndian.AppendUint64(append(b, flagDeadline), uint64(deadline))
	}
	sum := recordChecksum([]byte(key), b, []byte(value.data))
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, value.data...)
}

func recordChecksum(key, header, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, header)
	return crc32.Update(sum, castagnoli, value)
}

// parseRecord splits the record of a key. The value is part of rec.
func parseRecord(key, rec []byte) (deadline int64, value []byte, err error) {
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
	if header > 1 {
		deadline = int64(binary.BigEndian.Uint64(rec[1:]))
	}
	return deadline, value, nil
}

var errBadRecord = kverr.Errorf(ErrCorrupt, "the checksum of an entry does not match: the file is damaged; restore it from a backup")

// expiryEntry is a key's entry in the bucket expiry. A key too long for the
// engine behind a deadline stands there as its hash, and whole in the value.
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

// boltTx is a transaction with its buckets at hand.
type boltTx struct {
	meta, data, expiry *bolt.Bucket
	now                int64 // nanoseconds since 1970
	count              int64 // keys in data, as this transaction changed it
	dirty              bool  // this transaction changed something
}

// errNoBucket is about a file that prepare did not see.
var errNoBucket = kverr.Errorf(ErrCorrupt, "the file lacks a bucket that every kv file has; restore it from a backup")

// newLoadTx is newBoltTx for those who only load entries.
func newLoadTx(tx *bolt.Tx, now time.Time) (*boltTx, error) {
	t := &boltTx{data: tx.Bucket(bucketData), now: now.UnixNano()}
	if t.data == nil {
		return nil, errNoBucket
	}
	return t, nil
}

func newBoltTx(tx *bolt.Tx, now time.Time) (*boltTx, error) {
	t := &boltTx{
		meta:   tx.Bucket(bucketMeta),
		data:   tx.Bucket(bucketData),
		expiry: tx.Bucket(bucketExpiry),
		now:    now.UnixNano(),
	}
	if t.meta == nil || t.data == nil || t.expiry == nil {
		return nil, errNoBucket
	}
	t.count = int64(metaNumber(t.meta, metaCount))
	return t, nil
}

// unknownDeadline is the deadline of an entry whose record is damaged.
const unknownDeadline = -1

// entry reads the entry of a key, live or not. exists is whether the file holds it.
func (t *boltTx) entry(key string) (value Value, deadline int64, exists bool, err error) {
	rec := t.data.Get([]byte(key))
	if rec == nil {
		return Value{}, 0, false, nil
	}
	deadline, raw, err := parseRecord([]byte(key), rec)
	if err != nil {
		return Value{}, unknownDeadline, true, err
	}
	return Value{string(raw)}, deadline, true, nil
}

// liveEntry reads the entry of a live key, else it returns ErrNotFound.
func (t *boltTx) liveEntry(key string) (pendingEntry, error) {
	value, deadline, exists, err := t.entry(key)
	if err != nil {
		return pendingEntry{}, err
	}
	if !exists || !t.live(deadline) {
		return pendingEntry{}, ErrNotFound
	}
	return pendingEntry{value, deadline}, nil
}

func (t *boltTx) live(deadline int64) bool { return deadline == 0 || deadline > t.now }

// left is the time to live of a live entry.
func (t *boltTx) left(deadline int64) time.Duration {
	if deadline == 0 {
		return 0
	}
	return time.Duration(deadline - t.now)
}

func (t *boltTx) put(key string, oldDeadline int64, existed bool, deadline int64, value Value) error {
	t.dirty = true
	if oldDeadline != deadline {
		if oldDeadline != 0 {
			if err := t.forgetDeadline(key, oldDeadline); err != nil {
				return err
			}
		}
		if deadline != 0 {
			if err := t.expiry.Put(expiryEntry(deadline, key)); err != nil {
				return err
			}
		}
	}
	if !existed {
		t.count++
	}
	return t.data.Put([]byte(key), appendRecord(nil, key, deadline, value))
}

// forgetDeadline takes a key out of the index. Where nobody knows its deadline
// any more the whole index is searched, because an entry that stays behind would
// count as an expired key.
func (t *boltTx) forgetDeadline(key string, deadline int64) error {
	if deadline != unknownDeadline {
		k, _ := expiryEntry(deadline, key)
		return t.expiry.Delete(k)
	}
	c := t.expiry.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if _, indexed := splitExpiryEntry(k, v); string(indexed) == key {
			return t.expiry.Delete(bytes.Clone(k))
		}
	}
	return nil
}

func (t *boltTx) remove(key string, deadline int64) error {
	t.dirty = true
	if deadline != 0 {
		if err := t.forgetDeadline(key, deadline); err != nil {
			return err
		}
	}
	t.count--
	return t.data.Delete([]byte(key))
}

// expired counts the entries whose time is over but which are still in the file.
func (t *boltTx) expired() int64 {
	var n int64
	c := t.expiry.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if deadline, _ := splitExpiryEntry(k, v); deadline > t.now {
			break
		}
		n++
	}
	return n
}

// clear empties the file's buckets, but not its meta data.
func (t *boltTx) clear() error {
	tx := t.data.Tx()
	t.dirty = true
	for _, name := range [][]byte{bucketData, bucketExpiry} {
		if err := tx.DeleteBucket(name); err != nil {
			return &txError{err}
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return &txError{err}
		}
	}
	t.data, t.expiry, t.count = tx.Bucket(bucketData), tx.Bucket(bucketExpiry), 0
	if err := setMetaNumber(t.meta, metaEpoch, metaNumber(t.meta, metaEpoch)+1); err != nil {
		return &txError{err}
	}
	return nil
}
