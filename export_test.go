package extlibs

import (
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile/boltfiletest"
)

// DiskHook is asked before each thing that a store does to its folder.
func DiskHook(h access.Hook) Option { return func(o *options) { o.diskHook = h } }

// FailWrites makes the engine's writes of header pages, or of all others, fail
// after they have reached the system's memory, as a failed sync does.
func FailWrites(h *Handle, header bool) (mend func()) {
	return boltfiletest.FailWrites(h.store.(*boltStore).disk.File(), header)
}
