package codec

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// textBuilder makes a text that is the same for equal values and no others.
type textBuilder struct{}

func (textBuilder) Null() string           { return "null" }
func (textBuilder) Bool(v bool) string     { return fmt.Sprint(v) }
func (textBuilder) Int(v int64) string     { return fmt.Sprint(v) }
func (textBuilder) Float(v float64) string { return fmt.Sprintf("float %x", math.Float64bits(v)) }
func (textBuilder) Text(v string) string   { return fmt.Sprintf("%q", v) }
func (textBuilder) Bytes(v string) string  { return fmt.Sprintf("b%q", v) }
func (textBuilder) List(v []string) string { return "[" + strings.Join(v, ",") + "]" }

func (textBuilder) Tuple(v []string) string { return "(" + strings.Join(v, ",") + ")" }

func (textBuilder) Set(v []string) (string, error) {
	slices.Sort(v)
	return "{" + strings.Join(slices.Compact(v), ",") + "}", nil
}

func (textBuilder) Dict(int) DictBuilder[string] { return textDict{} }

type textDict map[string]string

func (d textDict) PutText(key string, _ bool, value string) { d[fmt.Sprintf("%q", key)] = value }

func (d textDict) Put(key, value string) (DictBuilder[string], error) { d[key] = value; return d, nil }

func (d textDict) Done() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(d)) {
		b.WriteString(k + ":" + d[k] + ";")
	}
	return "{;" + b.String() + "}"
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
			texts[i], err = Decode(raw, textBuilder{})
			sums[i], digestErr = Digest(raw)
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
