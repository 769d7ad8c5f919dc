package extlibs_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// canonical writes a value as a text that is the same for equal values, whatever
// the order of their sets and dicts, and that tells types and NaNs apart.
func canonical(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("float(%x)", math.Float64bits(v))
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return fmt.Sprintf("b%q", v)
	case []any:
		return "[" + canonicalAll(v, false) + "]"
	case extlibs.Tuple:
		return "(" + canonicalAll(v, false) + ")"
	case extlibs.Set:
		return "set(" + canonicalAll(v, true) + ")"
	case map[string]any:
		var d extlibs.Dict
		for k, el := range v {
			d = append(d, extlibs.Pair{Key: k, Value: el})
		}
		return canonical(d)
	case extlibs.Dict:
		var pairs []string
		for _, p := range v {
			pairs = append(pairs, canonical(p.Key)+":"+canonical(p.Value))
		}
		slices.Sort(pairs)
		return "{" + strings.Join(pairs, ",") + "}"
	case nil, bool, int64:
		return fmt.Sprintf("%T(%v)", v, v)
	}
	return fmt.Sprintf("not a documented type: %T", v)
}

func canonicalAll(list []any, unordered bool) string {
	var parts []string
	for _, el := range list {
		parts = append(parts, canonical(el))
	}
	if unordered {
		slices.Sort(parts)
	}
	return strings.Join(parts, ",")
}

func mustEncode(t testing.TB, v any) extlibs.Value {
	t.Helper()
	e, err := extlibs.Encode(v)
	if err != nil {
		t.Fatalf("Encode(%.100v): %v", v, err)
	}
	return e
}

type (
	namedInt    int16
	namedString string
	namedBytes  []byte
	namedList   []string
	namedMap    map[namedString]namedInt
)

func TestAValueComesBackWithItsType(t *testing.T) {
	same := func(v any) [2]any { return [2]any{v, v} }
	for name, tt := range map[string][2]any{
		"None":               same(nil),
		"true":               same(true),
		"false":              same(false),
		"int 0":              same(int64(0)),
		"int 23":             same(int64(23)),
		"int 24":             same(int64(24)),
		"int -1":             same(int64(-1)),
		"int -25":            same(int64(-25)),
		"int 2**32":          same(int64(1 << 32)),
		"largest int":        same(int64(math.MaxInt64)),
		"smallest int":       same(int64(math.MinInt64)),
		"float 0":            same(0.0),
		"float -0":           same(math.Copysign(0, -1)),
		"float 1":            same(1.0),
		"smallest float":     same(math.SmallestNonzeroFloat64),
		"largest float":      same(math.MaxFloat64),
		"infinity":           same(math.Inf(1)),
		"-infinity":          same(math.Inf(-1)),
		"NaN":                same(math.NaN()),
		"NaN with a payload": same(math.Float64frombits(0xfff8_0000_dead_beef)),
		"signalling NaN":     same(math.Float64frombits(0x7ff0_0000_0000_0001)),
		"empty str":          same(""),
		"str":                same("text"),
		"str with NUL":       same("a\x00b"),
		"str beyond ASCII":   same("日本 \U0010ffff"),
		"str not in UTF-8":   same("\xff\xfe a \xed\xa0\x80"),
		"long str":           same(strings.Repeat("x", 70000)),
		"empty bytes":        same([]byte{}),
		"bytes":              same([]byte{0, 1, 254, 255}),
		"empty list":         same([]any{}),
		"list":               same([]any{nil, int64(1), "two", []any{3.0}}),
		"list of 300":        same(slices.Repeat([]any{int64(7)}, 300)),
		"empty tuple":        same(extlibs.Tuple{}),
		"tuple":              same(extlibs.Tuple{int64(1), extlibs.Tuple{}}),
		"empty set":          same(extlibs.Set{}),
		"set":                same(extlibs.Set{int64(1), 1.5, "x", nil, extlibs.Tuple{int64(1)}}),
		"empty dict":         same(map[string]any{}),
		"dict":               same(map[string]any{"": int64(1), "a": map[string]any{"b": []any{}}}),
		"dict key not UTF-8": same(map[string]any{"\xff": int64(1)}),
		"dict of int keys":   same(extlibs.Dict{{Key: int64(1), Value: "a"}, {Key: int64(2), Value: "b"}}),
		"dict of all keys": same(extlibs.Dict{{Key: nil, Value: "a"}, {Key: true, Value: "b"}, {Key: 1.5, Value: "c"},
			{Key: "s", Value: "d"}, {Key: []byte("b"), Value: "e"}, {Key: extlibs.Tuple{"t", int64(1)}, Value: "f"}}),

		"other int types":   {[]any{int(1), int8(2), int16(3), int32(4), uint(5), uint8(6), uint16(7), uint32(8), uint64(9)}, []any{int64(1), int64(2), int64(3), int64(4), int64(5), int64(6), int64(7), int64(8), int64(9)}},
		"float32":           {float32(1.5), 1.5},
		"named types":       {[]any{namedInt(-3), namedString("s"), namedBytes("b")}, []any{int64(-3), "s", []byte("b")}},
		"typed slice":       {[]string{"a", "b"}, []any{"a", "b"}},
		"named slice":       {namedList{"a"}, []any{"a"}},
		"array":             {[2]int{1, 2}, []any{int64(1), int64(2)}},
		"typed map":         {map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		"named map":         {namedMap{"a": 1}, map[string]any{"a": int64(1)}},
		"map of int keys":   {map[int]string{1: "a"}, extlibs.Dict{{Key: int64(1), Value: "a"}}},
		"dict of str keys":  {extlibs.Dict{{Key: "a", Value: 1}}, map[string]any{"a": int64(1)}},
		"empty Dict":        {extlibs.Dict{}, map[string]any{}},
		"nil slice":         {[]any(nil), []any{}},
		"nil map":           {map[string]any(nil), map[string]any{}},
		"largest uint":      {uint64(math.MaxInt64), int64(math.MaxInt64)},
		"interface in list": {[]fmt.Stringer{}, []any{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustEncode(t, tt[0])
			got, err := e.Decode()
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if canonical(got) != canonical(tt[1]) {
				t.Errorf("%.200s came back, want %.200s", canonical(got), canonical(tt[1]))
			}
			again := mustEncode(t, got)
			if back, err := again.Decode(); err != nil || canonical(back) != canonical(got) {
				t.Errorf("the second time %.200s came back, %v", canonical(back), err)
			}
		})
	}
}

func TestAValueOfAnotherTypeIsRefusedWithItsPlace(t *testing.T) {
	cyclic := []any{nil}
	cyclic[0] = cyclic
	number := 1
	for name, tt := range map[string]struct {
		value any
		kind  error
		text  string
	}{
		"struct":            {struct{ A int }{}, extlibs.ErrType, "at value;"},
		"pointer":           {&number, extlibs.ErrType, "cannot store a *int at value;"},
		"func":              {func() {}, extlibs.ErrType, "cannot store a func() at value;"},
		"channel":           {make(chan int), extlibs.ErrType, "at value;"},
		"complex":           {1i, extlibs.ErrType, "at value;"},
		"error":             {errors.New("x"), extlibs.ErrType, "at value;"},
		"in a dict":         {map[string]any{"handlers": []any{1, 2, func() {}}}, extlibs.ErrType, `value["handlers"][2]`},
		"in a typed map":    {map[int]any{7: &number}, extlibs.ErrType, "value[7]"},
		"in a typed slice":  {[]*int{&number}, extlibs.ErrType, "value[0]"},
		"in a tuple":        {extlibs.Tuple{extlibs.Tuple{1, func() {}}}, extlibs.ErrType, "value[0][1]"},
		"in a set":          {[]any{extlibs.Set{1, struct{}{}}}, extlibs.ErrType, "value[0][1]"},
		"as a key":          {[]any{extlibs.Dict{{Key: &number, Value: 1}}}, extlibs.ErrType, "value[0]"},
		"list as a key":     {extlibs.Dict{{Key: []any{1}, Value: 1}}, extlibs.ErrType, "[]interface {} as key at value"},
		"array as a key":    {map[[1]int]int{{1}: 1}, extlibs.ErrType, "as key at value"},
		"list in a key":     {extlibs.Dict{{Key: extlibs.Tuple{[]any{1}}, Value: 1}}, extlibs.ErrType, "as key at value"},
		"list in a set":     {extlibs.Set{1, []any{1}}, extlibs.ErrType, "at value[1]"},
		"dict in a set":     {extlibs.Set{map[string]any{}}, extlibs.ErrType, "at value[0]"},
		"uint beyond int64": {[]any{uint64(math.MaxInt64) + 1}, extlibs.ErrInvalid, "value[0]"},
		"cycle":             {cyclic, extlibs.ErrTooLarge, "more than 500 levels"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := extlibs.Encode(tt.value)
			if !errors.Is(err, tt.kind) || !e.IsZero() {
				t.Fatalf("Encode is %q, %v; want an error that is %q", e, err, tt.kind)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("the error is %q, want %q in it", err, tt.text)
			}
			if len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func nested(levels int, wrap func(any) any) any {
	v := any(int64(1))
	for range levels {
		v = wrap(v)
	}
	return v
}

func TestAValueMayBeNested500LevelsAndNoMore(t *testing.T) {
	for name, wrap := range map[string]func(any) any{
		"list":  func(v any) any { return []any{v} },
		"tuple": func(v any) any { return extlibs.Tuple{v} },
		"dict":  func(v any) any { return map[string]any{"k": v} },
		"Dict":  func(v any) any { return extlibs.Dict{{Key: 1, Value: v}} },
		"array": func(v any) any { return [1]any{v} },
		"map":   func(v any) any { return map[int]any{1: v} },
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := mustEncode(t, nested(500, wrap)).Decode(); err != nil {
				t.Errorf("Decode of 500 levels: %v", err)
			}
			e, err := extlibs.Encode(nested(501, wrap))
			if !errors.Is(err, extlibs.ErrTooLarge) || !e.IsZero() {
				t.Errorf("Encode of 501 levels: %v, want ErrTooLarge", err)
			}
		})
	}
	for name, head := range map[string]string{"lists": "\x81", "tuples": "\xd9\xea\x61\x81", "dicts": "\xa1\x01"} {
		t.Run("encoded "+name, func(t *testing.T) {
			if _, err := extlibs.RawValue(strings.Repeat(head, 500) + "\x01").Decode(); err != nil {
				t.Errorf("Decode of 500 levels: %v", err)
			}
			if v, err := extlibs.RawValue(strings.Repeat(head, 501) + "\x01").Decode(); !errors.Is(err, extlibs.ErrCorrupt) {
				t.Errorf("Decode of 501 levels: %.100v, %v, want ErrCorrupt", v, err)
			}
		})
	}
}

func TestAValueOverTheLimitOfBytesIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	const limit = 1000
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t, extlibs.MaxValueBytes(limit))
		fits := strings.Repeat("x", limit-3) // a head of three bytes before it
		if err := h.Set(ctx, "k", fits, 0); err != nil {
			t.Fatalf("Set of the limit: %v", err)
		}
		for name, v := range map[string]any{
			"str":   fits + "x",
			"bytes": []byte(fits + "x"),
			"list":  []any{strings.Repeat("x", limit/2), strings.Repeat("x", limit/2)},
			"dict":  map[string]any{strings.Repeat("x", limit): 1},
			"ints":  make([]int, limit),
		} {
			calls := map[string]error{}
			calls["Set"] = h.Set(ctx, "k", v, 0)
			_, calls["Add"] = h.Add(ctx, "new", v, 0)
			_, calls["Update"] = h.Update(ctx, "k", func(any, bool) (any, error) { return v, nil })
			_, calls["GetOrSet"] = h.GetOrSet(ctx, "new", func() (any, error) { return v, nil }, 0)
			calls["SetMany"] = h.SetMany(ctx, map[string]any{"new": v}, 0)
			_, calls["Apply"] = h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: "k", Value: mustEncode(t, v)})
			for call, err := range calls {
				if !errors.Is(err, extlibs.ErrTooLarge) {
					t.Errorf("%s of too large a %s: %v, want ErrTooLarge", call, name, err)
				}
			}
		}
		if v, err := h.Get(ctx, "k"); v != fits || err != nil {
			t.Errorf("the value changed: %.50v, %v", v, err)
		}
		if n, err := h.Store().Len(ctx); n != 1 {
			t.Errorf("Len is %d, %v", n, err)
		}
	})
}

func TestWhatIsStoredSharesNothingWithWhatWasPassedOrReturned(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		list := []any{[]byte("bytes"), map[string]any{"k": []any{int64(1)}}}
		want := canonical(list)
		if err := h.Set(ctx, "k", list, 0); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			// Spoil what was passed the first time, and what was returned later.
			list[0].([]byte)[0] = '!'
			list[1].(map[string]any)["k"].([]any)[0] = "spoilt"
			list[1].(map[string]any)["new"] = 1
			list[0] = nil
			got, err := h.Get(ctx, "k")
			if err != nil || canonical(got) != want {
				t.Fatalf("Get is %s, %v; want %s", canonical(got), err, want)
			}
			list = got.([]any)
		}
	})
}

func TestAValueIsOpaqueWhereverItIsPrinted(t *testing.T) {
	v, err := extlibs.Encode("secret")
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("op", "value", v)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("op", "value", v)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&logged, verb+" "+verb+"\n", v, extlibs.Op{Value: v})
	}
	for _, leak := range []string{"secret", fmt.Sprintf("%x", "secret")} {
		if strings.Contains(logged.String(), leak) {
			t.Errorf("%q is printed:\n%s", leak, &logged)
		}
	}
	if !strings.Contains(fmt.Sprint(v), "7 bytes") {
		t.Errorf("printed as %v", v)
	}
	if !extlibs.RawValue("").IsZero() || v.IsZero() || v.Len() != 7 || extlibs.RawValue(v.Raw()) != v {
		t.Error("RawValue does not give back what Raw returned")
	}
}
