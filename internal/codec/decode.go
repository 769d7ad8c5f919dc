package codec

import (
	"context"
	"fmt"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// What tags of ours mark, as kinds beside those of CBOR. Item.Int says how many
// elements follow.
const (
	Tuple = cbor.Tag + 1
	Set   = cbor.Tag + 2
)

// Bounds limit the decoding of one value. A front end reads the items one by one, builds
// the values, and calls Enter before each container. After that it can allocate memory
// for as many elements as the container claims: the sum over all containers is
// proportional to the length of the encoding.
type Bounds struct {
	size  int // of the whole value
	room  int // how many more elements the value can have: each takes a byte
	parts int // since the last look at ctx
	ctx   context.Context
}

// LookParts is how many elements of a container are made between two calls of LookNow,
// and LookMask what it leaves of an index. (A call for each element takes a tenth of the
// decoding.)
const (
	LookParts = lookParts
	LookMask  = lookParts - 1
)

// ended is the error of a context that ended.
type ended struct{ error }

// BoundsOf returns the Bounds for decoding raw until ctx ends.
func BoundsOf(ctx context.Context, raw string) Bounds {
	return Bounds{size: len(raw), room: len(raw), ctx: ctx}
}

// Look counts n parts about to be built and, once in a while, returns the error of the
// context.
func (b *Bounds) Look(n int) error {
	if b.parts += n; b.parts < lookParts {
		return nil
	}
	return b.LookNow()
}

// LookNow returns the error of the context if that is over.
//
// LookNow returns the error of the context.
//
//go:noinline
func (b *Bounds) LookNow() error {
	b.parts = 0
	if err := b.ctx.Err(); err != nil {
		return ended{err}
	}
	return nil
}

// End returns the final error of decoding: kverr.Corrupt for a value that could not be
// read, unless the context ended. If err is nil, rest must be empty.
func (b *Bounds) End(rest string, err error) error {
	if e, ok := err.(ended); ok {
		return e.error
	}
	if err == nil && rest != "" {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	if err != nil {
		return kverr.Errorf(kverr.Corrupt, "value cannot be decoded: %w", err)
	}
	return nil
}

// Bounds of what a text may keep alive beside itself, in bytes: a value of so many,
// or texts of so many each that lie in one piece of memory.
const (
	aliasBytes = 1024
	smallText  = 64
)

// Own returns a text that can be kept without keeping a much larger value in memory.
// small reports that the text was not copied and that others can keep it the same way.
func (b *Bounds) Own(s string) (text string, small bool) {
	if b.size <= aliasBytes {
		return s, true
	}
	return b.own(s), len(s) <= smallText
}

func (b *Bounds) own(s string) string {
	if len(s) < b.size/2 {
		return strings.Clone(s)
	}
	return s
}

// Enter checks the limits for a container or a tag, an item whose Kind is above
// cbor.Bytes. depth is 0 for the outermost value. Enter resolves a tag into what it
// marks: a text, a Tuple or a Set. Only an array or a byte string can follow a tag, so
// tags do not nest.
func (b *Bounds) Enter(item cbor.Item, rest string, depth int) (cbor.Item, string, error) {
	if item.Kind == cbor.Tag {
		tag := item.Int
		var err error
		item, rest, err = cbor.Read(rest)
		switch {
		case err != nil:
			return item, rest, err
		case tag == tagRawText && item.Kind == cbor.Bytes:
			item.Kind = cbor.Text
			return item, rest, nil
		case tag == tagTuple && item.Kind == cbor.Array:
			item.Kind = Tuple
		case tag == tagSet && item.Kind == cbor.Array:
			item.Kind = Set
		default:
			return item, rest, fmt.Errorf("unknown tag %d", tag)
		}
	}
	if depth >= MaxDepth {
		return item, rest, errTooDeep
	}
	// Whoever read the item has seen that as many bytes are left, but containers
	// inside each other might all claim the same ones.
	b.room -= int(item.Int)
	if item.Kind == cbor.Map {
		b.room -= int(item.Int)
	}
	if b.room < 0 {
		return item, rest, cbor.ErrTruncated
	}
	if b.parts += 1 + int(item.Int); b.parts >= lookParts {
		return item, rest, b.LookNow()
	}
	return item, rest, nil
}

// claim takes the elements that an item claims to have, as Enter does.
func (b *Bounds) claim(item cbor.Item) error {
	switch item.Kind {
	case cbor.Array:
		b.room -= int(item.Int)
	case cbor.Map:
		b.room -= 2 * int(item.Int)
	}
	if b.room < 0 {
		return cbor.ErrTruncated
	}
	return nil
}

var errTooDeep = fmt.Errorf("nested more than %d levels", MaxDepth)

// Scalar decodes a value without parts. It reports false for containers and byte strings.
func Scalar(raw string) (item cbor.Item, ok bool) {
	if raw == "" {
		return item, false
	}
	switch raw[0] >> 5 {
	case 0, 1, 3, 7: // integers, text, and the simple values with the floats
		item, rest, err := cbor.Read(raw)
		return item, err == nil && rest == ""
	}
	return item, false
}
