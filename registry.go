package extlibs

import (
	"context"
	"errors"
	"maps"
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

	mu       sync.Mutex
	opts     options
	stores   map[string]*Handle     // by canonical name
	openings map[*opening]struct{}  // under way
	closing  map[*Handle]struct{}   // stores in files that have left and are not closed yet
	reserved int                    // stores that are being opened and have a place
	created  int                    // files that scripts have created, or are creating
	closes   int                    // calls of Close: what was being opened during one is closed
	changes  uint64                 // of stores and current: how often a store was added
	current  atomic.Pointer[Handle] // the default store; nil before the first use. Changed under mu

	tasks  *runtimelib.Tasks // the background tasks of the scripts
	script onceObject        // the default store as scripts see it
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
		r.opts = newOptions(opts)
		r.stores = map[string]*Handle{}
		r.openings = map[*opening]struct{}{}
		r.closing = map[*Handle]struct{}{}
		r.tasks = runtimelib.NewTasks(func() int { return r.options().maxTasks }, r.taskFailed, inheritedByTask)
	})
}

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
	r.makeDefaultLocked(h)
	return h
}

// makeDefaultLocked makes h the default store and returns the former one, which the
// caller closes. r.mu is locked.
func (r *Registry) makeDefaultLocked(h *Handle) (old *Handle) {
	h.isDefault.Store(true)
	r.changes++
	if old = r.current.Swap(h); old == nil || old == h {
		return nil
	}
	r.retireLocked(old)
	return old
}

// retireLocked notes that a store which has left the registry is going to be closed:
// whoever opens its file waits for that. r.mu is locked.
func (r *Registry) retireLocked(h *Handle) {
	select {
	case <-h.gone:
	default:
		r.closing[h] = struct{}{}
	}
}

func (r *Registry) newHandle(name string, s Store, opts options) *Handle {
	m, inMemory := s.(*memory)
	h := &Handle{name: name, key: name, store: s, memory: m, inMemory: inMemory, opts: opts, counters: &counters{}, gone: make(chan struct{}), remove: r.closeNamed, current: r.Default}
	h.whole = h
	return h
}

// placeLocked reports that there is a place for one more store. r.mu is locked.
func (r *Registry) placeLocked(o options) error {
	if o.maxStores > 0 && len(r.stores)+r.reserved >= o.maxStores {
		return kverr.Errorf(ErrFull, "%d stores are open, the limit; close some, or let the host raise MaxStores", o.maxStores)
	}
	return nil
}

// currentOpen returns the default store if there is one and it is not closed.
func (r *Registry) currentOpen() *Handle {
	if current := r.current.Load(); current != nil && !current.closed.Load() {
		return current
	}
	return nil
}

func (r *Registry) closeNamed(ctx context.Context, h *Handle) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	if h.isDefault.Load() { // it has just become the default store
		r.mu.Unlock()
		return nil
	}
	if r.stores[h.key] == h {
		delete(r.stores, h.key)
		r.retireLocked(h)
	}
	r.mu.Unlock()
	return r.shut(ctx, h)
}

// Close ends the background tasks of the registry's scripts through their
// contexts and waits for them, at most five seconds; then it closes the default
// store and every named one, which waits for their calls under way. Calls on them
// fail with ErrClosed from then on, and no task can be started. Files that are being
// opened are not opened: Open returns ErrClosed. Close closes all stores
// also where one of them fails: the error of a file says whether its log holds
// what could not be brought into it. Closing twice is no error; Init opens the
// registry again.
func (r *Registry) Close() error {
	tasksErr := r.tasksOf().Close()
	r.mu.Lock()
	r.closes++
	var opening []*opening
	for o := range r.openings {
		o.cancel()
		if o.isFile { // a driver takes its time
			opening = append(opening, o)
		}
	}
	closing := slices.Collect(maps.Keys(r.closing)) // by somebody else, who hears how it ends
	stores := slices.Collect(maps.Values(r.stores))
	clear(r.stores)
	if current := r.current.Load(); current != nil {
		current.closed.Store(true)
		stores = append(stores, current)
	}
	for _, h := range stores {
		r.retireLocked(h)
	}
	r.mu.Unlock()
	errs := []error{tasksErr}
	for _, h := range stores {
		errs = append(errs, r.shut(context.Background(), h))
	}
	for _, o := range opening {
		<-o.done
	}
	for _, h := range closing {
		<-h.gone
	}
	return inCall("close", errors.Join(errs...))
}

func (r *Registry) tasksOf() *runtimelib.Tasks {
	r.ready()
	return r.tasks
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
