package extlibs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Handle is an open store, as Registry.Open and Registry.Default return it, with
// the calls that hosts make. They check keys, values and limits before the
// backend sees them, count, and say in errors which store and key they are
// about. What a backend does not have is derived from what it has, here and
// nowhere else.
//
// A key is 1 to MaxKeyBytes of UTF-8, a ttl 0 for no expiry or from MinTTL to
// MaxTTL, a pattern what docs/patterns.md describes; anything else is ErrInvalid.
// Errors that any call may return besides those that it names are ErrClosed,
// ErrCorrupt, ErrUnavailable and the context's; of a write also ErrFull,
// ErrReadOnly, ErrReplaced and ErrCommitUnknown.
//
// A Handle is safe for concurrent use. All handles of one store share it.
type Handle struct {
	name     string // as it is shown
	key      string // in the registry, where it is not the name: a URL with its password
	store    Store
	memory   *memory // the store, if it is one, for the short ways of backend_memory_ways.go
	inMemory bool    // calls never wait
	opts     options

	isDefault atomic.Bool
	closed    atomic.Bool                          // by the registry, which still has it as its default store
	gone      chan struct{}                        // closed when the store is
	closeErr  error                                // of closing it; set before gone is closed
	shutOnce  sync.Once                            // see Registry.shut
	orphaned  sync.Once                            // its closing has a goroutine that logs its error
	remove    func(context.Context, *Handle) error // takes it out of the registry and closes it
	current   func() *Handle                       // the registry's default store now
	script    onceObject                           // the store as scripts see it; not of a view
	counters  *counters
	flights   flights // of the whole store
	turns     turns   // of the whole store

	whole     *Handle // the store that this is a view of; itself if it is none
	prefix    string  // of a view
	prefixErr error   // why no key can be in the view
}

// onceObject is an object for scripts that is made when the first of them asks.
type onceObject struct {
	once    sync.Once
	builtin *object.Builtin
}

func (o *onceObject) get(create func() *object.Builtin) *object.Builtin {
	o.once.Do(func() { o.builtin = create() })
	return o.builtin
}

// Name returns the store's name: what Open was given, an absolute path for a
// file, a URL without user, password and query, and "default" for an in-memory
// default store.
func (h *Handle) Name() string { return h.name }

// Close closes the store at once and takes it out of the registry, so that the
// next Open opens it anew. Calls under way are finished first. Closing twice is
// no error, and closing the default store does nothing: Registry.Close does
// that.
func (h *Handle) Close() error { return inCall("close", h.close(context.Background())) }

// close waits until ctx ends. The closing then goes on.
func (h *Handle) close(ctx context.Context) error {
	if h.whole != h || h.isDefault.Load() {
		return nil
	}
	if err := h.remove(ctx, h); err != nil {
		return h.inStore("", err)
	}
	return nil
}

// inStore completes a backend's error with the store and the key.
func (h *Handle) inStore(key string, err error) error {
	e := &storeError{store: h.name, key: key, err: kverr.WithoutPath(err)}
	if errors.Is(err, ErrClosed) {
		e.err, e.key = ErrClosed, ""
		switch isDefault := h.whole.isDefault.Load(); {
		case isDefault && h.current() == h.whole:
			return kverr.Errorf(ErrClosed, "the default store is closed; the host has to call InitKVStore again")
		case isDefault:
			e.format = "store %q is closed, another one is the default store now; ask the registry for it"
		default:
			e.format = "store %q is closed; call kv.open again"
		}
	}
	return e
}

// storeError is an error of a call on a store. Its text names the store as the host
// knows it; forScript is the text for a script, which knows the store by another name
// and must not learn that one.
type storeError struct {
	store, key string // key "": it is not about one
	format     string // with the name of the store; "": the usual text
	err        error
}

func (e *storeError) Error() string { return e.text(e.store) }

func (e *storeError) Unwrap() error { return e.err }

func (e *storeError) text(store string) string {
	store = kverr.ShortenName(store)
	switch {
	case e.format != "":
		return fmt.Sprintf(e.format, store)
	case e.key == "":
		return fmt.Sprintf("store %q: %v", store, e.err)
	}
	return fmt.Sprintf("store %q, key %q: %v", store, shorten(e.key), e.err)
}

// inCall is inCall for calls on a key that may be absent.
func (h *Handle) inCall(call, key string, err error) error {
	if err == ErrNotFound {
		return &notFoundError{call, h.name, key}
	}
	return inCall(call, err)
}

// notFoundError is ErrNotFound that says where. It makes its text when it is
// asked for it, because most callers only want to know.
type notFoundError struct{ call, store, key string }

func (e *notFoundError) Error() string {
	return fmt.Sprintf("kv.%s: store %q has no key %q", e.call, kverr.ShortenName(e.store), shorten(e.key))
}

func (e *notFoundError) Unwrap() error { return ErrNotFound }
