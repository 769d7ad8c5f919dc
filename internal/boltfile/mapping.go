package boltfile

import (
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// mapping is the memory that maps the pages of a transaction, as one slice: all
// reads of it are checked against its end.
//
// The engine does not let go of that memory before the transaction ends, so the
// slice must not outlive it. It is not the garbage collector's memory, and nobody
// writes to it through this slice: the system maps it read-only. That it is n
// bytes long is for the caller to know. Where the file behind it has been cut
// short since, reading it faults, which guard turns into an error.
func mapping(db *bolt.DB, n int64) []byte {
	info := db.Info()
	// Info has the address as a uintptr; it is read back as the pointer that it was.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&info.Data)), n)
}
