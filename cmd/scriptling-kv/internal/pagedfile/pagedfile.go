// Package pagedfile is a driver that reads the file of a store and lets go of its lock
// between pages, so that a program that starts meanwhile gets the file within its
// LockTimeout.
package pagedfile

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// Times of the lock. A program that waits for it tries every access.LockPause.
const (
	holdTime = 250 * time.Millisecond // after which a reader lets go of the lock between two calls
	gapTime  = 2 * access.LockPause   // for which it then does not have it
	restTime = 50 * time.Millisecond  // after which a reader that makes no calls lets go of it
)

// scheme is that of the URLs; errors show such a URL without its query.
const (
	scheme = "file"
	field  = "reader"
)

// files are the files that registries can open, by the numbers in their URLs.
var (
	files  sync.Map // of int64: *file
	number atomic.Int64
)

func init() {
	extlibs.RegisterDriver(scheme, func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		n, err := strconv.ParseInt(c.URL.Query().Get(field), 10, 64)
		f, ok := files.LoadAndDelete(n)
		if err != nil || !ok || c.FromScript {
			return nil, fmt.Errorf("%w: give the path of a file without a scheme", extlibs.ErrInvalid)
		}
		s := f.(*file)
		return s, s.use(ctx, func(extlibs.Store) error { return nil })
	})
}

// URL returns what a registry opens to read the file at an absolute path, once, with
// options of the library.
func URL(path string, opts ...extlibs.Option) string {
	n := number.Add(1)
	u := url.URL{Scheme: scheme, Path: filepath.ToSlash(path), RawQuery: field + "=" + strconv.FormatInt(n, 10)}
	if !strings.HasPrefix(u.Path, "/") { // the letter of a drive
		u.Path = "/" + u.Path
	}
	files.Store(n, &file{path: path, opts: append(opts, extlibs.ReadOnly()), turn: make(chan struct{}, 1)})
	return u.String()
}

// file is a file that is open from time to time. One call uses it at a time.
type file struct {
	path string
	opts []extlibs.Option
	turn chan struct{} // holds the call, or what closes the file

	// The following are guarded by turn.
	stores *extlibs.Registry // nil: the file is not open
	handle *extlibs.Handle
	since  time.Time // when the lock was taken
	rest   *time.Timer
	closed bool
}

var errClosed = fmt.Errorf("%w", extlibs.ErrClosed)

// use calls fn with the open store.
func (f *file) use(ctx context.Context, fn func(extlibs.Store) error) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.turn }()
	if f.closed {
		return errClosed
	}
	if f.rest != nil {
		f.rest.Stop()
	}
	if f.stores != nil && time.Since(f.since) > holdTime {
		if err := f.release(); err != nil {
			return err
		}
		select {
		case <-time.After(gapTime):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.stores == nil {
		stores := extlibs.NewRegistry(f.opts...)
		h, err := stores.Open(ctx, f.path)
		if err != nil {
			return errors.Join(f.plain(err), stores.Close())
		}
		f.stores, f.handle, f.since = stores, h, time.Now()
	}
	err := f.plain(fn(f.handle.Store()))
	f.rest = time.AfterFunc(restTime, f.relax)
	return err
}

// plain is an error of the library without the call and the store that it names: the
// handle above this one names both.
func (f *file) plain(err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "kv.open: ")
	return &plainError{err, strings.TrimPrefix(text, fmt.Sprintf("store %q: ", f.path))}
}

type plainError struct {
	error
	text string
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.error }

// relax lets go of the lock if no call is under way.
func (f *file) relax() {
	select {
	case f.turn <- struct{}{}:
		f.release() // it was only read; the next call opens it again
		<-f.turn
	default:
	}
}

func (f *file) release() error {
	if f.stores == nil {
		return nil
	}
	err := f.stores.Close()
	f.stores, f.handle = nil, nil
	return err
}

// Close implements extlibs.Store.
func (f *file) Close() error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.closed = true
	if f.rest != nil {
		f.rest.Stop()
	}
	return f.release()
}

// Load implements extlibs.Store.
func (f *file) Load(ctx context.Context, key string, need extlibs.Need) (e extlibs.Entry, err error) {
	err = f.use(ctx, func(s extlibs.Store) (err error) {
		e, err = s.Load(ctx, key, need)
		return err
	})
	return e, err
}

// LoadMany implements extlibs.Store.
func (f *file) LoadMany(ctx context.Context, keys []string, need extlibs.Need) (entries []extlibs.Entry, err error) {
	err = f.use(ctx, func(s extlibs.Store) (err error) {
		entries, err = s.LoadMany(ctx, keys, need)
		return err
	})
	return entries, err
}

// Scan implements extlibs.Store.
func (f *file) Scan(ctx context.Context, r extlibs.Range) (page extlibs.Page, err error) {
	err = f.use(ctx, func(s extlibs.Store) (err error) {
		page, err = s.Scan(ctx, r)
		return err
	})
	return page, err
}

// Len implements extlibs.Store.
func (f *file) Len(ctx context.Context) (n int, err error) {
	err = f.use(ctx, func(s extlibs.Store) (err error) {
		n, err = s.Len(ctx)
		return err
	})
	return n, err
}

// Stats implements extlibs.StatsReporter.
func (f *file) Stats(ctx context.Context) (s extlibs.Stats, err error) {
	err = f.use(ctx, func(extlibs.Store) (err error) {
		s, err = f.handle.Stats(ctx)
		return err
	})
	return s, err
}

var errReadOnly = fmt.Errorf("%w", extlibs.ErrReadOnly)

// Apply implements extlibs.Store.
func (f *file) Apply(context.Context, extlibs.Op) (extlibs.Result, error) {
	return extlibs.Result{}, errReadOnly
}

// ApplyMany implements extlibs.Store.
func (f *file) ApplyMany(context.Context, []extlibs.Op) ([]extlibs.Result, error) {
	return nil, errReadOnly
}

// Clear implements extlibs.Store.
func (f *file) Clear(context.Context) error { return errReadOnly }
