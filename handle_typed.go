package extlibs

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Get returns the value of a key as a T: a struct, whose fields receive the members of a
// dict by name or by tags such as `cbor:"user"`, or any other type that package
// github.com/fxamacker/cbor/v2 decodes into. An any in T receives what Handle.Get
// returns: map[string]any, []any, Tuple, Set and so on. Members that T does not name are
// ignored. A value that does not fit is ErrType, an absent key ErrNotFound.
func Get[T any](ctx context.Context, h *Handle, key string) (T, error) {
	if h.observer != nil {
		return observed(ctx, h, "get", func(h *Handle) (T, error) { return Get[T](ctx, h, key) })
	}
	var v T
	e, err := h.load(ctx, key, NeedValue)
	if err != nil {
		return v, h.inCall("get", key, err)
	}
	v, err = typedOf[T](ctx, h, key, e.Value)
	return v, inCall("get", err)
}

// SetAs stores value, which can be or contain a struct, in the form that Get reads.
// Scripts see a struct as a dict, a time.Time as a str (RFC 3339), and a pointer as its
// target. value must not contain itself. For ttl see Handle.Set.
func SetAs[T any](ctx context.Context, h *Handle, key string, value T, ttl time.Duration) error {
	if h.observer != nil {
		return observedErr(ctx, h, "set", func(h *Handle) error { return SetAs[T](ctx, h, key, value, ttl) })
	}
	v, err := encodeTyped(ctx, h, value)
	if err == nil {
		_, err = h.apply(ctx, setOp(key, v, ttl))
	}
	return inCall("set", err)
}

// Update replaces the value of a key with the result of fn, as Handle.Update does, and
// returns the new value. It keeps the parts of the old value that T cannot represent: members
// of dicts that a struct does not name, at every level, and the types of tuples and sets that
// are slices in T. An element of a list keeps its unnamed members if fn left it unchanged,
// wherever it is now. Changed elements are matched by position if the number of elements is
// the same, otherwise by their common content.
func Update[T any](ctx context.Context, h *Handle, key string, fn func(old T, ok bool) (T, error)) (T, error) {
	if h.observer != nil {
		return observed(ctx, h, "update", func(h *Handle) (T, error) { return Update[T](ctx, h, key, fn) })
	}
	var next T
	var fnErr error
	_, err := h.update(ctx, key, func(old Value) (Value, error) {
		var v T
		var seen Value // what T sees of old
		if !old.IsZero() {
			var err error
			if v, err = typedOf[T](ctx, h, key, old); err != nil {
				return Value{}, err
			}
			if seen, err = encodeTyped(ctx, h, v); err != nil { // before fn changes what v points to
				return Value{}, err
			}
		}
		if next, fnErr = fn(v, !old.IsZero()); fnErr != nil {
			return Value{}, fnErr
		}
		value, err := encodeTyped(ctx, h, next)
		if err != nil || old.IsZero() || seen == old {
			return value, err
		}
		merged, err := mergeSeen(ctx, old, seen, value)
		if err != nil {
			return Value{}, h.inStore(key, err)
		}
		return h.encode(ctx, merged)
	})
	if err != nil {
		next = *new(T)
	}
	if fnErr != nil {
		return next, fnErr
	}
	return next, inCall("update", err)
}

// The modes in which structs are read and written. What is written is a value
// that scripts can read: 64-bit ints, definite lengths, no tags but our own.
var (
	typedDecoding = modeOf(cbor.DecOptions{
		MaxNestedLevels:  2*MaxDepth + 4, // a container and its tag are two
		MaxArrayElements: maxTypedElements,
		MaxMapPairs:      maxTypedElements,
		IntDec:           cbor.IntDecConvertSignedOrFail,
		UTF8:             cbor.UTF8DecodeInvalid,
	}.DecMode())
	typedEncoding = modeOf(cbor.EncOptions{
		Time:          cbor.TimeRFC3339Nano,
		IndefLength:   cbor.IndefLengthForbidden,
		BigIntConvert: cbor.BigIntConvertReject,
	}.EncMode())
)

const maxTypedElements = 1<<31 - 1 // the value's own bytes are the limit

func modeOf[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options
	}
	return v
}

func decodeTyped[T any](ctx context.Context, h *Handle, v Value) (out T, err error) {
	if err := h.checkDecoded(ctx, v); err != nil {
		return out, err
	}
	return decodeTypedCounted[T](ctx, v)
}

// decodeTypedCounted is decodeTyped for a value whose decoded size has been checked.
func decodeTypedCounted[T any](ctx context.Context, v Value) (out T, err error) {
	if p, isAny := any(&out).(*any); isAny {
		*p, err = decodeGo(ctx, v)
		return out, err
	}
	if err := decodeInto(ctx, v, reflect.ValueOf(&out).Elem()); err != nil {
		err = unfit(ctx, v, reflect.TypeFor[T]())
		if _, mismatch := errors.AsType[*mismatchError](err); !mismatch {
			return *new(T), err
		}
		return *new(T), kverr.Errorf(ErrType, "the value does not fit into %T: %w", out, err)
	}
	return out, nil
}

// encodeTyped leaves to encodeGo what it knows, tuples and sets among them.
func encodeTyped(ctx context.Context, h *Handle, value any) (Value, error) {
	v, err := h.encode(ctx, value)
	if !errors.Is(err, ErrType) {
		return v, err
	}
	raw, typedErr := typedEncoding.Marshal(value)
	if typedErr != nil {
		if path, t := unstorable(ctx, reflect.ValueOf(value)); path != "" {
			return Value{}, kverr.Errorf(ErrType, "cannot store a %T: field %s is a %s; change its type, or exclude it with the tag `cbor:\"-\"`", value, strings.TrimPrefix(path, "."), t)
		}
		return Value{}, kverr.Errorf(ErrType, "cannot store a %T: %w", value, typedErr)
	}
	if len(raw) > h.opts.maxValueBytes {
		return Value{}, kverr.Errorf(ErrTooLarge, "value is larger than %d bytes; split it over several keys", h.opts.maxValueBytes)
	}
	marked, markErr := codec.MarkText(string(raw))
	if v = RawValue(marked); markErr == nil {
		if err := h.checkDecoded(ctx, v); err != nil {
			return Value{}, err
		}
		_, markErr = decodeGo(ctx, v)
	}
	if err := ctx.Err(); err != nil {
		return Value{}, err
	}
	if markErr != nil { // such as an int beyond 64 bits
		if path, _ := unstorable(ctx, reflect.ValueOf(value)); path != "" {
			return Value{}, kverr.Errorf(ErrType, "cannot store a %T: scripts cannot read the value of field %s; use the types that Encode lists", value, strings.TrimPrefix(path, "."))
		}
		return Value{}, kverr.Errorf(ErrType, "cannot store a %T: scripts cannot read it; use the types that Encode lists", value)
	}
	return v, nil
}
