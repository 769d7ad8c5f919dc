package extlibs

import (
	"context"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

func callUpdateMany(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	r := reader{a: a}
	keys, fn := r.keys(h, &held), r.callable(1)
	if r.err != nil {
		return nil, r.err
	}
	var returned *object.Dict
	err := h.updateMany(ctx, held, keys, func(entries []Entry, held *budget) (map[string]Value, error) {
		values, err := h.dict(ctx, entries)
		if err != nil {
			return nil, err
		}
		made, err := callBack(ctx, fn, takesValues, values)
		if err != nil {
			return nil, err
		}
		dict, ok := made.(*object.Dict)
		switch {
		case isNone(made):
			return nil, kverr.Errorf(ErrInvalid, "fn returned None, so nothing was changed; return a dict of the new values (a method such as update changes the dict and returns None)")
		case !ok:
			return nil, kverr.Errorf(ErrInvalid, "fn returned %s, so nothing was changed; return a dict of the new values", typeName(made))
		}
		returned = dict
		return h.encodeDict(ctx, dict, keys, held)
	})
	if err != nil {
		return nil, err
	}
	return returned, nil
}

// encodeDict encodes the values of a dict whose keys are to be among keys.
func (h *Handle) encodeDict(ctx context.Context, dict *object.Dict, keys []string, held *budget) (map[string]Value, error) {
	values := make(map[string]Value, min(len(dict.Pairs), len(keys)))
	for _, p := range dict.Pairs {
		key, err := keyArg(p.Key)
		if err != nil {
			return nil, err
		}
		if len(values) == len(keys) { // one of them is not among keys
			values[key] = Value{}
			return values, nil
		}
		value, err := encodeObject(ctx, p.Value, h.opts.maxValueBytes)
		if err != nil {
			return nil, codec.At(err, codec.KeyStep(key))
		}
		if err := held.take(value.Len()); err != nil {
			return nil, h.inStore("", err)
		}
		values[key] = value
	}
	return values, nil
}

func callGetMany(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	r := reader{a: a}
	keys := r.keys(h, &held)
	if r.err != nil {
		return nil, r.err
	}
	entries, err := h.loadDecodable(ctx, &held, keys)
	if err != nil {
		return nil, err
	}
	return h.dict(ctx, entries)
}

// dict returns a dict of entries whose decoded size a budget has counted.
func (h *Handle) dict(ctx context.Context, entries []Entry) (*object.Dict, error) {
	pairs := make(map[string]object.DictPair, len(entries))
	for _, e := range entries {
		value, err := h.objectCounted(ctx, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		pairs[object.DictStringKey(e.Key)] = object.DictPair{Key: object.NewString(e.Key), Value: value}
	}
	return &object.Dict{Pairs: pairs}, nil
}

func callSetMany(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	r := reader{a: a}
	dict, ok := a.at(0).(*object.Dict)
	if !ok {
		r.fail(kverr.Errorf(ErrType, "dict must be a dict, not %s; write {key: value}", typeName(a.at(0))))
	}
	ttl := r.ttl(1)
	if r.err != nil {
		return nil, r.err
	}
	held := newBudget(ctx, h.opts.maxOperationBytes)
	ops := make([]Op, 0, held.most(len(dict.Pairs), budgetOpBytes))
	for _, p := range dict.Pairs {
		key, err := keyArg(p.Key)
		if err != nil {
			return nil, err
		}
		value, err := encodeObject(ctx, p.Value, h.opts.maxValueBytes)
		if err != nil {
			return nil, codec.At(err, codec.KeyStep(key))
		}
		op := Op{Kind: OpSet, Key: key, Value: value, TTL: ttl}
		if err := held.takeOp(&op); err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	_, err := h.applyMany(ctx, ops)
	return none, err
}

func callDeleteMany(ctx context.Context, h *Handle, a arguments) (object.Object, error) {
	held := newBudget(ctx, h.opts.maxOperationBytes)
	r := reader{a: a}
	keys := r.keys(h, &held)
	if r.err != nil {
		return nil, r.err
	}
	n, err := h.deleteMany(ctx, keys)
	return object.NewInteger(int64(n)), err
}
