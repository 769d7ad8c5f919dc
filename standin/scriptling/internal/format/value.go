// Package format turns numbers and texts into strings: format specifications of
// f-strings and format(), %-formatting, and the templates of str.format.
//
// It knows nothing about the objects of the interpreter; callers describe an
// argument with a Value.
package format

import (
	"math"
	"strconv"
)

// Kind tells how a Value is to be formatted.
type Kind uint8

// The kinds of values.
const (
	Other Kind = iota // only Text counts
	Int
	Float
	Text
)

// Value is an argument to be formatted.
type Value struct {
	Kind  Kind
	Int   int64
	Float float64
	Text  string // display text, required for Text and Other
	Type  string // upper-case type name, used in error messages
}

// IntValue describes an integer.
func IntValue(n int64) Value { return Value{Kind: Int, Int: n, Type: "INTEGER"} }

// FloatValue describes a float.
func FloatValue(f float64) Value { return Value{Kind: Float, Float: f, Type: "FLOAT"} }

// TextValue describes a string.
func TextValue(s string) Value { return Value{Kind: Text, Text: s, Type: "STRING"} }

// OtherValue describes a value of another type by its display text.
func OtherValue(text, typeName string) Value {
	return Value{Kind: Other, Text: text, Type: typeName}
}

// FloatText is the shortest text of a float, as print shows it.
func FloatText(f float64) string {
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// FloatFieldText is the text of a float inside an f-string: integral values that
// fit int64 keep one decimal.
func FloatFieldText(f float64) string {
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return FloatText(f)
}

// plain is the text of v in a field without a specification.
func (v Value) plain() string {
	switch v.Kind {
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Float:
		return FloatFieldText(v.Float)
	}
	return v.Text
}
