package object

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
)

// Integers in this range are shared objects, so scripts see them as identical.
const (
	minSharedInt = -5
	maxSharedInt = 10000
)

var (
	sharedInts  [maxSharedInt - minSharedInt + 1]Integer
	sharedTrue  = &Boolean{value: true}
	sharedFalse = &Boolean{value: false}
)

func init() {
	for i := range sharedInts {
		sharedInts[i].value = int64(i + minSharedInt)
	}
}

// Integer is a 64-bit integer.
type Integer struct {
	refusals
	value int64
}

// NewInteger returns the Integer with value v.
func NewInteger(v int64) *Integer {
	if v >= minSharedInt && v <= maxSharedInt {
		return &sharedInts[v-minSharedInt]
	}
	return &Integer{value: v}
}

// IntValue returns the number.
func (i *Integer) IntValue() int64                { return i.value }
func (i *Integer) Type() ObjectType               { return INTEGER_OBJ }
func (i *Integer) Inspect() string                { return strconv.FormatInt(i.value, 10) }
func (i *Integer) AsInt() (int64, Object)         { return i.value, nil }
func (i *Integer) AsFloat() (float64, Object)     { return float64(i.value), nil }
func (i *Integer) AsBool() (bool, Object)         { return i.value != 0, nil }
func (i *Integer) CoerceString() (string, Object) { return i.Inspect(), nil }
func (i *Integer) CoerceInt() (int64, Object)     { return i.value, nil }
func (i *Integer) CoerceFloat() (float64, Object) { return float64(i.value), nil }

// Float is a 64-bit floating point number.
type Float struct {
	refusals
	value float64
}

// NewFloat returns a Float with value v.
func NewFloat(v float64) *Float { return &Float{value: v} }

// FloatValue returns the number.
func (f *Float) FloatValue() float64            { return f.value }
func (f *Float) Type() ObjectType               { return FLOAT_OBJ }
func (f *Float) Inspect() string                { return strconv.FormatFloat(f.value, 'g', -1, 64) }
func (f *Float) AsInt() (int64, Object)         { return int64(f.value), nil }
func (f *Float) AsFloat() (float64, Object)     { return f.value, nil }
func (f *Float) AsBool() (bool, Object)         { return f.value != 0, nil }
func (f *Float) CoerceString() (string, Object) { return f.Inspect(), nil }
func (f *Float) CoerceInt() (int64, Object)     { return int64(f.value), nil }
func (f *Float) CoerceFloat() (float64, Object) { return f.value, nil }

// Boolean is True or False.
type Boolean struct {
	refusals
	value bool
}

// NewBoolean returns the Boolean with value v.
func NewBoolean(v bool) *Boolean {
	if v {
		return sharedTrue
	}
	return sharedFalse
}

// BoolValue returns the truth value.
func (b *Boolean) BoolValue() bool                { return b.value }
func (b *Boolean) Type() ObjectType               { return BOOLEAN_OBJ }
func (b *Boolean) Inspect() string                { return strconv.FormatBool(b.value) }
func (b *Boolean) AsBool() (bool, Object)         { return b.value, nil }
func (b *Boolean) CoerceString() (string, Object) { return b.Inspect(), nil }
func (b *Boolean) CoerceInt() (int64, Object)     { return b.number(), nil }
func (b *Boolean) CoerceFloat() (float64, Object) { return float64(b.number()), nil }

func (b *Boolean) number() int64 {
	if b.value {
		return 1
	}
	return 0
}

// String is a text.
type String struct {
	refusals
	value string
}

// NewString returns a String with value s. Strings are never shared.
func NewString(s string) *String { return &String{value: s} }

// StringValue returns the text.
func (s *String) StringValue() string            { return s.value }
func (s *String) Type() ObjectType               { return STRING_OBJ }
func (s *String) Inspect() string                { return s.value }
func (s *String) AsString() (string, Object)     { return s.value, nil }
func (s *String) AsBool() (bool, Object)         { return s.value != "", nil }
func (s *String) CoerceString() (string, Object) { return s.value, nil }

// CoerceInt parses the trimmed text as a decimal integer.
func (s *String) CoerceInt() (int64, Object) {
	n, err := strconv.ParseInt(strings.TrimSpace(s.value), 10, 64)
	if err != nil {
		return 0, &Error{Message: "cannot convert " + s.value + " to int"}
	}
	return n, nil
}

// CoerceFloat parses the trimmed text as a floating point number.
func (s *String) CoerceFloat() (float64, Object) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s.value), 64)
	if err != nil {
		return 0, &Error{Message: "cannot convert " + s.value + " to float"}
	}
	return f, nil
}

// Bytes is an immutable sequence of bytes.
type Bytes struct {
	refusals
	value []byte
}

// NewBytes returns Bytes holding a copy of b.
func NewBytes(b []byte) *Bytes { return &Bytes{value: append([]byte{}, b...)} }

// NewBytesFromString returns Bytes holding the bytes of s.
func NewBytesFromString(s string) *Bytes { return &Bytes{value: []byte(s)} }

// BytesValue returns the bytes; the caller must not change them.
func (b *Bytes) BytesValue() []byte { return b.value }

// Len returns the number of bytes.
func (b *Bytes) Len() int { return len(b.value) }

// Equal reports whether both hold the same bytes.
func (b *Bytes) Equal(other *Bytes) bool { return bytes.Equal(b.value, other.value) }

func (b *Bytes) Type() ObjectType       { return BYTES_OBJ }
func (b *Bytes) AsBool() (bool, Object) { return len(b.value) > 0, nil }
func (b *Bytes) CoerceString() (string, Object) {
	return base64.StdEncoding.EncodeToString(b.value), nil
}

// Inspect returns the bytes as a b'…' literal.
func (b *Bytes) Inspect() string {
	const hex = "0123456789abcdef"
	var out strings.Builder
	out.WriteString("b'")
	for _, c := range b.value {
		switch {
		case c == '\'' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\r':
			out.WriteString(`\r`)
		case c == '\t':
			out.WriteString(`\t`)
		case c < ' ' || c > '~':
			out.WriteString(`\x`)
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('\'')
	return out.String()
}

// Null is None. Any number of Null objects may exist; they are told by type.
type Null struct{ refusals }

func (n *Null) Type() ObjectType               { return NULL_OBJ }
func (n *Null) Inspect() string                { return "None" }
func (n *Null) AsBool() (bool, Object)         { return false, nil }
func (n *Null) CoerceString() (string, Object) { return "None", nil }
func (n *Null) CoerceInt() (int64, Object)     { return 0, nil }
func (n *Null) CoerceFloat() (float64, Object) { return 0, nil }

// Slice is a slice object; absent parts are nil.
type Slice struct {
	refusals
	Start, End, Step *Integer
}

func (s *Slice) Type() ObjectType               { return SLICE_OBJ }
func (s *Slice) AsBool() (bool, Object)         { return true, nil }
func (s *Slice) CoerceString() (string, Object) { return s.Inspect(), nil }

// Inspect returns the slice as a call of the builtin that makes it.
func (s *Slice) Inspect() string {
	part := func(i *Integer) string {
		if i == nil {
			return "None"
		}
		return i.Inspect()
	}
	return "slice(" + part(s.Start) + ", " + part(s.End) + ", " + part(s.Step) + ")"
}
