// Package extlibs gives the scripts of a Scriptling interpreter a key-value
// store, the library scriptling.runtime.kv, and shares it with the Go host.
//
// A host opens the default store and registers the library:
//
//	if err := extlibs.InitKVStore("/var/lib/app/kv.db"); err != nil { ... }
//	defer extlibs.CloseKVStore()
//
//	p := scriptling.New()
//	extlibs.RegisterRuntimeKVLibrary(p)
//
// and its scripts keep state that outlives them:
//
//	import scriptling.runtime.kv as kv
//
//	kv.default.set("session:abc", {"user": "bob"}, ttl=3600)
//	kv.default.get("session:abc", default={})
//	kv.open(":memory:scratch").incr("hits")
//
// # Where things are
//
// [InitKVStore] and its neighbours work on one [Registry]; [NewRegistry] makes
// others. [Registry.Default] and [Registry.Open] return a [Handle], the store as
// Go code sees it, with values as any; [Get], [SetAs] and [Update] take and return
// structs. [Handle.Sub] is a view of a part of a store, [Handle.All] an iterator.
// Below a Handle, at [Handle.Store], is a [Store], the small interface that
// backends implement: in memory, a bbolt file, or what [RegisterDriver] adds.
// Package storetest proves a backend. An [Option] bounds or tunes a registry.
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
// Every call is safe from any number of goroutines and interpreters. Calls on one
// key, and GetMany, SetMany, DeleteMany and Clear, are atomic; Keys, Items, All,
// Count of a pattern, DeleteMatching, and Count and Clear of a view go page by
// page, and each page is of one moment. What a call returned is a copy: changing
// it changes no store.
//
// A context ends the wait for a disk, a lock or a server, and a call that goes page
// by page. A call that need not wait may succeed although its context is over.
//
// A write to a file that returned is on disk. Writes that are under way at once
// share a sync; a lone one waits for no timer. With [Durability] and
// [Interval] writes return when the system has them and are on disk at most the
// interval later, as long as the disk keeps up: the end of the process loses
// nothing, a power cut what is not on disk. What is left is a prefix of what was
// acknowledged. In-memory stores last as long as the process.
//
// A key whose time is over is absent for every call from that moment on, whether
// or not it was swept. Expiry in a file is wall-clock time and goes on while the
// file is closed; in memory it is monotonic time.
//
// A call that fails changes nothing, but for those that go page by page, which
// may have changed some pages, and for those whose error is [ErrCommitUnknown]: a
// context ended the wait for a write that had begun, or the disk failed in it.
// A read that fails is an error, never "absent". No error and no log line
// contains a stored value.
//
// # File format
//
// A file is a bbolt database (format version 2) with three buckets. Numbers are
// big-endian.
//
//	meta    "format" -> 1 byte, the version
//	        "count"  -> uint64, the keys in data
//	        "epoch"  -> uint64, how often the store was cleared
//	        "log"    -> id of the log that the file needs (16 bytes), and the
//	                    position in it up to which the file has it (int64);
//	                    absent if the file is complete, as after Close
//	        "closed" -> id of the last log that the file needed (16 bytes)
//	data    key -> header, CRC-32C, value
//	expiry  deadline, key -> nothing
//
// The header is one byte; if its lowest bit is set, 8 bytes with the deadline
// follow, in nanoseconds since 1970 UTC. The CRC-32C (Castagnoli, 4 bytes) is
// over key, header and value. The value is CBOR, see [Value]. A key over 32,760
// bytes stands in expiry as its SHA-256, with the key as value. A file of a
// newer version is refused. One of version 1 knows no log, and is read and written
// as well.
//
// The log NAME-log is a header of 4,096 bytes (magic, id, size of the ring, CRC-32C)
// and a ring of records: salt, position, position up to which the log was durable,
// length, CRC-32C, and the changes of one call. A record counts if it follows on the
// position that the file names, without a gap.
//
// # Files
//
// Files with one prefix are one part of the package:
//
//	script_*    what scripts see: the library, its calls, their arguments, encoding and decoding of objects
//	register    every Register function, WithKV, InitKVStore
//	registry*   names to stores: opening, drivers, closing, statistics
//	handle*     what hosts hold: the calls on a store, derived from its eight methods
//	store       the interface of backends, with op, value and value_decode
//	errors      the sentinel errors; options the limits; stats the counters; budget the memory of one call
//	sweeper     the removal of expired keys, for every backend
package extlibs
