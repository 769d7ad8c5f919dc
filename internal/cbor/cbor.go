// Package cbor writes and reads the CBOR items (RFC 8949) that stored values consist of:
// definite lengths only, integers within int64, floats with 64 bits. It does not interpret
// tags and containers, and does not limit depth or size; its callers do.
package cbor

import (
	"encoding/binary"
	"errors"
	"math"
)

// Kind is the kind of an item.
type Kind byte

// The kinds of items that Read distinguishes.
const (
	Null  Kind = iota + 1
	Bool       // Item.Int is 0 or 1
	Int        // Item.Int
	Float      // Item.Float
	Text       // Item.Text: valid UTF-8 is for the caller to check
	Bytes      // Item.Text
	Array      // Item.Int elements follow
	Map        // Item.Int pairs follow
	Tag        // Item.Int is the tag's number; one item follows
)

// Major types, in the top three bits of an item's first byte.
const (
	majorUint   = 0 << 5
	majorNegInt = 1 << 5
	majorBytes  = 2 << 5
	majorText   = 3 << 5
	majorArray  = 4 << 5
	majorMap    = 5 << 5
	majorTag    = 6 << 5
	majorSimple = 7 << 5

	maskMajor = 0xe0
	maskInfo  = 0x1f
)

// First bytes of the simple values and floats.
const (
	headFalse   = majorSimple | 20
	headTrue    = majorSimple | 21
	headNull    = majorSimple | 22
	headFloat16 = majorSimple | 25
	headFloat32 = majorSimple | 26
	headFloat64 = majorSimple | 27
)

func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, major|27), n)
	}
}

// AppendNull appends null.
func AppendNull(b []byte) []byte { return append(b, headNull) }

// AppendBool appends true or false.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, headTrue)
	}
	return append(b, headFalse)
}

// AppendInt appends an integer in its shortest form.
func AppendInt(b []byte, v int64) []byte {
	if v < 0 {
		return appendHead(b, majorNegInt, uint64(^v))
	}
	return appendHead(b, majorUint, uint64(v))
}

// AppendFloat appends a float with 64 bits, which distinguishes it from an integer and
// preserves the bits of a NaN.
func AppendFloat(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, headFloat64), math.Float64bits(v))
}

// AppendText appends a text string, which must be valid UTF-8.
func AppendText(b []byte, s string) []byte {
	return append(AppendTextHead(b, len(s)), s...)
}

// AppendTextHead appends the head of a text string; its n bytes must follow.
func AppendTextHead(b []byte, n int) []byte { return appendHead(b, majorText, uint64(n)) }

// AppendBytes appends a byte string.
func AppendBytes[T string | []byte](b []byte, s T) []byte {
	return append(AppendBytesHead(b, len(s)), s...)
}

// AppendBytesHead appends the head of a byte string; its n bytes must follow.
func AppendBytesHead(b []byte, n int) []byte { return appendHead(b, majorBytes, uint64(n)) }

// AppendArray appends the head of an array; the n elements must follow.
func AppendArray(b []byte, n int) []byte { return appendHead(b, majorArray, uint64(n)) }

// AppendMap appends the head of a map; the n keys and values must follow.
func AppendMap(b []byte, n int) []byte { return appendHead(b, majorMap, uint64(n)) }

// AppendTag appends a tag; the tagged item must follow.
func AppendTag(b []byte, number uint64) []byte { return appendHead(b, majorTag, number) }

// Item is an item that Read decoded.
type Item struct {
	Kind  Kind
	Int   int64
	Float float64
	Text  string
}

// Errors of Read. None of them contains a byte of the input.
var (
	ErrTruncated   = errors.New("cbor: truncated value")
	ErrUnsupported = errors.New("cbor: item of an unsupported kind")
	ErrRange       = errors.New("cbor: number out of range")
)

// Read decodes the item at the beginning of s and returns the rest of s. A text is a substring
// of s, not a copy. Read refuses a length beyond the end of s, so callers can allocate memory
// for it.
func Read(s string) (item Item, rest string, err error) {
	if len(s) == 0 {
		return item, s, ErrTruncated
	}
	head := s[0]
	number, rest := uint64(head&maskInfo), s[1:]
	if number >= 24 {
		switch { // each is one load
		case number > 27: // reserved, or an indefinite length
			return item, s, ErrUnsupported
		case len(rest) < 1<<(number-24):
			return item, s, ErrTruncated
		case number == 24:
			number, rest = uint64(rest[0]), rest[1:]
		case number == 25:
			number, rest = uint64(rest[1])|uint64(rest[0])<<8, rest[2:]
		case number == 26:
			number, rest = uint64(rest[3])|uint64(rest[2])<<8|uint64(rest[1])<<16|uint64(rest[0])<<24, rest[4:]
		default:
			number, rest = uint64(rest[7])|uint64(rest[6])<<8|uint64(rest[5])<<16|uint64(rest[4])<<24|
				uint64(rest[3])<<32|uint64(rest[2])<<40|uint64(rest[1])<<48|uint64(rest[0])<<56, rest[8:]
		}
	}
	switch head & maskMajor {
	case majorText:
		if number > uint64(len(rest)) {
			return item, s, ErrTruncated
		}
		return Item{Kind: Text, Text: rest[:number]}, rest[number:], nil
	case majorUint:
		if number > math.MaxInt64 {
			return item, s, ErrRange
		}
		return Item{Kind: Int, Int: int64(number)}, rest, nil
	case majorNegInt:
		if number > math.MaxInt64 {
			return item, s, ErrRange
		}
		return Item{Kind: Int, Int: ^int64(number)}, rest, nil
	case majorSimple:
		switch head {
		case headFalse, headTrue:
			return Item{Kind: Bool, Int: int64(head - headFalse)}, rest, nil
		case headNull:
			return Item{Kind: Null}, rest, nil
		case headFloat16:
			return Item{Kind: Float, Float: float16(uint16(number))}, rest, nil
		case headFloat32:
			return Item{Kind: Float, Float: float64(math.Float32frombits(uint32(number)))}, rest, nil
		case headFloat64:
			return Item{Kind: Float, Float: math.Float64frombits(number)}, rest, nil
		}
		return item, s, ErrUnsupported
	case majorBytes:
		if number > uint64(len(rest)) {
			return item, s, ErrTruncated
		}
		return Item{Kind: Bytes, Text: rest[:number]}, rest[number:], nil
	case majorArray:
		if number > uint64(len(rest)) { // an element has a byte at least
			return item, s, ErrTruncated
		}
		return Item{Kind: Array, Int: int64(number)}, rest, nil
	case majorMap:
		if number > uint64(len(rest)/2) {
			return item, s, ErrTruncated
		}
		return Item{Kind: Map, Int: int64(number)}, rest, nil
	}
	if number > math.MaxInt64 {
		return item, s, ErrRange
	}
	return Item{Kind: Tag, Int: int64(number)}, rest, nil
}

// ShortText is a fast Read for a text whose length is in its first byte, as in most names
// and many values. It reports false for everything else.
func ShortText(s string) (text, rest string, ok bool) {
	if len(s) == 0 {
		return "", s, false
	}
	n := int(s[0]) - majorText
	if uint(n) >= 24 || n >= len(s) {
		return "", s, false
	}
	return s[1 : 1+n], s[1+n:], true
}

// float16 widens a half-precision float. This package writes none, but other
// writers of CBOR shorten floats to it.
func float16(h uint16) float64 {
	sign, exp, frac := uint64(h>>15)<<63, int(h>>10&0x1f), uint64(h&0x3ff)
	switch exp {
	case 0:
		v := math.Ldexp(float64(frac), -24)
		return math.Float64frombits(math.Float64bits(v) | sign)
	case 0x1f:
		return math.Float64frombits(sign | 0x7ff<<52 | frac<<42)
	}
	return math.Float64frombits(sign | uint64(exp-15+1023)<<52 | frac<<42)
}
