package extlibs

import (
	"errors"
	"fmt"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// inStore completes a backend's error with the store and the key.
func (h *Handle) inStore(key string, err error) error {
	e := &storeError{store: h.name, key: key, err: kverr.WithoutPath(err)}
	if errors.Is(err, ErrClosed) {
		e.err, e.key = ErrClosed, ""
		switch isDefault := h.isDefault.Load(); {
		case isDefault && h.owner.Default().openStore == h.openStore:
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
