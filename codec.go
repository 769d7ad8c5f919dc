package extlibs

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/cbor"
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

// Tags of the types that CBOR lacks.
const (
	tagSet     = 258
	tagTuple   = 60001
	tagRawText = 60002
)

// The Go types of values. Encode takes, and Value.Decode returns:
//
//	script  Go
//	None    nil
//	bool    bool
//	int     int64 (Encode also takes every other integer type)
//	float   float64 (Encode also takes float32)
//	str     string
//	bytes   []byte
//	list    []any (Encode also takes other slices and arrays)
//	tuple   Tuple
//	set     Set
//	dict    map[string]any if every key is a string, else Dict
//	        (Encode also takes other maps)
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

// Encode encodes a Go value; see Tuple for the types. A value of another type,
// such as a struct or a pointer, is an error that is ErrType and says where it
// stands; one nested more than MaxDepth levels, as a value that contains itself
// is, or larger than DefaultMaxValueBytes is ErrTooLarge.
func Encode(v any) (Value, error) { return encodeGo(v, DefaultMaxValueBytes) }

func encodeGo(v any, limit int) (Value, error) {
	switch v := v.(type) { // the values that need no buffer
	case int:
		return encodeInt(int64(v)), nil
	case int64:
		return encodeInt(v), nil
	case string:
		return encodeText(v, limit)
	case float64:
		return encodeFloat(v), nil
	case bool:
		return encodeBool(v), nil
	}
	e := newEncoder(limit)
	defer e.release()
	if err := e.goValue(v, 0); err != nil {
		return Value{}, err
	}
	return e.value()
}

// encoder appends items to buf up to limit bytes.
type encoder struct {
	buf   []byte
	limit int
}

// encoders holds encoders with a buffer that is not large.
var encoders = sync.Pool{New: func() any { return &encoder{buf: make([]byte, 0, 256)} }}

const maxKeptBuffer = 64 << 10

func newEncoder(limit int) *encoder {
	e := encoders.Get().(*encoder)
	e.buf, e.limit = e.buf[:0], limit
	return e
}

// release gives back the encoder, whose value is a copy.
func (e *encoder) release() {
	if cap(e.buf) <= maxKeptBuffer {
		encoders.Put(e)
	}
}

// value returns what was encoded. Shorter values never meet the check that
// containers make as they grow.
func (e *encoder) value() (Value, error) {
	if len(e.buf) > e.limit {
		return Value{}, e.tooLarge()
	}
	return Value{string(e.buf)}, nil
}

func (e *encoder) tooLarge() *pathError {
	return &pathError{kind: ErrTooLarge, format: fmt.Sprintf("value is larger than %d bytes; split it over several keys (at %%s)", e.limit)}
}

// text appends a string, marking one that CBOR's text cannot hold.
func (e *encoder) text(s string) {
	if utf8.ValidString(s) {
		e.buf = cbor.AppendText(e.buf, s)
		return
	}
	e.buf = cbor.AppendBytes(cbor.AppendTag(e.buf, tagRawText), s)
}

// enter checks the limits before the elements of a container at depth.
func (e *encoder) enter(depth int) error {
	if depth >= MaxDepth {
		return &pathError{kind: ErrTooLarge, depth: true, format: fmt.Sprintf("value is nested more than %d levels; store its parts under several keys (at %%s)", MaxDepth)}
	}
	if len(e.buf) > e.limit {
		return e.tooLarge()
	}
	return nil
}

func (e *encoder) goValue(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		e.buf = cbor.AppendNull(e.buf)
	case bool:
		e.buf = cbor.AppendBool(e.buf, v)
	case int:
		e.buf = cbor.AppendInt(e.buf, int64(v))
	case int64:
		e.buf = cbor.AppendInt(e.buf, v)
	case float64:
		e.buf = cbor.AppendFloat(e.buf, v)
	case string:
		e.text(v)
	case []byte:
		e.buf = cbor.AppendBytes(e.buf, v)
	case []any:
		return e.goList(v, depth)
	case Tuple:
		e.buf = cbor.AppendTag(e.buf, tagTuple)
		return e.goList(v, depth)
	case Set:
		e.buf = cbor.AppendTag(e.buf, tagSet)
		if err := e.goList(v, depth); err != nil {
			return err
		}
		if i := slices.IndexFunc(v, unhashable); i >= 0 {
			return at(&pathError{kind: ErrType, format: fmt.Sprintf("cannot store a set with a %T in it at %%s", v[i])}, indexStep(i))
		}
		return nil
	case map[string]any:
		if err := e.enter(depth); err != nil {
			return err
		}
		e.buf = cbor.AppendMap(e.buf, len(v))
		for k, el := range v {
			e.text(k)
			if err := e.goValue(el, depth+1); err != nil {
				return at(err, keyStep(k))
			}
		}
	case Dict:
		return e.goDict(v, depth)
	default:
		return e.goReflect(reflect.ValueOf(v), depth)
	}
	if len(e.buf) > e.limit {
		return e.tooLarge()
	}
	return nil
}

func (e *encoder) goList(list []any, depth int) error {
	if err := e.enter(depth); err != nil {
		return err
	}
	e.buf = cbor.AppendArray(e.buf, len(list))
	for i, el := range list {
		if err := e.goValue(el, depth+1); err != nil {
			return at(err, indexStep(i))
		}
	}
	return nil
}

func (e *encoder) goDict(d Dict, depth int) error {
	if err := e.enter(depth); err != nil {
		return err
	}
	e.buf = cbor.AppendMap(e.buf, len(d))
	for _, p := range d {
		if err := e.goValue(p.Key, depth+1); err != nil {
			return err
		}
		if unhashable(p.Key) {
			return &pathError{kind: ErrType, format: fmt.Sprintf("cannot store a dict with a %T as key at %%s", p.Key)}
		}
		if err := e.goValue(p.Value, depth+1); err != nil {
			return at(err, keyStep(p.Key))
		}
	}
	return nil
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

// goReflect takes the types that are another spelling of a documented one.
func (e *encoder) goReflect(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Bool:
		return e.goValue(v.Bool(), depth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.goValue(v.Int(), depth)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.Uint() > math.MaxInt64 {
			return &pathError{kind: ErrInvalid, format: "an unsigned integer at %s is beyond a 64-bit int"}
		}
		return e.goValue(int64(v.Uint()), depth)
	case reflect.Float32, reflect.Float64:
		return e.goValue(v.Float(), depth)
	case reflect.String:
		return e.goValue(v.String(), depth)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return e.goValue(v.Bytes(), depth)
		}
		if err := e.enter(depth); err != nil {
			return err
		}
		e.buf = cbor.AppendArray(e.buf, v.Len())
		for i := range v.Len() {
			if err := e.goValue(v.Index(i).Interface(), depth+1); err != nil {
				return at(err, indexStep(i))
			}
		}
		return nil
	case reflect.Map:
		d := make(Dict, 0, v.Len())
		for it := v.MapRange(); it.Next(); {
			d = append(d, Pair{it.Key().Interface(), it.Value().Interface()})
		}
		return e.goDict(d, depth)
	}
	return &pathError{kind: ErrType, format: fmt.Sprintf("cannot store a %s at %%s; use the types that Encode documents", v.Type())}
}

// number is a decoded int or float.
type number struct {
	isFloat bool
	i       int64
	f       float64
}

func (n number) float() float64 {
	if n.isFloat {
		return n.f
	}
	return float64(n.i)
}

func (v Value) number() (number, error) {
	r := cbor.NewReader(v.data)
	item, err := r.Next()
	if err == nil && r.Len() == 0 {
		switch item.Kind {
		case cbor.Int:
			return number{i: item.Int}, nil
		case cbor.Float:
			return number{isFloat: true, f: item.Float}, nil
		}
	}
	return number{}, kverr.Errorf(ErrType, "the value is not a number; it is unchanged")
}

func encodeInt(i int64) Value {
	var b [9]byte
	return Value{string(cbor.AppendInt(b[:0], i))}
}

func encodeFloat(f float64) Value {
	var b [9]byte
	return Value{string(cbor.AppendFloat(b[:0], f))}
}

var (
	valueFalse = Value{"\xf4"}
	valueTrue  = Value{"\xf5"}
)

func encodeBool(b bool) Value {
	if b {
		return valueTrue
	}
	return valueFalse
}

// encodeText takes one allocation, for the value itself.
func encodeText(s string, limit int) (Value, error) {
	if len(s) > limit || !utf8.ValidString(s) {
		e := encoder{limit: limit}
		e.text(s)
		return e.value()
	}
	var b [9]byte
	return Value{string(cbor.AppendTextHead(b[:0], len(s))) + s}, nil
}

// pathError is an error about a part of a value. The path to that part is put
// together on the way out of the recursion.
type pathError struct {
	kind   error
	format string // has one %s, for the path
	path   string
	depth  bool // it is nested too deeply
}

func (p *pathError) Error() string { return fmt.Sprintf(p.format, "value"+p.path) }
func (p *pathError) Unwrap() error { return p.kind }

// at puts a step before the path of err.
func at(err error, step string) error {
	switch p, ok := err.(*pathError); {
	case !ok:
	case len(p.path) < maxPathBytes:
		p.path = step + p.path
	case !strings.HasPrefix(p.path, cut): // the outermost steps are left out
		p.path = cut + p.path
	}
	return err
}

// Limits of a path in a message.
const (
	maxPathBytes = 200
	cut          = "..."
	maxStepRunes = 40
)

func indexStep(i int) string { return fmt.Sprintf("[%d]", i) }

func keyStep(key any) string {
	if s, ok := key.(string); ok {
		return fmt.Sprintf("[%q]", shorten(s))
	}
	return "[" + shorten(strings.ToValidUTF8(fmt.Sprint(key), "?")) + "]"
}

// shorten cuts a text for a message.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxStepRunes {
		return s
	}
	return string([]rune(s)[:maxStepRunes]) + "..."
}
