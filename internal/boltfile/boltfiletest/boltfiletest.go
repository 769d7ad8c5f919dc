// Package boltfiletest reaches, for tests, what the engine does with a file: its
// writes, which it makes without asking anybody.
package boltfiletest

import (
	"reflect"
	"syscall"
	"unsafe"

	"github.com/scriptling-kv/extlibs/internal/boltfile"
	bolt "go.etcd.io/bbolt"
)

// Engine is the engine that an open file uses now: Compact replaces it.
func Engine(f *boltfile.File) *bolt.DB {
	return (*bolt.DB)(reflect.ValueOf(f).Elem().FieldByName("db").UnsafePointer())
}

// WriteAt is the engine's own hook for tests of its writes. It has to be set
// while no Update runs.
func WriteAt(f *boltfile.File) *func([]byte, int64) (int, error) {
	hook := reflect.ValueOf(Engine(f)).Elem().FieldByName("ops").FieldByName("writeAt")
	return (*func([]byte, int64) (int, error))(unsafe.Pointer(hook.UnsafeAddr()))
}

// FailWrites makes the engine's writes of header pages, or of all others, fail
// after they have reached the system's memory, as a failed sync does.
func FailWrites(f *boltfile.File, header bool) (mend func()) {
	hook, pageSize := WriteAt(f), int64(Engine(f).Info().PageSize)
	whole := *hook
	*hook = func(b []byte, at int64) (int, error) {
		n, err := whole(b, at)
		if err == nil && header == (at < 2*pageSize) {
			err = syscall.EIO
		}
		return n, err
	}
	return func() { *hook = whole }
}
