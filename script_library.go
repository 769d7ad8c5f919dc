package extlibs

import (
	"context"
	"errors"
	"maps"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// RuntimeKVLibraryName is the name under which scripts import the store library.
const RuntimeKVLibraryName = "scriptling.runtime.kv"

const libraryDoc = `Key-value stores that share state between requests and background tasks.

kv.default is the host's store. kv.open(name) returns another one: ":memory:NAME" in this
process, ":cache:NAME", which evicts keys when it is full, or the path of a file.
Every store has the same calls: help(kv.default) lists them, and help(kv.default.set), and
so on, describes each one. A store is not a dict: write s.exists(k) for k in s, s.get(k)
for s[k], and s.count() for len(s). Values are None, bool, int, float, str, bytes, list,
tuple, set and dict. A store returns copies.

Of the functions below, use open. The others only raise an error that says what to call.`

// newLibrary returns the library for a registry. Scripts that import it can open the paths
// and URLs that a allows.
func (r *Registry) newLibrary(a *access.List) *object.Library {
	open := &object.Builtin{HelpText: openCall.helpText(), Fn: func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
		bound, err := openCall.bind(new(argBuffer), kwargs.Kwargs, args)
		given := reader{a: bound, err: err}
		name := given.text(0, "name", "")
		if given.err != nil {
			return toScript(openCall.name, given.err)
		}
		h, err := r.openFromScript(ctx, name, a)
		if err != nil {
			return toScript(openCall.name, err)
		}
		if name == h.name || isURL(name) {
			return h.scriptObject()
		}
		return newStoreObject(name, func() *Handle { return h })
	}}
	functions := misplacedCalls()
	functions[openCall.name] = open
	lib := object.NewLibrary(RuntimeKVLibraryName, functions,
		map[string]object.Object{"default": r.scriptDefault()},
		libraryDoc)
	rememberList(lib, a)
	return lib
}

// dictMethods maps the methods of dicts to the equivalent calls of a store. To the interpreter
// a module is a dict, so without replacements kv.clear() would empty the library for all
// interpreters that share it.
var dictMethods = map[string]string{
	"keys": "keys", "values": "items", "items": "items", "get": "get", "pop": "pop", "setdefault": "get_or_set",
	"update": "update", "clear": "clear", "copy": "items", "fromkeys": "set_many",
}

// misplacedCalls returns functions of the module that take the names of a store's calls and of
// a dict's methods, and raise an error that names the call to make. Functions of a module take
// precedence over the methods of a dict.
func misplacedCalls() map[string]*object.Builtin {
	functions := make(map[string]*object.Builtin, len(calls)+len(dictMethods)+len(stubs)+1)
	for _, s := range stubs {
		functions[s.name] = raises(s.name, "on a store, such as kv.default, write "+s.write, "not a call: on a store write "+s.write)
	}
	instead := maps.Clone(dictMethods)
	for i := range calls {
		instead[calls[i].name] = calls[i].name
	}
	for name, call := range instead {
		what := "it"
		if call != name {
			what = call
		}
		functions[name] = raises(name, "call "+what+" on a store, such as kv.default."+call+"()", name+" belongs to stores: see help(kv.default."+call+")")
	}
	return functions
}

// openFromScript opens a store. While a file or a server is opened, other threads of the
// interpreter run.
func (r *Registry) openFromScript(ctx context.Context, name string, a *access.List) (h *Handle, err error) {
	if isMemoryName(name) {
		return r.open(ctx, request{name: name, allowed: a, script: true})
	}
	err = unlocked(ctx, func() error { h, err = r.open(ctx, request{name: name, allowed: a, script: true}); return err })
	return h, err
}

// newStoreObject returns the object that scripts see as a store. Errors show name. Each call
// gets the handle from store, so kv.default follows a later Init.
func newStoreObject(name string, store func() *Handle) *object.Builtin {
	of := &scriptStore{name, store} // shared by the calls; each would otherwise allocate a copy
	builtins, methods := make([]object.Builtin, len(calls)), storeAttributes()
	for i := range calls {
		c := &calls[i]
		call := func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
			var b *argBuffer
			if len(kwargs.Kwargs) > 0 {
				b = argBuffers.Get().(*argBuffer)
				defer b.release()
			}
			bound, err := c.bind(b, kwargs.Kwargs, args)
			if err != nil {
				return toScript(c.name, err)
			}
			for {
				h := of.store()
				run := c.run
				if h.observer != nil {
					run = c.observed
				}
				result, err := run(ctx, h, bound)
				switch {
				case err == nil:
					return result
				case errors.Is(err, ErrClosed) && of.store() != h:
					continue // the default store was replaced meanwhile
				}
				return storeToScript(c.name, of.name, err)
			}
		}
		builtins[i] = object.Builtin{HelpText: callHelp[i], Fn: call}
		if c.name == "sub" || waits[c.name] {
			builtins[i].Fn = func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
				return call(context.WithValue(ctx, storeKey{}, of), kwargs, args...)
			}
		}
		methods[c.name] = &builtins[i]
	}
	return &object.Builtin{
		HelpText:   storeHelp,
		Attributes: methods,
		Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return toScript("store", kverr.Errorf(ErrType, "a store is not a function; call its methods, such as get(key)"))
		},
	}
}

// observed is run for a store whose calls are observed. sub is not a call on the store.
func (c *call) observed(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	if c.name == "sub" {
		return c.run(ctx, h, a)
	}
	return observed(ctx, h, c.name, func(h *Handle) (object.Object, error) { return c.run(ctx, h, a) })
}

func (r *Registry) scriptDefault() *object.Builtin {
	return r.script.get(func() *object.Builtin { return newStoreObject("default", r.Default) })
}

func (h *Handle) scriptObject() *object.Builtin {
	return h.script.get(func() *object.Builtin {
		return newStoreObject(h.name, func() *Handle { return h })
	})
}

// storeKey is the context key of the store that a call is made on, for calls that need it.
type storeKey struct{}

// scriptStore is a store as a script sees it. Its Handle changes with a later Init.
type scriptStore struct {
	name  string
	store func() *Handle
}

// subObject returns a view of h for scripts. Errors show the store's name. A view of the
// default store follows a later Init, as kv.default does.
func subObject(ctx context.Context, h *Handle, prefix string) (*object.Builtin, error) {
	sub := h.Sub(prefix)
	if sub.prefixErr != nil {
		return nil, sub.prefixErr
	}
	of := ctx.Value(storeKey{}).(*scriptStore)
	var view atomic.Pointer[Handle]
	view.Store(sub)
	return newStoreObject(of.name, func() *Handle {
		sub := view.Load()
		if now := of.store(); now.openStore != sub.openStore {
			sub = now.Sub(prefix)
			view.Store(sub)
		}
		return sub
	}), nil
}

// libraryLists has what the libraries of this package allow, for as long as they live.
var libraryLists sync.Map // of weak.Pointer[object.Library] to *access.List

func rememberList(lib *object.Library, a *access.List) {
	key := weak.Make(lib)
	libraryLists.Store(key, a)
	goruntime.AddCleanup(lib, func(key weak.Pointer[object.Library]) { libraryLists.Delete(key) }, key)
}

// listOf returns what a library of this package allows, and whether it is one.
func listOf(lib *object.Library) (a *access.List, ours bool) {
	v, ours := libraryLists.Load(weak.Make(lib))
	if !ours {
		return nil, false
	}
	return v.(*access.List), true
}
