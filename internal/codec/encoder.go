package codec

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Encoder appends the parts of one value to bytes that its caller holds. It refuses a
// part that is too long before copying it, so the bytes exceed the limit by a few at
// most. A front end calls Check after each part that has no size, and stops when the
// value is too large or the context ended; the other methods check by themselves.
type Encoder struct {
	limit int // bytes of the value
	next  int // size at which the limit and the context are checked
	ctx   context.Context
}

// NewEncoder returns an encoder of one value of at most limit bytes, which stops when ctx
// ends.
func NewEncoder(ctx context.Context, limit int) Encoder {
	return Encoder{limit, min(limit, CheckParts), ctx}
}

// Check returns an error if the value exceeds its limit or the context ended.
func (e *Encoder) Check(b []byte) error {
	if len(b) > e.next {
		return e.checkNow(len(b))
	}
	return nil
}

//go:noinline
func (e *Encoder) checkNow(size int) error {
	if size > e.limit {
		return tooLarge(e.limit)
	}
	e.next = min(e.limit, size+CheckParts) // a part has a byte at least
	return e.ctx.Err()
}

// Not inlined, so that Check is.
//
//go:noinline
func tooLarge(limit int) error {
	return Errorf(kverr.TooLarge, "value is larger than %d bytes; split it over several keys (at %%s)", limit)
}

// Text appends a string, tagged as raw text if it is not valid UTF-8.
func (e *Encoder) Text(b []byte, s string) ([]byte, error) {
	if len(s) <= e.next-len(b)-MaxHead && ValidText(s) {
		return cbor.AppendText(b, s), nil
	}
	return e.longText(b, s)
}

// longText is Text if the limit and the context have to be checked, or the string
// is to be marked.
func (e *Encoder) longText(b []byte, s string) ([]byte, error) {
	if len(s) > e.limit-len(b) {
		return b, tooLarge(e.limit)
	}
	b = e.grow(b, max(len(s), min(CheckParts, e.limit-len(b))))
	if ValidText(s) {
		b = cbor.AppendText(b, s)
	} else {
		b = cbor.AppendBytes(cbor.AppendTag(b, tagRawText), s)
	}
	return b, e.Check(b)
}

// Bytes appends a byte string.
func (e *Encoder) Bytes(b, s []byte) ([]byte, error) {
	if len(s) > e.limit-len(b) {
		return b, tooLarge(e.limit)
	}
	b = cbor.AppendBytes(e.grow(b, len(s)), s)
	return b, e.Check(b)
}

// List begins a list at a depth, 0 for the outermost value; its n elements follow.
func (e *Encoder) List(b []byte, n, depth int) ([]byte, error) {
	return e.enter(cbor.AppendArray(b, n), n, depth)
}

// Tuple begins a tuple, as List does.
func (e *Encoder) Tuple(b []byte, n, depth int) ([]byte, error) {
	return e.enter(cbor.AppendArray(cbor.AppendTag(b, tagTuple), n), n, depth)
}

// Set begins a set, as List does.
func (e *Encoder) Set(b []byte, n, depth int) ([]byte, error) {
	return e.enter(cbor.AppendArray(cbor.AppendTag(b, tagSet), n), n, depth)
}

// Dict begins a dict of n keys, as List does; each key is followed by its value.
func (e *Encoder) Dict(b []byte, n, depth int) ([]byte, error) {
	return e.enter(cbor.AppendMap(b, n), 2*n, depth)
}

// enter checks the limits before the n items of a container, whose head is in b. Each of
// the items takes a byte at least.
func (e *Encoder) enter(b []byte, n, depth int) ([]byte, error) {
	switch {
	case depth >= MaxDepth:
		return b, tooDeep()
	case n > e.limit-len(b):
		return b, tooLarge(e.limit)
	}
	if cap(b)-len(b) < n {
		b = e.grow(b, n)
	}
	return b, e.Check(b)
}

// grow makes room for n more bytes in a large buffer, at least as many as it has:
// append would leave several times as much behind.
func (e *Encoder) grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n || n <= CheckParts && cap(b) < maxKeptBuffer {
		return b
	}
	return slices.Grow(b, max(n, min(cap(b), e.limit-len(b))))
}

func tooDeep() error {
	return &PathError{Kind: kverr.TooLarge, Depth: true, format: fmt.Sprintf("value is nested more than %d levels; store its parts under several keys (at %%s)", MaxDepth)}
}

// Buffer is reusable memory for encoding.
type Buffer struct {
	Bytes []byte // empty at first
}

var buffers = sync.Pool{New: func() any { return &Buffer{make([]byte, 0, newBuffer)} }}

const (
	newBuffer     = 256 // bytes
	maxKeptBuffer = 64 << 10
)

// NewBuffer returns an empty buffer.
func NewBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Release returns the buffer for reuse. Its bytes must not be used afterwards. It is not
// inlined so that Encoded.Release is.
//
//go:noinline
func (b *Buffer) Release() {
	if b.Bytes = b.Bytes[:0]; cap(b.Bytes) <= maxKeptBuffer {
		buffers.Put(b)
	}
}
