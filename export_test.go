package extlibs

import "github.com/scriptling-kv/extlibs/internal/access"

// DiskHook is asked before each thing that a store does to its folder.
func DiskHook(h access.Hook) Option { return func(o *options) { o.diskHook = h } }
