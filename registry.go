package extlibs

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
	stores   map[string]*Handle     // by canonical name
	dialing  map[string]*dialing    // URLs that a driver is opening
	reserved int                    // stores that are being opened and have a place
	created  int                    // files that scripts have created
	closes   int                    // calls of Close: what was being opened during one is closed
	current  atomic.Pointer[Handle] // the default store; nil before the first use

	tasks  *runtimelib.Tasks // the background tasks of the scripts
	script onceObject        // the default store as scripts see it
}

// dialing is an opening of a URL that others wait for.
type dialing struct {
	done chan struct{}
	h    *Handle
	err  error
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
		r.tasks = runtimelib.NewTasks(func() int { return r.options().maxTasks }, func(task, exception string, line int) {
			r.options().logger.Warn("a background task was ended by an exception", "task", task, "type", cmp.Or(exception, "Exception"), "line", line)
		})
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
	if h := r.current.Load(); h != nil {
		return h
	}
	r.ready()
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.current.Load(); h != nil {
		return h
	}
	h := r.newHandle("default", newMemory(r.opts), r.opts)
	h.isDefault.Store(true)
	r.current.Store(h)
	return h
}

func (r *Registry) newHandle(name string, s Store, opts options) *Handle {
	m, inMemory := s.(*memory)
	h := &Handle{name: name, key: name, store: s, memory: m, inMemory: inMemory, opts: opts, counters: &counters{}, remove: r.closeNamed, current: r.Default}
	h.whole = h
	return h
}

// reserveLocked keeps a place for a store that is being opened.
func (r *Registry) reserveLocked(o options) error {
	if o.maxStores > 0 && len(r.stores)+r.reserved >= o.maxStores {
		return kverr.Errorf(ErrFull, "%d stores are open, the limit; close some, or let the host raise MaxStores", o.maxStores)
	}
	r.reserved++
	return nil
}

// currentOpen returns the default store if there is one and it is not closed.
func (r *Registry) currentOpen() *Handle {
	if current := r.current.Load(); current != nil && !current.closed.Load() {
		return current
	}
	return nil
}

func (r *Registry) byName(name string) *Handle {
	if current := r.currentOpen(); current != nil && current.key == name {
		return current
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stores[name]
}

// byFile finds the store whose file is the one of info.
func (r *Registry) byFile(info os.FileInfo) (*Handle, string) {
	if current := r.currentOpen(); current != nil && current.holds(info) {
		return current, current.key
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
// store and every named one, which waits for their calls under way. Calls on them
// fail with ErrClosed from then on, and no task can be started. It closes them all
// also where one of them fails: the error of a file says whether its log holds
// what could not be brought into it. Closing twice is no error; Init opens the
// registry again.
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
	if current := r.current.Load(); current != nil {
		current.closed.Store(true)
		stores = append(stores, current)
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
