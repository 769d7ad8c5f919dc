package extlibs

import (
	"context"
	"errors"
	"fmt"
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

// memoryPrefix starts the names of in-memory stores.
const memoryPrefix = ":memory:"

// Registry holds the open stores of a host: the default one and the named ones.
// Scripts of several interpreters that share a registry share its stores. The
// package's functions work on one registry of their own; a host that wants
// several apart from each other, for tests or tenants, makes its own.
//
// A Registry is safe for concurrent use.
type Registry struct {
	// opening is held while a file or URL is opened or closed, so that two
	// calls never open one store twice. It is a channel because opening may
	// take as long as another process holds a file, and the wait obeys ctx.
	opening chan struct{}

	mu     sync.Mutex
	opts   options
	stores map[string]*Handle // by canonical name
	std    atomic.Pointer[Handle]

	tasks *runtimelib.Tasks // the background tasks of the scripts

	faceOnce sync.Once
	face     *object.Builtin // the default store as scripts see it
}

// NewRegistry returns a registry whose default store is in memory until Init.
func NewRegistry(opts ...Option) *Registry {
	r := &Registry{
		opening: make(chan struct{}, 1),
		opts:    newOptions(opts),
		stores:  map[string]*Handle{},
	}
	r.tasks = runtimelib.NewTasks(func() int { return r.options().maxTasks })
	return r
}

func (r *Registry) lockOpening(ctx context.Context) error {
	select {
	case r.opening <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Registry) unlockOpening() { <-r.opening }

func (r *Registry) options() options {
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
	_, inMemory := s.(*memory)
	h := &Handle{registry: r, name: name, store: s, inMemory: inMemory, opts: opts, counters: &counters{}}
	h.whole = h
	h.face = faceOf(h)
	return h
}

// Init opens the default store: "" in memory, else a file's path or the URL of
// a driver. It adds opts to those of the registry, for this and all later
// opens, and closes the default store that was there before. Where it fails,
// that one stays, unless it is the very file that was to be opened.
func (r *Registry) Init(path string, opts ...Option) error {
	ctx := context.Background()
	if err := r.lockOpening(ctx); err != nil {
		return err
	}
	defer r.unlockOpening()
	r.mu.Lock()
	r.opts.apply(opts)
	o := r.opts
	r.mu.Unlock()

	var h *Handle
	switch {
	case path == "":
		h = r.newHandle("default", newMemory(o), o)
	case strings.HasPrefix(path, memoryPrefix):
		return inCall("init", kverr.Errorf(ErrInvalid, `the default store has no name of its own in memory; use ""`))
	default:
		var err error
		if h, err = r.openDefault(ctx, path, o); err != nil {
			return inCall("init", err)
		}
	}
	h.isDefault.Store(true)
	r.tasks.Open()
	if old := r.std.Swap(h); old != nil && old != h {
		return inCall("init", old.store.Close())
	}
	return nil
}

// openDefault opens a persistent store that is to be the default one.
func (r *Registry) openDefault(ctx context.Context, name string, o options) (*Handle, error) {
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
	return r.openPersistent(ctx, name, nil, o)
}

// Open opens the store of a name, or returns it if it is open: ":memory:NAME",
// the path of a file, or the URL of a driver. Every spelling of one file is one
// store.
func (r *Registry) Open(ctx context.Context, name string) (*Handle, error) {
	h, err := r.open(ctx, name, nil)
	return h, inCall("open", err)
}

// isMemoryName also takes what can only be meant as such a name: nobody wants a
// file called ":memory" or "memory:x".
func isMemoryName(name string) bool {
	return name == "" || strings.HasPrefix(name, memoryPrefix) ||
		(name[0] == ':' || strings.HasPrefix(name, memoryPrefix[1:])) && !strings.Contains(name, "://")
}

// open is Open within what a allows.
func (r *Registry) open(ctx context.Context, name string, a *access.List) (*Handle, error) {
	if isMemoryName(name) {
		if len(name) <= len(memoryPrefix) || !strings.HasPrefix(name, memoryPrefix) {
			return nil, kverr.Errorf(ErrInvalid, `store name %q is not complete; use ":memory:NAME" or the path of a file`, name)
		}
		return r.openMemory(name)
	}
	if err := r.lockOpening(ctx); err != nil {
		return nil, err
	}
	defer r.unlockOpening()
	h, _, err := r.find(name, a)
	if h != nil || err != nil {
		return h, err
	}
	o := r.options()
	if err := r.room(o); err != nil {
		return nil, err
	}
	h, err = r.openPersistent(ctx, name, a, o)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	replaced := r.stores[h.name]
	r.stores[h.name] = h
	r.mu.Unlock()
	if replaced != nil { // its file has another name by now, or none
		replaced.store.Close()
	}
	return h, nil
}

func (r *Registry) room(o options) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.roomLocked(o)
}

func (r *Registry) roomLocked(o options) error {
	if o.maxStores > 0 && len(r.stores) >= o.maxStores {
		return kverr.Errorf(ErrFull, "%d stores are open, the limit; close some, or let the host raise MaxStores", len(r.stores))
	}
	return nil
}

func (r *Registry) openMemory(name string) (*Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.stores[name]; h != nil {
		return h, nil
	}
	if err := r.roomLocked(r.opts); err != nil {
		return nil, err
	}
	name = strings.Clone(name)
	h := r.newHandle(name, newMemory(r.opts), r.opts)
	r.stores[name] = h
	return h, nil
}

// find returns the open store of a path or URL, if there is one, and the name
// it has in r.stores.
func (r *Registry) find(name string, a *access.List) (h *Handle, key string, err error) {
	if _, _, isURL := strings.Cut(name, "://"); isURL {
		if err := a.AllowURL(name); err != nil {
			return nil, "", err
		}
		return r.byName(name), name, nil
	}
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

// openStd returns the default store if there is one and it is not closed.
func (r *Registry) openStd() *Handle {
	if std := r.std.Load(); std != nil && !std.closed.Load() {
		return std
	}
	return nil
}

func (r *Registry) byName(name string) *Handle {
	if std := r.openStd(); std != nil && std.name == name {
		return std
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stores[name]
}

// byFile finds the store whose file is the one of info.
func (r *Registry) byFile(info os.FileInfo) (*Handle, string) {
	if std := r.openStd(); std != nil && std.holds(info) {
		return std, std.name
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

// openPersistent opens a file or URL that is not open yet.
func (r *Registry) openPersistent(ctx context.Context, name string, a *access.List, o options) (*Handle, error) {
	if strings.Contains(name, "://") {
		s, err := openDriver(ctx, name, o)
		if err != nil {
			return nil, err
		}
		return r.newHandle(name, s, o), nil
	}
	loc, err := a.Locate(name)
	if err != nil {
		return nil, err
	}
	s, err := openBolt(loc, o)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", name, err)
	}
	if o.mode.interval > 0 {
		return r.newHandle(loc.Path, newIntervalStore(s, o.mode.interval), o), nil
	}
	return r.newHandle(loc.Path, s, o), nil
}

func (r *Registry) closeNamed(h *Handle) error {
	if !h.inMemory {
		r.lockOpening(context.Background())
		defer r.unlockOpening()
	}
	r.mu.Lock()
	if r.stores[h.name] == h {
		delete(r.stores, h.name)
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
	r.mu.Lock()
	defer r.mu.Unlock()
	stores := make([]*Handle, 0, len(r.stores))
	for _, h := range r.stores {
		stores = append(stores, h)
	}
	slices.SortFunc(stores, func(a, b *Handle) int { return strings.Compare(a.name, b.name) })
	return stores
}
