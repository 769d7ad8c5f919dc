package extlibs

import (
	"context"
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
		if denied := a.AllowMalformedURL(name); denied != nil {
			return nil, denied
		}
		return nil, err
	}
	if err := a.AllowURL(u); err != nil {
		return nil, err
	}
	if script && u.User != nil {
		return nil, &storeError{store: shownURL(u), err: kverr.Errorf(ErrNotAllowed, "a script gives no user and no password; leave them out, and let the host configure them")}
	}
	h, _, err := r.openKey(ctx, u, r.options(), script, false)
	return h, err
}

// openKey opens the URL of a store, or returns the store if it is open.
func (r *Registry) openKey(ctx context.Context, u *url.URL, opts options, script, asDefault bool) (h *Handle, closeErr, err error) {
	for {
		h, o, mine, err := r.claimURL(u, opts, script, asDefault)
		if h != nil || err != nil {
			return h, nil, err
		}
		switch err := r.wait(ctx, o); {
		case err == nil && mine:
			return o.h, o.closeErr, nil
		case ctx.Err() != nil:
			return nil, nil, &storeError{store: shownURL(u), err: err}
		case err == nil, !mine && (again(err) || o.script != script):
			continue
		default:
			return nil, nil, err
		}
	}
}

// claimURL finds the open store of a URL, or else its opening, which it starts if
// there is none.
func (r *Registry) claimURL(u *url.URL, opts options, script, asDefault bool) (h *Handle, o *opening, mine bool, err error) {
	key := u.String()
	open := func(ctx context.Context) (*Handle, error) { return r.dial(ctx, u, opts, script) }
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.currentOpen()
	if current != nil && current.key != key {
		current = nil
	}
	switch {
	case current != nil && asDefault: // it is opened again, with other options
		current.closed.Store(true)
		open = func(ctx context.Context) (*Handle, error) {
			if err := r.shut(ctx, current); err != nil {
				return nil, err
			}
			return r.dial(ctx, u, opts, script)
		}
	case current != nil:
		return current, nil, false, nil
	case r.stores[key] != nil:
		return r.stores[key], nil, false, nil
	}
	for o := range r.openings {
		if !o.isFile && o.key == key {
			o.waiting++
			return nil, o, false, nil
		}
	}
	o = &opening{key: key, asDefault: asDefault, script: script}
	if !asDefault { // the default store needs no place
		if err := r.placeLocked(opts); err != nil {
			return nil, nil, false, err
		}
		o.place = true
	}
	r.startLocked(o, open)
	return nil, o, true, nil
}

// dial asks the driver, which gets a copy of the URL.
func (r *Registry) dial(ctx context.Context, u *url.URL, o options, script bool) (*Handle, error) {
	own := *u
	s, err := openDriver(ctx, &own, o, script)
	if err != nil {
		return nil, err
	}
	h := r.newHandle(shownURL(u), s, o)
	h.key = u.String()
	return h, nil
}

// dialDefault opens the URL of a store that is to be the default one, or returns
// it if it is open under a name.
func (r *Registry) dialDefault(ctx context.Context, name string, o options) (h *Handle, closeErr, err error) {
	u, err := parseURL(name)
	if err != nil {
		return nil, nil, err
	}
	return r.openKey(ctx, u, o, false, true)
}
