package extlibs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/scriptling-kv/extlibs/internal/jsonl"
)

// Limits of what Import writes at once.
const (
	importKeys  = 1000
	importBytes = 1 << 20
)

// Import stores the entries of an export, replacing existing keys, and returns how many it
// stored, even if it fails. It works on every store and on a view, and stores atomically up
// to 1,000 entries or 1 MiB at a time. A key gets the remaining time that it had when it was
// exported. Existing keys that are not in the export are kept.
//
// If a line is not an entry, has text that is not valid, or is refused by the store, the
// error names the line, and the entries before it are stored; it is safe to import the
// corrected export again. Such errors are ErrInvalid, ErrTooLarge or ErrFull. Import checks
// ctx between lines: a read from r that does not return keeps it waiting.
func (h *Handle) Import(ctx context.Context, r io.Reader) (stored int, err error) {
	if h.observer != nil {
		return observed(ctx, h, "import", func(h *Handle) (int, error) { return h.Import(ctx, r) })
	}
	began := time.Now()
	i := importer{h: h, lines: jsonl.NewReader(r, h.opts.maxValueBytes)}
	if err := i.run(ctx); err != nil {
		return i.stored, inCall("import", err)
	}
	h.opts.logger.Info("kv: imported into a store", "store", h.name, "entries", i.stored, "duration", time.Since(began))
	return i.stored, nil
}

// importer stores entries in batches.
type importer struct {
	h      *Handle
	lines  *jsonl.Reader
	ops    []Op
	at     []int // the lines of ops
	bytes  int
	stored int
}

func (i *importer) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return i.h.inStore("", err)
		}
		op, err := i.next(ctx)
		switch {
		case err == io.EOF:
			return i.flush(ctx)
		case err != nil && ctx.Err() != nil:
			return i.h.inStore("", ctx.Err())
		case err != nil:
			return errors.Join(err, i.flush(ctx))
		}
		i.ops, i.at = append(i.ops, op), append(i.at, i.lines.Line())
		if i.bytes += len(op.Key) + op.Value.Len(); len(i.ops) == importKeys || i.bytes >= importBytes {
			if err := i.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// next returns the operation for the next line, or io.EOF itself after the last one.
func (i *importer) next(ctx context.Context) (Op, error) {
	e, err := i.lines.Next()
	if err != nil {
		return Op{}, err
	}
	op := Op{Kind: OpSet, Key: e.Key, Value: Value{e.Value}, TTL: jsonl.Storable(e.TTL)}
	return op, atLine(i.lines.Line(), i.h.checkOp(ctx, &op))
}

func atLine(line int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("line %d: %w", line, err)
}

// flush stores the entries that are waiting. Of a batch that the store refuses it stores
// the entries before the one that is refused, and names the line of that one.
func (i *importer) flush(ctx context.Context) error {
	ops, at := i.ops, i.at
	i.ops, i.at, i.bytes = i.ops[:0], i.at[:0], 0
	if len(ops) == 0 {
		return nil
	}
	err := i.apply(ctx, ops, at)
	if err == nil || len(ops) == 1 || !refused(err) {
		return err
	}
	for k := range ops {
		if err := i.apply(ctx, ops[k:k+1], at[k:k+1]); err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) apply(ctx context.Context, ops []Op, at []int) error {
	_, err := i.h.applyMany(ctx, ops)
	first, last := at[0], at[len(at)-1]
	switch {
	case err == nil:
		i.stored += len(ops)
		return nil
	case first == last:
		return atLine(first, err)
	}
	return fmt.Errorf("lines %d to %d: %w", first, last, err)
}

// refused reports whether an error is about the operations of a batch, none of which has
// been carried out, and not about the store.
func refused(err error) bool {
	for _, kind := range []error{ErrInvalid, ErrTooLarge, ErrType, ErrFull} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
