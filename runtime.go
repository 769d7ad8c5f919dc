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
// A task has the deadline and the host's values of the context of the script that
// started it, but not its cancellation: it may outlive the request that it was
// started in, but not the time that the host gave that request. At most MaxTasks
// run at once; Registry.WaitTasks waits for them and Registry.Close ends them.
//
// What scripts can write to, such as the module runtime.kv, is made for p. A Clone of p
// shares it with p: call this for the clone too before it runs scripts. Tasks have their
// own.
func RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	standard.RegisterRuntimeLibraryAll(p, allowedPaths)
}

// RegisterRuntimeLibraryAll is the function of that name for the stores of r.
func (r *Registry) RegisterRuntimeLibraryAll(p object.LibraryRegistrar, allowedPaths []string) {
	r.ready()
	kv := r.newLibrary(access.New(allowedPaths))
	p.RegisterLibrary(kv)
	runtimelib.Register(p, r.tasks, kv)
}

// taskFailed logs that exceptions have ended tasks.
func (r *Registry) taskFailed(f runtimelib.Failure) {
	message, attrs := "a background task was ended by an exception", []any{"task", f.Task, "type", f.Type, "line", f.Line}
	if f.Count > 1 {
		message, attrs = "more background tasks were ended by exceptions", []any{"count", f.Count, "types", f.Type, "last task", f.Task}
	}
	if f.Text != "" {
		attrs = append(attrs, "error", f.Text)
	}
	r.options().logger.Warn(message, attrs...)
}

// WaitTasks waits until no background task of the registry's scripts runs, for
// an orderly end: stop what starts tasks, wait for those that run, then Close. It
// returns the error of ctx where that ends first; the tasks run on until Close.
func (r *Registry) WaitTasks(ctx context.Context) error { return r.tasks.Wait(ctx) }

// RequestClass is the pattern of the requests that CreateRequestInstance makes: each is
// an instance of its own class, which has the name and the methods of this one. A host
// that adds methods does so before it makes the first request.
var RequestClass = runtimelib.RequestClass()

// CreateRequestInstance makes the object that a script's HTTP handler gets. Its
// attributes are method, path, body, headers (names in lower case) and query;
// its method json() parses the body. type(request) is "Request", but it is no instance
// of the class http.Request that scripts import: they can change that one.
func CreateRequestInstance(method, path, body string, headers, query map[string]string) *object.Instance {
	return runtimelib.NewRequest(RequestClass, method, path, body, headers, query)
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
