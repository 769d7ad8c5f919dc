package extlibs

import (
	"context"
	"errors"

	"github.com/paularlott/scriptling/object"
)

// following runs a waiting call, and runs it again if its store was closed because the host
// replaced the default store. It continues with the new store and its original timeout.
func following(ctx context.Context, h *Handle, run func(h *Handle) error) error {
	of := ctx.Value(storeKey{}).(*scriptStore)
	for {
		err := run(h)
		next := of.store()
		if next == h || !errors.Is(err, ErrClosed) {
			return err
		}
		h = next
	}
}

func callWait(ctx context.Context, h *Handle, a arguments) (result object.Object, err error) {
	r := reader{a: a}
	key, until := r.key(), r.until(1, "timeout")
	if r.err != nil {
		return nil, r.err
	}
	err = following(ctx, h, func(h *Handle) error {
		value, found, err := h.waitValue(ctx, key, until)
		switch {
		case err != nil:
		case found:
			result, err = h.object(ctx, key, value)
		default:
			result = fallback(a.at(2))
		}
		return err
	})
	return result, err
}

func callWaitChange(ctx context.Context, h *Handle, a arguments) (result object.Object, err error) {
	r := reader{a: a}
	key, until := r.key(), r.until(2, "timeout")
	old := r.value(ctx, h, 1, "old")
	if r.err != nil {
		return nil, r.err
	}
	err = following(ctx, h, func(h *Handle) error {
		value, changed, err := h.waitChange(ctx, key, old, until)
		switch {
		case err != nil:
		case !changed:
			result = a.at(1)
		case value.IsZero():
			result = none
		default:
			result, err = h.object(ctx, key, value)
		}
		return err
	})
	return result, err
}

func callPopFirst(ctx context.Context, h *Handle, a arguments) (result object.Object, err error) {
	r := reader{a: a}
	s := r.selection(ListOptions{Pattern: r.text(0, "pattern", "*"), Prefix: r.text(2, "prefix", ""), Reverse: r.flag(3, "reverse")})
	until := noWait
	if a.at(1) != nil {
		until = r.until(1, "wait")
	}
	if r.err != nil {
		return nil, r.err
	}
	err = following(ctx, h, func(h *Handle) error {
		e, err := h.waitFirst(ctx, s, until)
		if err == ErrNotFound {
			result = fallback(a.at(4))
			return nil
		}
		if err != nil {
			return err
		}
		value, err := h.objectCounted(ctx, e.Key, e.Value)
		result = &object.Tuple{Elements: []object.Object{object.NewString(e.Key), value}}
		return err
	})
	return result, err
}

func callWatch(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	fn, s, until := r.callable(0), r.matching(1, 3), r.until(2, "timeout")
	if r.err != nil {
		return nil, r.err
	}
	n, moved := int64(0), false
	err := following(ctx, h, func(h *Handle) error {
		w, err := h.watchKeys(ctx, s, until)
		if err != nil {
			return err
		}
		defer w.close()
		w.lost, moved = moved, true // in another store any key can be different
		for {
			c, ok, err := w.next(ctx)
			if err != nil || !ok {
				return err
			}
			key, value := object.Object(none), object.Object(none)
			if !c.lost {
				key = object.NewString(c.Key)
			}
			if c.found {
				if value, err = h.object(ctx, c.Key, c.Value); err != nil {
					return err
				}
			}
			n++
			result, err := callBack(ctx, fn, takesEntry, key, value)
			if err != nil {
				return err
			}
			if more, isBool := result.(*object.Boolean); isBool && !more.BoolValue() {
				return nil
			}
		}
	})
	return object.NewInteger(n), err
}
