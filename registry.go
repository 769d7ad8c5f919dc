package extlibs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/runtimelib"
)

// Registry holds the open stores of a host: the default one and the named ones.
// Scripts of several interpreters that share a registry share its stores. The
// package's functions work on one registry of their own; a host that wants
// several apart from each other, for tests or tenants, makes its own.
//
// A Registry is safe for concurrent use. The zero Registry is one without
// options.
type Registry struct {
	once sync.Once // see ready

	// opening is held while a file is opened or closed, so that two calls never
	// open one store twice. It is a channel because opening may take as long as
	// another process holds a file, and the wait obeys ctx.
	opening chan struct{}

	mu       sync.Mutex
	opts     options
	stores   map[string]*Handle  // by canonical name
	dialing  map[string]*dialing // URLs that a driver is opening
	reserved int                 // stores that are being opened and have a place
	created  int                 // files that scripts have created
	closes   int                 // calls of Close: what was being opened during one is closed
	std      atomic.Pointer[Handle]

	tasks *runtimelib.Tasks // the background tasks of the scripts

	faceOnce sync.Once
	face     *object.Builtin // the default store as scripts see it
}

// NewRegistry returns a registry whose default store is in memory until Init.
func NewRegistry(opts ...Option) *Registry {
	r := &Registry{}
	r.ready(opts...)
	return r
}

// ready makes the zero Registry one that works.
func (r *Registry) ready(opts ...Option) {
	r.once.Do(func() {
		r.opening = make(chan struct{}, 1)
		r.opts = newOptions(opts)
		r.stores = map[string]*Handle{}
		r.dialing = map[string]*dialing{}
		r.tasks = runtimelib.NewTasks(func() int { return r.options().maxTasks })
	})
}

func (r *Registry) lockOpening(ctx context.Context) error {
	r.ready()
	select {
	case r.opening <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Registry) unlockOpening() { <-r.opening }

func (r *Registry) options() options {
	r.ready()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opts
}

// Default returns the default store. Before the first Init it is an in-memory
// one; after Close its calls fail with ErrClosed until the next Init.
func (r *Registry) Default() *Handle {
	if h := r.std.Load(); h != nil {
		return h
	}
	r.ready()
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.std.Load(); h != nil {
		return h
	}
	h := r.newHandle("default", newMemory(r.opts), r.opts)
	h.isDefault.Store(true)
	r.std.Store(h)
	return h
}

func (r *Registry) newHandle(name string, s Store, opts options) *Handle {
	m, inMemory := s.(*memory)
	h := &Handle{registry: r, name: name, key: name, store: s, memory: m, inMemory: inMemory, opts: opts, counters: &counters{}}
	h.whole = h
	h.face = faceOf(h)
	return h
}

// Init opens the default store: "" in memory, else a file's path or the URL of
// a driver. It adds opts to those of the registry, for this and all later
// opens, and closes the default store that was there before. Where it fails, opts
// are forgotten and that store stays, unless it is the very file or URL that was
// to be opened.
func (r *Registry) Init(path string, opts ...Option) error {
	ctx := context.Background()
	var dialed *Handle // not under the lock: a driver takes its time
	if isURL(path) {
		o := r.options()
		o.apply(opts)
		var err error
		if dialed, err = r.dialDefault(ctx, path, o); err != nil {
			return inCall("init", err)
		}
	}
	if err := r.lockOpening(ctx); err != nil {
		return err
	}
	defer r.unlockOpening()
	o := r.options()
	o.apply(opts)

	var h *Handle
	switch {
	case dialed != nil:
		h = dialed
		r.mu.Lock()
		if r.stores[h.key] == h { // it was a named store
			delete(r.stores, h.key)
		}
		r.mu.Unlock()
	case path == "":
		h = r.newHandle("default", newMemory(o), o)
	case strings.HasPrefix(path, memoryPrefix):
		return inCall("init", kverr.Errorf(ErrInvalid, `the default store has no name of its own in memory; use ""`))
	default:
		var err error
		if h, err = r.openDefault(path, o); err != nil {
			return inCall("init", err)
		}
	}
	r.mu.Lock()
	r.opts.apply(opts)
	r.mu.Unlock()
	h.isDefault.Store(true)
	r.tasks.Open()
	if old := r.std.Swap(h); old != nil && old != h {
		return inCall("init", old.store.Close())
	}
	return nil
}

// openDefault opens a file that is to be the default one.
func (r *Registry) openDefault(name string, o options) (*Handle, error) {
	h, key, err := r.find(name, nil)
	if err != nil {
		return nil, err
	}
	if h != nil {
		if !h.isDefault.Load() { // a named store becomes the default one
			r.mu.Lock()
			delete(r.stores, key)
			r.mu.Unlock()
			return h, nil
		}
		h.closed.Store(true)
		if err := h.store.Close(); err != nil {
			return nil, err
		}
	}
	return r.openFile(name, nil, o)
}

// Open opens the store of a name, or returns it if it is open: ":memory:NAME",
// the path of a file, or the URL of a driver. Every spelling of one file is one
// store.
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
	if isURL(name) {
		return r.openURL(ctx, name, a, script)
	}
	h, err := r.openPath(ctx, name, a, script)
	return h, withNameHint(name, err)
}

// openPath is open for the path of a file.
func (r *Registry) openPath(ctx context.Context, name string, a *access.List, script bool) (*Handle, error) {
	if err := r.lockOpening(ctx); err != nil {
		return nil, err
	}
	defer r.unlockOpening()
	h, _, err := r.find(name, a)
	if h != nil || err != nil {
		return h, err
	}
	o := r.options()
	creates := script && !exists(name, a)
	r.mu.Lock()
	if creates && o.maxCreatedFiles >= 0 && r.created >= o.maxCreatedFiles {
		err = kverr.Errorf(ErrFull, "store %q does not exist, and scripts have created %d files, their limit; use one that exists, or let the host raise MaxCreatedFiles", shorten(name), r.created)
	} else {
		err = r.reserveLocked(o)
	}
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	h, err = r.openFile(name, a, o)
	r.mu.Lock()
	r.reserved--
	if err != nil {
		r.mu.Unlock()
		return nil, err
	}
	if creates {
		r.created++
	}
	replaced := r.stores[h.key]
	r.stores[h.key] = h
	r.mu.Unlock()
	if replaced != nil { // its file has another name by now, or none
		replaced.store.Close()
	}
	return h, nil
}

// reserveLocked keeps a place for a store that is being opened.
func (r *Registry) reserveLocked(o options) error {
	if o.maxStores > 0 && len(r.stores)+r.reserved >= o.maxStores {
		return kverr.Errorf(ErrFull, "%d stores are open, the limit; close some, or let the host raise MaxStores", o.maxStores)
	}
	r.reserved++
	return nil
}

func (r *Registry) openMemory(name string) (*Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.stores[name]; h != nil {
		return h, nil
	}
	if err := r.reserveLocked(r.opts); err != nil {
		return nil, err
	}
	r.reserved--
	name = strings.Clone(name)
	h := r.newHandle(name, newMemory(r.opts), r.opts)
	r.stores[name] = h
	return h, nil
}

// find returns the open store of a path, if there is one, and the name it has in
// r.stores.
func (r *Registry) find(name string, a *access.List) (h *Handle, key string, err error) {
	loc, err := a.Locate(name)
	if err != nil {
		return nil, "", err
	}
	info, err := loc.Stat()
	switch {
	case errors.Is(err, ErrNotAllowed):
		return nil, "", err
	case err != nil: // not there, or not reachable: opening will say so
		return r.byName(loc.Path), loc.Path, nil
	}
	for {
		if h, key = r.byFile(info); h != nil {
			return h, key, nil
		}
		again, err := loc.Stat()
		if err != nil || os.SameFile(again, info) {
			return nil, "", nil
		}
		info = again // Compact has put another file in its place meanwhile
	}
}

// exists reports whether the file of a name is there, also where it may not be
// looked at.
func exists(name string, a *access.List) bool {
	loc, err := a.Locate(name)
	if err == nil {
		_, err = loc.Stat()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// openStd returns the default store if there is one and it is not closed.
func (r *Registry) openStd() *Handle {
	if std := r.std.Load(); std != nil && !std.closed.Load() {
		return std
	}
	return nil
}

func (r *Registry) byName(name string) *Handle {
	if std := r.openStd(); std != nil && std.key == name {
		return std
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stores[name]
}

// byFile finds the store whose file is the one of info.
func (r *Registry) byFile(info os.FileInfo) (*Handle, string) {
	if std := r.openStd(); std != nil && std.holds(info) {
		return std, std.key
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, h := range r.stores {
		if h.holds(info) {
			return h, key
		}
	}
	return nil, ""
}

func (h *Handle) holds(info os.FileInfo) bool {
	s, ok := h.store.(FileHolder)
	return ok && s.HoldsFile(info)
}

// openFile opens a file that is not open yet.
func (r *Registry) openFile(name string, a *access.List, o options) (*Handle, error) {
	loc, err := a.Locate(name)
	if err != nil {
		return nil, err
	}
	s, err := openBolt(loc, o)
	if err != nil {
		if p, ok := err.(*fs.PathError); ok { // the path is the name, or what it stands for
			err = fmt.Errorf("%s: %w", p.Op, p.Err)
		}
		return nil, fmt.Errorf("store %q: %w", shorten(name), err)
	}
	if o.mode.interval > 0 {
		return r.newHandle(loc.Path, newIntervalStore(s, o.mode.interval), o), nil
	}
	return r.newHandle(loc.Path, s, o), nil
}

func (r *Registry) closeNamed(h *Handle) error {
	if !h.inMemory && !isURL(h.key) {
		r.lockOpening(context.Background())
		defer r.unlockOpening()
	}
	r.mu.Lock()
	if r.stores[h.key] == h {
		delete(r.stores, h.key)
	}
	r.mu.Unlock()
	return h.store.Close()
}

// Close ends the background tasks of the registry's scripts through their
// contexts and waits for them, at most five seconds; then it closes the default
// store and every named one. Calls on them fail with ErrClosed from then on, and
// no task can be started. Closing twice is no error; Init opens the registry
// again.
func (r *Registry) Close() error {
	tasksErr := r.tasks.Close()
	r.lockOpening(context.Background())
	defer r.unlockOpening()
	r.mu.Lock()
	stores := make([]*Handle, 0, len(r.stores)+1)
	for _, h := range r.stores {
		stores = append(stores, h)
	}
	clear(r.stores)
	r.closes++
	r.mu.Unlock()
	if std := r.std.Load(); std != nil {
		std.closed.Store(true)
		stores = append(stores, std)
	}
	errs := []error{tasksErr}
	for _, h := range stores {
		errs = append(errs, h.store.Close())
	}
	return inCall("close", errors.Join(errs...))
}

// Stores returns the open named stores, sorted by name.
func (r *Registry) Stores() []*Handle {
	r.ready()
	r.mu.Lock()
	defer r.mu.Unlock()
	stores := make([]*Handle, 0, len(r.stores))
	for _, h := range r.stores {
		stores = append(stores, h)
	}
	slices.SortFunc(stores, func(a, b *Handle) int { return strings.Compare(a.name, b.name) })
	return stores
}
