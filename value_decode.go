package extlibs

import (
	"context"
	"fmt"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Decode returns a new Go value of the types that Encode lists. An invalid encoding is
// ErrCorrupt. A value that would take more than 256 MiB of memory, and more than three
// times its Len, is ErrTooLarge; see DecodeWithin.
func (v Value) Decode() (any, error) {
	return v.decodeWithin(context.Background(), max(DefaultMaxOperationBytes, decodedGrowth*int64(v.Len())))
}

// DecodeWithin is Decode with a limit for the memory of the value, which it estimates,
// seldom too low. It returns the error of ctx when that ends.
func (v Value) DecodeWithin(ctx context.Context, bytes int) (any, error) {
	return v.decodeWithin(ctx, int64(bytes))
}

func (v Value) decodeWithin(ctx context.Context, limit int64) (any, error) {
	if err := checkDecodedSize(ctx, v, limit); err != nil {
		return nil, err
	}
	return decodeGo(ctx, v)
}

// checkDecodedSize returns ErrTooLarge for a value that would take more than limit
// bytes of memory, encoded and decoded.
func checkDecodedSize(ctx context.Context, v Value, limit int64) error {
	if int64(len(v.data)) <= limit/(codec.MaxGrowth+1) {
		return nil
	}
	size, err := codec.DecodedSize(ctx, v.data, limit)
	if err == nil && size+int64(len(v.data)) > limit {
		err = errDecodedSize(limit)
	}
	return err
}

func errDecodedSize(limit int64) error {
	return kverr.Errorf(ErrTooLarge, "value would take more than %d bytes of memory once decoded; split it over several keys, or raise MaxOperationBytes in the host", limit)
}

// decodeGo makes a Go value of a value, whose decoded size the caller has checked.
func decodeGo(ctx context.Context, v Value) (any, error) {
	r := goReader{Limits: codec.NewLimits(ctx, v.data)}
	out, rest, err := r.value(v.data, 0, 0)
	if err := r.End(rest, err); err != nil {
		return nil, err
	}
	return out, nil
}

// goReader makes Go values of what it reads.
type goReader struct {
	codec.Limits
	arena hashtable.Arena
}

func (r *goReader) text(s string, more int) any {
	s, small := r.Own(s)
	if !small {
		return s
	}
	return hashtable.BoxText(r.arena.Text(s, more))
}

func (r *goReader) int(i int64, more int) any {
	if i >= 0 && i <= maxSharedGoInt {
		return i
	}
	return hashtable.BoxInt(r.arena.Int(i, more))
}

const maxSharedGoInt = 255 // that Go makes a value of without taking memory

// value decodes the value at the beginning of s, and returns it with the rest of s. depth is
// its depth, 0 for the outermost; about more values of its kind will follow.
func (r *goReader) value(s string, depth, more int) (any, string, error) {
	if text, rest, ok := cbor.ShortText(s); ok {
		return r.text(text, more), rest, nil
	}
	item, rest, err := cbor.Read(s)
	if err != nil {
		return nil, rest, err
	}
	switch item.Kind {
	case cbor.Null:
		return nil, rest, nil
	case cbor.Bool:
		return item.Int == 1, rest, nil
	case cbor.Int:
		return r.int(item.Int, more), rest, nil
	case cbor.Float:
		return hashtable.BoxFloat(r.arena.Float(item.Float, more)), rest, nil
	case cbor.Text:
		return r.text(item.Text, more), rest, nil
	case cbor.Bytes:
		return []byte(item.Text), rest, nil
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
	elems := make([]any, item.Int)
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
		return Tuple(elems), rest, nil
	case codec.Set:
		if i := slices.IndexFunc(elems, unhashable); i >= 0 {
			return nil, rest, fmt.Errorf("set element of type %T", elems[i])
		}
		return Set(elems), rest, nil
	}
	return elems, rest, nil
}

// dict makes a dict of n keys with values. A key that comes twice has the later
// value.
func (r *goReader) dict(n int, s string, depth int) (any, string, error) {
	m := make(map[string]any, n)
	for i := range n {
		if i&codec.CheckMask == codec.CheckMask {
			if err := r.CheckContext(); err != nil {
				return nil, s, err
			}
		}
		name, rest, ok := cbor.ShortText(s)
		if ok {
			name, _ = r.Own(name)
		} else {
			key, after, err := r.value(s, depth, 0)
			if err != nil {
				return nil, s, err
			}
			if name, ok = key.(string); !ok {
				return r.pairs(m, key, n-i, after, depth)
			}
			rest = after
		}
		value, rest, err := r.value(rest, depth, (n-i-1)/2) // half are texts, say, and half numbers
		if err != nil {
			return nil, s, err
		}
		m[name], s = value, rest
	}
	return m, s, nil
}

// pairs makes the rest of a dict, n keys with values, where key is the first one
// that is not a string.
func (r *goReader) pairs(m map[string]any, key any, n int, s string, depth int) (any, string, error) {
	d := make(Dict, 0, len(m)+n)
	for k, v := range m {
		d = append(d, Pair{k, v})
	}
	for i := 0; ; i++ {
		if i&codec.CheckMask == codec.CheckMask {
			if err := r.CheckContext(); err != nil {
				return nil, s, err
			}
		}
		if unhashable(key) {
			return nil, s, fmt.Errorf("dict key of type %T", key)
		}
		value, rest, err := r.value(s, depth, 0)
		if err != nil {
			return nil, s, err
		}
		d = append(d, Pair{key, value})
		if n--; n == 0 {
			return d, rest, nil
		}
		if key, s, err = r.value(rest, depth, 0); err != nil {
			return nil, s, err
		}
	}
}
