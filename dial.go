package extlibs

import (
	"context"
	"errors"
	"net/url"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// openURL opens the store of a URL. All spellings of it are one store; the user
// and the password are a part of it, so that nobody gets at a store with another's.
// A script gives neither, also not for a store that is open: it would learn whether
// a password is right. No lock is held while the driver dials; others who want the
// same URL wait.
func (r *Registry) openURL(ctx context.Context, name string, a *access.List, script bool) (*Handle, error) {
	u, err := parseURL(name)
	if err != nil {
		if denied := a.AllowURL(name); denied != nil {
			return nil, denied
		}
		return nil, err
	}
	key := u.String()
	if err := a.AllowURL(key); err != nil {
		return nil, err
	}
	if script && u.User != nil {
		return nil, kverr.Errorf(ErrNotAllowed, "store %q: a script gives no user and no password; leave them out, and let the host configure them", shorten(shownURL(u)))
	}
	for {
		r.mu.Lock()
		if current := r.currentOpen(); current != nil && current.key == key {
			r.mu.Unlock()
			return current, nil
		}
		if h := r.stores[key]; h != nil {
			r.mu.Unlock()
			return h, nil
		}
		d := r.dialing[key]
		if d == nil {
			if err := r.reserveLocked(r.opts); err != nil {
				r.mu.Unlock()
				return nil, err
			}
			return r.dialLocked(ctx, u, r.opts, script)
		}
		r.mu.Unlock()
		select {
		case <-d.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Where the other one's own context ended it, this one dials itself.
		if d.err == nil || !errors.Is(d.err, context.Canceled) && !errors.Is(d.err, context.DeadlineExceeded) {
			return d.h, d.err
		}
	}
}

// dialLocked opens a URL that has a place among the stores. It gives up the lock
// at once.
func (r *Registry) dialLocked(ctx context.Context, u *url.URL, o options, script bool) (*Handle, error) {
	key, closes := u.String(), r.closes
	d := &dialing{done: make(chan struct{})}
	r.dialing[key] = d
	r.mu.Unlock()
	d.h, d.err = r.dial(ctx, u, o, script)
	r.mu.Lock()
	delete(r.dialing, key)
	r.reserved--
	closed := d.err == nil && r.closes != closes
	if d.err == nil && !closed {
		r.stores[key] = d.h
	}
	r.mu.Unlock()
	if closed {
		d.err = errors.Join(kverr.Errorf(ErrClosed, "the registry was closed while the store was being opened"), d.h.store.Close())
		d.h = nil
	}
	close(d.done)
	return d.h, d.err
}

// dial asks the driver, which gets a URL of its own.
func (r *Registry) dial(ctx context.Context, u *url.URL, o options, script bool) (h *Handle, err error) {
	defer func() {
		if p := recover(); p != nil { // others wait for this one
			h, err = nil, kverr.Errorf(ErrUnavailable, "store %q: its driver panicked", shownURL(u))
		}
	}()
	own := *u
	s, err := openDriver(ctx, &own, o, script)
	if err != nil {
		return nil, err
	}
	h = r.newHandle(shownURL(u), s, o)
	h.key = u.String()
	return h, nil
}

// dialDefault opens the URL of a store that is to be the default one, or returns
// it if it is open under a name.
func (r *Registry) dialDefault(ctx context.Context, name string, o options) (*Handle, error) {
	u, err := parseURL(name)
	if err != nil {
		return nil, err
	}
	if current := r.currentOpen(); current != nil && current.key == u.String() {
		current.closed.Store(true)
		if err := current.store.Close(); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	if h := r.stores[u.String()]; h != nil {
		r.mu.Unlock()
		return h, nil
	}
	if r.dialing[u.String()] != nil {
		r.mu.Unlock()
		return r.openURL(ctx, name, nil, false)
	}
	r.reserved++ // the default store needs no place
	return r.dialLocked(ctx, u, o, false)
}
