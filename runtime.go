package extlibs

import (
	"context"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/runtimelib"
)

// Names under which scripts import background and the response builders.
const (
	RuntimeLibraryName     = runtimelib.Name
	RuntimeHTTPLibraryName = runtimelib.HTTPName
)

// RegisterRuntimeLibraryAll registers scriptling.runtime, which starts
// background tasks, with its parts scriptling.runtime.http and
// scriptling.runtime.kv. allowedPaths restricts kv as in
// RegisterRuntimeKVLibraryWithSecurity.
//
// Where p is a *scriptling.Scriptling, background tasks import libraries
// through a Clone of it; with another registrar they have those that the caller
// of background had imported.
//
// A task has the values and the deadline of the context of the script that
// started it, but not its cancellation: it may outlive the request that it was
// started in, but not the time that the host gave that request. At most MaxTasks
// run at once; Registry.WaitTasks waits for them and Registry.Close ends them.
func RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	standard.RegisterRuntimeLibraryAll(p, allowedPaths)
}

// RegisterRuntimeLibraryAll is the function of that name for the stores of r.
func (r *Registry) RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	kv := r.newLibrary(access.New(allowedPaths))
	http := runtimelib.HTTP()
	p.RegisterLibrary(http)
	p.RegisterLibrary(kv)
	// The parent's entries win over libraries of that name, so they must be the
	// same ones.
	p.RegisterLibrary(runtimelib.New(p, r.tasks, map[string]object.Object{
		"http": http.GetDict(), "kv": kv.GetDict(),
	}))
}

// WaitTasks waits until no background task of the registry's scripts runs, for
// an orderly end: stop what starts tasks, wait for those that run, then Close. It
// returns the error of ctx where that ends first; the tasks run on until Close.
func (r *Registry) WaitTasks(ctx context.Context) error { return r.tasks.Wait(ctx) }

// RequestClass is the class of the requests that CreateRequestInstance makes.
var RequestClass = runtimelib.RequestClass()

// CreateRequestInstance makes the object that a script's HTTP handler gets. Its
// attributes are method, path, body, headers (names in lower case) and query;
// its method json() parses the body.
func CreateRequestInstance(method, path, body string, headers, query map[string]string) *object.Instance {
	return runtimelib.NewRequest(method, path, body, headers, query)
}

// WithKV returns a registrar that passes libraries on to p, but puts this kv in
// place of Scriptling's own: under scriptling.runtime.kv and as the kv of
// scriptling.runtime. It is for hosts that use Scriptling's own runtime:
//
//	runtime.RegisterRuntimeLibraryAll(extlibs.WithKV(p), nil)
func WithKV(p object.LibraryRegistrar) object.LibraryRegistrar { return standard.WithKV(p, nil) }

// WithKV is the function of that name for the stores of r, with allowedPaths as
// in RegisterRuntimeKVLibraryWithSecurity.
func (r *Registry) WithKV(p object.LibraryRegistrar, allowedPaths []string) object.LibraryRegistrar {
	return &kvRegistrar{p, r.newLibrary(access.New(allowedPaths))}
}

type kvRegistrar struct {
	object.LibraryRegistrar
	kv *object.Library
}

func (k *kvRegistrar) RegisterLibrary(lib *object.Library) {
	switch lib.Name() {
	case RuntimeKVLibraryName:
		lib = k.kv
	case RuntimeLibraryName:
		if constants := lib.Constants(); constants != nil {
			constants["kv"] = k.kv.GetDict()
		}
	}
	k.LibraryRegistrar.RegisterLibrary(lib)
}
