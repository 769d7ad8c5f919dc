package extlibs

import (
	"context"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func callSet(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, ttl := r.key(), r.ttl(2)
	if a.at(3) != nil && r.flag(3, "keep_ttl") {
		if ttl != 0 {
			r.fail(kverr.Errorf(ErrInvalid, "use ttl or keep_ttl, not both"))
		}
		ttl = KeepTTL
	}
	if r.err != nil {
		return nil, r.err
	}
	e, err := encodedObject(ctx, a.at(1), h.opts.maxValueBytes)
	if err != nil {
		return nil, err
	}
	err = h.set(ctx, key, e, ttl)
	e.Release()
	return none, err
}

func callAdd(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, ttl := r.key(), r.ttl(2)
	if r.err != nil {
		return nil, r.err
	}
	value, err := encodeObject(ctx, a.at(1), h.opts.maxValueBytes)
	if err != nil {
		return nil, err
	}
	result, err := h.apply(ctx, Op{Kind: OpAdd, Key: key, Value: value, TTL: ttl})
	return object.NewBoolean(result.Applied), err
}

func callGet(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	key, err := keyArg(a.at(0))
	if err != nil {
		return nil, err
	}
	raw, r, err := h.read(ctx, key, NeedValue)
	if err == ErrNotFound {
		return fallback(a.at(1)), nil
	}
	if err != nil {
		return nil, err
	}
	if o := scalarObject(r); o != nil {
		return o, nil
	}
	return h.object(ctx, key, raw)
}

// fallback is what the script gave as default, itself.
func fallback(o object.Object) object.Object {
	if o == nil {
		return none
	}
	return o
}

// object decodes a value that was read under key.
func (h *Handle) object(ctx context.Context, key string, v Value) (object.Object, error) {
	if len(v.data) > smallValue {
		if err := h.checkDecoded(ctx, v); err != nil {
			return nil, h.inStore(key, err)
		}
	}
	o, err := decodeObject(ctx, v)
	if err != nil {
		return nil, h.inStore(key, err)
	}
	return o, nil
}

// objectCounted is object for a value whose decoded size a budget has counted.
func (h *Handle) objectCounted(ctx context.Context, key string, v Value) (object.Object, error) {
	o, err := decodeObject(ctx, v)
	if err != nil {
		return nil, h.inStore(key, err)
	}
	return o, nil
}

func callDelete(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	key, err := keyArg(a.at(0))
	if err == nil {
		_, err = h.apply(ctx, Op{Kind: OpDelete, Key: key})
	}
	return none, err
}

func callPop(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	key, err := keyArg(a.at(0))
	if err != nil {
		return nil, err
	}
	old, err := h.pop(ctx, key)
	if err == ErrNotFound {
		return fallback(a.at(1)), nil
	}
	if err != nil {
		return nil, err
	}
	return h.objectCounted(ctx, key, old)
}

func callExists(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	key, err := keyArg(a.at(0))
	if err != nil {
		return nil, err
	}
	if _, _, err = h.read(ctx, key, 0); err != nil && err != ErrNotFound {
		return nil, err
	}
	return object.NewBoolean(err == nil), nil
}

// What ttl returns for keys without a remaining ttl.
const (
	ttlNone   = -1
	ttlAbsent = -2
)

func callTTL(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	key, err := keyArg(a.at(0))
	if err != nil {
		return nil, err
	}
	e, err := h.load(ctx, key, NeedTTL)
	switch {
	case err == ErrNotFound:
		return object.NewInteger(ttlAbsent), nil
	case err != nil:
		return nil, err
	case e.TTL == 0:
		return object.NewInteger(ttlNone), nil
	}
	return object.NewInteger(int64((e.TTL + time.Second - 1) / time.Second)), nil
}

func callExpire(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, ttl := r.key(), r.ttl(1)
	if r.err != nil {
		return nil, r.err
	}
	result, err := h.apply(ctx, Op{Kind: OpExpire, Key: key, TTL: ttl})
	return object.NewBoolean(result.Applied), err
}

func callIncr(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, delta, ttl := r.key(), r.delta(1), r.ttl(2)
	if r.err != nil {
		return nil, r.err
	}
	result, err := h.apply(ctx, Op{Kind: OpIncr, Key: key, Value: delta, TTL: ttl})
	if err != nil {
		return nil, err
	}
	return h.object(ctx, key, result.New)
}

func callUpdate(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, fn := r.key(), r.callable(1)
	if r.err != nil {
		return nil, r.err
	}
	initial := fallback(a.at(2))
	value, err := h.update(ctx, key, func(old Value) (Value, error) {
		current := initial
		if !old.IsZero() {
			var err error
			if current, err = h.object(ctx, key, old); err != nil {
				return Value{}, err
			}
		}
		next, err := callBack(ctx, fn, takesOld, current)
		if err != nil {
			if old.IsZero() && isNone(current) {
				err = calledWithNone(ctx, err)
			}
			return Value{}, err
		}
		if isNone(next) {
			return Value{}, kverr.Errorf(ErrInvalid, "fn returned None, so nothing was stored; return the new value (a method such as append changes the list and returns None)")
		}
		return encodeObject(ctx, next, h.opts.maxValueBytes)
	})
	if err != nil {
		return nil, err
	}
	return h.object(ctx, key, value)
}

func callGetOrSet(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, fn, ttl := r.key(), r.callable(1), r.ttl(2)
	if r.err != nil {
		return nil, r.err
	}
	value, err := h.getOrSetOnce(ctx, key, ttl, func(ctx context.Context) (Value, error) {
		made, err := callBack(ctx, fn, takesNothing)
		if err != nil {
			return Value{}, err
		}
		return encodeObject(ctx, made, h.opts.maxValueBytes)
	})
	if err != nil {
		return nil, err
	}
	return h.object(ctx, key, value)
}

func callKeys(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	return list(ctx, h, a, 0, func(e Entry) (object.Object, error) {
		return object.NewString(e.Key), nil
	})
}

func callItems(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	return list(ctx, h, a, NeedValue, func(e Entry) (object.Object, error) {
		value, err := h.objectCounted(ctx, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		return &object.Tuple{Elements: []object.Object{object.NewString(e.Key), value}}, nil
	})
}

// list makes a list of the entries that pListing select.
func list(ctx context.Context, h *Handle, a arguments, need Need, element func(Entry) (object.Object, error)) (object.Object, error) {
	r := reader{a: a}
	s := r.list(0)
	if r.err != nil {
		return nil, r.err
	}
	list := &object.List{Elements: []object.Object{}}
	err := h.collect(ctx, s, need,
		func() { list.Elements = list.Elements[:0] },
		func(e Entry) error {
			o, err := element(e)
			list.Elements = append(list.Elements, o)
			return err
		})
	return list, err
}

func callCount(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	s := r.matching(0, 1)
	if r.err != nil {
		return nil, r.err
	}
	n, err := h.count(ctx, s)
	return object.NewInteger(int64(n)), err
}

func callClear(ctx context.Context, h *Handle, _ arguments) (object.Object, error) {
	return none, h.clear(ctx)
}

func callClose(ctx context.Context, h *Handle, _ arguments) (object.Object, error) {
	return none, unlocked(ctx, func() error { return h.close(ctx) })
}

func callCompareAndSet(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, ttl, old, value := r.key(), r.newTTL(3), r.value(ctx, h, 1, "old"), r.value(ctx, h, 2, "new")
	if r.err != nil {
		return nil, r.err
	}
	done, err := h.compareAndSwap(ctx, key, old, value, ttl)
	return object.NewBoolean(done), err
}

func callCompareAndDelete(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	key, old := r.key(), r.value(ctx, h, 1, "old")
	if r.err != nil {
		return nil, r.err
	}
	done, err := h.compareAndDelete(ctx, key, old)
	return object.NewBoolean(done), err
}

func callDeleteMatching(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	s := r.removal()
	if r.err != nil {
		return nil, r.err
	}
	n, err := h.deleteMatching(ctx, s)
	return object.NewInteger(int64(n)), err
}

func callEach(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	fn, s := r.callable(0), r.list(1)
	if r.err != nil {
		return nil, r.err
	}
	n := 0
	for e, err := range h.entries(ctx, s, NeedValue) {
		if err != nil {
			return nil, err
		}
		value, err := h.object(ctx, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		n++
		result, err := callBack(ctx, fn, takesEntry, object.NewString(e.Key), value)
		if err != nil {
			return nil, err
		}
		if more, isBool := result.(*object.Boolean); isBool && !more.BoolValue() {
			break
		}
	}
	return object.NewInteger(int64(n)), nil
}

func callSub(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	prefix := r.text(0, "prefix", "")
	if r.err != nil {
		return nil, r.err
	}
	return subObject(ctx, h, prefix)
}
