package codec

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// tuple and set begin the items that a tag marks.
var (
	tupleTag = string(cbor.AppendTag(nil, tagTuple))
	setTag   = string(cbor.AppendTag(nil, tagSet))
	textTag  = string(cbor.AppendTag(nil, tagRawText))
)

// That these sizes suffice is tested in the root, where the values are made.
func TestTheSizeOfAValueIsTheSumOfItsParts(t *testing.T) {
	many := strings.Repeat("\x01", fewPairs+1)
	long := string(cbor.AppendText(nil, strings.Repeat("x", 600)))
	for _, c := range []struct {
		name, raw string
		want      int64
	}{
		{"a scalar", "\x18\x64", sizeScalar},
		{"shared ints", "\x82\x01\x02", sizeList + 2*sizeElement},
		{"numbers", "\x82\x18\x64\xf9\x3c\x00", sizeList + 2*sizeElement + 2*sizeNumber},
		{"a constant", "\x81\xf6", sizeList + sizeElement},
		{"a text", "\x81\x61x", sizeList + sizeElement + sizeText + 1},
		{"texts that are copied", "\x83" + strings.Repeat(long, 3), sizeList + 3*(sizeElement+sizeText+2*600+150)},
		{"raw text", "\x81" + textTag + "\x41\xff", sizeList + sizeElement + sizeText + 1},
		{"bytes", "\x44abcd", sizeBytes + 12},
		{"no pairs", "\xa0", sizeDict},
		{"few pairs", "\xa1\x01\x01", sizeDict + sizeFewPairs},
		{"many pairs", "\xa9" + many + many, sizeDict + (fewPairs+1)*sizePair},
		{"a tuple", tupleTag + "\x81\x01", sizeList + sizeElement + sizeTupleKey},
		{"an empty set", setTag + "\x80", sizeList},
		{"few members", setTag + "\x81\x01", sizeList + sizeElement + sizeFewMember},
		{"many members", setTag + "\x89" + many, sizeList + (fewPairs+1)*(sizeElement+sizeMember)},
	} {
		if size, err := DecodedSize(t.Context(), c.raw, math.MaxInt64); size != c.want || err != nil {
			t.Errorf("%s: %d bytes, %v, want %d", c.name, size, err, c.want)
		}
	}
}

func TestTheSizeOfAValueEndsWithItsLimitsAndItsContext(t *testing.T) {
	numbers := func(n int) string { return string(cbor.AppendArray(nil, n)) + strings.Repeat("\x18\x64", n) }
	if size, err := DecodedSize(t.Context(), numbers(1000), 100); err != nil || size < 100 || size > sizeList+1000*sizeElement+sizeNumber {
		t.Errorf("%d bytes, %v: it did not stop soon", size, err)
	}
	for _, raw := range []string{"\x82\x18", "\x82\x82\x82\x01", "\xa2\xa2\xa1\x01\x01", "\x81\xfc"} {
		if size, err := DecodedSize(t.Context(), raw, math.MaxInt64); !errors.Is(err, kverr.Corrupt) {
			t.Errorf("% x: %d bytes, %v, want kverr.Corrupt", raw, size, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := DecodedSize(ended, numbers(CheckParts), math.MaxInt64); err != context.Canceled {
		t.Errorf("after the end of the context: %v", err)
	}
}
