package extlibs

import (
	"sync"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile/boltfiletest"
)

// DiskHook is asked before each thing that a store does to its folder.
func DiskHook(h access.Hook) Option { return func(o *options) { o.diskHook = h } }

// FailWrites makes the engine's writes of header pages, or of all others, fail
// after they have reached the system's memory, as a failed sync does.
func FailWrites(h *Handle, header bool) (mend func()) {
	return boltfiletest.FailWrites(h.store.(*boltStore).file, header)
}

// HoldWrites makes the next write of a store's file to disk wait. arrived is
// closed when it has come that far.
func HoldWrites(h *Handle) (arrived <-chan struct{}, release func()) {
	var disk *boltStore
	switch s := h.store.(type) {
	case *boltStore:
		disk = s
	case *intervalStore:
		disk = s.disk
	}
	came, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hook := boltfiletest.WriteAt(disk.file)
	write := *hook
	*hook = func(b []byte, at int64) (int, error) {
		once.Do(func() { close(came) })
		<-gate
		return write(b, at)
	}
	return came, sync.OnceFunc(func() { close(gate) })
}
