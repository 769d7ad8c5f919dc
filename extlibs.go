package extlibs

import (
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// standard is the registry of the package's functions.
var standard = NewRegistry()

// DefaultRegistry returns the registry that the package's functions work on.
func DefaultRegistry() *Registry { return standard }

// InitKVStore opens the default store, kv.default: "" in memory, else the path
// of a file, created if it does not exist, or the URL of a driver. It may be
// called again, with scripts running: they go on with the new store. Options
// apply to the stores opened from now on, this one included. See [Registry.Init]
// and, for its errors, [Registry.Open].
func InitKVStore(path string, opts ...Option) error { return standard.Init(path, opts...) }

// CloseKVStore ends the background tasks, and closes the default store and every
// named one, as [Registry.Close] does. A host calls it when it ends.
func CloseKVStore() error { return standard.Close() }

// RegisterRuntimeKVLibrary registers the library scriptling.runtime.kv with an
// interpreter, whose scripts may then open files at any path. It may be called
// before or after InitKVStore.
func RegisterRuntimeKVLibrary(p object.LibraryRegistrar) { standard.Register(p) }

// RegisterRuntimeKVLibraryWithSecurity is RegisterRuntimeKVLibrary for scripts
// that may open only files in the given folders, and only the given URLs. nil
// allows any, an empty list none. In-memory stores and kv.default are always
// allowed.
func RegisterRuntimeKVLibraryWithSecurity(p object.LibraryRegistrar, allowedPaths []string) {
	standard.RegisterWithSecurity(p, allowedPaths)
}

// Register is RegisterRuntimeKVLibrary for the stores of r.
func (r *Registry) Register(p object.LibraryRegistrar) { r.RegisterWithSecurity(p, nil) }

// RegisterWithSecurity is RegisterRuntimeKVLibraryWithSecurity for the stores of r.
func (r *Registry) RegisterWithSecurity(p object.LibraryRegistrar, allowedPaths []string) {
	p, r, allowed := r.through(p, access.New(allowedPaths))
	p.RegisterLibrary(r.newLibrary(allowed))
}
