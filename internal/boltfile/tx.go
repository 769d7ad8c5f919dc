package boltfile

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/wal"
	bolt "go.etcd.io/bbolt"
)

// Tx is a transaction. It is valid during the call that receives it.
type Tx struct {
	Now   int64 // nanoseconds since 1970
	Count int64 // keys in the file, live or not, as this transaction changed it

	snap snapshot // the file as it was when the transaction began

	// Of a transaction that writes:
	openBuckets
	indexChanges
	verifiedPages
	stored  int64 // bytes of keys and values, with EntryOverhead each
	cleared bool
	dirty   bool // this transaction changed something
}

// openBuckets are the buckets of a transaction that writes. They are nil in others.
type openBuckets struct{ meta, data, expiry *bolt.Bucket }

// indexChanges are the changes of the index of deadlines: see Tx.writeIndex.
type indexChanges struct {
	index   []indexChange
	unknown map[string]struct{} // keys whose entries in the index are to be found and removed
	expired int64               // entries added whose deadlines have passed, less those removed
}

// verifiedPages are the pages that a transaction has verified before it changes them.
type verifiedPages struct {
	seen     map[uint64]struct{}
	leaves   int64             // that the transaction visited; it visits keys in their order
	lastLeaf map[uint64]uint64 // by the root of their tree
}

func newTx(snap *snapshot, now time.Time) *Tx {
	return &Tx{Now: now.UnixNano(), Count: int64(snap.count), snap: *snap}
}

func newWriteTx(snap *snapshot, tx *bolt.Tx, now time.Time) (*Tx, error) {
	t := newTx(snap, now)
	t.seen, t.lastLeaf = map[uint64]struct{}{}, map[uint64]uint64{}
	if err := t.snap.verifyTrees(t.snap.metaTree()); err != nil {
		return nil, err
	}
	t.meta, t.data, t.expiry = tx.Bucket(bucketMeta), tx.Bucket(bucketData), tx.Bucket(bucketExpiry)
	if t.meta == nil || t.data == nil || t.expiry == nil {
		return nil, errNoBucket
	}
	return t, nil
}

// Entry returns the entry of a key, expired or not. exists reports whether the file has
// it. The value is the file's memory, valid during the transaction; it can be missing
// unless it is wanted.
func (t *Tx) Entry(key string, wanted bool) (value []byte, deadline int64, exists bool, err error) {
	rec, err := t.record([]byte(key))
	if rec == nil {
		return nil, 0, false, err
	}
	deadline, value, err = t.snap.parse([]byte(key), rec, wanted)
	switch {
	case errors.Is(err, kverr.TooLarge):
		return nil, deadline, true, err
	case err != nil:
		return nil, UnknownDeadline, true, err
	}
	return value, deadline, true, nil
}

// record finds the record of a key. bbolt knows what a transaction that
// writes has changed, and can follow the way to a key once that has been verified.
func (t *Tx) record(key []byte) ([]byte, error) {
	data := t.snap.dataTree()
	if t.data == nil || !t.cleared {
		rec, err := data.Get(key)
		if t.data == nil || err != nil {
			return rec, err
		}
	}
	if err := t.verify(data, key); err != nil {
		return nil, err
	}
	return t.data.Get(key), nil
}

// verify makes sure that bbolt can change the entry of a key.
func (t *Tx) verify(in bbpage.Tree, key []byte) error {
	if t.cleared {
		return nil // all that there is now is in memory
	}
	leaf, err := in.VerifyPath(key, t.seen)
	if err == nil && t.lastLeaf[in.Root().ID] != leaf {
		t.lastLeaf[in.Root().ID] = leaf
		t.leaves++
	}
	return err
}

// State returns the state of a key. Its value can be missing unless it is wanted.
func (t *Tx) State(key string, wanted bool) (s State, err error) {
	var v []byte
	v, s.Deadline, s.Exists, err = t.Entry(key, wanted)
	if wanted {
		s.Value = string(v)
	}
	return s, err
}

// Parse splits a record that Scan returned. The value is part of the record; it can be
// missing unless it is wanted.
func (t *Tx) Parse(key, record []byte, wanted bool) (deadline int64, value []byte, err error) {
	return t.snap.parse(key, record, wanted)
}

// SetState stores the state of a key, or removes the key. It replaces a damaged entry.
func (t *Tx) SetState(key string, next State) error {
	_, was, exists, _ := t.Entry(key, false)
	switch {
	case next.Exists:
		return t.Put(key, was, exists, next.Deadline, next.Value)
	case exists:
		return t.Remove(key, was)
	}
	return nil
}

// Put stores a value under a key that had oldDeadline, if it existed.
func (t *Tx) Put(key string, oldDeadline int64, existed bool, deadline int64, value string) error {
	t.dirty = true
	t.stored += int64(len(key)+len(value)) + EntryOverhead
	if oldDeadline != deadline {
		if oldDeadline != 0 {
			if err := t.forgetDeadline(key, oldDeadline); err != nil {
				return err
			}
		}
		if deadline != 0 {
			k, v := expiryEntry(deadline, key)
			if err := t.verify(t.snap.expiryTree(), k); err != nil {
				return err
			}
			t.index = append(t.index, indexChange{k: k, v: v})
			t.stored += int64(len(k)+len(v)) + EntryOverhead
			if deadline <= t.Now {
				t.expired++
			}
		}
	}
	t.snap.set.SawNodes(bbpage.NodePages(int64(len(key)), t.snap.PageSize()), 0)
	if !existed {
		t.Count++
	}
	if err := t.verify(t.snap.dataTree(), []byte(key)); err != nil {
		return err
	}
	return t.data.Put([]byte(key), appendRecord(nil, key, deadline, value))
}

// forgetDeadline removes a key from the index. If its deadline is unknown, writeIndex
// searches the whole index, once for all such keys, because an entry that stays would
// count as an expired key.
func (t *Tx) forgetDeadline(key string, deadline int64) error {
	k, _ := expiryEntry(deadline, key)
	if deadline == UnknownDeadline {
		if t.unknown == nil {
			t.unknown = map[string]struct{}{}
		}
		t.unknown[key] = struct{}{}
		return nil
	}
	if deadline <= t.Now {
		t.expired--
	}
	if err := t.verify(t.snap.expiryTree(), k); err != nil {
		return err
	}
	t.index = append(t.index, indexChange{k: k, remove: true})
	t.stored += int64(len(k)) + EntryOverhead
	return nil
}

// leafShare is about how many times its own size a leaf of small entries takes while
// bbolt changes it.
const leafShare = 6

// Memory estimates how many bytes the transaction holds: of the leaf pages that it
// changes, and of what it stores.
func (t *Tx) Memory() int64 { return t.leaves*t.snap.PageSize()*leafShare + t.stored }

// indexChange is a change of an entry of the index.
type indexChange struct {
	k, v   []byte
	remove bool
}

// writeIndex changes the index of deadlines, in its order: in that of the keys the
// engine would take a time that grows with the square of their number.
func (t *Tx) writeIndex() error {
	if err := t.findUnknown(); err != nil {
		return err
	}
	slices.SortStableFunc(t.index, func(a, b indexChange) int { return bytes.Compare(a.k, b.k) })
	for _, c := range t.index {
		err := t.verify(t.snap.expiryTree(), c.k)
		switch {
		case err != nil:
		case c.remove:
			err = t.expiry.Delete(c.k)
		default:
			err = t.expiry.Put(c.k, c.v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes an existing key from the file.
func (t *Tx) Remove(key string, deadline int64) error {
	t.dirty = true
	if deadline != 0 {
		if err := t.forgetDeadline(key, deadline); err != nil {
			return err
		}
	}
	t.Count--
	return t.drop([]byte(key))
}

// drop removes a record.
func (t *Tx) drop(key []byte) error {
	if err := t.verify(t.snap.dataTree(), key); err != nil {
		return err
	}
	return t.data.Delete(key)
}

// Clear empties the file's buckets, but not its meta data.
func (t *Tx) Clear() error {
	tx := t.data.Tx()
	t.dirty = true
	if !t.cleared { // bbolt reads all pages, to find buckets in them
		if err := t.snap.verifyTrees(t.snap.dataTree(), t.snap.expiryTree()); err != nil {
			return err
		}
		tx.OnCommit(t.snap.set.Forget)
	}
	for _, name := range [][]byte{bucketData, bucketExpiry} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	t.index, t.unknown = nil, nil
	t.data, t.expiry, t.Count = tx.Bucket(bucketData), tx.Bucket(bucketExpiry), 0
	t.cleared, t.expired = true, 0
	return setMetaNumber(t.meta, metaEpoch, metaNumber(t.meta, metaEpoch)+1)
}

// SetLog names the log that the file needs from now on, nil for none. It sets the
// format to the one that knows logs.
func (t *Tx) SetLog(ref *LogRef) error {
	t.dirty = true
	if ref == nil {
		return errors.Join(t.meta.Delete(metaLog), t.Twin())
	}
	if err := t.meta.Put(metaFormat, []byte{formatVersion}); err != nil {
		return err
	}
	return t.meta.Put(metaLog, ref.encode())
}

// Twin records that this commit leaves the file without a log, and sets the format to the one that
// knows such records. If the commit contains data
// that no log has, AlignMetaPages follows before the write is acknowledged, so that both meta
// pages lead to the data. If one of the two is torn later, the other one leads to all
// acknowledged writes, and the record proves it: it names that commit or the one before it.
func (t *Tx) Twin() error {
	return errors.Join(t.meta.Put(metaFormat, []byte{formatVersion}), setMetaNumber(t.meta, metaTwin, uint64(t.meta.Tx().ID())))
}

// CloseLog records that the file no longer needs a log, and the id of the log that it needed:
// if the process ends before that log is removed, the next open recognizes it.
func (t *Tx) CloseLog(id wal.ID) error {
	if err := t.meta.Put(metaClosed, id[:]); err != nil {
		return err
	}
	return t.SetLog(nil)
}

// Has reports whether the file has everything that the log holds before a position.
func (t *Tx) Has(pos wal.LSN) bool { return t.snap.log == nil || t.snap.log.Pos >= pos }

// Log returns the log that the file needs, nil if it is complete.
func (t *Tx) Log() *LogRef { return t.snap.log }

// ClosedLog returns the id of the last log that the file needed.
func (t *Tx) ClosedLog() wal.ID { return t.snap.closed }

// IsTwin reports whether a damaged meta page cannot hide anything that was acknowledged:
// see Twin.
func (t *Tx) IsTwin() bool {
	r := t.snap.roots
	return r.log == nil && (r.twin == r.tx || r.twin+1 == r.tx)
}

// Touch makes the transaction commit although it changes nothing.
func (t *Tx) Touch() { t.dirty = true }

// Changed reports whether the transaction changed anything.
func (t *Tx) Changed() bool { return t.dirty }

// Epoch changes with each Clear.
func (t *Tx) Epoch() uint64 { return t.snap.epoch }

// recount counts the records of the file as it was when the transaction began, as far
// as they can be read, and adds those of the transaction.
func (t *Tx) recount(own int64) (n int64) {
	if t.cleared {
		return 0
	}
	t.Scan("", func(_, _ []byte) (bool, error) { n++; return true, nil }) // readers of damaged entries get the error
	return n + own
}

// Scan visits the records of the keys from start on, in order, until visit returns false. Key
// and record are the file's own memory: ParseRecord splits the record. Scan does not see the
// changes of this transaction.
func (t *Tx) Scan(start string, visit func(key, record []byte) (more bool, err error)) error {
	return t.snap.dataTree().Scan([]byte(start), visit)
}

// ScanReverse is Scan for the keys less than before, the greatest one first. An empty before
// is no limit.
func (t *Tx) ScanReverse(before string, visit func(key, record []byte) (more bool, err error)) error {
	return t.snap.dataTree().ScanReverse([]byte(before), visit)
}
