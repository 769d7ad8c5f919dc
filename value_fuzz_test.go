package extlibs_test

import (
	"encoding/hex"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scriptling-kv/extlibs"
)

// encodings are CBOR as other writers, or damage, might produce it.
var encodings = []string{
	"", "\x00", "\x17", "\x18\x18", "\x18\x01", "\x19\x00\x01", "\x1b\x7f\xff\xff\xff\xff\xff\xff\xff",
	"\x1b\x80\x00\x00\x00\x00\x00\x00\x00", "\x20", "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", "\x3b\x80\x00\x00\x00\x00\x00\x00\x00",
	"\x40", "\x43abc", "\x43ab", "\x60", "\x63abc", "\x61\xff", "\x80", "\x81\x01", "\x82\x01", "\x9f\xff", "\xa0", "\xa1\x01\x02",
	"\xa2\x61a\x01\x61a\x02", "\xa1\x80\x01", "\xa1\xa0\x01", "\xbf\xff", "\x5f\xff", "\x7f\xff",
	"\xf4", "\xf5", "\xf6", "\xf7", "\xf8\x20", "\xf9\x3c\x00", "\xf9\x7e\x00", "\xf9\x00\x01", "\xf9\x80\x00", "\xfa\x7f\x80\x00\x00",
	"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x01", "\xfb\x7f\xf8", "\xff", "\x1c", "\x1f",
	"\xd9\x01\x02\x80", "\xd9\x01\x02\x81\x01", "\xd9\x01\x02\x81\x80", "\xd9\x01\x02\xa0", "\xd9\xea\x61\x82\x01\x02",
	"\xd9\xea\x62\x41\xff", "\xd9\xea\x62\x61a", "\xc0\x60", "\xc1\x00", "\xd9\xea\x61\xd9\xea\x61\x80", "\xdb\xff\xff\xff\xff\xff\xff\xff\xff\x00",
	"\x9b\x00\x00\x00\x00\xff\xff\xff\xff", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "\x5b\x00\x00\x00\x00\xff\xff\xff\xff",
	"\x01\x01", "\xf6\x00",
}

// FuzzDecode decodes anything: it is an error, or a value that comes back the
// same from another round.
func FuzzDecode(f *testing.F) {
	for _, e := range encodings {
		f.Add([]byte(e))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := extlibs.RawValue(string(data)).Decode()
		if err != nil {
			if !errors.Is(err, extlibs.ErrCorrupt) || v != nil {
				t.Fatalf("Decode is %v, %v; want ErrCorrupt", v, err)
			}
			return
		}
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatalf("%s was decoded but cannot be encoded: %v", canonical(v), err)
		}
		again, err := e.Decode()
		if err != nil || canonical(again) != canonical(v) {
			t.Fatalf("%s came back as %s, %v", canonical(v), canonical(again), err)
		}
	})
}

func TestDecodingTakesMemoryInProportionToTheInput(t *testing.T) {
	const size = 1 << 20
	// Each level claims as many elements as there are bytes behind it.
	claims := func(head byte, levels int) extlibs.Value {
		var b strings.Builder
		for range levels {
			b.WriteString(string([]byte{head | 26, 0, size >> 17, 0, 0}))
		}
		return extlibs.RawValue(b.String() + strings.Repeat("\x00", size))
	}
	for name, v := range map[string]extlibs.Value{
		"lists":       claims(0x80, 400),
		"dicts":       claims(0xa0, 400),
		"long string": extlibs.RawValue("\x5b\x00\x00\x00\xff\xff\xff\xff\xff" + strings.Repeat("x", 100)),
		"long list":   extlibs.RawValue("\x9b\x00\x00\x00\xff\xff\xff\xff\xff" + strings.Repeat("\x00", 100)),
		"long dict":   extlibs.RawValue("\xbb\x00\x00\x00\xff\xff\xff\xff\xff" + strings.Repeat("\x00", 100)),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := v.DecodeWithin(ctx, math.MaxInt32)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, extlibs.ErrCorrupt) {
				t.Errorf("Decode: %v, want ErrCorrupt", err)
			}
			// 16 bytes for each element of a list, some more for one of a dict.
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(128*v.Len())+1<<20 {
				t.Errorf("decoding %d bytes took %d bytes of memory", v.Len(), took)
			}
		})
	}
}

// FuzzRoundTrip stores a value made of the input: every value comes back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x00"), int64(0), 0.0, "")
	f.Add([]byte("\x05\x04\x06\x08\x07"), int64(math.MinInt64), math.Inf(-1), "\xff")
	f.Fuzz(func(t *testing.T, shape []byte, i int64, x float64, s string) {
		v, _ := shaped(shape, i, x, s, 0)
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatalf("Encode(%s): %v", canonical(v), err)
		}
		got, err := e.Decode()
		if err != nil || canonical(got) != canonical(v) {
			t.Fatalf("%s came back as %s, %v", canonical(v), canonical(got), err)
		}
	})
}

// shaped builds a value, each byte of shape choosing a part of it.
func shaped(shape []byte, i int64, x float64, s string, depth int) (v any, rest []byte) {
	if len(shape) == 0 || depth > 100 {
		return i, nil
	}
	kind := shape[0]
	rest = shape[1:]
	elements := func() []any {
		list := []any{}
		for range kind >> 4 % 4 {
			var el any
			el, rest = shaped(rest, i+1, -x, s+"x", depth+1)
			list = append(list, el)
		}
		return list
	}
	switch kind % 10 {
	case 0:
		return nil, rest
	case 1:
		return kind > 127, rest
	case 2:
		return i, rest
	case 3:
		return x, rest
	case 4:
		return s, rest
	case 5:
		return []byte(s), rest
	case 6:
		return elements(), rest
	case 7:
		return extlibs.Tuple(elements()), rest
	case 8:
		return extlibs.Set{i, x, s, extlibs.Tuple{[]byte(s), nil}}, rest
	}
	list := elements()
	if kind > 127 {
		return extlibs.Dict{{Key: i, Value: list}, {Key: s, Value: i}}, rest
	}
	return map[string]any{s: list, "other": x}, rest
}

// anyValue generates nested values of every type.
func anyValue() *rapid.Generator[any] {
	keys := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.Float64(), func(v float64) any { return v }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(v []byte) any { return v }),
	)
	scalars := rapid.OneOf(keys, rapid.Just[any](nil),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(v []byte) any { return string(v) }))
	level := scalars
	for range 4 {
		inner := level
		lists := rapid.SliceOfN(inner, 0, 5)
		level = rapid.OneOf(scalars,
			rapid.Map(lists, func(v []any) any { return append([]any{}, v...) }),
			rapid.Map(lists, func(v []any) any { return append(extlibs.Tuple{}, v...) }),
			rapid.Map(rapid.SliceOfN(keys, 0, 5), func(v []any) any { return append(extlibs.Set{}, v...) }),
			rapid.Map(rapid.MapOfN(rapid.String(), inner, 0, 5), func(v map[string]any) any { return v }),
			rapid.Custom(func(t *rapid.T) any {
				d := extlibs.Dict{{Key: int64(1), Value: "not all keys are str"}}
				for _, v := range lists.Draw(t, "values") {
					d = append(d, extlibs.Pair{Key: extlibs.Tuple{int64(len(d)), keys.Draw(t, "key")}, Value: v})
				}
				return d
			}),
		)
	}
	return level
}

func TestEveryGeneratedValueComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue().Draw(t, "value")
		e, err := extlibs.Encode(v)
		if err != nil {
			t.Fatalf("Encode: %v", err)
		}
		got, err := e.Decode()
		if err != nil || canonical(got) != canonical(v) {
			t.Fatalf("%s came back as %s, %v", canonical(v), canonical(got), err)
		}
		for cut := range e.Len() {
			if v, err := extlibs.RawValue(e.Raw()[:cut]).Decode(); !errors.Is(err, extlibs.ErrCorrupt) {
				t.Fatalf("cut after %d bytes it is %v, %v", cut, v, err)
			}
		}
		if v, err := extlibs.RawValue(e.Raw() + "\x00").Decode(); !errors.Is(err, extlibs.ErrCorrupt) {
			t.Fatalf("with a byte too many it is %v, %v", v, err)
		}
	})
}

// TestTheEncodingStaysAsItIsOnDisks pins the encoding, which is on disks.
func TestTheEncodingStaysAsItIsOnDisks(t *testing.T) {
	for _, tt := range []struct {
		value any
		hex   string
	}{
		{nil, "f6"}, {true, "f5"}, {0, "00"}, {-1, "20"}, {1000, "1903e8"}, {1.0, "fb3ff0000000000000"},
		{"a", "6161"}, {"\xff", "d9ea6241ff"}, {[]byte("a"), "4161"}, {[]any{1, "a"}, "82016161"},
		{extlibs.Tuple{1}, "d9ea618101"}, {extlibs.Set{1}, "d901028101"}, {map[string]any{"a": 1}, "a1616101"},
		{extlibs.Dict{{Key: 1, Value: 2}}, "a10102"}, {int64(math.MinInt64), "3b7fffffffffffffff"},
	} {
		if got := hex.EncodeToString([]byte(mustEncode(t, tt.value).Raw())); got != tt.hex {
			t.Errorf("%v is encoded as %s, want %s", tt.value, got, tt.hex)
		}
	}
}
