package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// writer stores entries in batches.
type writer struct {
	h      *extlibs.Handle
	ops    []extlibs.Op
	lines  []int // of the input, one for each of ops; 0: it has none
	bytes  int
	stored int
}

// set stores an entry. line is its line in the input, 0 if it has none.
// The time that a key has left can be one that stores do not take.
func (w *writer) set(ctx context.Context, e extlibs.Entry, line int) error {
	w.ops = append(w.ops, extlibs.Op{Kind: extlibs.OpSet, Key: e.Key, Value: e.Value, TTL: jsonl.Storable(e.TTL)})
	w.lines = append(w.lines, line)
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
	err := w.apply(ctx, w.ops, w.lines)
	if isRefusal(err) && len(w.ops) > 1 {
		err = w.flushSingly(ctx)
	}
	w.ops, w.lines, w.bytes = w.ops[:0], w.lines[:0], 0
	return err
}

// apply stores entries, all of them or none. Its error names their lines.
func (w *writer) apply(ctx context.Context, ops []extlibs.Op, lines []int) error {
	_, err := w.h.Store().ApplyMany(ctx, ops)
	first, last := lines[0], lines[len(lines)-1]
	switch {
	case err == nil:
		w.stored += len(ops)
		return nil
	case first == 0:
		return err
	case first == last:
		return fmt.Errorf("line %d: %w", first, err)
	}
	return fmt.Errorf("lines %d to %d: %w", first, last, err)
}

// flushSingly stores the entries of a refused batch one by one, up to the one that
// the store refuses, and names its line.
func (w *writer) flushSingly(ctx context.Context) error {
	for i := range w.ops {
		if err := w.apply(ctx, w.ops[i:i+1], w.lines[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// isRefusal reports whether err is about the entries of a batch, none of which is
// stored, and not about the store.
func isRefusal(err error) bool {
	for _, refusal := range []error{extlibs.ErrInvalid, extlibs.ErrTooLarge, extlibs.ErrType, extlibs.ErrFull} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// flushed stores what is left, also where err has ended the work, unless that is the
// end of ctx.
func (w *writer) flushed(ctx context.Context, err error) (int, error) {
	if ctx.Err() == nil {
		err = errors.Join(err, w.flush(ctx))
	}
	return w.stored, err
}
