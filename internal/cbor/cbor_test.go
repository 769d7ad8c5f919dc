package cbor

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

// The examples of RFC 8949, appendix A, that are within what this package writes.
func TestItemsAreWrittenAndReadAsInTheStandard(t *testing.T) {
	float := func(v float64) []byte { return AppendFloat(nil, v) }
	for _, tt := range []struct {
		written []byte
		hex     string
		want    Item
	}{
		{AppendInt(nil, 0), "00", Item{Kind: Int, Int: 0}},
		{AppendInt(nil, 23), "17", Item{Kind: Int, Int: 23}},
		{AppendInt(nil, 24), "1818", Item{Kind: Int, Int: 24}},
		{AppendInt(nil, 255), "18ff", Item{Kind: Int, Int: 255}},
		{AppendInt(nil, 256), "190100", Item{Kind: Int, Int: 256}},
		{AppendInt(nil, 65535), "19ffff", Item{Kind: Int, Int: 65535}},
		{AppendInt(nil, 65536), "1a00010000", Item{Kind: Int, Int: 65536}},
		{AppendInt(nil, 1000000), "1a000f4240", Item{Kind: Int, Int: 1000000}},
		{AppendInt(nil, math.MaxUint32), "1affffffff", Item{Kind: Int, Int: math.MaxUint32}},
		{AppendInt(nil, 1000000000000), "1b000000e8d4a51000", Item{Kind: Int, Int: 1000000000000}},
		{AppendInt(nil, math.MaxInt64), "1b7fffffffffffffff", Item{Kind: Int, Int: math.MaxInt64}},
		{AppendInt(nil, -1), "20", Item{Kind: Int, Int: -1}},
		{AppendInt(nil, -24), "37", Item{Kind: Int, Int: -24}},
		{AppendInt(nil, -25), "3818", Item{Kind: Int, Int: -25}},
		{AppendInt(nil, -1000), "3903e7", Item{Kind: Int, Int: -1000}},
		{AppendInt(nil, math.MinInt64), "3b7fffffffffffffff", Item{Kind: Int, Int: math.MinInt64}},
		{float(1.1), "fb3ff199999999999a", Item{Kind: Float, Float: 1.1}},
		{float(0), "fb0000000000000000", Item{Kind: Float, Float: 0}},
		{float(math.Inf(-1)), "fbfff0000000000000", Item{Kind: Float, Float: math.Inf(-1)}},
		{AppendNull(nil), "f6", Item{Kind: Null}},
		{AppendBool(nil, false), "f4", Item{Kind: Bool}},
		{AppendBool(nil, true), "f5", Item{Kind: Bool, Int: 1}},
		{AppendText(nil, ""), "60", Item{Kind: Text}},
		{AppendText(nil, "IETF"), "6449455446", Item{Kind: Text, Text: "IETF"}},
		{AppendText(nil, "\u6c34"), "63e6b0b4", Item{Kind: Text, Text: "水"}},
		{AppendBytes(nil, []byte{1, 2, 3, 4}), "4401020304", Item{Kind: Bytes, Text: "\x01\x02\x03\x04"}},
		{AppendBytes(nil, ""), "40", Item{Kind: Bytes}},
		{AppendArray(nil, 0), "80", Item{Kind: Array}},
		{AppendMap(nil, 0), "a0", Item{Kind: Map}},
		{AppendTag(nil, 258), "d90102", Item{Kind: Tag, Int: 258}},
		{AppendTag(nil, 60001), "d9ea61", Item{Kind: Tag, Int: 60001}},
	} {
		if got := hex.EncodeToString(tt.written); got != tt.hex {
			t.Errorf("%+v is written as %s, want %s", tt.want, got, tt.hex)
		}
		if got, rest, err := Read(string(tt.written)); got != tt.want || err != nil || rest != "" {
			t.Errorf("%s is read as %+v, %v with %d bytes left; want %+v", tt.hex, got, err, len(rest), tt.want)
		}
		if got, rest, err := Read(string(tt.written) + "\x01\x02"); got != tt.want || err != nil || rest != "\x01\x02" {
			t.Errorf("%s before two bytes is read as %+v, %v with %q left; want %+v", tt.hex, got, err, rest, tt.want)
		}
		for cut := range tt.written {
			if got, _, err := Read(string(tt.written[:cut])); err != ErrTruncated {
				t.Errorf("%s cut after %d bytes is %+v, %v; want ErrTruncated", tt.hex, cut, got, err)
			}
		}
	}
}

func TestShorterFloatsOfOthersAreRead(t *testing.T) {
	for text, want := range map[string]float64{
		"f90000": 0, "f93c00": 1, "f93e00": 1.5, "f97bff": 65504, "f90001": 5.960464477539063e-8, "f90400": 0.00006103515625,
		"f9c400": -4, "f97c00": math.Inf(1), "f9fc00": math.Inf(-1), "fa47c35000": 100000, "fa7f7fffff": math.MaxFloat32, "fa7f800000": math.Inf(1),
	} {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := Read(string(data)); got.Kind != Float || got.Float != want || err != nil {
			t.Errorf("%s is read as %+v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]uint64{"f98000": 1 << 63, "f97e00": 0x7ff8 << 48, "fa7fc00000": 0x7ff8 << 48} {
		data, _ := hex.DecodeString(text)
		if got, _, err := Read(string(data)); math.Float64bits(got.Float) != want || err != nil {
			t.Errorf("%s is read as %x, %v; want %x", text, math.Float64bits(got.Float), err, want)
		}
	}
}

func TestWhatIsNotSupportedIsAnErrorAndNotALength(t *testing.T) {
	for text, want := range map[string]error{
		"":                   ErrTruncated,
		"1bffffffffffffffff": ErrRange,
		"1b8000000000000000": ErrRange,
		"3b8000000000000000": ErrRange,
		"dbffffffffffffffff": ErrRange,
		"5bffffffffffffffff": ErrTruncated,
		"7b7fffffffffffffff": ErrTruncated,
		"9bffffffffffffffff": ErrTruncated,
		"bb7fffffffffffffff": ErrTruncated,
		"8201":               ErrTruncated,
		"a101":               ErrTruncated,
		"5f":                 ErrUnsupported,
		"7f":                 ErrUnsupported,
		"9f":                 ErrUnsupported,
		"bf":                 ErrUnsupported,
		"ff":                 ErrUnsupported,
		"1c":                 ErrUnsupported,
		"3e":                 ErrUnsupported,
		"f7":                 ErrUnsupported,
		"e0":                 ErrUnsupported,
		"f8ff":               ErrUnsupported,
	} {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := Read(string(data)); err != want {
			t.Errorf("%s is read as %+v, %v; want %v", text, got, err, want)
		}
	}
}

func TestTextsAreReadWithoutCopies(t *testing.T) {
	text := strings.Repeat("x", 1000)
	data := string(AppendText(nil, text))
	allocs := testing.AllocsPerRun(10, func() {
		if item, _, err := Read(data); err != nil || len(item.Text) != len(text) {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestShortTextReadsWhatReadWouldOrNothing(t *testing.T) {
	for data, want := range map[string]bool{
		"": false, "\x60": true, "\x61a": true, "\x61ab": true, "\x77" + strings.Repeat("x", 23): true,
		"\x61": false, "\x77" + strings.Repeat("x", 22): false, "\x78\x01a": false, "\x5f": false, "\x41a": false, "\x7fa\xff": false, "\x80": false,
	} {
		if got := shortText(t, data); got != want {
			t.Errorf("ShortText of %q is %v", data, got)
		}
	}
}

// shortText holds ShortText against Read.
func shortText(t *testing.T, data string) bool {
	text, rest, ok := ShortText(data)
	item, after, err := Read(data)
	switch {
	case ok && (err != nil || item != Item{Kind: Text, Text: text} || rest != after):
		t.Fatalf("ShortText of %q is %q and leaves %q, Read is %+v, %v and leaves %q", data, text, rest, item, err, after)
	case !ok && (text != "" || rest != data):
		t.Fatalf("ShortText of %q is nothing, and yet %q with %q left", data, text, rest)
	}
	return ok
}

// FuzzRead reads items to the end: each takes at least a byte, and no text is
// longer than the input.
func FuzzRead(f *testing.F) {
	f.Add("\x82\x01\x61a")
	f.Add("\xd9\xea\x61\x80\xa1\xf6\xfb")
	f.Fuzz(func(t *testing.T, data string) {
		for data != "" {
			shortText(t, data)
			item, rest, err := Read(data)
			if err != nil {
				if rest != data {
					t.Fatalf("%v, and %d bytes of %d are left", err, len(rest), len(data))
				}
				return
			}
			if len(rest) >= len(data) || !strings.HasSuffix(data, rest) || len(item.Text) > len(data) {
				t.Fatalf("%+v took %d bytes of %d", item, len(data)-len(rest), len(data))
			}
			if (item.Kind == Array || item.Kind == Map) && (item.Int < 0 || item.Int > int64(len(rest))) {
				t.Fatalf("%+v before %d bytes", item, len(rest))
			}
			data = rest
		}
	})
}
