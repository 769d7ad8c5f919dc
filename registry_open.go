package extlibs

import (
	"context"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Init opens the default store: "" in memory, the path of a file, or the URL of a driver.
// It adds opts to the options of the registry, for this store and for stores opened
// later, and closes the previous default store. On failure opts are discarded and the
// previous store stays open, unless it was the same file or URL. If closing the previous
// store fails, Init returns that error although the new store is open.
func (r *Registry) Init(path string, opts ...Option) error {
	o := r.options()
	o.apply(opts)
	closeErr, err := r.initDefault(context.Background(), path, o)
	if err != nil {
		return inCall("init", err)
	}
	r.mu.Lock()
	r.opts.apply(opts)
	r.mu.Unlock()
	r.tasks.Open()
	return inCall("init", closeErr)
}

// initDefault opens the default store. closeErr is that of the former one.
func (r *Registry) initDefault(ctx context.Context, path string, o options) (closeErr, err error) {
	for {
		var h *Handle
		switch {
		case path == "":
			h = r.newHandle("default", newMemory(o), o)
		case strings.HasPrefix(path, memoryPrefix):
			return nil, kverr.Errorf(ErrInvalid, `a default store in memory has no name; use ""`)
		default:
			h, closeErr, err = r.openStore(ctx, request{name: path, asDefault: true, options: o})
		}
		if err != nil {
			return nil, err
		}
		old, ok := r.promote(h, path == "")
		if !ok {
			continue // it was closed meanwhile
		}
		if old != nil {
			closeErr = r.shut(ctx, old)
		}
		return closeErr, nil
	}
}

// promote makes an open store the default one. It reports false for a store that
// was closed meanwhile.
func (r *Registry) promote(h *Handle, isNew bool) (old *Handle, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case h.isDefault.Load():
		return nil, true
	case isNew:
	case r.stores[h.key] == h:
		delete(r.stores, h.key)
	default:
		return nil, false
	}
	return r.makeDefaultLocked(h), true
}

// Open opens the store of a name, or returns it if it is open. A name is ":memory:NAME",
// the path of a file, which is created if it does not exist, or the URL of a driver.
// Every spelling of one file is the same store. ctx limits the opening only. An invalid
// name is ErrInvalid; a file that is open elsewhere is ErrInUse, after LockTimeout; a
// file that is not a store is ErrFormat or ErrCorrupt; more than MaxStores stores is
// ErrFull.
func (r *Registry) Open(ctx context.Context, name string) (*Handle, error) {
	h, err := r.open(ctx, name, nil, false)
	return h, inCall("open", err)
}

// open is Open within what a allows, for a host or for a script, which may create
// so many files only.
func (r *Registry) open(ctx context.Context, name string, a *access.List, script bool) (*Handle, error) {
	r.ready()
	if isMemoryName(name) {
		if len(name) <= len(memoryPrefix) || !strings.HasPrefix(name, memoryPrefix) {
			return nil, kverr.Errorf(ErrInvalid, `store name %q is not complete; use ":memory:NAME" or the path of a file`, shorten(name))
		}
		if len(name)-len(memoryPrefix) > maxMemoryName {
			return nil, kverr.Errorf(ErrInvalid, "the name of the in-memory store has %d bytes; use 1 to %d", len(name)-len(memoryPrefix), maxMemoryName)
		}
		return r.openMemory(name)
	}
	h, _, err := r.openStore(ctx, request{name: name, allowed: a, script: script, options: r.options()})
	if isURL(name) {
		return h, err
	}
	return h, withNameHint(name, err)
}

// request is a store, in a file or of a driver, that a caller wants to have open.
type request struct {
	name      string // as the caller knows it
	allowed   *access.List
	script    bool // a script is the caller
	asDefault bool // the store becomes the default one
	options   options
}

// openStore opens a store, or returns it if it is open. closeErr is the error of closing
// the former default store.
func (r *Registry) openStore(ctx context.Context, q request) (h *Handle, closeErr, err error) {
	if isURL(q.name) {
		return r.openURL(ctx, q)
	}
	return r.openFile(ctx, q)
}

func (r *Registry) openMemory(name string) (*Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.stores[name]; h != nil {
		return h, nil
	}
	if err := r.placeLocked(r.opts); err != nil {
		return nil, err
	}
	name = strings.Clone(name)
	h := r.newHandle(name, newMemory(r.opts), r.opts)
	r.stores[name] = h
	return h, nil
}
