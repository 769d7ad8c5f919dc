package extlibs

import (
	"time"

	"github.com/scriptling-kv/extlibs/internal/hashtable"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// StoreOption is an Option that a single store can have. Registry.OpenWith gives it to one
// store, StoreOptions to the stores that a pattern matches, and NewRegistry and Init to all
// stores of a registry. Options that return a StoreOption belong to stores; the others belong
// to registries only. Given to one store or to a pattern, an option that the store does not
// have, such as MaxFileBytes of a store in memory, is ErrInvalid:
//
//	Durability, ReadOnly, LogBytes,         stores in files
//	MaxFileBytes, LockTimeout
//	Evict                                   stores in memory
//	MaxMemoryBytes                          stores in memory that do not evict
//	MaxCacheBytes                           caches: stores in memory that evict
//	MaxKeys, MaxValueBytes,                 all stores
//	MaxOperationBytes, SweepInterval,
//	SlowCalls
//
// Given to a registry, it applies to all of its stores that have it.
type StoreOption struct {
	name string
	of   storeKinds // stores that have the option
	set  func(*storeOptions)
}

func (s StoreOption) apply(o *options) { s.applyTo(&o.storeOptions) }

func (s StoreOption) applyTo(o *storeOptions) {
	if s.set != nil { // not the zero StoreOption
		s.set(o)
	}
}

// storeOptions are the properties of one store. They can be compared.
type storeOptions struct {
	mode              Mode
	readOnly          bool
	maxValueBytes     int
	maxOperationBytes int
	maxKeys           int
	maxFileBytes      int64
	maxMemoryBytes    int64
	maxCacheBytes     int64
	evict             bool // a store in memory is a cache
	logBytes          int64
	lockTimeout       time.Duration
	sweepInterval     time.Duration
	slowCalls         time.Duration
}

// storeKinds is a set of kinds of stores.
type storeKinds uint8

const (
	memoryStores storeKinds = 1 << iota // that do not evict
	cacheStores
	fileStores
	serverStores

	allStores = memoryStores | cacheStores | fileStores | serverStores
)

// String names the kinds in an error.
func (k storeKinds) String() string {
	switch k {
	case memoryStores, memoryStores | cacheStores:
		return "in memory"
	case cacheStores:
		return "with eviction"
	case fileStores:
		return "in files"
	case serverStores:
		return "on servers"
	}
	return "of several kinds"
}

// Mode says when writes to a file become durable. See Always and Interval.
type Mode struct {
	interval time.Duration
}

// Always is the default mode: when a write returns, it is durable.
func Always() Mode { return Mode{} }

// Interval is the fast mode: a write returns when it is in the log, which is synced at
// most d later as long as the disk keeps up. A crash of the process loses nothing; a
// power failure loses at most the writes of the last d, and what survives is a prefix of
// the acknowledged writes. d of zero or less is Always.
func Interval(d time.Duration) Mode { return Mode{interval: max(d, 0)} }

// Durability sets when writes to files become durable.
func Durability(m Mode) StoreOption {
	return StoreOption{"Durability", fileStores, func(o *storeOptions) { o.mode = m }}
}

// ReadOnly opens files for reading only: they must exist, and any number of processes can
// read a file at the same time. A file that is open for writing is ErrInUse; a write to a
// store in a file is ErrReadOnly.
func ReadOnly() StoreOption {
	return StoreOption{"ReadOnly", fileStores, func(o *storeOptions) { o.readOnly = true }}
}

// MaxValueBytes limits the encoded size of one value. n of zero or less sets
// DefaultMaxValueBytes: there is always a limit, and it is at most 2 GiB.
func MaxValueBytes(n int) StoreOption {
	return StoreOption{"MaxValueBytes", allStores, func(o *storeOptions) {
		if n <= 0 {
			n = DefaultMaxValueBytes
		}
		o.maxValueBytes = min(n, hashtable.MaxValue)
	}}
}

// MaxOperationBytes limits the memory of one call on many keys, such as GetMany, SetMany,
// Items, or ApplyMany of Handle.Store. It counts the keys and encoded values that the
// call reads and writes, an estimate of the decoded values that it returns, and the
// overhead (640 bytes for an operation of a batch, 224 for a key, 160 for an entry of a
// list). A call that exceeds the limit is ErrTooLarge and changes nothing. All, Count and
// DeleteMatching hold one page, whose size the store limits.
//
// It also limits the memory of one value, encoded and decoded, as three times
// MaxValueBytes does if that is more (an update holds the old and the new value); a value
// of up to 4 KiB is never too large. A larger value is ErrTooLarge when it is stored, and
// when it is read from a store that got it elsewhere. A list of n dicts of None, encoded
// in 3n bytes, takes 528n. n of zero or less sets DefaultMaxOperationBytes.
func MaxOperationBytes(n int) StoreOption {
	return StoreOption{"MaxOperationBytes", allStores, func(o *storeOptions) {
		if n <= 0 {
			n = DefaultMaxOperationBytes
		}
		o.maxOperationBytes = n
	}}
}

// decodedGrowth is how many times MaxValueBytes a value takes at most, where that is
// more than MaxOperationBytes.
const decodedGrowth = 3

// entryRoom is what a call needs beside its one value: so each value that can be stored
// can be read by every call.
const entryRoom = 64 << 10

// smallValue is the bytes of an encoded value that is never too large once decoded: it
// takes less than a megabyte.
const smallValue = 4 << 10

// decodedBytes is how much memory one value takes at most, encoded and decoded.
func (o *storeOptions) decodedBytes() int64 {
	return max(int64(o.maxOperationBytes)-entryRoom, decodedGrowth*int64(o.maxValueBytes))
}

// MaxKeys limits the number of live keys of each store. n of zero or less means no limit.
func MaxKeys(n int) StoreOption {
	return StoreOption{"MaxKeys", allStores, func(o *storeOptions) { o.maxKeys = n }}
}

// admitKeys checks MaxKeys before a store has alive more live keys. count may
// return too many where that is within the limit.
func (o *storeOptions) admitKeys(alive int64, count func() (int64, error)) error {
	if o.maxKeys <= 0 || alive <= 0 {
		return nil
	}
	return o.admitCounted(alive, count)
}

// admitCounted is admitKeys for a store with MaxKeys; without it no write calls anything.
func (o *storeOptions) admitCounted(alive int64, count func() (int64, error)) error {
	n, err := count()
	if err == nil && n+alive > int64(o.maxKeys) {
		err = o.errKeys()
	}
	return err
}

func (o *storeOptions) errKeys() error {
	return kverr.Errorf(ErrFull, "the store is full (limit: %d keys); delete some keys, or raise MaxKeys in the host", o.maxKeys)
}

// LogBytes sets the size of the write-ahead log of each store's file, and so how many
// bytes of changes can wait for a checkpoint. When the log is full, writes wait for a
// checkpoint. A call on several keys that is larger than half of the log makes its file longer for
// a while; one on a single key goes directly to the database file. n is between
// 16 KiB and 64 MiB; zero or less is DefaultLogBytes. With DefaultLogBytes, the log of a file
// of more than twice that size and without MaxFileBytes grows to four times that size when it
// is busy.
func LogBytes(n int64) StoreOption {
	return StoreOption{"LogBytes", fileStores, func(o *storeOptions) {
		if n <= 0 {
			n = DefaultLogBytes
		}
		o.logBytes = n
	}}
}

// MaxFileBytes limits the size of each store's file and log together. The log takes
// LogBytes of it, at most a quarter; the file has the rest. n of zero or less means no
// limit.
func MaxFileBytes(n int64) StoreOption {
	return StoreOption{"MaxFileBytes", fileStores, func(o *storeOptions) { o.maxFileBytes = n }}
}

// MaxMemoryBytes limits each in-memory store. It counts encoded values, keys twice (in the
// table and in the index), 72 bytes for every key, the allocator's rounding of large values,
// and the names of expired keys until they are removed. A write that would exceed the limit
// first removes expired keys. A store that holds at least half of its limit starts a garbage
// collection after each eighth of it that it writes or deletes, so that, with Go's default
// GOGC, the process takes at most one and a half times the limit for the store. For the host's
// other memory see GOMEMLIMIT in package runtime. n of zero or less means no limit.
func MaxMemoryBytes(n int64) StoreOption {
	return StoreOption{"MaxMemoryBytes", memoryStores, func(o *storeOptions) { o.maxMemoryBytes = n }}
}

// Evict turns stores in memory into caches, like stores whose names begin with ":cache:": a
// write that a limit would refuse evicts other keys instead of failing. The limits are
// MaxCacheBytes, which replaces MaxMemoryBytes, and MaxKeys. Expired keys are removed first,
// then keys that have not been read or overwritten recently; scans, such as Keys and Items, do
// not count as reads. A key that a call writes is not evicted to make room for that call.
//
// Only a value that is larger than the whole cache is ErrTooLarge. A batch of several keys
// is stored atomically; if a batch is larger than the cache, the keys that do not fit are
// evicted immediately. Stats.Evicted counts evictions.
func Evict() StoreOption {
	return StoreOption{"Evict", memoryStores | cacheStores, func(o *storeOptions) { o.evict = true }}
}

// MaxCacheBytes limits each cache: each store in memory that evicts. It counts bytes as
// MaxMemoryBytes does; the data for choosing which keys to evict takes about 10 bytes more
// for each key. n of zero or less sets DefaultMaxCacheBytes: a cache always has a limit.
func MaxCacheBytes(n int64) StoreOption {
	return StoreOption{"MaxCacheBytes", cacheStores, func(o *storeOptions) {
		if n <= 0 {
			n = DefaultMaxCacheBytes
		}
		o.maxCacheBytes = n
	}}
}

// memoryLimit is the limit of bytes of a store in memory; 0: none.
func (o *storeOptions) memoryLimit() int64 {
	if o.evict {
		return o.maxCacheBytes
	}
	return max(o.maxMemoryBytes, 0)
}

// LockTimeout limits the wait for a file that another process has open. d of zero or less
// tries once.
func LockTimeout(d time.Duration) StoreOption {
	return StoreOption{"LockTimeout", fileStores, func(o *storeOptions) { o.lockTimeout = max(d, time.Millisecond) }}
}

// SweepInterval is the minimum time between two sweeps for expired keys. It limits how
// long an expired key takes space, not how long it is visible: it is never visible after
// its deadline. d of zero or less sets DefaultSweepInterval.
func SweepInterval(d time.Duration) StoreOption {
	return StoreOption{"SweepInterval", allStores, func(o *storeOptions) {
		if d <= 0 {
			d = DefaultSweepInterval
		}
		o.sweepInterval = d
	}}
}
