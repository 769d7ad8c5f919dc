package extlibs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// fileRequest is a file that a caller wants to have open.
type fileRequest struct {
	name      string // as the caller knows it
	loc       access.Location
	script    bool
	asDefault bool
	options   options
}

// openFile opens a file, or returns its store if it is open. Its errors do not
// name the store. closeErr is that of the former default store.
func (r *Registry) openFile(ctx context.Context, q fileRequest) (h *Handle, closeErr, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		found, err := r.findFile(q)
		if err != nil {
			return nil, nil, err
		}
		o := found.opening
		switch {
		case found.h != nil:
			return found.h, nil, nil
		case found.closing != nil:
			select {
			case <-found.closing.gone:
			case <-ctx.Done():
				return nil, nil, kverr.Errorf(ctx.Err(), "the store is still being closed: %w", ctx.Err())
			}
			continue
		}
		err = r.wait(ctx, o)
		switch {
		case err == nil && found.mine:
			return o.h, o.closeErr, nil
		case err == nil, errors.Is(err, errOpenHere), !found.mine && again(err):
			continue // the access list of this caller has to allow the file too
		}
		return nil, nil, err
	}
}

// errOpenHere ends the opening of a file that another opening, an open store or one
// that is being closed has in this registry. They are found by then.
var errOpenHere = errors.New("this registry has the file open")

// claim notes that o is about to lock the file of info, which it has found or made.
// It fails if the file is that of another store of the registry: two spellings of the
// name of a file that did not exist, or a file that was replaced meanwhile.
func (r *Registry) claim(o *opening, info os.FileInfo) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other := range r.openings {
		if other != o && other.has(info) {
			return errOpenHere
		}
	}
	stores := append(r.openHandlesLocked(), slices.Collect(maps.Keys(r.closing))...)
	for _, h := range stores {
		if s, ok := h.backend.(*diskStore); ok && s.HoldsFile(info) {
			return errOpenHere
		}
	}
	o.infos = append(o.infos, info)
	return nil
}

// foundFile is what the registry has of a file: one of the three.
type foundFile struct {
	h       *Handle
	closing *Handle
	opening *opening // which counts the caller
	mine    bool     // it was started for the caller
}

// findFile finds the open store of a file, or else its closing or opening. If there
// is none of them it starts the opening.
func (r *Registry) findFile(q fileRequest) (foundFile, error) {
	for {
		info, statErr := q.loc.Stat()
		if errors.Is(statErr, ErrNotAllowed) {
			return foundFile{}, statErr
		}
		if statErr != nil { // there is none, or it cannot be reached: opening will tell
			info = nil
		}
		r.mu.Lock()
		changes := r.changes
		open := r.openHandlesLocked()
		r.mu.Unlock()
		h := holderOf(open, q.loc.Path, info)
		if h == nil && info != nil {
			if now, err := q.loc.Stat(); err != nil || !os.SameFile(now, info) {
				continue // Compact has put another file in its place meanwhile
			}
		}
		r.mu.Lock()
		if r.changes != changes {
			r.mu.Unlock()
			continue
		}
		found, done, err := r.claimLocked(q, h, info, statErr)
		r.mu.Unlock()
		if done {
			return found, err
		}
	}
}

// claimLocked is findFile for a file that h holds, if any store does. It reports
// false if that has changed. r.mu is locked.
func (r *Registry) claimLocked(q fileRequest, h *Handle, info os.FileInfo, statErr error) (found foundFile, done bool, err error) {
	o := &opening{key: q.loc.Path, isFile: true, asDefault: q.asDefault}
	if info != nil {
		o.infos = append(o.infos, info)
	}
	open := func(ctx context.Context) (*Handle, error) { return r.openDiskHandle(ctx, o, q) }
	switch {
	case h != nil && !q.asDefault:
		return foundFile{h: h}, true, nil
	case h != nil && r.stores[h.key] == h: // a named store becomes the default one
		return foundFile{h: h}, true, nil
	case h != nil && h == r.current.Load() && !h.closed.Load():
		// The default store is opened again, with other options. Nobody else opens the
		// file in between.
		h.closed.Store(true)
		r.changes++
		open = func(ctx context.Context) (*Handle, error) {
			if err := r.shut(ctx, h); err != nil {
				return nil, err
			}
			return r.openDiskHandle(ctx, o, q)
		}
	case h != nil:
		return found, false, nil
	default:
		for o := range r.openings {
			if o.matches(q.loc.Path, info) {
				o.waiting++
				return foundFile{opening: o}, true, nil
			}
		}
		for h := range r.closing {
			if _, isFile := h.backend.(*diskStore); isFile && (h.key == q.loc.Path || info != nil && h.holds(info)) {
				return foundFile{closing: h}, true, nil
			}
		}
	}
	if !q.asDefault {
		o.creates = q.script && errors.Is(statErr, fs.ErrNotExist)
		if o.creates && q.options.maxCreatedFiles >= 0 && r.created >= q.options.maxCreatedFiles {
			return found, true, kverr.Errorf(ErrFull, "it does not exist, and scripts have created %d files, their limit; use one that exists, or let the host raise MaxCreatedFiles", r.created)
		}
		if err := r.placeLocked(q.options); err != nil {
			return found, true, err
		}
		o.place = true
	}
	r.startLocked(o, open)
	return foundFile{opening: o, mine: true}, true, nil
}

// openHandlesLocked returns the stores that are open and not in memory. r.mu is
// locked.
func (r *Registry) openHandlesLocked() []*Handle {
	var open []*Handle
	if h := r.currentOpen(); h != nil && h.place != inMemory {
		open = append(open, h)
	}
	for _, h := range r.stores {
		if h.place != inMemory {
			open = append(open, h)
		}
	}
	return open
}

// holderOf finds the store whose file is that of info. For a path that leads to no
// file it is the store of that name, whose file was deleted.
func holderOf(open []*Handle, path string, info os.FileInfo) *Handle {
	for _, h := range open {
		if info != nil && h.holds(info) || info == nil && h.key == path {
			return h
		}
	}
	return nil
}

func (h *Handle) holds(info os.FileInfo) bool {
	s, ok := h.backend.(FileHolder)
	return ok && s.HoldsFile(info)
}

// openDiskHandle opens a file that is not open in this registry.
func (r *Registry) openDiskHandle(ctx context.Context, o *opening, q fileRequest) (*Handle, error) {
	s, err := openDisk(ctx, q.loc, q.options, func(info os.FileInfo) error { return r.claim(o, info) })
	if err != nil {
		return nil, err
	}
	return r.newHandle(q.loc.Path, s, q.options), nil
}

// openError completes the error of opening a file with the name that the caller
// has for it.
func openError(name string, err error) error {
	if err == nil || errors.Is(err, ErrNotAllowed) { // which has the name
		return err
	}
	err = kverr.WithoutPath(err)
	if errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w; the command scriptling-kv check says what can be saved", err)
	}
	return &storeError{store: name, err: err}
}

// CompactFile rewrites a file that no process has open, as Handle.Compact does, including
// the changes in its log. A file that does not exist is fs.ErrNotExist; one that is open
// is ErrInUse.
func CompactFile(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return inCall("compact", &storeError{store: path, err: fs.ErrNotExist})
	}
	r := NewRegistry()
	h, err := r.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(h.Compact(ctx), r.Close())
}
