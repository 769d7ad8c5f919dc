package main

import (
	"context"
	"errors"
	"strings"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// Limits of one page and of one batch.
const (
	batchKeys  = 1000
	batchBytes = 1 << 20
)

// writer stores entries in batches.
type writer struct {
	h      *extlibs.Handle
	ops    []extlibs.Op
	bytes  int
	stored int
}

// set stores an entry. It rounds a remaining time below the minimum up to it.
func (w *writer) set(ctx context.Context, e extlibs.Entry) error {
	w.ops = append(w.ops, extlibs.Op{Kind: extlibs.OpSet, Key: e.Key, Value: e.Value, TTL: jsonl.Storable(e.TTL)})
	w.bytes += len(e.Key) + len(e.Value.Raw())
	if len(w.ops) < batchKeys && w.bytes < batchBytes {
		return nil
	}
	return w.flush(ctx)
}

func (w *writer) flush(ctx context.Context) error {
	if len(w.ops) == 0 {
		return nil
	}
	err := w.apply(ctx, w.ops)
	if isRefusal(err) && len(w.ops) > 1 {
		err = w.flushSingly(ctx)
	}
	w.ops, w.bytes = w.ops[:0], 0
	return err
}

// apply stores entries atomically.
func (w *writer) apply(ctx context.Context, ops []extlibs.Op) error {
	_, err := w.h.Store().ApplyMany(ctx, ops)
	if err == nil {
		w.stored += len(ops)
	}
	return err
}

// flushSingly stores the entries of a refused batch one by one, up to the one that the
// store refuses.
func (w *writer) flushSingly(ctx context.Context) error {
	for i := range w.ops {
		if err := w.apply(ctx, w.ops[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// isRefusal reports whether err is about the entries of a batch, none of which is
// stored, and not about the store.
func isRefusal(err error) bool {
	return errors.Is(err, extlibs.ErrInvalid) || errors.Is(err, extlibs.ErrTooLarge) || errors.Is(err, extlibs.ErrType) || errors.Is(err, extlibs.ErrFull)
}

// eachEntry calls fn for the entries that o selects, a page at a time.
func eachEntry(ctx context.Context, h *extlibs.Handle, o extlibs.ListOptions, fn func([]extlibs.Entry) error) error {
	r := extlibs.Range{Prefix: o.Prefix, After: o.After, Before: o.Before, Reverse: o.Reverse, Limit: batchKeys, Need: extlibs.NeedValue | extlibs.NeedTTL}
	if o.Pattern != "" {
		p, err := glob.Compile(o.Pattern)
		if err != nil {
			return err
		}
		if strings.HasPrefix(p.Prefix, r.Prefix) {
			r.Prefix = p.Prefix
		}
		if !p.All() {
			r.Match = func(key string) bool { return p.Selects(key) && strings.HasPrefix(key, o.Prefix) }
		}
	}
	for left := o.Limit; ; {
		if left > 0 {
			r.Limit = min(left, batchKeys)
		}
		page, err := h.Store().Scan(ctx, r)
		if err != nil {
			return err
		}
		entries := page.Entries
		if left > 0 {
			entries = entries[:min(left, len(entries))]
			left -= len(entries)
		}
		if len(entries) > 0 {
			if err := fn(entries); err != nil {
				return err
			}
		}
		if !page.More || o.Limit > 0 && left == 0 {
			return nil
		}
		r.Resume(page.Next)
	}
}
