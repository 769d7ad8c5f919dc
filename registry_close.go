package extlibs

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Close cancels the contexts of the background tasks and waits for the tasks, at most
// five seconds; then it closes the default store and every named store, which waits for
// their running calls. Later calls on them, and later calls of Open, fail with ErrClosed,
// tasks cannot start, and files that are being opened are not opened. Close closes all
// stores even if one fails; the error of a file reports whether its log still holds changes.
// Closing twice is no error; Init opens the registry again.
func (r *Registry) Close() error {
	tasksErr := r.tasksOf().Close()
	r.mu.Lock()
	r.closes++
	r.ended = true
	var opening []*opening
	for o := range r.openings {
		o.cancel()
		if o.isFile { // a driver takes its time
			opening = append(opening, o)
		}
	}
	closing := slices.Collect(maps.Keys(r.closing)) // by another caller, which gets the error
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

// retireLocked notes that a store which has left the registry is going to be closed:
// a caller that opens its file waits for that. r.mu is locked.
func (r *Registry) retireLocked(h *Handle) {
	select {
	case <-h.gone:
	default:
		r.closing[h] = struct{}{}
	}
}

// shut closes the store of a handle that has left the registry, once, and waits
// until it is closed or ctx ends. Then the closing continues, and a caller that opens the
// file waits for it.
func (r *Registry) shut(ctx context.Context, h *Handle) error {
	h.shutOnce.Do(func() {
		if h.place == inMemory {
			r.closeStore(h)
		} else {
			go r.closeStore(h)
		}
	})
	select {
	case <-h.gone:
		return h.closeErr
	case <-ctx.Done():
	}
	h.orphaned.Do(func() {
		go func() {
			if <-h.gone; h.closeErr != nil {
				h.opts.logger.Error("kv: a store was closed with an error after its caller had stopped waiting", "store", h.name, "error", h.closeErr)
			}
		}()
	})
	return kverr.Errorf(ctx.Err(), "the store is still being closed, in the background: %w", ctx.Err())
}

func (r *Registry) closeStore(h *Handle) {
	defer func() {
		if p := recover(); p != nil {
			h.opts.logger.Error("kv: closing a store panicked", "store", h.name, "panic", p, "stack", string(debug.Stack()))
			h.closeErr = kverr.Errorf(ErrUnavailable, "closing the store panicked; report this bug with the stack in the host's log")
		}
		r.mu.Lock()
		delete(r.closing, h)
		r.mu.Unlock()
		close(h.gone)
	}()
	h.watching.hub.Close()
	h.closeErr = h.backend.Close()
}
