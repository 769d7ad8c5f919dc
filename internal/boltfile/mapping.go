package boltfile

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// mapping returns the memory that maps the first n bytes of a file, which the caller
// must know to be mapped, as one slice: reads are checked against its end.
//
// bbolt unmaps the memory after the transaction, so the slice must not be used longer.
// It is mapped read-only. If the file was truncated since, reading the slice
// faults, which guard turns into an error.
func mapping(db *bolt.DB, n int64) []byte {
	info := db.Info()
	// Info has the address as a uintptr; it is read back as the pointer that it was.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&info.Data)), n)
}

// mapAhead is how much address space is mapped for a file without a limit, so that
// it can grow: bbolt can map more only while no transaction is open.
const mapAhead = 16 << 30

// ahead returns how much bbolt is asked to map for a file. It takes no memory,
// but a process can be limited in that too.
func (o *Options) ahead(f *os.File, readOnly bool) int64 {
	if readOnly || runtime.GOOS == "windows" || strconv.IntSize < 64 {
		return 0
	}
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	want := max(mapAhead, 4*info.Size())
	if o.MaxBytes > 0 {
		want = min(o.MaxBytes, math.MaxInt64-1) + 1
	}
	for want = mapSize(want); want > info.Size(); want /= 4 {
		if canMap(f, want) {
			return want
		}
	}
	return 0
}

// mapSize is how much bbolt maps for a file of n bytes.
func mapSize(n int64) int64 {
	for size := int64(32 << 10); size <= 1<<30; size *= 2 {
		if n <= size {
			return size
		}
	}
	return (n + 1<<30 - 1) >> 30 << 30
}
