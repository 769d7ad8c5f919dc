package extlibs

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// opening is one store being opened, on a goroutine that belongs to no caller.
// All callers that want the store share it. Each of them waits as long as its own
// context allows; when the last one has given up, the opening is cancelled. So a
// file that is in use delays only the callers that want this very file.
type opening struct {
	key       string        // in Registry.stores: the path of a file, or a URL
	isFile    bool          //
	infos     []os.FileInfo // of the file, as it was found and created; guarded by Registry.mu
	asDefault bool          // the store becomes the default one
	script    bool          // a script gave the URL, which can say less than a host's
	reservation

	cancel  context.CancelFunc
	waiting int           // callers; guarded by Registry.mu
	done    chan struct{} // closed when the result is set
	openingResult
}

// reservation is what an opening has of the registry's limits.
type reservation struct {
	place   bool // among MaxStores
	creates bool // among MaxCreatedFiles
}

type openingResult struct {
	h        *Handle
	err      error // does not name the store: each caller has a name for it
	closeErr error // of the previous default store
}

// joinLocked returns the opening of the same store as o, if there is one, which then
// waits for one more caller. r.mu is locked.
func (r *Registry) joinLocked(o *opening) *opening {
	for other := range r.openings {
		if other.isFile == o.isFile && (other.key == o.key || slices.ContainsFunc(o.infos, other.has)) {
			other.waiting++
			return other
		}
	}
	return nil
}

func (o *opening) has(info os.FileInfo) bool {
	return slices.ContainsFunc(o.infos, func(known os.FileInfo) bool { return os.SameFile(known, info) })
}

// errAbandoned is the reason why an opening ended that no caller waited for. A caller
// that came too late for it starts another one.
var errAbandoned = errors.New("no caller waits for the store")

// found is what the registry has of a store: one of the three.
type found struct {
	h       *Handle
	closing *Handle
	opening *opening // which waits for the caller
	mine    bool     // it was started for the caller
}

// await returns the store that find finds, once it is open.
func (r *Registry) await(ctx context.Context, q request, find func() (found, error)) (h *Handle, closeErr, err error) {
	for {
		f, err := find()
		o := f.opening
		switch {
		case err != nil:
			return nil, nil, err
		case f.h != nil:
			h, err := q.checked(f.h)
			return h, nil, err
		case f.closing != nil:
			select {
			case <-f.closing.gone:
				continue
			case <-ctx.Done():
				return nil, nil, kverr.Errorf(ctx.Err(), "the store is still being closed: %w", ctx.Err())
			}
		}
		switch err := r.wait(ctx, o); {
		case err == nil && f.mine:
			return o.h, o.closeErr, nil
		case err == nil: // find it: the access list of this caller has to allow it too
		case ctx.Err() != nil:
			return nil, nil, err
		case errors.Is(err, errOpenHere), !f.mine && (again(err) || !o.isFile && o.script != q.script):
			// The error is that of the other caller alone.
		default:
			return nil, nil, err
		}
	}
}

// reopenLocked closes the default store h, which is opened again with other options, and
// returns open for then. No other caller opens the store in between: until h is closed it is
// found among the stores being closed, under each name of its file. r.mu is locked.
func (r *Registry) reopenLocked(h *Handle, open func(context.Context) (*Handle, error)) func(context.Context) (*Handle, error) {
	h.closed.Store(true)
	r.retireLocked(h)
	r.changes++
	return func(ctx context.Context) (*Handle, error) {
		if err := r.shut(ctx, h); err != nil {
			return nil, err
		}
		return open(ctx)
	}
}

// startLocked starts o for one waiting caller, if the limits allow it. The default store
// needs no place. r.mu is locked.
func (r *Registry) startLocked(o *opening, q request, open func(context.Context) (*Handle, error)) (found, error) {
	if err := r.endedLocked(); err != nil && !q.asDefault {
		return found{}, err
	}
	if o.creates && q.options.maxCreatedFiles >= 0 && r.created >= q.options.maxCreatedFiles {
		return found{}, kverr.Errorf(ErrFull, "the file does not exist, and scripts have created %d files, the maximum; use an existing file, or raise MaxCreatedFiles in the host", r.created)
	}
	if !q.asDefault {
		if err := r.placeLocked(q.options); err != nil {
			return found{}, err
		}
		o.place = true
		r.reserved++
	}
	if o.creates {
		r.created++
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel, o.done, o.waiting = cancel, make(chan struct{}), 1
	closes := r.closes
	r.openings[o] = struct{}{}
	go func() {
		defer cancel()
		h, err := r.runOpening(ctx, o, open)
		r.finish(ctx, o, h, err, closes)
	}()
	return found{opening: o, mine: true}, nil
}

// runOpening turns a panic into an error: callers wait for this opening.
func (r *Registry) runOpening(ctx context.Context, o *opening, open func(context.Context) (*Handle, error)) (h *Handle, err error) {
	defer func() {
		if p := recover(); p != nil {
			who := "its driver"
			if o.isFile {
				who = "opening it"
			}
			r.options().logger.Error("kv: opening a store panicked", "panic", p, "stack", string(debug.Stack()))
			h, err = nil, kverr.Errorf(ErrUnavailable, "%s panicked; report this bug with the stack in the host's log", who)
		}
	}()
	return open(ctx)
}

// finish ends an opening. A store that no caller waits for is closed again.
func (r *Registry) finish(ctx context.Context, o *opening, h *Handle, err error, closes int) {
	r.mu.Lock()
	var unwanted, old *Handle
	switch {
	case r.closes != closes && (err == nil || ctx.Err() != nil):
		unwanted, h = h, nil
		err = kverr.Errorf(ErrClosed, "the registry was closed while the store was being opened")
	case err == nil && o.waiting == 0, err != nil && ctx.Err() != nil:
		unwanted, h, err = h, nil, errAbandoned
	case err == nil && o.asDefault:
		old = r.makeDefaultLocked(h)
	case err == nil:
		if old = r.stores[h.key]; old != nil { // its file has another name by now, or none
			r.retireLocked(old)
		}
		r.stores[h.key] = h
		r.changes++
	}
	if unwanted != nil {
		r.retireLocked(unwanted)
	}
	delete(r.openings, o)
	if o.place {
		r.reserved--
	}
	if o.creates && err != nil {
		r.created--
	}
	r.mu.Unlock()
	if unwanted != nil {
		if closeErr := r.shut(context.Background(), unwanted); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
	}
	if old != nil {
		o.closeErr = r.shut(context.Background(), old)
		if o.closeErr != nil && !o.asDefault {
			r.options().logger.Warn("kv: a store whose file was replaced was closed with an error", "store", old.name, "error", o.closeErr)
			o.closeErr = nil
		}
	}
	o.h, o.err = h, err
	close(o.done)
}

// wait waits for an opening that counts its caller.
func (r *Registry) wait(ctx context.Context, o *opening) error {
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	r.mu.Lock()
	if o.waiting--; o.waiting == 0 {
		o.cancel()
	}
	r.mu.Unlock()
	if !o.isFile {
		return kverr.Errorf(ErrUnavailable, "the server has not answered yet: %w", ctx.Err())
	}
	return kverr.Errorf(ctx.Err(), "the store is still being opened: %w", ctx.Err())
}

// again reports whether a caller that waited for another caller's opening has to
// look again: the outcome was that one's alone.
func again(err error) bool { return errors.Is(err, errAbandoned) || errors.Is(err, ErrNotAllowed) }
