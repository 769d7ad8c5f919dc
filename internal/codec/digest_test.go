package codec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// textReader makes a text that is the same for equal values and no others.
type textReader struct{ Limits }

func textOf(raw string) (string, error) {
	r := textReader{NewLimits(context.Background(), raw)}
	text, rest, err := r.value(raw, 0)
	return text, r.End(rest, err)
}

func (r *textReader) value(s string, depth int) (text, rest string, err error) {
	item, rest, err := cbor.Read(s)
	if err == nil && item.Kind > cbor.Bytes {
		item, rest, err = r.Enter(item, rest, depth)
	}
	if err != nil {
		return "", rest, err
	}
	switch item.Kind {
	case cbor.Null:
		return "null", rest, nil
	case cbor.Bool:
		return fmt.Sprint(item.Int == 1), rest, nil
	case cbor.Int:
		return fmt.Sprint(item.Int), rest, nil
	case cbor.Float:
		return fmt.Sprintf("float %x", math.Float64bits(item.Float)), rest, nil
	case cbor.Text:
		return fmt.Sprintf("%q", item.Text), rest, nil
	case cbor.Bytes:
		return fmt.Sprintf("b%q", item.Text), rest, nil
	}
	elems, values := make([]string, item.Int), map[string]string{}
	for i := range elems {
		if elems[i], rest, err = r.value(rest, depth+1); err != nil {
			return "", rest, err
		}
		if item.Kind == cbor.Map {
			if values[elems[i]], rest, err = r.value(rest, depth+1); err != nil {
				return "", rest, err
			}
		}
	}
	switch item.Kind {
	case cbor.Array:
		return "[" + strings.Join(elems, ",") + "]", rest, nil
	case Tuple:
		return "(" + strings.Join(elems, ",") + ")", rest, nil
	case Set:
		slices.Sort(elems)
		return "{" + strings.Join(slices.Compact(elems), ",") + "}", rest, nil
	}
	text = "{;"
	for _, k := range slices.Sorted(maps.Keys(values)) {
		text += k + ":" + values[k] + ";"
	}
	return text + "}", rest, nil
}

// FuzzDigest compares pairs of values by their digests and as decoded values.
func FuzzDigest(f *testing.F) {
	for _, pair := range [][2]string{
		{"\x01", "\x18\x01"},                             // one int, written in two lengths
		{"\x01", "\xf9\x3c\x00"},                         // 1 and 1.0
		{"\xf9\x3c\x00", "\xfa\x3f\x80\x00\x00"},         // 1.0 and 1.0
		{"\xf9\x00\x00", "\xf9\x80\x00"},                 // 0.0 and -0.0
		{"\xf9\x7e\x00", "\xf9\x7e\x00"},                 // NaN and NaN
		{"\xa2\x01\x02\x03\x04", "\xa2\x03\x04\x01\x02"}, // {1: 2, 3: 4} and {3: 4, 1: 2}
		{"\xa2\x01\x02\x03\x04", "\xa2\x01\x04\x03\x02"},
		{"\xa2\x01\x02\x01\x03", "\xa1\x01\x03"}, // a key that comes twice
		{"\xd9\x01\x02\x82\x01\x02", "\xd9\x01\x02\x82\x02\x01"},
		{"\xd9\x01\x02\x82\x01\x01", "\xd9\x01\x02\x81\x01"}, // a member that comes twice
		{"\x82\x01\x02", "\x82\x02\x01"},
		{"\x82\x01\x02", "\xd9\xea\x61\x82\x01\x02"}, // a list and a tuple
		{"\x41a", "\x61a"},                           // bytes and a text
		{"\xd9\xea\x62\x41a", "\x61a"},               // a text, marked and not
		{"\x82\xa2\x61a\x01\x61b\xa2\x01\x02\x03\x04\x80", "\x82\xa2\x61b\xa2\x03\x04\x01\x02\x61a\x01\x80"},
		{"\x01\x01", "\x01"},
		{"", "\x01"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		texts, sums := [2]string{}, [2]Sum{}
		for i, raw := range []string{a, b} {
			var err, digestErr error
			texts[i], err = textOf(raw)
			sums[i], digestErr = Digest(context.Background(), raw)
			if err == nil && digestErr != nil {
				t.Fatalf("%s has no digest: %v", texts[i], digestErr)
			}
			if err != nil {
				return
			}
		}
		if (sums[0] == sums[1]) != (texts[0] == texts[1]) {
			t.Fatalf("%s and %s are equal: by digest %v", texts[0], texts[1], sums[0] == sums[1])
		}
	})
}

func TestDigestEndsWithItsContextAndRefusesWhatIsNoValue(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("\x81", n) + "\x01" }
	for _, c := range []struct {
		name, raw string
		err       error
	}{
		{"the deepest nesting", nested(MaxDepth), nil},
		{"one level more", nested(MaxDepth + 1), kverr.TooLarge},
		{"constants", "\x82\xf6\xf5", nil},
		{"nothing", "", kverr.Corrupt},
		{"a list without its element", "\x81", kverr.Corrupt},
		{"a dict without its value", "\xa1\x01", kverr.Corrupt},
		{"a dict without its key", "\xa1", kverr.Corrupt},
		{"a dict without its second key", "\xa2\x01\x01", kverr.Corrupt},
		{"a dict whose first value lacks its element, and others follow", "\xa2\x01\x82\x01", kverr.Corrupt},
		{"a dict as deep as it can be", nested(MaxDepth - 1)[:MaxDepth-1] + "\xa1\x01\x01", nil},
		{"a dict one level deeper", nested(MaxDepth)[:MaxDepth] + "\xa1\x01\x01", kverr.TooLarge},
	} {
		if _, err := Digest(t.Context(), c.raw); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Digest(ended, string(cbor.AppendArray(nil, CheckParts))+strings.Repeat("\x01", CheckParts)); err != context.Canceled {
		t.Errorf("after the end of the context: %v", err)
	}
}
