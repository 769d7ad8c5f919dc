// Package extlibs implements scriptling.runtime.kv, a library of key-value stores
// that the scripts of Scriptling interpreters and their Go host share.
//
// A host opens the default store and registers the library:
//
//	if err := extlibs.InitKVStore("/var/lib/app/kv.db"); err != nil { ... }
//	defer extlibs.CloseKVStore()
//
//	p := scriptling.New()
//	extlibs.RegisterRuntimeKVLibrary(p)
//
// Its scripts then keep state that outlives them:
//
//	import scriptling.runtime.kv as kv
//
//	kv.default.set("session:abc", {"user": "bob"}, ttl=3600)
//	kv.default.get("session:abc", default={})
//	kv.open(":memory:scratch").incr("hits")
//
// # Where things are
//
// The package-level functions, such as [InitKVStore], operate on a default
// [Registry]; [NewRegistry] makes others. [Registry.Default] and [Registry.Open]
// return a [Handle], through which Go code uses a store with values of type any.
// [Get], [SetAs], [Add], [GetOrSet], [Update], [GetMany] and [All] take and return
// structs. [Handle.Sub] returns a view of the keys under a prefix, [Handle.All] an
// iterator. An [Option] sets a limit or another property of a registry.
//
// [Handle.Store] returns the [Store] below a Handle. Store is the small interface that
// backends implement: the in-memory store, the bbolt file, and the backends that
// [RegisterDriver] adds. Package storetest tests a backend.
//
// # Values
//
//	script  Go
//	None    nil
//	bool    bool
//	int     int64
//	float   float64
//	str     string
//	bytes   []byte
//	list    []any
//	tuple   Tuple
//	set     Set
//	dict    map[string]any if every key is a str, else Dict
//
// # Guarantees
//
// Every call is safe for concurrent use by any number of goroutines and
// interpreters. Calls on one key, and GetMany, SetMany, DeleteMany and Clear, are
// atomic. Keys, Items, All, Count of a pattern, DeleteMatching, and Count and Clear
// of a view work page by page, and each page shows one moment. Calls return copies:
// changing a returned value changes no store.
//
// A context ends the wait for a disk, a lock or a server, and a call that works page
// by page. A call that does not wait may succeed even if its context has ended.
//
// When a write to a file returns, it is on disk. Concurrent writes share one sync; a
// single write waits for no timer. With [Durability] and [Interval], a write is
// acknowledged when it is in the log, and the log is synced within the interval, as
// long as the disk keeps up. The end of the process loses nothing; a power cut loses
// at most the unsynced tail. What survives is a prefix of the acknowledged writes.
// In-memory stores last as long as the process.
//
// An expired key is absent for every call from its deadline on, whether or not the
// sweeper has removed it. Expiry in a file is wall-clock time and continues while the
// file is closed; in memory it is monotonic time.
//
// A failed call changes nothing, with two exceptions: a call that works page by page
// may have changed some pages, and the outcome of a call that fails with
// [ErrCommitUnknown] is unknown, because its context ended or the disk failed while the
// write was in flight. A failed read is an error, never "absent". No error and no log line
// contains a stored value.
//
// # File format
//
// A file is a bbolt database (format version 2) with three buckets. Numbers are
// big-endian.
//
//	meta    "format" -> 1 byte, the version
//	        "count"  -> uint64, the number of keys in data
//	        "epoch"  -> uint64, the number of clears so far
//	        "log"    -> id of the log that the file needs (16 bytes), and the
//	                    checkpoint LSN, up to which the file contains it (int64);
//	                    absent if the file needs no log, as after Close
//	        "closed" -> id of the last log that the file needed (16 bytes)
//	        "twin"   -> uint64, the bbolt transaction that left the file without a
//	                    log; the next transaction repeats it, so that both meta
//	                    pages lead to a complete file
//	data    key -> header, CRC-32C, value
//	expiry  deadline, key -> nothing
//
// The header is one byte; if its lowest bit is set, 8 bytes with the deadline
// follow, in nanoseconds since 1970 UTC. The CRC-32C (Castagnoli, 4 bytes) covers
// key, header and value. The value is CBOR, see [Value]. The index of deadlines
// contains a key over 32,760 bytes as its SHA-256, with the key as the value. A file
// of a newer version is refused. A file of version 1, which has no log, can be read
// and written; the first write makes it version 2.
//
// The log NAME-log is a header of 4,096 bytes (magic, id, size of the ring, CRC-32C)
// and a ring of records: salt, LSN, LSN up to which the log was durable, length,
// CRC-32C, and the changes of one call. Replay starts at the file's checkpoint LSN
// and ends at the first record that does not follow the one before it.
//
// # Files
//
// Files with one prefix are one part of the package. A part uses only names of the
// parts below it.
//
//	register    every Register function, WithKV, InitKVStore
//	script_*    what scripts see: the library, its calls, their arguments, objects to values and back
//	registry*   names to stores: opening, drivers, closing, statistics
//	handle*     what hosts hold: the calls on a store, derived from its eight methods
//	backend_*   the stores in memory and in files
//	sweeper     the removal of expired keys, in the background
//	store*      the interface of backends
//	op          the operations, and what each does to an entry
//	value*      values, from and to Go values
//	errors      the sentinel errors, and the errors of calls and of stores
//	options*    options, limits and their defaults
//	stats       counters
//	budget      the memory that one call can take
package extlibs
