package diskstore

import (
	"errors"
	"runtime/debug"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// recovered reports whether p is a panic that was recovered. That is a bug, whose error
// it stores in err, if that is not nil: nobody gets near the file afterwards, which may
// be half written. Its log and its last commit are whole.
func (d *Store) recovered(p any, err *error) bool {
	if p == nil {
		return false
	}
	failed := kverr.Panicked("the store", p)
	d.opts.Logger.Error("kv: a bug stopped a store", "path", d.file.Path(), "error", failed, "stack", string(debug.Stack()))
	why := &kverr.Error{Kind: kverr.Corrupt, Msg: failed.Error()}
	if e, ok := errors.AsType[*kverr.Error](failed); ok {
		why = e
	}
	failed = d.file.FailStop(why)
	if err != nil {
		*err = failed
	}
	return true
}
