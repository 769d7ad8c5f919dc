package extlibs

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Store returns the checked Store below the calls of h, for hosts that make batches of
// operations or want raw entries. It checks arguments and counts as h does. Its Close is
// that of h. Its errors do not name a call, and errors that are ErrNotFound name neither
// store nor key.
func (h *Handle) Store() Store { return checked{h} }

// checked is a Handle as a Store.
type checked struct{ h *Handle }

func (c checked) Load(ctx context.Context, key string, need Need) (Entry, error) {
	if c.h.observer != nil {
		return observed(ctx, c.h, "load", func(h *Handle) (Entry, error) { return checked{h}.Load(ctx, key, need) })
	}
	return c.h.load(ctx, key, need)
}

func (c checked) LoadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	if c.h.observer != nil {
		return observed(ctx, c.h, "load_many", func(h *Handle) ([]Entry, error) { return checked{h}.LoadMany(ctx, keys, need) })
	}
	return c.h.loadMany(ctx, keys, need)
}

func (c checked) Apply(ctx context.Context, op Op) (Result, error) {
	if c.h.observer != nil {
		return observed(ctx, c.h, "apply", func(h *Handle) (Result, error) { return h.apply(ctx, op) })
	}
	return c.h.apply(ctx, op)
}

func (c checked) ApplyMany(ctx context.Context, ops []Op) ([]Result, error) {
	if c.h.observer != nil {
		return observed(ctx, c.h, "apply_many", func(h *Handle) ([]Result, error) { return checked{h}.ApplyMany(ctx, ops) })
	}
	return c.h.applyMany(ctx, ops)
}

// Scan calls r.Match once the page has been read: a caller's code never runs
// inside a backend.
func (c checked) Scan(ctx context.Context, r Range) (Page, error) {
	if c.h.observer != nil {
		return observed(ctx, c.h, "scan", func(h *Handle) (Page, error) { return checked{h}.Scan(ctx, r) })
	}
	match := r.Match
	if match == nil {
		return c.h.page(ctx, r)
	}
	r.Match = nil
	page, err := c.h.page(ctx, r)
	page.Entries = slices.DeleteFunc(page.Entries, func(e Entry) bool { return !match(e.Key) })
	return page, err
}

func (c checked) Len(ctx context.Context) (int, error) { return c.h.len(ctx) }
func (c checked) Clear(ctx context.Context) error      { return c.h.clear(ctx) }
func (c checked) Close() error                         { return c.h.close(context.Background()) }

// load returns the entry of a live key, else ErrNotFound itself.
func (h *Handle) load(ctx context.Context, key string, need Need) (Entry, error) {
	if err := h.checkKey(key); err != nil {
		return Entry{}, err
	}
	e, err := h.store.Load(ctx, key, need)
	switch {
	case err == nil:
		h.counters.of(key).hits.Add(1)
		return e, nil
	case err == ErrNotFound || errors.Is(err, ErrNotFound):
		h.counters.of(key).misses.Add(1)
		return Entry{}, ErrNotFound
	}
	return Entry{}, h.inStore(key, err)
}

func (h *Handle) loadMany(ctx context.Context, keys []string, need Need) ([]Entry, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	for _, key := range keys {
		if err := held.takeKey(key); err != nil {
			return nil, h.inStore("", err)
		}
	}
	return h.loadHeld(ctx, &held, keys, need)
}

// loadHeld is loadMany for keys that a budget has counted.
func (h *Handle) loadHeld(ctx context.Context, held *budget, keys []string, need Need) ([]Entry, error) {
	for _, key := range keys {
		if err := h.checkKey(key); err != nil {
			return nil, err
		}
	}
	entries, err := h.store.LoadMany(ctx, keys, need)
	if err != nil {
		return nil, h.inStore("", err)
	}
	for i := range entries {
		if err := held.takeValue(entries[i].Value.Len(), need); err != nil {
			return nil, h.inStore("", err)
		}
	}
	c := h.counters.of("")
	c.hits.Add(int64(len(entries)))
	c.misses.Add(int64(len(keys) - len(entries)))
	return entries, nil
}

func (h *Handle) apply(ctx context.Context, op Op) (Result, error) {
	if err := h.checkOp(ctx, &op); err != nil {
		return Result{}, err
	}
	r, err := h.store.Apply(ctx, op)
	if err != nil {
		return Result{}, h.inStore(op.Key, err)
	}
	h.tally(&op, r)
	return r, nil
}

func (h *Handle) applyMany(ctx context.Context, ops []Op) ([]Result, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	for i := range ops {
		if err := held.takeOp(&ops[i]); err != nil {
			return nil, h.inStore("", err)
		}
	}
	return h.applyPage(ctx, ops)
}

// applyPage is applyMany for keys of a page, which the store has bounded.
func (h *Handle) applyPage(ctx context.Context, ops []Op) ([]Result, error) {
	for i := range ops {
		if err := h.checkOp(ctx, &ops[i]); err != nil {
			return nil, err
		}
	}
	results, err := h.store.ApplyMany(ctx, ops)
	if err != nil {
		return nil, h.inStore("", err)
	}
	for i, r := range results {
		h.tally(&ops[i], r)
	}
	return results, nil
}

// page reads a page, whose Match is our own.
func (h *Handle) page(ctx context.Context, r Range) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, h.inStore("", err)
	}
	m := matcher{ctx: ctx, match: r.Match}
	if r.Match != nil {
		r.Match = m.selects
	}
	page, err := h.store.Scan(ctx, r)
	if err == nil {
		err = m.err()
	}
	if err != nil {
		return Page{}, h.inStore("", err)
	}
	return page, nil
}

func (h *Handle) len(ctx context.Context) (int, error) {
	n, err := h.store.Len(ctx)
	if err != nil {
		return 0, h.inStore("", err)
	}
	return n, nil
}

func (h *Handle) clear(ctx context.Context) error {
	if err := h.store.Clear(ctx); err != nil {
		return h.inStore("", err)
	}
	return nil
}

// tally counts an operation that has been carried out.
func (h *Handle) tally(op *Op, r Result) {
	switch {
	case !r.Applied:
	case op.Kind == OpDelete, op.Kind == OpDeleteIf:
		h.counters.of(op.Key).deletes.Add(1)
	case op.Kind != OpExpire && op.Kind != OpCheck:
		h.counters.of(op.Key).sets.Add(1)
	}
}

func (h *Handle) checkKey(key string) error {
	switch {
	case h.prefixErr != nil:
		return h.prefixErr
	case key == "":
		return kverr.Errorf(ErrInvalid, "key is empty; use 1 to %d bytes", MaxKeyBytes)
	case len(h.prefix)+len(key) > MaxKeyBytes:
		return kverr.Errorf(ErrInvalid, "key has %d bytes; use 1 to %d", len(key), MaxKeyBytes-len(h.prefix))
	case !utf8.ValidString(key):
		return kverr.Errorf(ErrInvalid, "key is not valid UTF-8; encode other bytes, for example as hex")
	}
	return nil
}

func (h *Handle) checkOp(ctx context.Context, op *Op) error {
	if err := h.checkKey(op.Key); err != nil {
		return err
	}
	if op.TTL < 0 || op.TTL > MaxTTL {
		return kverr.Errorf(ErrInvalid, "ttl is %v; use 0 (no expiry) to 100 years", op.TTL)
	}
	if op.TTL > 0 && op.TTL < MinTTL {
		return kverr.Errorf(ErrInvalid, "ttl is %v; use 0 (no expiry) or at least %v, such as 60 * time.Second", op.TTL, MinTTL)
	}
	switch op.Kind {
	case OpSet, OpSetKeepTTL, OpAdd, OpSwap, OpSwapTTL:
		if op.Value.IsZero() {
			return kverr.Errorf(ErrInvalid, "the operation has no value; use Encode")
		}
	case OpDeleteIf:
		if op.Old.IsZero() {
			return kverr.Errorf(ErrInvalid, "the operation has no old value; use Encode, or OpDelete")
		}
	}
	if op.Value.Len() > h.opts.maxValueBytes {
		return kverr.Errorf(ErrTooLarge, "value is larger than %d bytes; split it over several keys", h.opts.maxValueBytes)
	}
	if op.Value.Len() <= smallValue {
		return nil
	}
	return h.checkDecoded(ctx, op.Value)
}

// checkDecoded returns ErrTooLarge for a value that would take too much memory once
// decoded. Such a value is not stored, and not decoded where it comes from elsewhere.
func (h *Handle) checkDecoded(ctx context.Context, v Value) error {
	if len(v.data) <= smallValue {
		return nil
	}
	return checkDecodedSize(ctx, v, h.opts.decodedBytes())
}

func (h *Handle) encode(ctx context.Context, v any) (Value, error) {
	return encodeGo(ctx, v, h.opts.maxValueBytes)
}

// encodeOld is encode for an argument old, which the error names.
func (h *Handle) encodeOld(ctx context.Context, old any) (Value, error) {
	v, err := h.encode(ctx, old)
	return v, codec.In(err, "old")
}

// decode makes a Go value of one that was read under key.
func (h *Handle) decode(ctx context.Context, key string, v Value) (any, error) {
	if len(v.data) > smallValue {
		if err := h.checkDecoded(ctx, v); err != nil {
			return nil, h.inStore(key, err)
		}
	}
	return h.decodeCounted(ctx, key, v)
}

// decodeCounted is decode for a value whose decoded size a budget has counted.
func (h *Handle) decodeCounted(ctx context.Context, key string, v Value) (any, error) {
	out, err := decodeGo(ctx, v)
	if err != nil {
		return nil, h.inStore(key, err)
	}
	return out, nil
}

// inStore returns a backend's error with the names of the store and the key.
func (h *Handle) inStore(key string, err error) error {
	if !errors.Is(err, ErrClosed) {
		return &storeError{h.name, key, kverr.WithoutPath(err)}
	}
	switch isDefault := h.isDefault.Load(); {
	case !isDefault:
		return &storeError{store: h.name, err: errClosed}
	case h.owner.Default().openStore != h.openStore:
		return &storeError{store: h.name, err: errReplaced}
	}
	return kverr.Errorf(ErrClosed, "the default store is closed; the host must call InitKVStore")
}

// inCall adds the call's name to err. A bare ErrNotFound becomes an error that names store and key.
func (h *Handle) inCall(call, key string, err error) error {
	if err != ErrNotFound {
		return inCall(call, err)
	}
	var both struct { // in one allocation
		callError
		storeError
	}
	both.storeError = storeError{h.name, key, err}
	both.callError = callError{call, &both.storeError}
	return &both.callError
}
