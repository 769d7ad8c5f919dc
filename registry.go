package extlibs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/scriptling-kv/extlibs/internal/kverr"
	"github.com/scriptling-kv/extlibs/internal/runtimelib"
)

// Registry holds the open stores of a host: the default store and the named stores.
// Scripts of several interpreters that use one registry share its stores. The functions
// of the package use DefaultRegistry; a host that wants separate sets of stores, for
// tests or tenants, creates several registries.
//
// A Registry is safe for concurrent use. The zero Registry has no options set.
type Registry struct {
	once sync.Once // see ready

	mu       sync.Mutex
	opts     options
	stores   map[string]*Handle    // by canonical name
	openings map[*opening]struct{} // in progress
	closing  map[*Handle]struct{}  // stores that have left the registry and are not closed yet
	registryCounts
	current atomic.Pointer[Handle] // the default store; nil before the first use. Changed under mu

	tasks  *runtimelib.Tasks // the background tasks of the scripts
	script onceObject        // the default store as scripts see it
}

// registryCounts are what a registry counts, under its lock.
type registryCounts struct {
	reserved int    // places among MaxStores that openings have
	created  int    // files that scripts have created, or are creating
	ended    bool   // Close was called, and Init has not been since
	closes   int    // calls of Registry.Close, which end the openings in progress
	changes  uint64 // additions to stores and changes of current
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

// Default returns the default store. Before the first Init it is in memory; after Close
// its calls fail with ErrClosed until the next Init.
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

// makeDefaultLocked makes h the default store and returns the previous one, which the
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

func (r *Registry) newHandle(name string, s Store, opts options) *Handle {
	o := &openStore{name: name, backend: s, whole: waiting{s}, place: onServer, opts: opts, popping: newExclusive(), lifecycle: lifecycle{owner: r, key: name, gone: make(chan struct{})}}
	h := &Handle{openStore: o}
	switch s := s.(type) {
	case *memory:
		o.place, o.whole, h.fast = inMemory, waitingMemory{s}, s
	case *diskStore:
		o.place = inFile
	}
	h.store = o.whole
	h.observer = newObserver(&o.opts)
	return h
}

// placeLocked returns an error if there is no place for one more store. r.mu is locked.
func (r *Registry) placeLocked(o options) error {
	if err := r.endedLocked(); err != nil {
		return err
	}
	if o.maxStores > 0 && len(r.stores)+r.reserved >= o.maxStores {
		return kverr.Errorf(ErrFull, "%d stores are open, the maximum; close some, or raise MaxStores in the host", o.maxStores)
	}
	return nil
}

// endedLocked returns ErrClosed after Close, until the next Init. r.mu is locked.
func (r *Registry) endedLocked() error {
	if r.ended {
		return kverr.Errorf(ErrClosed, "the registry is closed; the host must call Init before stores can be opened")
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

func (r *Registry) tasksOf() *runtimelib.Tasks {
	r.ready()
	return r.tasks
}

// Stores returns the open named stores, sorted by name.
func (r *Registry) Stores() []*Handle {
	r.ready()
	r.mu.Lock()
	defer r.mu.Unlock()
	stores := slices.AppendSeq(make([]*Handle, 0, len(r.stores)), maps.Values(r.stores))
	slices.SortFunc(stores, func(a, b *Handle) int { return strings.Compare(a.name, b.name) })
	return stores
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

// WaitTasks waits until no background task of the registry's scripts runs. For an
// orderly shutdown, stop everything that starts tasks, then call WaitTasks, then Close. WaitTasks returns
// the error of ctx if that ends first; the tasks then run until Close.
func (r *Registry) WaitTasks(ctx context.Context) error { return r.tasksOf().Wait(ctx) }

// Tasks returns the number of background tasks that run, and MaxTasks, 0 for no limit.
func (r *Registry) Tasks() (running, limit int) {
	return r.tasksOf().Running(), max(r.options().maxTasks, 0)
}
