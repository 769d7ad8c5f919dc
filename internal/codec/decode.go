package codec

import (
	"context"
	"fmt"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Tuple and Set extend the kinds of CBOR by the types that our tags mark. Item.Int elements
// follow.
const (
	Tuple = cbor.Tag + 1
	Set   = cbor.Tag + 2
)

// Limits limit the decoding of one value. A front end reads the items one by one, builds
// the values, and calls Enter before each container. After that it can allocate memory
// for as many elements as the container claims: the sum over all containers is
// proportional to the length of the encoding.
type Limits struct {
	size      int // of the whole value
	unclaimed int // elements that containers can still claim: each element takes a byte
	parts     int // since the last check of ctx
	ctx       context.Context
}

// CheckParts is the number of elements that a front end builds between two calls of
// CheckContext; index&CheckMask == CheckMask selects the elements. (A call for each
// element would take a tenth of the decoding time.)
const (
	CheckParts = 1 << 12
	CheckMask  = CheckParts - 1
)

// ended is the error of a context that ended.
type ended struct{ error }

// NewLimits returns the Limits for decoding raw until ctx ends.
func NewLimits(ctx context.Context, raw string) Limits {
	return Limits{size: len(raw), unclaimed: len(raw), ctx: ctx}
}

// Count counts n parts about to be built and, once in a while, returns the error of the
// context.
func (b *Limits) Count(n int) error {
	if b.parts += n; b.parts < CheckParts {
		return nil
	}
	return b.CheckContext()
}

// CheckContext returns the error of the context.
//
//go:noinline
func (b *Limits) CheckContext() error {
	b.parts = 0
	if err := b.ctx.Err(); err != nil {
		return ended{err}
	}
	return nil
}

// End returns the final error of decoding: kverr.Corrupt for a value that could not be
// read, unless the context ended. If err is nil, rest must be empty.
func (b *Limits) End(rest string, err error) error {
	if e, ok := err.(ended); ok {
		return e.error
	}
	if err == nil && rest != "" {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	if err != nil {
		return kverr.Errorf(kverr.Corrupt, "value cannot be decoded (%w); store it again, or restore it from a backup", err)
	}
	return nil
}

// Limits, in bytes, of the memory that a text can keep alive beside itself: the whole
// value if it has up to aliasBytes, or a block of texts of up to smallText each.
const (
	aliasBytes = 1024
	smallText  = 64
)

// Own returns a text that can be kept without keeping a much larger value in memory.
// small reports that the text was not copied and that others can keep it the same way.
func (b *Limits) Own(s string) (text string, small bool) {
	if b.size <= aliasBytes {
		return s, true
	}
	return b.own(s), len(s) <= smallText
}

func (b *Limits) own(s string) string {
	if len(s) < b.size/2 {
		return strings.Clone(s)
	}
	return s
}

// Enter checks the limits for a container or a tag, an item whose Kind is above
// cbor.Bytes. depth is 0 for the outermost value. Enter resolves a tag into what it
// marks: a text, a Tuple or a Set. Only an array or a byte string can follow a tag, so
// tags do not nest.
func (b *Limits) Enter(item cbor.Item, rest string, depth int) (cbor.Item, string, error) {
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
	// cbor.Read has checked that as many bytes remain, but nested containers could all
	// claim the same bytes.
	b.unclaimed -= int(item.Int)
	if item.Kind == cbor.Map {
		b.unclaimed -= int(item.Int)
	}
	if b.unclaimed < 0 {
		return item, rest, cbor.ErrTruncated
	}
	if b.parts += 1 + int(item.Int); b.parts >= CheckParts {
		return item, rest, b.CheckContext()
	}
	return item, rest, nil
}

// claim subtracts the elements that an item claims to have, as Enter does.
func (b *Limits) claim(item cbor.Item) error {
	switch item.Kind {
	case cbor.Array:
		b.unclaimed -= int(item.Int)
	case cbor.Map:
		b.unclaimed -= 2 * int(item.Int)
	}
	if b.unclaimed < 0 {
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
