package extlibs

import (
	"context"
	"net/url"
	"time"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// openURL opens the store of a URL. All spellings of it are one store; the user
// and the password are a part of it, so that no caller reaches a store with another's password.
// A script gives neither, also not for a store that is open: it would learn whether
// a password is right. No lock is held while the driver dials; others who want the
// same URL wait.
func (r *Registry) openURL(ctx context.Context, q request) (h *Handle, closeErr, err error) {
	u, err := parseURL(q.name)
	if err != nil {
		if denied := q.allowed.AllowMalformedURL(q.name); denied != nil {
			return nil, nil, denied
		}
		return nil, nil, err
	}
	if err := q.allowed.AllowURL(u); err != nil {
		return nil, nil, err
	}
	if q.script && u.User != nil {
		return nil, nil, &storeError{store: shownURL(u), err: kverr.Errorf(ErrNotAllowed, "a script's URL cannot contain a user or a password; remove them, and configure them in the host")}
	}
	if err := q.options.forStore(serverStores, shownURL(u), q.given, q.script); err != nil {
		return nil, nil, &storeError{store: shownURL(u), err: err}
	}
	h, closeErr, err = r.await(ctx, q, func() (found, error) { return r.findURL(q, u) })
	if err != nil && ctx.Err() != nil {
		err = &storeError{store: shownURL(u), err: err}
	}
	return h, closeErr, err
}

// findURL finds the open store of a URL, or else its opening. If there is neither it
// starts the opening.
func (r *Registry) findURL(q request, u *url.URL) (found, error) {
	key := u.String()
	open := func(ctx context.Context) (*Handle, error) { return r.dial(ctx, u, q) }
	r.mu.Lock()
	defer r.mu.Unlock()
	switch current := r.currentOpen(); {
	case current != nil && current.key == key && q.asDefault:
		open = r.reopenLocked(current, open)
	case current != nil && current.key == key:
		return found{h: current}, nil
	case r.stores[key] != nil:
		return found{h: r.stores[key]}, nil
	}
	o := &opening{key: key, asDefault: q.asDefault, script: q.script}
	if other := r.joinLocked(o); other != nil {
		return found{opening: other}, nil
	}
	return r.startLocked(o, q, open)
}

// dial asks the driver, which gets a copy of the URL.
func (r *Registry) dial(ctx context.Context, u *url.URL, q request) (*Handle, error) {
	own, began := *u, time.Now()
	s, err := openDriver(ctx, &own, q.options, q.script)
	if err != nil {
		return nil, err
	}
	h := r.newHandle(shownURL(u), s, q.options)
	h.key = u.String()
	q.options.logger.Info("kv: opened a store", "store", h.name, "duration", time.Since(began))
	return h, nil
}
