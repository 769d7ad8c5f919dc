package extlibs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Init opens the default store: "" in memory, else a file's path or the URL of
// a driver. It adds opts to those of the registry, for this and all later
// opens, and closes the default store that was there before. Where it fails, opts
// are forgotten and that store stays, unless it is the very file or URL that was
// to be opened. An error of closing that store is returned too; the new one is
// open then.
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
		if h, err = r.openDefault(ctx, path, o); err != nil {
			return inCall("init", err)
		}
	}
	r.mu.Lock()
	r.opts.apply(opts)
	r.mu.Unlock()
	h.isDefault.Store(true)
	r.tasks.Open()
	if old := r.current.Swap(h); old != nil && old != h {
		return inCall("init", old.store.Close())
	}
	return nil
}

// openDefault opens a file that is to be the default one.
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
	return r.openFile(ctx, name, nil, o)
}

// Open opens the store of a name, or returns it if it is open: ":memory:NAME", the
// path of a file, created if it does not exist, or the URL of a driver. Every
// spelling of one file is one store. ctx bounds the opening alone. What cannot be
// a name is ErrInvalid, a file that somebody else has open ErrInUse after
// LockTimeout, one that is no store ErrFormat or ErrCorrupt, and one store more
// than MaxStores ErrFull.
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
	creates := script && !fileExists(name, a)
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
	h, err = r.openFile(ctx, name, a, o)
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

// openFile opens a file that is not open yet.
func (r *Registry) openFile(ctx context.Context, name string, a *access.List, o options) (*Handle, error) {
	loc, err := a.Locate(name)
	if err != nil {
		return nil, err
	}
	s, err := openBolt(ctx, loc, o)
	if err != nil {
		if p, ok := err.(*fs.PathError); ok { // the path is the name, or what it stands for
			err = fmt.Errorf("%s: %w", p.Op, p.Err)
		}
		if errors.Is(err, ErrCorrupt) {
			err = fmt.Errorf("%w; the command scriptling-kv check says what can be saved", err)
		}
		return nil, fmt.Errorf("store %q: %w", shorten(name), err)
	}
	return r.newHandle(loc.Path, s, o), nil
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

// fileExists reports whether the file of a name is there, also where it may not be
// looked at.
func fileExists(name string, a *access.List) bool {
	loc, err := a.Locate(name)
	if err == nil {
		_, err = loc.Stat()
	}
	return !errors.Is(err, fs.ErrNotExist)
}
