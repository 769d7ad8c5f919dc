package extlibs

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Value is one encoded value: a CBOR item (RFC 8949), immutable. The zero Value
// is none at all. Values that are == are equal; of two sets or dicts that differ
// in nothing but the order of their elements that need not hold. Printing a
// Value shows how long it is, never what it is.
//
// Integers are CBOR integers within int64, floats are 64 bits wide, a list is an
// array and a dict a map. Tags mark what CBOR lacks: a set is an array under tag
// 258, a tuple an array under tag 60001, and a string that is not valid UTF-8 is
// a byte string under tag 60002.
type Value struct{ data string }

// RawValue is the Value whose encoding is raw, as a backend has kept it. Nothing
// is checked before [Value.Decode].
func RawValue(raw string) Value { return Value{raw} }

// Raw returns the encoding, "" for the zero Value: what a backend keeps.
func (v Value) Raw() string { return v.data }

// Len returns the bytes of the encoding.
func (v Value) Len() int { return len(v.data) }

// IsZero reports whether v is the zero Value, which is none.
func (v Value) IsZero() bool { return v.data == "" }

// Format implements fmt.Formatter for every verb.
func (v Value) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "value of %d bytes", len(v.data)) }

type (
	// Tuple is a script's tuple.
	Tuple []any
	// Set is a script's set, its elements in no particular order.
	Set []any
	// Dict is a script's dict with at least one key that is not a string, in no
	// particular order.
	Dict []Pair
	// Pair is one entry of a Dict.
	Pair struct{ Key, Value any }
)

// Encode encodes a Go value. These are the types that it takes, and the first
// ones those that [Value.Decode] and the calls of a [Handle] return:
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
// and types that are defined as one of them. A value of another type, such as a
// struct or a pointer, is an error that is ErrType and says where it stands; one
// nested more than MaxDepth levels, as a value that contains itself is, or larger
// than 2 GiB is ErrTooLarge. A store has a limit of its own, see [MaxValueBytes].
func Encode(v any) (Value, error) { return encodeGo(v, math.MaxInt32) }

func encodeGo(v any, limit int) (Value, error) {
	switch v := v.(type) { // the values that need no buffer
	case int:
		return encodeInt(int64(v)), nil
	case int64:
		return encodeInt(v), nil
	case string:
		return finished(codec.Text(v, limit))
	case float64:
		return encodeFloat(v), nil
	case bool:
		return encodeBool(v), nil
	}
	e := codec.NewEncoder(limit)
	defer e.Release()
	if err := (goWalk{e}).value(v, 0); err != nil {
		return Value{}, err
	}
	return finished(e.Value())
}

// finished makes a Value of what an encoder returns.
func finished(raw string, err error) (Value, error) { return Value{raw}, err }

// goWalk encodes Go values.
type goWalk struct{ *codec.Encoder }

func (w goWalk) value(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		w.Null()
	case bool:
		w.Bool(v)
	case int:
		w.Int(int64(v))
	case int64:
		w.Int(v)
	case float64:
		w.Float(v)
	case string:
		w.Text(v)
	case []byte:
		w.Bytes(v)
	case []any:
		if err := w.List(len(v), depth); err != nil {
			return err
		}
		return w.elements(v, depth)
	case Tuple:
		if err := w.Tuple(len(v), depth); err != nil {
			return err
		}
		return w.elements(v, depth)
	case Set:
		if err := w.Set(len(v), depth); err != nil {
			return err
		}
		if err := w.elements(v, depth); err != nil {
			return err
		}
		if i := slices.IndexFunc(v, unhashable); i >= 0 {
			return codec.At(codec.Errorf(ErrType, "cannot store a set with a %T in it at %%s", v[i]), codec.IndexStep(i))
		}
		return nil
	case map[string]any:
		if err := w.Dict(len(v), depth); err != nil {
			return err
		}
		for k, el := range v {
			w.Text(k)
			if err := w.value(el, depth+1); err != nil {
				return codec.At(err, codec.KeyStep(k))
			}
		}
	case Dict:
		return w.dict(v, depth)
	default:
		return w.reflected(reflect.ValueOf(v), depth)
	}
	return w.Check()
}

func (w goWalk) elements(list []any, depth int) error {
	for i, el := range list {
		if err := w.value(el, depth+1); err != nil {
			return codec.At(err, codec.IndexStep(i))
		}
	}
	return nil
}

func (w goWalk) dict(d Dict, depth int) error {
	if err := w.Dict(len(d), depth); err != nil {
		return err
	}
	for _, p := range d {
		if err := w.pair(p, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w goWalk) pair(p Pair, depth int) error {
	if err := w.value(p.Key, depth+1); err != nil {
		return err
	}
	if unhashable(p.Key) {
		return codec.Errorf(ErrType, "cannot store a dict with a %T as key at %%s", p.Key)
	}
	if err := w.value(p.Value, depth+1); err != nil {
		return codec.At(err, codec.KeyStep(p.Key))
	}
	return nil
}

// reflected takes the types that are another spelling of a documented one.
func (w goWalk) reflected(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Bool:
		return w.value(v.Bool(), depth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return w.value(v.Int(), depth)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.Uint() > math.MaxInt64 {
			return codec.Errorf(ErrInvalid, "an unsigned integer at %%s is beyond a 64-bit int")
		}
		return w.value(int64(v.Uint()), depth)
	case reflect.Float32, reflect.Float64:
		return w.value(v.Float(), depth)
	case reflect.String:
		return w.value(v.String(), depth)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return w.value(v.Bytes(), depth)
		}
		if err := w.List(v.Len(), depth); err != nil {
			return err
		}
		for i := range v.Len() {
			if err := w.value(v.Index(i).Interface(), depth+1); err != nil {
				return codec.At(err, codec.IndexStep(i))
			}
		}
		return nil
	case reflect.Map:
		if err := w.Encoder.Dict(v.Len(), depth); err != nil {
			return err
		}
		for it := v.MapRange(); it.Next(); {
			if err := w.pair(Pair{it.Key().Interface(), it.Value().Interface()}, depth); err != nil {
				return err
			}
		}
		return nil
	}
	return codec.Errorf(ErrType, "cannot store a %s at %%s; use SetAs for structs, or the types that Encode documents", v.Type())
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

// Decode returns the value as a Go value of its own, of the types that Encode
// lists. What is not the encoding of a value is an error that is ErrCorrupt.
func (v Value) Decode() (any, error) {
	if item, ok := codec.Scalar(v.data); ok {
		switch item.Kind {
		case cbor.Text:
			return item.Text, nil
		case cbor.Int:
			return item.Int, nil
		}
	}
	return codec.Decode(v.data, goBuilder{})
}

// goBuilder makes Go values.
type goBuilder struct{}

func (goBuilder) Null() any           { return nil }
func (goBuilder) Bool(v bool) any     { return v }
func (goBuilder) Int(v int64) any     { return v }
func (goBuilder) Float(v float64) any { return v }
func (goBuilder) Text(v string) any   { return v }
func (goBuilder) Bytes(v string) any  { return []byte(v) }
func (goBuilder) List(v []any) any    { return v }
func (goBuilder) Tuple(v []any) any   { return Tuple(v) }

func (goBuilder) Set(v []any) (any, error) {
	if i := slices.IndexFunc(v, unhashable); i >= 0 {
		return nil, fmt.Errorf("set element of type %T", v[i])
	}
	return Set(v), nil
}

func (goBuilder) Dict(n int) codec.DictBuilder[any] { return make(goMap, n) }

// goMap builds a dict until a key turns up that is not a string.
type goMap map[string]any

func (m goMap) PutText(key string, borrowed bool, value any) {
	if borrowed {
		key = strings.Clone(key)
	}
	m[key] = value
}

func (m goMap) Put(key, value any) (codec.DictBuilder[any], error) {
	if name, isString := key.(string); isString { // one that is not valid UTF-8
		m[name] = value
		return m, nil
	}
	d := goDict{pairs: make(Dict, 0, len(m)+1)}
	for k, v := range m {
		d.pairs = append(d.pairs, Pair{k, v})
	}
	return d.Put(key, value)
}

func (m goMap) Done() any { return map[string]any(m) }

// goDict builds a dict with any keys.
type goDict struct{ pairs Dict }

func (d *goDict) PutText(key string, borrowed bool, value any) {
	if borrowed {
		key = strings.Clone(key)
	}
	d.pairs = append(d.pairs, Pair{key, value})
}

func (d *goDict) Put(key, value any) (codec.DictBuilder[any], error) {
	if unhashable(key) {
		return nil, fmt.Errorf("dict key of type %T", key)
	}
	d.pairs = append(d.pairs, Pair{key, value})
	return d, nil
}

func (d *goDict) Done() any { return d.pairs }

func (v Value) number() (codec.Number, error) { return codec.ParseNumber(v.data) }

// addNumbers adds two encoded numbers: int and int give an int, anything else a
// float.
func addNumbers(a, b Value) (Value, error) {
	sum, err := codec.Add(a.data, b.data)
	return Value{sum}, err
}

func encodeInt(i int64) Value     { return Value{codec.Int(i)} }
func encodeFloat(f float64) Value { return Value{codec.Float(f)} }
func encodeBool(b bool) Value     { return Value{codec.Bool(b)} }

// shorten cuts a text for a message.
func shorten(s string) string { return kverr.Shorten(s) }
