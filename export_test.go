package extlibs

import "github.com/scriptling-kv/extlibs/internal/access"

// DiskHook is asked before each thing that a store does to its folder.
func DiskHook(h access.Hook) Option {
	return registryOption(func(o *options) { o.diskHook = h })
}

// Bare returns the backend of a handle, which checks and matches nothing: Handle and its
// Store do that above it.
func Bare(h *Handle) Store { return h.store }
