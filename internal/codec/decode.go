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

// Bounds are those within which a front end reads a value. It reads the items one
// by one, makes what they stand for, and asks Enter before it goes into a container.
// Then it may reserve memory for as many elements as the container claims to have:
// those of all containers are in proportion to the length of the value.
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

// BoundsOf returns those of a value that is read for as long as ctx lasts.
func BoundsOf(ctx context.Context, raw string) Bounds {
	return Bounds{size: len(raw), room: len(raw), ctx: ctx}
}

// Look counts n parts that are about to be made, and returns the error of the context
// if that is over.
func (b *Bounds) Look(n int) error {
	if b.parts += n; b.parts < lookParts {
		return nil
	}
	return b.LookNow()
}

// LookNow returns the error of the context if that is over.
//
//go:noinline
func (b *Bounds) LookNow() error {
	b.parts = 0
	if err := b.ctx.Err(); err != nil {
		return ended{err}
	}
	return nil
}

// End makes the error of a value that could not be read, which is kverr.Corrupt
// unless the context ended. Where err is nil nothing may be left.
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

// Own returns a text of the value for someone to keep, who must not keep a large
// value with it. small says that others may keep the text in turn, with one of
// their own.
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

// Enter takes a container or a tag, as an item whose Kind is above cbor.Bytes, at a
// depth, 0 for the whole value, and checks its limits. A tag it resolves into what
// the tag marks, a text, a Tuple or a Set. Only an array or a byte string may
// follow one, so tags do not nest and need no limit of their own.
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

// Scalar reads a value without parts, other than a byte string.
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
