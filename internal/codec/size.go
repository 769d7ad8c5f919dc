package codec

import (
	"context"

	"github.com/scriptling-kv/extlibs/internal/cbor"
)

// Memory that the parts of a decoded value take, in bytes: of script objects or Go
// values, whichever take more. A test measures that they take no more than this.
const (
	sizeScalar    = 32 // a value that is a single scalar
	sizeElement   = 16 // an element of a list, without its value
	sizeNumber    = 16
	sizeText      = 32 // without its bytes
	sizeBytes     = 64 // without its bytes
	sizeList      = 48
	sizeDict      = 64
	sizeFewPairs  = 448 // a map of up to 8 pairs, allocated for 8
	sizePair      = 152 // a pair in a larger map, which can have just doubled
	sizeFewMember = 320 // the same for sets, which grow with each element
	sizeMember    = 200
	sizeTupleKey  = 32 // an element of a tuple that is a key of a dict, also in the text of the key

	fewPairs = 8
)

// MaxGrowth is the maximum number of bytes that a decoded value takes for each byte of
// its encoding.
const MaxGrowth = 256

// DecodedSize estimates the memory, in bytes, that a value takes after decoding. It stops
// soon after the sum exceeds limit, and does not allocate. Its errors are that of ctx,
// and kverr.Corrupt if raw is not an encoded value; it does not find all errors that
// decoding finds.
func DecodedSize(ctx context.Context, raw string, limit int64) (size int64, err error) {
	if _, ok := Scalar(raw); ok {
		return sizeScalar, nil
	}
	whole, tag := len(raw), int64(0) // that marks the next item
	bounds := NewLimits(ctx, raw)
	for raw != "" && size <= limit {
		if err := bounds.Count(1); err != nil {
			return size, bounds.End("", err)
		}
		if raw[0] < 0x18 { // an int that every process shares
			raw = raw[1:]
			continue
		}
		item, rest, err := cbor.Read(raw)
		if err == nil {
			err = bounds.claim(item)
		}
		if err != nil {
			return size, bounds.End(rest, err)
		}
		size += partSize(item, tag, whole)
		raw, tag = rest, 0
		if item.Kind == cbor.Tag {
			tag = item.Int
		}
	}
	return size, nil
}

// partSize is the memory of one part of a value of so many bytes, without the parts in it.
func partSize(item cbor.Item, tag int64, whole int) int64 {
	switch item.Kind {
	case cbor.Int, cbor.Float:
		return sizeNumber
	case cbor.Text:
		return sizeText + textSize(item.Text, whole)
	case cbor.Bytes:
		if tag == tagRawText {
			return sizeText + textSize(item.Text, whole)
		}
		// The bytes, and as a dict's key their hexadecimal digits.
		return sizeBytes + 3*int64(len(item.Text))
	case cbor.Map:
		switch {
		case item.Int == 0:
			return sizeDict
		case item.Int <= fewPairs:
			return sizeDict + sizeFewPairs
		}
		return sizeDict + sizePair*item.Int
	case cbor.Array:
		size := sizeList + sizeElement*item.Int
		switch {
		case tag == tagTuple:
			return size + sizeTupleKey*item.Int
		case tag != tagSet || item.Int == 0:
			return size
		case item.Int <= fewPairs:
			return size + sizeFewMember
		}
		return size + sizeMember*item.Int
	}
	return 0
}

// textSize is what a text takes besides its header: a copy, where a value must not be
// kept for it (see Limits.Own), and as the key of a dict another one.
func textSize(text string, whole int) int64 {
	if whole <= aliasBytes || len(text) >= whole/2 {
		return int64(len(text)) // only in the key
	}
	return 2*int64(len(text)) + int64(len(text)/4)
}
