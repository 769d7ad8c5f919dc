package extlibs

import "github.com/scriptling-kv/extlibs/internal/access"

// DiskHook is asked before each thing that a store does to its folder.
func DiskHook(h access.Hook) Option {
	return registryOption(func(o *options) { o.diskHook = h })
}

// Bare returns the backend of a handle, which checks and matches nothing: Handle and its
// Store do that above it.
func Bare(h *Handle) Store {
	return struct {
		Store
		Watcher
	}{h.store, h.backend.(Watcher)}
}

// Waiting returns how many callers wait for changes of the store of a handle.
func Waiting(h *Handle) int {
	h.watching.mu.Lock()
	defer h.watching.mu.Unlock()
	return h.watching.callers
}

// Watched reports whether the backend of a handle reports its changes.
func Watched(h *Handle) bool {
	h.watching.mu.Lock()
	defer h.watching.mu.Unlock()
	return h.watching.feed != nil
}

// DefaultIsOpen reports whether r has a default store that is not being closed.
func DefaultIsOpen(r *Registry) bool { return r.currentOpen() != nil }
