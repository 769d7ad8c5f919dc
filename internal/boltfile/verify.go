package boltfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"
	"os"

	"github.com/scriptling-kv/extlibs/internal/bbpage"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	bolt "go.etcd.io/bbolt"
)

// A file is verified before bbolt opens it: its pages (see bbpage), and the entries. Records
// carry checksums that include their keys, the number of keys is on file, and each deadline
// is stored twice.

// DefaultVerifyBytes is the size of the largest file of which opening reads all leaves. The
// leaves of a larger one have to be where the branches say, at one depth and none of them
// twice; the first read or write that comes to such a leaf verifies it.
const DefaultVerifyBytes = 4 << 20

// found is what the verification of a file found.
type found struct {
	meta bbpage.Meta
	new  bool        // bbolt made the file, and no store has used it yet
	torn bool        // one meta page is damaged, and can have been the newer one
	set  *bbpage.Set // nil: all leaves have been verified
}

// verifyFile verifies a file that nothing writes. The leaves of one that is larger than
// limit are not read.
func verifyFile(ctx context.Context, file *os.File, limit int64) (found, error) {
	f, err := verifyTorn(ctx, file, limit)
	if err == nil && f.torn {
		err = bbpage.ErrMeta
	}
	return f, err
}

// verifyTorn is verifyFile for a caller that can open a file with a torn meta page.
func verifyTorn(ctx context.Context, file *os.File, limit int64) (found, error) {
	info, err := file.Stat()
	if err != nil {
		return found{}, err
	}
	metas := bbpage.ReadMetas(file)
	meta, torn, err := metas.Last(info.Size())
	if err != nil {
		return found{}, err
	}
	f, err := verify(&bbpage.Walk{
		Source:   bbpage.FileSource(file, meta.PageSize),
		PageSize: uint64(meta.PageSize),
		Pages:    meta.Pages,
		Set:      bbpage.NewSet(),
		Lazy:     meta.Size() > limit,
		Tick:     ctx.Err,
	}, meta)
	if f.torn = torn; torn && f.new {
		err = bbpage.ErrMeta
	}
	return f, err
}

// verifyTx verifies the whole file as a transaction sees it, whose meta page is meta. An
// error of tick, which is called for each page and can be nil, ends it.
func verifyTx(db *bolt.DB, tx *bolt.Tx, meta bbpage.Meta, tick func() error) (found, error) {
	m := bbpage.Map(mapping(db, tx.Size()), db.Info().PageSize, nil)
	w := m.Walk()
	w.Tick = tick
	return verify(w, meta)
}

// errOtherMeta is about a commit that no meta page of the file leads to.
var errOtherMeta = kverr.Errorf(kverr.Corrupt, "the file's meta page was changed while it was open; close the store, restore the file from a backup, and open it again")

// metaOf returns the meta page of the commit that a transaction sees. Two commits later
// the file no longer has it.
func metaOf(db *bolt.DB, tx *bolt.Tx) (bbpage.Meta, error) {
	m := bbpage.Map(mapping(db, tx.Size()), db.Info().PageSize, nil)
	meta, ok := m.Meta(uint64(tx.ID()))
	if !ok {
		return meta, errOtherMeta
	}
	return meta, nil
}

var (
	errOtherFormat = kverr.Errorf(kverr.Format, "the file is a bbolt file, but not a kv file; choose another path")
	errNoBucket    = kverr.Errorf(kverr.Corrupt, "the file lacks a bucket that every kv file has; restore it from a backup")
)

// maxNumbers is the most entries that the bucket meta of a kv file has.
const maxNumbers = 64

// verify verifies a file whose meta page is meta: all of it, or, if the walk is lazy, all
// but the leaves of the records and of their deadlines.
func verify(w *bbpage.Walk, meta bbpage.Meta) (found, error) {
	f := found{meta: meta, set: w.Set}
	free, err := w.Freelist(meta)
	if err != nil {
		return f, err
	}
	buckets := map[string][]byte{}
	err = w.Buckets(meta.Root, func(_ uint64, name, value []byte) error {
		buckets[string(name)] = bytes.Clone(value)
		return nil
	})
	switch {
	case err == bbpage.ErrManyBuckets:
		return f, errOtherFormat
	case err != nil:
		return f, err
	case len(buckets) > 0:
	case meta.Pages != 4 || meta.Tx != 1 || meta.Root != 3 || meta.Freelist != 2 || free != 0:
		return f, kverr.Errorf(kverr.Corrupt, "the file contains no store, but is not new; restore it from a backup, or choose another path")
	default: // what bbolt makes of an empty file, before its first commit
		f.new = true
		return f, nil
	}
	count, err := verifyNumbers(w, meta, buckets)
	if err != nil {
		return f, err
	}
	if err := verifyRecords(w, meta, buckets, count); err != nil || w.Lazy {
		return f, err
	}
	f.set = nil
	return f, w.Unreachable()
}

// verifyNumbers verifies the bucket meta, and returns how many keys it says the file has.
func verifyNumbers(w *bbpage.Walk, meta bbpage.Meta, buckets map[string][]byte) (count uint64, err error) {
	if buckets[string(bucketMeta)] == nil {
		return 0, errOtherFormat
	}
	numbers := map[string][]byte{}
	lazy := w.Lazy
	w.Lazy, w.Small = false, true
	err = w.Bucket(meta.Root, buckets[string(bucketMeta)], func(_ uint64, key, value []byte) error {
		if len(numbers) == maxNumbers {
			return errOtherFormat
		}
		numbers[string(key)] = bytes.Clone(value)
		return nil
	})
	w.Lazy, w.Small = lazy, false
	if err == nil {
		err = checkFormat(numbers[string(metaFormat)])
	}
	if err != nil {
		return 0, err
	}
	if buckets[string(bucketData)] == nil || buckets[string(bucketExpiry)] == nil || len(buckets) != 3 {
		return 0, errNoBucket
	}
	if n := numbers[string(metaCount)]; len(n) == 8 {
		count = binary.BigEndian.Uint64(n)
	}
	if count > uint64(meta.Size())/bbpage.LeastEntryBytes {
		return 0, kverr.Errorf(kverr.Corrupt, "the file is damaged: it claims to hold %d keys; restore it from a backup", count)
	}
	return count, nil
}

// verifyRecords verifies the records and the index of their deadlines. Both have the same
// deadlines if the sums of their hashes are equal, whatever the order.
func verifyRecords(w *bbpage.Walk, meta bbpage.Meta, buckets map[string][]byte, count uint64) error {
	seed := maphash.MakeSeed()
	var keys, deadlines, index uint64
	err := w.Bucket(meta.Root, buckets[string(bucketData)], func(_ uint64, key, value []byte) error {
		deadline, _, err := ParseRecord(key, value)
		if err != nil {
			return err
		}
		keys++
		if deadline != 0 {
			k, value := expiryEntry(deadline, string(key))
			deadlines += maphash.Bytes(seed, k) ^ maphash.Bytes(seed, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = w.Bucket(meta.Root, buckets[string(bucketExpiry)], func(_ uint64, key, value []byte) error {
		index += maphash.Bytes(seed, key) ^ maphash.Bytes(seed, value)
		return nil
	})
	switch {
	case err != nil || w.Lazy:
		return err
	case keys != count:
		return kverr.Errorf(kverr.Corrupt, "the file is damaged: it contains %d keys instead of %d; restore it from a backup", keys, count)
	case deadlines != index:
		return kverr.Errorf(kverr.Corrupt, "the file is damaged: the keys and the index of their deadlines do not match; restore it from a backup")
	}
	return nil
}

// checkFormat verifies the version of a file's format.
func checkFormat(version []byte) error {
	if len(version) != 1 || version[0] == 0 {
		return errOtherFormat
	}
	if version[0] > formatVersion {
		return kverr.Errorf(kverr.Format, "the file has format %d, and this version of the library reads formats up to %d; update the library", version[0], formatVersion)
	}
	return nil
}
