// Package cbor writes and reads the items of CBOR (RFC 8949) that stored
// values are made of: definite lengths only, integers within int64, floats in
// full width. It knows items, not values: what a tag or a nested array means is
// its caller's business, and so are limits on depth and size.
package cbor

import (
	"encoding/binary"
	"errors"
	"math"
)

// Kind is the kind of an item.
type Kind byte

// The kinds of items that Reader.Next tells apart.
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

// AppendFloat appends a float in full width, so that a float stays apart from
// an integer and a NaN keeps its bits.
func AppendFloat(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, headFloat64), math.Float64bits(v))
}

// AppendText appends a text string, which must be valid UTF-8.
func AppendText(b []byte, s string) []byte {
	return append(AppendTextHead(b, len(s)), s...)
}

// AppendTextHead appends the head of a text string; its n bytes are to follow.
func AppendTextHead(b []byte, n int) []byte { return appendHead(b, majorText, uint64(n)) }

// AppendBytes appends a byte string.
func AppendBytes[T string | []byte](b []byte, s T) []byte {
	return append(appendHead(b, majorBytes, uint64(len(s))), s...)
}

// AppendArray appends the head of an array; its n elements are to follow.
func AppendArray(b []byte, n int) []byte { return appendHead(b, majorArray, uint64(n)) }

// AppendMap appends the head of a map; its n keys and values are to follow.
func AppendMap(b []byte, n int) []byte { return appendHead(b, majorMap, uint64(n)) }

// AppendTag appends a tag; the item it marks is to follow.
func AppendTag(b []byte, number uint64) []byte { return appendHead(b, majorTag, number) }

// Item is one item as Reader.Next found it.
type Item struct {
	Kind  Kind
	Int   int64
	Float float64
	Text  string
}

// Errors of Reader.Next. None of them holds a byte of what was read.
var (
	ErrTruncated   = errors.New("cbor: value is cut short")
	ErrUnsupported = errors.New("cbor: item of an unsupported kind")
	ErrRange       = errors.New("cbor: number out of range")
)

// Reader reads items from an encoded value. Texts and byte strings it returns
// are parts of that value, not copies.
type Reader struct {
	rest string
}

// NewReader returns a reader of s.
func NewReader(s string) Reader { return Reader{rest: s} }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.rest) }

// Next reads the next item. A length that goes past the end of the input is an
// error here, before anyone reserves memory for it.
func (r *Reader) Next() (Item, error) {
	if len(r.rest) == 0 {
		return Item{}, ErrTruncated
	}
	first := r.rest[0]
	if first&maskMajor == majorSimple {
		return r.simple(first)
	}
	n, err := r.argument(first & maskInfo)
	if err != nil {
		return Item{}, err
	}
	switch first & maskMajor {
	case majorUint:
		if n > math.MaxInt64 {
			return Item{}, ErrRange
		}
		return Item{Kind: Int, Int: int64(n)}, nil
	case majorNegInt:
		if n > math.MaxInt64 {
			return Item{}, ErrRange
		}
		return Item{Kind: Int, Int: ^int64(n)}, nil
	case majorBytes:
		return r.text(Bytes, n)
	case majorText:
		return r.text(Text, n)
	case majorArray:
		return r.container(Array, n, 1)
	case majorMap:
		return r.container(Map, n, 2)
	default:
		if n > math.MaxInt64 {
			return Item{}, ErrRange
		}
		return Item{Kind: Tag, Int: int64(n)}, nil
	}
}

// ShortText reads a text whose length is in its first byte, as most names and
// many values are. Anything else it leaves to Next.
func (r *Reader) ShortText() (text string, ok bool) {
	if len(r.rest) == 0 {
		return "", false
	}
	n := int(r.rest[0]) - majorText
	if uint(n) >= 24 || n >= len(r.rest) {
		return "", false
	}
	text = r.rest[1 : 1+n]
	r.rest = r.rest[1+n:]
	return text, true
}

func (r *Reader) text(kind Kind, n uint64) (Item, error) {
	if n > uint64(len(r.rest)) {
		return Item{}, ErrTruncated
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return Item{Kind: kind, Text: s}, nil
}

// container checks that n elements of at least size bytes can be in what is left.
func (r *Reader) container(kind Kind, n uint64, size int) (Item, error) {
	if n > uint64(len(r.rest)/size) {
		return Item{}, ErrTruncated
	}
	return Item{Kind: kind, Int: int64(n)}, nil
}

func (r *Reader) simple(first byte) (Item, error) {
	switch first {
	case headFalse, headTrue:
		r.rest = r.rest[1:]
		return Item{Kind: Bool, Int: int64(first - headFalse)}, nil
	case headNull:
		r.rest = r.rest[1:]
		return Item{Kind: Null}, nil
	case headFloat16, headFloat32, headFloat64:
		bits, err := r.argument(first & maskInfo)
		if err != nil {
			return Item{}, err
		}
		switch first {
		case headFloat16:
			return Item{Kind: Float, Float: float16(uint16(bits))}, nil
		case headFloat32:
			return Item{Kind: Float, Float: float64(math.Float32frombits(uint32(bits)))}, nil
		}
		return Item{Kind: Float, Float: math.Float64frombits(bits)}, nil
	}
	return Item{}, ErrUnsupported
}

// argument reads the head whose first byte carries info, and the bytes of its
// number.
func (r *Reader) argument(info byte) (uint64, error) {
	if info < 24 {
		r.rest = r.rest[1:]
		return uint64(info), nil
	}
	if info > 27 {
		return 0, ErrUnsupported // reserved, or an indefinite length
	}
	size := 1 << (info - 24)
	if len(r.rest) < 1+size {
		return 0, ErrTruncated
	}
	s := r.rest[1 : 1+size]
	r.rest = r.rest[1+size:]
	switch len(s) { // each is one load
	case 1:
		return uint64(s[0]), nil
	case 2:
		return uint64(s[1]) | uint64(s[0])<<8, nil
	case 4:
		return uint64(s[3]) | uint64(s[2])<<8 | uint64(s[1])<<16 | uint64(s[0])<<24, nil
	default:
		return uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 |
			uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56, nil
	}
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
