package codec

import (
	"math"
	"strings"
	"unsafe"

	"github.com/scriptling-kv/extlibs/internal/cbor"
)

// Encoded is an encoded value whose bytes have not been written yet, or not copied: first the
// bytes that AppendHead appends, then Body. Body belongs to the encoder's caller or to a
// Buffer; write the value before that changes. It is small enough to be passed in registers.
type Encoded struct {
	Kind cbor.Kind // Null, Bool, Int, Float, Text, or Bytes for raw text; 0: all of it is in Body
	bits uint64    // of an int, a float or a bool
	Body string
	buf  *Buffer
}

// MaxHead is the maximum number of bytes that AppendHead appends.
const MaxHead = 9

// AppendHead appends the bytes before Body.
func (e Encoded) AppendHead(b []byte) []byte {
	switch e.Kind {
	case cbor.Int:
		return cbor.AppendInt(b, e.Int())
	case cbor.Text:
		return cbor.AppendTextHead(b, len(e.Body))
	case cbor.Float:
		return cbor.AppendFloat(b, e.Float())
	case cbor.Bool:
		return cbor.AppendBool(b, e.bits != 0)
	case cbor.Null:
		return cbor.AppendNull(b)
	case cbor.Bytes:
		return cbor.AppendBytesHead(cbor.AppendTag(b, tagRawText), len(e.Body))
	}
	return b
}

// Int returns the value of an Int, Float that of a Float.
func (e Encoded) Int() int64     { return int64(e.bits) }
func (e Encoded) Float() float64 { return math.Float64frombits(e.bits) }

// Raw returns a copy of the bytes.
func (e Encoded) Raw() string {
	var head [MaxHead]byte
	if e.Kind == 0 {
		return strings.Clone(e.Body) // "" + e.Body would share it
	}
	return string(e.AppendHead(head[:0])) + e.Body
}

// Release releases the buffer of a value that has one. Body must not be used afterwards.
func (e Encoded) Release() {
	if e.buf != nil {
		e.buf.Release()
	}
}

// Null returns an encoded null.
func Null() Encoded { return Encoded{Kind: cbor.Null} }

// Bool returns an encoded bool.
func Bool(b bool) Encoded {
	if b {
		return Encoded{Kind: cbor.Bool, bits: 1}
	}
	return Encoded{Kind: cbor.Bool}
}

// Int returns an encoded integer.
func Int(i int64) Encoded { return Encoded{Kind: cbor.Int, bits: uint64(i)} }

// Float returns an encoded float.
func Float(f float64) Encoded { return Encoded{Kind: cbor.Float, bits: math.Float64bits(f)} }

// Text returns an encoded string of at most limit bytes, tagged as raw text if it is not
// valid UTF-8.
func Text(s string, limit int) (Encoded, error) {
	if len(s) <= limit-MaxHead && ValidText(s) {
		return Encoded{Kind: cbor.Text, Body: s}, nil
	}
	return longText(s, limit)
}

// longText is Text for a string that is near the limit or to be tagged.
func longText(s string, limit int) (Encoded, error) {
	if len(s) >= limit { // the head has at least a byte
		return Encoded{}, tooLarge(limit)
	}
	e := Encoded{Kind: cbor.Text, Body: s}
	if !ValidText(s) {
		e.Kind = cbor.Bytes
	}
	var head [MaxHead]byte
	if len(s) > limit-len(e.AppendHead(head[:0])) {
		return Encoded{}, tooLarge(limit)
	}
	return e, nil
}

// Parse returns the parts of an encoded value, which it shares.
func Parse(raw string) Encoded {
	if item, ok := Scalar(raw); ok {
		e := Encoded{Body: raw}
		switch item.Kind {
		case cbor.Text:
			e = Encoded{Kind: cbor.Text, Body: item.Text}
		case cbor.Int:
			e = Int(item.Int)
		case cbor.Float:
			e = Float(item.Float)
		}
		// Other encoders can write a longer head.
		var head [MaxHead]byte
		if string(e.AppendHead(head[:0])) == raw[:len(raw)-len(e.Body)] {
			return e
		}
	}
	return Encoded{Body: raw}
}

// Encoded returns the value in b, which has parts. Its Release releases b.
func (b *Buffer) Encoded() Encoded {
	return Encoded{Body: unsafe.String(unsafe.SliceData(b.Bytes), len(b.Bytes)), buf: b}
}
