package extlibs

import (
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/runtimelib"
)

// Names under which scripts import background and the response builders.
const (
	RuntimeLibraryName     = runtimelib.Name
	RuntimeHTTPLibraryName = runtimelib.HTTPName
)

// standard is the registry of the package's functions.
var standard = NewRegistry()

// DefaultRegistry returns the registry of the package's functions.
func DefaultRegistry() *Registry { return standard }

// InitKVStore opens the default store, kv.default: "" is a store in memory; anything else
// is the path of a file, which is created if it does not exist, or the URL of a driver.
// It can be called again while scripts run: they continue with the new store. The options
// apply to this store and to stores opened later. See Registry.Init and, for the errors,
// Registry.Open.
func InitKVStore(path string, opts ...Option) error { return standard.Init(path, opts...) }

// CloseKVStore ends the background tasks and closes the default store and every named
// store, as Registry.Close does. A host calls it when it ends.
func CloseKVStore() error { return standard.Close() }

// RegisterRuntimeKVLibrary registers the library scriptling.runtime.kv with an
// interpreter, whose scripts can then open files at any path. It can be called before or
// after InitKVStore.
func RegisterRuntimeKVLibrary(p object.LibraryRegistrar) { standard.Register(p) }

// RegisterRuntimeKVLibraryWithSecurity is RegisterRuntimeKVLibrary for scripts that may
// only open files in the given folders and the given URLs. nil allows everything, an
// empty list nothing. In-memory stores and kv.default are always allowed.
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

// RegisterRuntimeLibraryAll registers scriptling.runtime, which starts
// background tasks, with its parts scriptling.runtime.http and
// scriptling.runtime.kv. allowedPaths restricts kv as in
// RegisterRuntimeKVLibraryWithSecurity.
//
// If p is a *scriptling.Scriptling, background tasks import libraries through a Clone of it;
// with another registrar they have the libraries that the caller of background had imported.
//
// A task has the deadline and the host's values of the context of the script that started it,
// but not its cancellation: it can outlive the request that started it, but not the deadline
// of that request. At most MaxTasks run at once; Registry.WaitTasks waits for them and
// Registry.Close ends them.
//
// Objects that scripts can change, such as the module runtime.kv, are created for p. A Clone
// of p shares them with p: call this function for the clone too before it runs scripts. Each
// task gets a separate copy.
func RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	standard.RegisterRuntimeLibraryAll(p, allowedPaths)
}

// RegisterRuntimeLibraryAll is the function of that name for the stores of r.
func (r *Registry) RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	p, r, allowed := r.through(p, access.New(allowedPaths))
	r.ready()
	kv := r.newLibrary(allowed)
	p.RegisterLibrary(kv)
	runtimelib.Register(p, r.tasks, kv)
}

// RequestClass is the template for the requests of CreateRequestInstance: each request is
// an instance of a new class with the name and the methods of RequestClass. A host that
// adds methods does so before it creates the first request.
var RequestClass = runtimelib.RequestClass()

// CreateRequestInstance returns the argument for a script's HTTP handler. Its attributes
// are method, path, body, headers (with lower-case names) and query; its method json()
// parses the body. type(request) is "Request", but it is not an instance of the class
// http.Request that scripts import, because scripts can change that class.
func CreateRequestInstance(method, path, body string, headers, query map[string]string) *object.Instance {
	return runtimelib.NewRequest(RequestClass, method, path, body, headers, query)
}

// WithKV returns a registrar that passes libraries on to p, but puts this kv in
// place of Scriptling's own: under scriptling.runtime.kv and as the kv of
// scriptling.runtime. It is for hosts that use Scriptling's own runtime:
//
//	runtime.RegisterRuntimeLibraryAll(extlibs.WithKV(p), nil)
//
// Scripts can then open files at any path: allowed paths given to the functions of Scriptling
// apply only to Scriptling's own libraries. A host that restricts its scripts passes the
// paths to [Registry.WithKV]:
//
//	p := extlibs.DefaultRegistry().WithKV(p, allowedPaths)
//
// If Scriptling registers a kv library that refuses paths, and WithKV was given none, scripts
// cannot open any file. Allowed paths given to the functions of this package also restrict a
// kv that is registered through WithKV.
func WithKV(p object.LibraryRegistrar) object.LibraryRegistrar { return standard.WithKV(p, nil) }

// WithKV is the function of that name for the stores of r, with allowedPaths as in
// RegisterRuntimeKVLibraryWithSecurity. They restrict scripts no matter which function of
// Scriptling, or of this package, gets the registrar.
func (r *Registry) WithKV(p object.LibraryRegistrar, allowedPaths []string) object.LibraryRegistrar {
	allowed := access.New(allowedPaths)
	return &kvRegistrar{LibraryRegistrar: p, registry: r, allowed: allowed, kv: r.newLibrary(allowed)}
}

type kvRegistrar struct {
	object.LibraryRegistrar
	registry *Registry
	allowed  *access.List

	mu      sync.Mutex
	kv      *object.Library   // what scripts get
	parents []*object.Library // which have kv as a constant
}

func (k *kvRegistrar) RegisterLibrary(lib *object.Library) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch lib.Name() {
	case RuntimeKVLibraryName:
		if lib != k.kv { // a registrar around this one may restrict, by a library of ours or of Scriptling's
			if theirs, ours := listOf(lib); ours {
				k.restrict(theirs)
			} else if k.allowed == nil && refusesPaths(lib) {
				k.restrict(&access.List{})
			}
		}
		lib = k.kv
	case RuntimeLibraryName:
		if constants := lib.Constants(); constants != nil {
			constants["kv"] = k.kv.GetDict()
			k.parents = append(k.parents, lib)
		}
	}
	k.LibraryRegistrar.RegisterLibrary(lib)
}

// restrict lets scripts open only what a allows too, also through the parents that are
// registered already.
func (k *kvRegistrar) restrict(a *access.List) {
	if a == nil {
		return
	}
	k.allowed = access.Both(k.allowed, a)
	k.kv = k.registry.newLibrary(k.allowed)
	for _, lib := range k.parents {
		lib.Constants()["kv"] = k.kv.GetDict()
	}
}

// through returns the registrar below those of WithKV, the registry whose stores they
// put in place, and what they and a allow together.
func (r *Registry) through(p object.LibraryRegistrar, a *access.List) (object.LibraryRegistrar, *Registry, *access.List) {
	for {
		k, ok := p.(*kvRegistrar)
		if !ok {
			return p, r, a
		}
		k.mu.Lock()
		allowed := k.allowed
		k.mu.Unlock()
		p, r, a = k.LibraryRegistrar, k.registry, access.Both(allowed, a)
	}
}

// refusesPaths reports whether a foreign kv library was given allowed paths:
// its open refuses a path that no file can have, with a NUL byte, before it tries it.
func refusesPaths(lib *object.Library) (refuses bool) {
	open := lib.Functions()[openCall.name]
	if open == nil || open.Fn == nil {
		return false
	}
	defer func() {
		if recover() != nil { // from a panic of foreign code
			refuses = true
		}
	}()
	dir, err := filepath.Abs(string(filepath.Separator))
	if err != nil {
		return true
	}
	result, _ := open.Fn(context.Background(), object.Kwargs{}, object.NewString(dir+"\x00")).(*object.Error)
	return result != nil && (result.ExceptionType == object.ExceptionTypePermissionError || strings.Contains(result.Message, "access denied"))
}
