package main

import (
	"errors"
	"os"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/scriptling-kv/extlibs"
	bolt "go.etcd.io/bbolt"
)

// Names of the stores on disk in the tables.
const (
	rawBolt     = "raw bbolt"
	badgerName  = "badger, SyncWrites"
	buntDisk    = "buntdb, fsync always"
	interval    = 100 * time.Millisecond // of the interval mode
	fillBatch   = 10_000                 // keys that a fill puts into one transaction
	openTimeout = time.Second
)

// openKV opens a file of this library in a new registry.
func openKV(path string, opts ...extlibs.Option) kvDisk {
	return kvDisk{kvStore{must1(extlibs.NewRegistry(opts...).Open(background, path))}}
}

func openKVInterval(path string) kvDisk {
	return openKV(path, extlibs.Durability(extlibs.Interval(interval)))
}

type kvDisk struct{ kvStore }

func (s kvDisk) fill(keys []string, values []any) {
	batches(keys, values, func(keys []string, values []any) {
		many := make(map[string]any, len(keys))
		for i, key := range keys {
			many[key] = values[i]
		}
		must(s.h.SetMany(background, many, 0))
	})
}

// boltDB is bbolt as its documentation shows it, with the freelist that this
// library uses as well.
type boltDB struct{ *bolt.DB }

var boltBucket = []byte("bench")

func openBolt(path string) boltDB {
	db := openBoltAsItIs(path)
	must(db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	}))
	return db
}

// openBoltAsItIs opens a file that has its bucket already, without a write.
func openBoltAsItIs(path string) boltDB {
	return boltDB{must1(bolt.Open(path, 0o600, &bolt.Options{Timeout: openTimeout, FreelistType: bolt.FreelistMapType}))}
}

func (s boltDB) close() { must(s.Close()) }

func (s boltDB) set(key string, value any) {
	must(s.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(boltBucket).Put([]byte(key), asBytes(value))
	}))
}

func (s boltDB) get(key string) (v any, ok bool) {
	must(s.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(boltBucket).Get([]byte(key)); b != nil {
			v, ok = append([]byte(nil), b...), true // the page may not outlive the transaction
		}
		return nil
	}))
	return v, ok
}

func (s boltDB) fill(keys []string, values []any) {
	batches(keys, values, func(keys []string, values []any) {
		must(s.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(boltBucket)
			for i, key := range keys {
				if err := b.Put([]byte(key), asBytes(values[i])); err != nil {
					return err
				}
			}
			return nil
		}))
	})
}

type badgerDB struct{ *badger.DB }

func openBadger(path string) badgerDB {
	must(os.MkdirAll(path, 0o700))
	return badgerDB{must1(badger.Open(badger.DefaultOptions(path).WithSyncWrites(true).WithLogger(nil)))}
}

func (s badgerDB) close() { must(s.Close()) }

func (s badgerDB) set(key string, value any) {
	must(s.Update(func(tx *badger.Txn) error { return tx.Set([]byte(key), asBytes(value)) }))
}

func (s badgerDB) get(key string) (v any, ok bool) {
	must(s.View(func(tx *badger.Txn) error {
		item, err := tx.Get([]byte(key))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		v, ok = must1(item.ValueCopy(nil)), true
		return nil
	}))
	return v, ok
}

func (s badgerDB) fill(keys []string, values []any) {
	b := s.NewWriteBatch()
	for i, key := range keys {
		must(b.Set([]byte(key), asBytes(values[i])))
	}
	must(b.Flush())
}

func asBytes(value any) []byte {
	if b, ok := value.([]byte); ok {
		return b
	}
	return []byte(value.(string))
}

func batches(keys []string, values []any, put func(keys []string, values []any)) {
	for from := 0; from < len(keys); from += fillBatch {
		to := min(from+fillBatch, len(keys))
		put(keys[from:to], values[from:to])
	}
}

// fill packs the values for a store that can fill itself.
func (s packed) fill(keys []string, values []any) {
	b, ok := s.store.(bulkFiller)
	if !ok {
		for i := range keys {
			s.set(keys[i], values[i])
		}
		return
	}
	bytes := make([]any, len(values))
	for i, v := range values {
		bytes[i] = pack(v)
	}
	b.fill(keys, bytes)
}

// rawSync is the least that one durable write can cost: it overwrites a block of
// a file that has its final size, and waits for the disk.
type rawSync struct {
	f     *os.File
	block [4096]byte
	at    int64
}

const rawSyncBlocks = 1024

func openRawSync(path string) *rawSync {
	s := &rawSync{f: must1(os.Create(path))}
	for i := range int64(rawSyncBlocks) {
		must1(s.f.WriteAt(s.block[:], i*int64(len(s.block))))
	}
	must(s.f.Sync())
	return s
}

func (s *rawSync) run(n int) {
	for range n {
		s.block[0]++
		must1(s.f.WriteAt(s.block[:], s.at%rawSyncBlocks*int64(len(s.block))))
		s.at += 7
		must(fdatasync(s.f))
	}
}

func (s *rawSync) close() { must(s.f.Close()) }
