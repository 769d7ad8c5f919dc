package boltfile

import (
	"bytes"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// Tx is a transaction with its buckets at hand. It lives as long as the call
// that it is given to.
type Tx struct {
	Now   int64 // nanoseconds since 1970
	Count int64 // keys in the file, live or not, as this transaction changed it

	meta, data, expiry *bolt.Bucket
	dirty              bool // this transaction changed something
}

// TxError is a failure of the engine in the middle of a change. What the
// transaction did so far has to go with it.
type TxError struct{ err error }

func (e *TxError) Error() string { return e.err.Error() }
func (e *TxError) Unwrap() error { return e.err }

func failed(err error) error {
	if err != nil {
		return &TxError{err}
	}
	return nil
}

// errNoBucket is about a file that prepare did not see.
var errNoBucket = kverr.Errorf(kverr.Corrupt, "the file lacks a bucket that every kv file has; restore it from a backup")

// newLoadTx is newTx for those who only load entries.
func newLoadTx(tx *bolt.Tx, now time.Time) (*Tx, error) {
	t := &Tx{data: tx.Bucket(bucketData), Now: now.UnixNano()}
	if t.data == nil {
		return nil, errNoBucket
	}
	return t, nil
}

func newTx(tx *bolt.Tx, now time.Time) (*Tx, error) {
	t := &Tx{
		meta:   tx.Bucket(bucketMeta),
		data:   tx.Bucket(bucketData),
		expiry: tx.Bucket(bucketExpiry),
		Now:    now.UnixNano(),
	}
	if t.meta == nil || t.data == nil || t.expiry == nil {
		return nil, errNoBucket
	}
	t.Count = int64(metaNumber(t.meta, metaCount))
	return t, nil
}

// UnknownDeadline is the deadline of an entry whose record is damaged.
const UnknownDeadline = -1

// Entry reads the entry of a key, live or not. exists is whether the file holds it.
func (t *Tx) Entry(key string) (value string, deadline int64, exists bool, err error) {
	rec := t.data.Get([]byte(key))
	if rec == nil {
		return "", 0, false, nil
	}
	deadline, raw, err := ParseRecord([]byte(key), rec)
	if err != nil {
		return "", UnknownDeadline, true, err
	}
	return string(raw), deadline, true, nil
}

// Live reports whether an entry with this deadline is there.
func (t *Tx) Live(deadline int64) bool { return deadline == 0 || deadline > t.Now }

// Left is the time to live of a live entry.
func (t *Tx) Left(deadline int64) time.Duration {
	if deadline == 0 {
		return 0
	}
	return time.Duration(deadline - t.Now)
}

// Put stores a value under a key that had oldDeadline, if it existed.
func (t *Tx) Put(key string, oldDeadline int64, existed bool, deadline int64, value string) error {
	return failed(t.put(key, oldDeadline, existed, deadline, value))
}

func (t *Tx) put(key string, oldDeadline int64, existed bool, deadline int64, value string) error {
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
		t.Count++
	}
	return t.data.Put([]byte(key), appendRecord(nil, key, deadline, value))
}

// forgetDeadline takes a key out of the index. Where nobody knows its deadline
// any more the whole index is searched, because an entry that stays behind would
// count as an expired key.
func (t *Tx) forgetDeadline(key string, deadline int64) error {
	if deadline != UnknownDeadline {
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

// Remove takes a key that exists out of the file.
func (t *Tx) Remove(key string, deadline int64) error { return failed(t.remove(key, deadline)) }

func (t *Tx) remove(key string, deadline int64) error {
	t.dirty = true
	if deadline != 0 {
		if err := t.forgetDeadline(key, deadline); err != nil {
			return err
		}
	}
	t.Count--
	return t.data.Delete([]byte(key))
}

// Expired counts the entries whose time is over but which are still in the file.
func (t *Tx) Expired() int64 {
	var n int64
	c := t.expiry.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if deadline, _ := splitExpiryEntry(k, v); deadline > t.Now {
			break
		}
		n++
	}
	return n
}

// Clear empties the file's buckets, but not its meta data.
func (t *Tx) Clear() error {
	tx := t.data.Tx()
	t.dirty = true
	for _, name := range [][]byte{bucketData, bucketExpiry} {
		if err := tx.DeleteBucket(name); err != nil {
			return &TxError{err}
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return &TxError{err}
		}
	}
	t.data, t.expiry, t.Count = tx.Bucket(bucketData), tx.Bucket(bucketExpiry), 0
	if err := setMetaNumber(t.meta, metaEpoch, metaNumber(t.meta, metaEpoch)+1); err != nil {
		return &TxError{err}
	}
	return nil
}

// Epoch changes with each Clear.
func (t *Tx) Epoch() uint64 { return metaNumber(t.meta, metaEpoch) }

// Scan visits the records of the keys from start on, in order, until visit says
// no. Key and record are the file's own memory: ParseRecord splits the record.
func (t *Tx) Scan(start string, visit func(key, record []byte) (more bool, err error)) error {
	c := t.data.Cursor()
	for k, rec := c.Seek([]byte(start)); k != nil; k, rec = c.Next() {
		if more, err := visit(k, rec); !more || err != nil {
			return err
		}
	}
	return nil
}

// NextDeadline is the time until the first deadline, 0 if it has passed, less
// than 0 if there is none.
func (t *Tx) NextDeadline() time.Duration {
	k, v := t.expiry.Cursor().First()
	if k == nil {
		return -1
	}
	deadline, _ := splitExpiryEntry(k, v)
	return max(0, time.Duration(deadline-t.Now))
}

// Bounds of one sweep, for the sake of others.
const (
	sweepKeys = 1024 // expired keys removed in one transaction
	sweepTime = 2 * time.Millisecond
)

// Sweep removes some expired entries. next is the time until the next deadline,
// 0 if more has expired already, less than 0 if nothing will.
func (t *Tx) Sweep() (removed int64, next time.Duration, err error) {
	began := time.Now()
	type entry struct {
		k, key   []byte
		deadline int64
	}
	var due []entry
	next = -1
	c := t.expiry.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		deadline, key := splitExpiryEntry(k, v)
		if deadline > t.Now {
			next = time.Duration(deadline - t.Now)
			break
		}
		if len(due) == sweepKeys {
			next = 0
			break
		}
		due = append(due, entry{bytes.Clone(k), bytes.Clone(key), deadline})
	}
	if len(due) > 0 {
		t.dirty = true // it may be already: others share the transaction
	}
	for i, e := range due {
		if i%32 == 31 && time.Since(began) > sweepTime {
			return removed, 0, nil
		}
		if err := t.expiry.Delete(e.k); err != nil {
			return 0, 0, &TxError{err}
		}
		// A key that has another deadline by now keeps it, and a damaged entry
		// is for its reader to hear about.
		_, current, exists, err := t.Entry(string(e.key))
		if err != nil || !exists || current != e.deadline {
			continue
		}
		if err := t.data.Delete(e.key); err != nil {
			return 0, 0, &TxError{err}
		}
		t.Count--
		removed++
	}
	return removed, next, nil
}
