package extlibs

import (
	"context"
	"fmt"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// decodeObject makes a script's object of a value, whose decoded size the caller has
// checked.
func decodeObject(ctx context.Context, v Value) (object.Object, error) {
	r := objectReader{Limits: codec.NewLimits(ctx, v.data)}
	o, rest, err := r.value(v.data, 0, 0)
	if err := r.End(rest, err); err != nil {
		return nil, err
	}
	return o, nil
}

var none = &object.Null{}

// objectReader makes script objects of what it reads.
type objectReader struct {
	codec.Limits
	arena hashtable.Arena
}

// value decodes the object at the beginning of s, and returns it with the rest of s. depth is
// its depth, 0 for the outermost; about more objects of its kind will follow.
func (r *objectReader) value(s string, depth, more int) (object.Object, string, error) {
	if text, rest, ok := cbor.ShortText(s); ok {
		return r.text(text, more), rest, nil
	}
	item, rest, err := cbor.Read(s)
	if err != nil {
		return nil, rest, err
	}
	switch item.Kind {
	case cbor.Null:
		return none, rest, nil
	case cbor.Bool:
		return object.NewBoolean(item.Int == 1), rest, nil
	case cbor.Int:
		return r.int(item.Int, more), rest, nil
	case cbor.Float:
		return r.float(item.Float, more), rest, nil
	case cbor.Text:
		return r.text(item.Text, more), rest, nil
	case cbor.Bytes:
		return object.NewBytesFromString(item.Text), rest, nil
	}
	if item, rest, err = r.Enter(item, rest, depth); err != nil {
		return nil, rest, err
	}
	switch item.Kind {
	case cbor.Text:
		return r.text(item.Text, more), rest, nil
	case cbor.Map:
		return r.dict(int(item.Int), rest, depth+1)
	}
	elems := make([]object.Object, item.Int)
	for from, to := 0, 0; from < len(elems); from = to {
		if from > 0 {
			if err = r.CheckContext(); err != nil {
				return nil, rest, err
			}
		}
		to = min(len(elems), from+codec.CheckParts)
		for i := from; i < to; i++ {
			if elems[i], rest, err = r.value(rest, depth+1, len(elems)-i-1); err != nil {
				return nil, rest, err
			}
		}
	}
	switch item.Kind {
	case codec.Tuple:
		return &object.Tuple{Elements: elems}, rest, nil
	case codec.Set:
		set, err := r.set(elems)
		return set, rest, err
	}
	return &object.List{Elements: elems}, rest, nil
}

func (r *objectReader) set(elems []object.Object) (object.Object, error) {
	s := object.NewSet()
	for i, el := range elems {
		if i&codec.CheckMask == codec.CheckMask {
			if err := r.CheckContext(); err != nil {
				return nil, err
			}
		}
		if !object.IsHashable(el) {
			return nil, fmt.Errorf("set element of type %s", typeName(el))
		}
		s.AddKeyed(object.DictKey(el), el)
	}
	return s, nil
}

// dict makes a dict of n keys with values. A key that comes twice has the later
// value.
func (r *objectReader) dict(n int, s string, depth int) (object.Object, string, error) {
	pairs := make(map[string]object.DictPair, n)
	for from := 0; from < n; from += codec.CheckParts {
		if from > 0 {
			if err := r.CheckContext(); err != nil {
				return nil, s, err
			}
		}
		for more := n - from - 1; more >= max(0, n-from-codec.CheckParts); more-- {
			// After a name follow the others, and texts: about half of the values.
			key, rest, err := r.value(s, depth, more+(more+1)/2)
			if err != nil {
				return nil, s, err
			}
			value, rest, err := r.value(rest, depth, more/2)
			if err != nil {
				return nil, s, err
			}
			name := ""
			if text, ok := key.(*object.String); ok { // most are names of fields
				name = object.DictStringKey(text.StringValue())
			} else if storableKey(key, 0) {
				name = object.DictKey(key)
			} else {
				return nil, s, fmt.Errorf("dict key of type %s", typeName(key))
			}
			pairs[name], s = object.DictPair{Key: key, Value: value}, rest
		}
	}
	return &object.Dict{Pairs: pairs}, s, nil
}
