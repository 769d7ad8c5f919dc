package extlibs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// openFile is openStore for the path of a file.
func (r *Registry) openFile(ctx context.Context, q request) (h *Handle, closeErr, err error) {
	loc, err := q.allowed.Locate(q.name)
	if err == nil {
		err = q.options.forStore(fileStores, loc.Path, q.given, q.script)
	}
	if err == nil {
		h, closeErr, err = r.await(ctx, q, func() (found, error) { return r.findFile(ctx, q, loc) })
		err = openError(q.name, err)
	}
	return h, closeErr, err
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

// findFile finds the open store of a file, or else its closing or opening. If there
// is none of them it starts the opening.
func (r *Registry) findFile(ctx context.Context, q request, loc access.Location) (found, error) {
	for {
		if err := ctx.Err(); err != nil {
			return found{}, err
		}
		info, statErr := loc.Stat()
		if errors.Is(statErr, ErrNotAllowed) {
			return found{}, statErr
		}
		if statErr != nil { // there is none, or it cannot be reached: opening will tell
			info = nil
		}
		r.mu.Lock()
		changes := r.changes
		open := r.openHandlesLocked()
		r.mu.Unlock()
		h := holderOf(open, loc.Path, info)
		if h == nil && info != nil {
			if now, err := loc.Stat(); err != nil || !os.SameFile(now, info) {
				continue // Compact has put another file in its place meanwhile
			}
		}
		r.mu.Lock()
		if r.changes != changes {
			r.mu.Unlock()
			continue
		}
		f, done, err := r.claimLocked(q, loc, h, info, statErr)
		r.mu.Unlock()
		if done {
			return f, err
		}
	}
}

// claimLocked is findFile for a file that h holds, if any store does. It reports
// false if that has changed. r.mu is locked.
func (r *Registry) claimLocked(q request, loc access.Location, h *Handle, info os.FileInfo, statErr error) (f found, done bool, err error) {
	o := &opening{key: loc.Path, isFile: true, asDefault: q.asDefault}
	if info != nil {
		o.infos = append(o.infos, info)
	}
	open := func(ctx context.Context) (*Handle, error) { return r.openDiskHandle(ctx, o, loc, q.options) }
	switch {
	case h != nil && !q.asDefault, h != nil && r.stores[h.key] == h: // a named store can become the default one
		return found{h: h}, true, nil
	case h != nil && h == r.current.Load() && !h.closed.Load():
		open = r.reopenLocked(h, open)
		f, err = r.startLocked(o, q, open)
		return f, true, err
	case h != nil:
		return f, false, nil
	}
	if other := r.joinLocked(o); other != nil {
		return found{opening: other}, true, nil
	}
	for h := range r.closing {
		if h.place == inFile && (h.key == loc.Path || info != nil && h.holds(info)) {
			return found{closing: h}, true, nil
		}
	}
	o.creates = q.script && !q.asDefault && errors.Is(statErr, fs.ErrNotExist)
	f, err = r.startLocked(o, q, open)
	return f, true, err
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
func (r *Registry) openDiskHandle(ctx context.Context, o *opening, loc access.Location, opts options) (*Handle, error) {
	began := time.Now()
	s, err := openDisk(ctx, loc, opts, func(info os.FileInfo) error { return r.claim(o, info) })
	if err != nil {
		return nil, err
	}
	opts.logger.Info("kv: opened a store", "store", loc.Path, "duration", time.Since(began))
	return r.newHandle(loc.Path, s, opts), nil
}

// openError completes the error of opening a file with the name that the caller
// has for it.
func openError(name string, err error) error {
	if err == nil || errors.Is(err, ErrNotAllowed) { // which has the name
		return err
	}
	err = kverr.WithoutPath(err)
	if errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w; run scriptling-kv check to see what can be saved", err)
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
