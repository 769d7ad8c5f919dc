package extlibs

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Value is an encoded value: a CBOR item (RFC 8949), immutable. The zero Value means "no
// value". Values that compare == are equal; equal sets and dicts can still compare !=
// because their encodings order the members differently. Printing a Value shows its
// length, never its content.
//
// Integers are CBOR integers within int64, floats have 64 bits, a list is an array and a
// dict a map. Tags mark the types that CBOR lacks: a set is an array with tag 258, a
// tuple an array with tag 60001, and a string that is not valid UTF-8 is a byte string
// with tag 60002.
type Value struct{ data string }

// RawValue returns the Value with the encoding raw, for backends. Errors in raw are found
// by Value.Decode.
func RawValue(raw string) Value { return Value{raw} }

// Raw returns the encoding, which backends store; "" for the zero Value.
func (v Value) Raw() string { return v.data }

// Len returns the length of the encoding in bytes.
func (v Value) Len() int { return len(v.data) }

// IsZero reports whether v is the zero Value.
func (v Value) IsZero() bool { return v.data == "" }

// Format implements fmt.Formatter for every verb.
func (v Value) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "value of %d bytes", len(v.data)) }

type (
	// Tuple is a script's tuple.
	Tuple []any
	// Set is a script's set. The elements have no particular order.
	Set []any
	// Dict is a script's dict that has at least one key other than a string. The pairs have
	// no particular order.
	Dict []Pair
	// Pair is one entry of a Dict.
	Pair struct{ Key, Value any }
)

// Encode encodes a Go value. These are the types that it takes. [Value.Decode] and
// the calls of a [Handle] return the first type of each row:
//
//	script  Go
//	None    nil
//	bool    bool
//	int     int64; other integer types, within int64
//	float   float64; float32
//	str     string
//	bytes   []byte
//	list    []any; other slices, and arrays
//	tuple   Tuple
//	set     Set
//	dict    map[string]any if every key is a str, else Dict; other maps
//
// and named types based on one of them. A value of another type, such as a struct or a
// pointer, is ErrType, and the error says where in the value it is; one nested more than
// MaxDepth levels, as a value that contains itself is, or larger than 2 GiB is ErrTooLarge.
// For the limit of a store see [MaxValueBytes].
func Encode(v any) (Value, error) { return encodeGo(context.Background(), v, math.MaxInt32) }

func encodeGo(ctx context.Context, v any, limit int) (Value, error) {
	return finished(encodedGo(ctx, v, limit))
}

// encodedGo encodes a Go value. The caller releases what it returns.
func encodedGo(ctx context.Context, v any, limit int) (codec.Encoded, error) {
	switch v := v.(type) { // the values that need no buffer
	case nil:
		return codec.Null(), nil
	case bool:
		return codec.Bool(v), nil
	case int:
		return codec.Int(int64(v)), nil
	case int64:
		return codec.Int(v), nil
	case float64:
		return codec.Float(v), nil
	case string:
		return codec.Text(v, limit)
	}
	buf := codec.NewBuffer()
	if _, err := writeGo(ctx, buf, v, limit); err != nil {
		buf.Release()
		return codec.Encoded{}, err
	}
	return buf.Encoded(), nil
}

// finished copies what an encoder returns into a Value, and releases it.
func finished(e codec.Encoded, err error) (Value, error) {
	if err != nil {
		return Value{}, err
	}
	defer e.Release()
	return Value{e.Raw()}, nil
}

// writeGo encodes a Go value into a buffer.
func writeGo(ctx context.Context, buf *codec.Buffer, v any, limit int) (raw []byte, err error) {
	w := goWriter{codec.NewEncoder(ctx, limit)}
	buf.Bytes, err = w.value(buf.Bytes, v, 0)
	return buf.Bytes, err
}

// goWriter encodes Go values. Its methods append to b, as append does.
type goWriter struct{ codec.Encoder }

func (w *goWriter) value(b []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		b = cbor.AppendNull(b)
	case bool:
		b = cbor.AppendBool(b, v)
	case int:
		b = cbor.AppendInt(b, int64(v))
	case int64:
		b = cbor.AppendInt(b, v)
	case float64:
		b = cbor.AppendFloat(b, v)
	case string:
		return w.Text(b, v)
	case []byte:
		return w.Bytes(b, v)
	case map[string]any:
		b, err := w.Dict(b, len(v), depth)
		if err != nil {
			return b, err
		}
		for k, el := range v {
			if b, err = w.Text(b, k); err != nil {
				return b, err
			}
			if b, err = w.value(b, el, depth+1); err != nil {
				return b, codec.At(err, codec.KeyStep(k))
			}
		}
		return b, nil
	case []any:
		b, err := w.List(b, len(v), depth)
		return w.elements(b, v, depth, err)
	case Tuple:
		b, err := w.Tuple(b, len(v), depth)
		return w.elements(b, v, depth, err)
	case Set:
		b, err := w.Set(b, len(v), depth)
		if b, err = w.elements(b, v, depth, err); err != nil {
			return b, err
		}
		if i := slices.IndexFunc(v, unhashable); i >= 0 {
			return b, codec.At(codec.Errorf(ErrType, "cannot store a set with a %T in it at %%s; use strings, numbers or Tuples", v[i]), codec.IndexStep(i))
		}
		return b, nil
	case Dict:
		b, err := w.Dict(b, len(v), depth)
		for i := 0; i < len(v) && err == nil; i++ {
			b, err = w.pair(b, v[i], depth)
		}
		return b, err
	default:
		return w.reflected(b, reflect.ValueOf(v), depth)
	}
	return b, w.Check(b)
}

// elements continues a container that was begun, unless err is not nil.
func (w *goWriter) elements(b []byte, list []any, depth int, err error) ([]byte, error) {
	for i := 0; i < len(list) && err == nil; i++ {
		if b, err = w.value(b, list[i], depth+1); err != nil {
			err = codec.At(err, codec.IndexStep(i))
		}
	}
	return b, err
}

func (w *goWriter) pair(b []byte, p Pair, depth int) ([]byte, error) {
	b, err := w.value(b, p.Key, depth+1)
	if err != nil {
		return b, err
	}
	if unhashable(p.Key) {
		return b, codec.Errorf(ErrType, "cannot store a dict with a %T as key at %%s; use strings, numbers, bools, nil or Tuples of them", p.Key)
	}
	if b, err = w.value(b, p.Value, depth+1); err != nil {
		return b, codec.At(err, codec.KeyStep(p.Key))
	}
	return b, nil
}

// reflected takes the types that are another spelling of a documented one.
func (w *goWriter) reflected(b []byte, v reflect.Value, depth int) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		return w.value(b, v.Bool(), depth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return w.value(b, v.Int(), depth)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.Uint() > math.MaxInt64 {
			return b, codec.Errorf(ErrInvalid, "an unsigned integer at %%s is outside the range of int64; store it as a float or a string")
		}
		return w.value(b, int64(v.Uint()), depth)
	case reflect.Float32, reflect.Float64:
		return w.value(b, v.Float(), depth)
	case reflect.String:
		return w.value(b, v.String(), depth)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return w.value(b, v.Bytes(), depth)
		}
		b, err := w.List(b, v.Len(), depth)
		for i := 0; i < v.Len() && err == nil; i++ {
			if b, err = w.value(b, v.Index(i).Interface(), depth+1); err != nil {
				err = codec.At(err, codec.IndexStep(i))
			}
		}
		return b, err
	case reflect.Map:
		b, err := w.Dict(b, v.Len(), depth)
		for it := v.MapRange(); err == nil && it.Next(); {
			b, err = w.pair(b, Pair{it.Key().Interface(), it.Value().Interface()}, depth)
		}
		return b, err
	}
	return b, codec.Errorf(ErrType, "cannot store a %s at %%s; use SetAs for structs, or the types that Encode documents", v.Type())
}

// unhashable reports whether scripts refuse v as an element of a set or as the
// key of a dict. It is asked once v is encoded, which bounds v's depth and size.
func unhashable(v any) bool {
	switch v := v.(type) {
	case nil, []byte:
		return false
	case Tuple:
		return slices.ContainsFunc(v, unhashable)
	}
	t := reflect.TypeOf(v)
	switch t.Kind() {
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Uint8
	case reflect.Array, reflect.Map:
		return true
	}
	return false
}

func (v Value) number() (codec.Number, error) { return codec.ParseNumber(v.data) }

// addNumbers adds two encoded numbers: int and int give an int, anything else a
// float.
func addNumbers(a, b Value) (Value, error) {
	sum, err := codec.Add(a.data, b.data)
	return Value{sum}, err
}

func encodeInt(i int64) Value     { return Value{codec.Int(i).Raw()} }
func encodeFloat(f float64) Value { return Value{codec.Float(f).Raw()} }

// shorten cuts a text for a message.
func shorten(s string) string { return kverr.Shorten(s) }
