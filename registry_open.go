package extlibs

import (
	"context"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Init opens the default store: "" in memory, the path of a file, or the URL of a driver. It
// adds opts to the options of the registry, for this store and for stores opened later, and
// closes the previous default store. On failure opts are discarded and the previous store
// stays open, unless it was the same file or URL. If closing the previous store fails, Init
// returns that error although the new store is open. A file that is open as a named store with
// options other than opts is ErrInUse. After Close, Init opens the registry again.
func (r *Registry) Init(path string, opts ...Option) error {
	o := r.options()
	o.apply(opts)
	var given []StoreOption
	for _, opt := range opts {
		if s, ok := opt.(StoreOption); ok {
			given = append(given, s)
		}
	}
	closeErr, err := r.initDefault(context.Background(), path, o, given)
	if err != nil {
		return inCall("init", err)
	}
	r.mu.Lock()
	r.opts.apply(opts)
	r.ended = false
	r.mu.Unlock()
	r.tasks.Open()
	return inCall("init", closeErr)
}

// initDefault opens the default store. closeErr is the error of closing the previous one.
func (r *Registry) initDefault(ctx context.Context, path string, o options, given []StoreOption) (closeErr, err error) {
	if err := o.rules.check(false); err != nil {
		return nil, err
	}
	for {
		var h *Handle
		switch {
		case path == "":
			h = r.newHandle("default", newMemory(o), o)
		case strings.HasPrefix(path, memoryPrefix):
			return nil, kverr.Errorf(ErrInvalid, `a default store in memory has no name; use ""`)
		case isCacheName(path):
			return nil, kverr.Errorf(ErrInvalid, `a default store that is a cache has no name; use "" with the option Evict`)
		default:
			h, closeErr, err = r.openStore(ctx, request{name: path, asDefault: true, options: o, given: given})
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
// ":cache:NAME" for a store in memory that evicts keys when it is full (see Evict), the
// path of a file, which is created if it does not exist, or the URL of a driver. Every
// spelling of one file is the same store. ctx limits the opening only. An invalid name is
// ErrInvalid; a file that is open elsewhere is ErrInUse, after LockTimeout; a file that is
// not a store is ErrFormat or ErrCorrupt; more than MaxStores stores is ErrFull. After
// Close the error is ErrClosed until the next Init.
//
// The store has the options of the registry and the first StoreOptions that matches it.
// An open store keeps the options that it was opened with.
func (r *Registry) Open(ctx context.Context, name string) (*Handle, error) {
	return r.OpenWith(ctx, name)
}

// OpenWith is Open for a store with options. They take precedence over the options of the
// registry and its StoreOptions. An option that the store does not have is ErrInvalid;
// StoreOption says which stores have which. If the store is open and does not have the options
// given, the error is ErrInUse: the store keeps the options that it was opened with, since
// others use it. LockTimeout is not compared.
func (r *Registry) OpenWith(ctx context.Context, name string, opts ...StoreOption) (*Handle, error) {
	h, err := r.open(ctx, request{name: name, given: opts})
	return h, inCall("open", err)
}

// request is a store that a caller wants to have open.
type request struct {
	name      string // as the caller knows it
	allowed   *access.List
	script    bool // a script is the caller
	asDefault bool // the store becomes the default one
	given     []StoreOption
	options   options // of the registry
}

// open is OpenWith within what q allows, for a host or for a script, which may create
// so many files only.
func (r *Registry) open(ctx context.Context, q request) (*Handle, error) {
	r.ready()
	q.options = r.options()
	if name := q.name; isMemoryName(name) {
		if err := checkMemoryName(name); err != nil {
			return nil, err
		}
		return r.openMemory(q)
	}
	h, _, err := r.openStore(ctx, q)
	if isURL(q.name) {
		return h, err
	}
	return h, withNameHint(q.name, err)
}

// openStore opens a store, in a file or of a driver, or returns it if it is open.
// closeErr is the error of closing the previous default store.
func (r *Registry) openStore(ctx context.Context, q request) (h *Handle, closeErr, err error) {
	if isURL(q.name) {
		return r.openURL(ctx, q)
	}
	return r.openFile(ctx, q)
}

func (r *Registry) openMemory(q request) (*Handle, error) {
	if h, err := r.findMemory(q); h != nil || err != nil {
		return h, err
	}
	if isCacheName(q.name) {
		q.options.evict = true
	}
	if err := q.options.forStore(memoryStores, q.name, q.given, q.script); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.stores[q.name]; h != nil {
		return q.checked(h)
	}
	if err := r.placeLocked(q.options); err != nil {
		return nil, err
	}
	name := strings.Clone(q.name)
	h := r.newHandle(name, newMemory(q.options), q.options)
	r.stores[name] = h
	return h, nil
}

// findMemory returns the open store in memory of a name, nil if there is none.
func (r *Registry) findMemory(q request) (*Handle, error) {
	r.mu.Lock()
	h := r.stores[q.name]
	r.mu.Unlock()
	if h == nil {
		return nil, nil
	}
	return q.checked(h)
}

// checked returns the open store that was found, unless it has other options than the
// caller gives.
func (q *request) checked(h *Handle) (*Handle, error) {
	if len(q.given) > 0 {
		if err := h.opts.errOtherOptions(h.place.kind(), q.given); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// kind is the kind of a store for its options.
func (p place) kind() storeKinds {
	switch p {
	case inMemory:
		return memoryStores
	case inFile:
		return fileStores
	}
	return serverStores
}
