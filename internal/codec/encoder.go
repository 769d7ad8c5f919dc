package codec

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Encoder appends the parts of one value to a buffer. The buffer never holds
// more than a few bytes over the limit: what is longer is refused before it is
// copied. A front end looks at Check after each scalar, so that it ends its walk
// where the value is too large; a container looks by itself.
type Encoder struct {
	buf   []byte
	limit int
	room  int // limit, or -1 once something did not fit
}

// encoders holds encoders with a buffer that is not large.
var encoders = sync.Pool{New: func() any { return &Encoder{buf: make([]byte, 0, 256)} }}

const maxKeptBuffer = 64 << 10

// NewEncoder returns an encoder of one value of at most limit bytes.
func NewEncoder(limit int) *Encoder {
	e := encoders.Get().(*Encoder)
	e.buf, e.limit, e.room = e.buf[:0], limit, limit
	return e
}

// Release gives back the encoder. What Value returned is a copy and stays, what
// Encoded returned does not.
func (e *Encoder) Release() {
	if cap(e.buf) <= maxKeptBuffer {
		encoders.Put(e)
	}
}

// Value returns the encoding.
func (e *Encoder) Value() (string, error) {
	b, err := e.Encoded()
	return string(b), err
}

// Encoded returns the encoding where it is, which is the caller's until Release.
func (e *Encoder) Encoded() ([]byte, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	return e.buf, nil
}

// Check returns an error once the value is larger than its limit.
func (e *Encoder) Check() error {
	if len(e.buf) > e.room {
		return tooLarge(e.limit)
	}
	return nil
}

// Not inlined, so that Check is.
//
//go:noinline
func tooLarge(limit int) error {
	return Errorf(kverr.TooLarge, "value is larger than %d bytes; split it over several keys (at %%s)", limit)
}

// fits reports whether n more bytes are within the limit, and remembers where
// they are not.
func (e *Encoder) fits(n int) bool {
	if n > e.room-len(e.buf) {
		e.room = -1
		return false
	}
	return true
}

// Null appends a null.
func (e *Encoder) Null() { e.buf = cbor.AppendNull(e.buf) }

// Bool appends true or false.
func (e *Encoder) Bool(v bool) { e.buf = cbor.AppendBool(e.buf, v) }

// Int appends an integer.
func (e *Encoder) Int(v int64) { e.buf = cbor.AppendInt(e.buf, v) }

// Float appends a float.
func (e *Encoder) Float(v float64) { e.buf = cbor.AppendFloat(e.buf, v) }

// Text appends a string, marking one that CBOR's text cannot hold.
func (e *Encoder) Text(s string) {
	switch {
	case !e.fits(len(s)):
	case utf8.ValidString(s):
		e.buf = cbor.AppendText(e.buf, s)
	default:
		e.buf = cbor.AppendBytes(cbor.AppendTag(e.buf, tagRawText), s)
	}
}

// Bytes appends a byte string.
func (e *Encoder) Bytes(s []byte) {
	if e.fits(len(s)) {
		e.buf = cbor.AppendBytes(e.buf, s)
	}
}

// List begins a list at a depth, 0 for the value itself; its n elements follow.
func (e *Encoder) List(n, depth int) error {
	if err := e.enter(n, depth); err != nil {
		return err
	}
	e.buf = cbor.AppendArray(e.buf, n)
	return nil
}

// Tuple begins a tuple, as List does.
func (e *Encoder) Tuple(n, depth int) error { return e.tagged(tagTuple, n, depth) }

// Set begins a set, as List does.
func (e *Encoder) Set(n, depth int) error { return e.tagged(tagSet, n, depth) }

func (e *Encoder) tagged(tag uint64, n, depth int) error {
	if err := e.enter(n, depth); err != nil {
		return err
	}
	e.buf = cbor.AppendArray(cbor.AppendTag(e.buf, tag), n)
	return nil
}

// Dict begins a dict, as List does; its n keys follow, each with its value
// behind it.
func (e *Encoder) Dict(n, depth int) error {
	if err := e.enter(2*n, depth); err != nil {
		return err
	}
	e.buf = cbor.AppendMap(e.buf, n)
	return nil
}

// enter checks the limits before the n items of a container. Its head and each of
// them take a byte at least.
func (e *Encoder) enter(n, depth int) error {
	if depth >= MaxDepth {
		return tooDeep()
	}
	e.fits(1 + n)
	return e.Check()
}

func tooDeep() error {
	return &PathError{Kind: kverr.TooLarge, Depth: true, format: fmt.Sprintf("value is nested more than %d levels; store its parts under several keys (at %%s)", MaxDepth)}
}

// Int is an encoded integer.
func Int(i int64) string {
	var b [9]byte
	return string(cbor.AppendInt(b[:0], i))
}

// Float is an encoded float.
func Float(f float64) string {
	var b [9]byte
	return string(cbor.AppendFloat(b[:0], f))
}

// Bool is an encoded bool.
func Bool(b bool) string {
	if b {
		return "\xf5"
	}
	return "\xf4"
}

// Text is an encoded string. It takes one allocation, for the encoding itself.
func Text(s string, limit int) (string, error) {
	var b [9]byte
	head := cbor.AppendTextHead(b[:0], len(s))
	switch {
	case len(s) > limit-len(head):
		return "", tooLarge(limit)
	case !utf8.ValidString(s):
		e := Encoder{limit: limit, room: limit}
		e.Text(s)
		return e.Value()
	}
	return string(head) + s, nil
}
