package jsonl_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// encoded returns the encoding of a Go value.
func encoded(t testing.TB, v any) string {
	t.Helper()
	e, err := extlibs.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return e.Raw()
}

func decoded(raw string) (any, error) { return extlibs.RawValue(raw).Decode() }

var values = map[string]struct {
	value any
	json  string
}{
	"None":                  {nil, `null`},
	"bool":                  {true, `true`},
	"int":                   {int64(-7), `-7`},
	"largest int":           {int64(math.MaxInt64), `9223372036854775807`},
	"float":                 {1.5, `1.5`},
	"integral float":        {1.0, `1.0`},
	"large float":           {1e300, `1e+300`},
	"negative zero":         {math.Copysign(0, -1), `-0.0`},
	"infinity":              {math.Inf(-1), `{"$float":"-inf"}`},
	"str":                   {"a\"<b>\n\u2028\x00", `"a\"<b>\n\u2028\u0000"`},
	"str of other bytes":    {"\xff", `{"$text":"/w=="}`},
	"bytes":                 {[]byte{0, 255}, `{"$bytes":"AP8="}`},
	"list":                  {[]any{int64(1), []any{}}, `[1,[]]`},
	"tuple":                 {extlibs.Tuple{int64(1)}, `{"$tuple":[1]}`},
	"set":                   {extlibs.Set{"a"}, `{"$set":["a"]}`},
	"dict":                  {map[string]any{"b": int64(2), "a": nil}, `{"a":null,"b":2}`},
	"dict that looks typed": {map[string]any{"$set": "x"}, `{"$dict":[["$set","x"]]}`},
	"dict with int keys":    {extlibs.Dict{{Key: int64(1), Value: "one"}}, `{"$dict":[[1,"one"]]}`},
	"dict in a dict":        {map[string]any{"a": extlibs.Dict{{Key: extlibs.Tuple{int64(1), 2.0}, Value: []byte{}}}}, `{"a":{"$dict":[[{"$tuple":[1,2.0]},{"$bytes":""}]]}}`},
}

func TestEveryTypeComesBack(t *testing.T) {
	for name, c := range values {
		t.Run(name, func(t *testing.T) {
			b, err := jsonl.AppendValue(nil, encoded(t, c.value))
			if err != nil || string(b) != c.json {
				t.Errorf("%s (%v), want %s", b, err, c.json)
			}
			raw, err := jsonl.ParseValue(b)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := decoded(raw); err != nil || !reflect.DeepEqual(v, c.value) {
				t.Errorf("%#v (%v), want %#v", v, err, c.value)
			}
		})
	}
	b, err := jsonl.AppendValue(nil, encoded(t, math.NaN()))
	raw, parseErr := jsonl.ParseValue(b)
	if v, e := decoded(raw); err != nil || parseErr != nil || e != nil || !math.IsNaN(v.(float64)) {
		t.Errorf("nan came back as %v", v)
	}
}

func TestALineKeepsTheTimeLeft(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Millisecond, 90*time.Second + 500*time.Millisecond, extlibs.MaxTTL} {
		b, err := jsonl.Append(nil, jsonl.Entry{Key: "k", Value: encoded(t, 1), TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		e, err := jsonl.NewReader(strings.NewReader(string(b)), extlibs.DefaultMaxValueBytes).Next()
		if err != nil || e.Key != "k" || (e.TTL-ttl).Abs() > time.Microsecond {
			t.Errorf("%s came back as %v, %v", b, e, err)
		}
	}
}

func TestWhatIsNoEntryIsRefusedWithItsLine(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `{"key":"k"}`, `{"value":1}`, `{"key":1,"value":1}`, `{"key":"k","value":1}{}`, `{"key":"k","value":1,"tll":1}`,
		`{"key":"k","value":1,"ttl":-1}`, `{"key":"k","value":1,"ttl":1e99}`, `{"key":"k","value":9223372036854775808}`,
		`{"key":"k","value":{"$set":[[1]]}}`, `{"key":"k","value":{"$set":[{"$tuple":[{}]}]}}`, `{"key":"k","value":{"$dict":[[{"$set":[]},1]]}}`,
		`{"key":"k","value":{"$set":1}}`, `{"key":"k","value":{"$nosuch":[]}}`, `{"key":"k","value":{"$dict":[[1]]}}`,
		`{"key":"k","value":` + strings.Repeat("[", 502) + strings.Repeat("]", 502) + `}`, "{\"key\":\"\xff\",\"value\":1}",
	} {
		r := jsonl.NewReader(strings.NewReader("\n"+text+"\n"), extlibs.DefaultMaxValueBytes)
		if e, err := r.Next(); err == nil || err == io.EOF || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%.80s: %v, %v", text, e, err)
		}
	}
}

func TestALineThatCouldNotBeReadIsNoWrongLine(t *testing.T) {
	broken := errors.New("the disk is gone")
	r := jsonl.NewReader(io.MultiReader(strings.NewReader("{\"key\":\"a\",\"value\":1}\n{\"key\":\"b"), iotest.ErrReader(broken)), extlibs.DefaultMaxValueBytes)
	if e, err := r.Next(); err != nil || e.Key != "a" {
		t.Fatalf("%v, %v", e, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("%v", err)
	}
}

func TestTheErrorsOfAReaderAreToldApart(t *testing.T) {
	const valueBytes = 1 << 20
	for name, c := range map[string]struct {
		in   io.Reader
		want error
	}{
		"no entry":                    {strings.NewReader("\n \n"), io.EOF},
		"a line that is too long":     {io.MultiReader(strings.NewReader("\n"), strings.NewReader(strings.Repeat("x", 17<<20))), kverr.TooLarge},
		"a reader that fails at once": {iotest.ErrReader(fs.ErrClosed), fs.ErrClosed},
	} {
		r := jsonl.NewReader(c.in, valueBytes)
		if _, err := r.Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	r := jsonl.NewReader(strings.NewReader("\n{\"key\":\"a\",\"value\":1}"), valueBytes)
	if _, err := r.Next(); err != nil || r.Line() != 2 {
		t.Errorf("line %d, %v", r.Line(), err)
	}
}

func FuzzValueRoundTrip(f *testing.F) {
	for _, c := range values {
		f.Add(c.json)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := jsonl.ParseValue([]byte(text))
		if err != nil {
			return
		}
		b, err := jsonl.AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := jsonl.ParseValue(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := jsonl.AppendValue(nil, again); err != nil || string(c) != string(b) {
			t.Errorf("%s became %s (%v)", b, c, err)
		}
	})
}

// Only a text that has U+FFFD itself, as such or as an escape, is read as one that has it.
func FuzzTextIsKeptOrRefused(f *testing.F) {
	for _, text := range []string{`"\ud800"`, `{"\udc00":1}`, `["\ud83d\ude00","\ud83d"]`, "\"\xff\"", `"\\ud800"`, `"\uFFFD"`, `{"a":{"\ud800\ud800":[]}}`, `"\ud83d\\ude00"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := jsonl.ParseValue([]byte(text))
		if err != nil || strings.Contains(text, "\ufffd") || strings.Contains(strings.ToLower(text), `\ufffd`) || strings.Contains(text, "$") {
			return
		}
		if b, err := jsonl.AppendValue(nil, v); err != nil || strings.Contains(string(b), "\ufffd") {
			t.Errorf("%q became %q (%v)", text, b, err)
		}
	})
}

func TestAKeyThatIsNoTextIsNotExportedAsAnother(t *testing.T) {
	for _, key := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		if b, err := jsonl.Append(nil, jsonl.Entry{Key: key, Value: encoded(t, 1)}); err == nil {
			t.Errorf("%q is exported as %s", key, b)
		}
	}
}

// What other programs wrote into a store is printed or refused as the library reads it.
func FuzzWhatIsPrintedIsWhatIsDecoded(f *testing.F) {
	for _, raw := range []string{
		"\xa2\x61a\x01\x61a\x02", "\xa2\x61b\x01\x61a\x02", "\xa1\x61$\x01", "\xa2\x61$\x01\x61$\x02", "\xa2\x01\x02\x61a\x03", "\xa1\xd9\xea\x62\x41\xff\x01",
		"\xd9\x01\x02\x81\x80", "\xa1\x80\x01", "\xa1\xd9\xea\x61\x81\x01\x02", "\xf9\x3c\x00", "\x61\xff", "\x9f\xff", "\x82\x01", "", "\x01\x01", "\x81\x81\x81\xa1\x61x\xd9\x01\x02\x80",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		b, err := jsonl.AppendValue(nil, raw)
		v, decodeErr := decoded(raw)
		if (err == nil) != (decodeErr == nil) {
			t.Fatalf("%q is printed with %v, decoded with %v", raw, err, decodeErr)
		}
		if err != nil {
			return
		}
		back, err := jsonl.ParseValue(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		again, err := decoded(back)
		if err != nil || shown(again) != shown(v) {
			t.Fatalf("%q is printed as %s, which is %s (%v), not %s", raw, b, shown(again), err, shown(v))
		}
	})
}

// shown is a text that is the same for equal values.
func shown(v any) string {
	switch v := v.(type) {
	case extlibs.Dict:
		var parts []string
		for _, p := range v {
			parts = append(parts, shown(p.Key)+":"+shown(p.Value))
		}
		slices.Sort(parts)
		return fmt.Sprintf("dict%q", parts)
	case map[string]any:
		var parts []string
		for k, el := range v {
			parts = append(parts, shown(k)+":"+shown(el))
		}
		slices.Sort(parts)
		return fmt.Sprintf("dict%q", parts)
	case extlibs.Set:
		return "set" + shown([]any(v))
	case extlibs.Tuple:
		return "tuple" + shown([]any(v))
	case []any:
		var parts []string
		for _, el := range v {
			parts = append(parts, shown(el))
		}
		return fmt.Sprintf("%q", parts)
	}
	return fmt.Sprintf("%T %#v", v, v)
}

func TestTheLimitsOfATTLAreThoseOfStores(t *testing.T) {
	if jsonl.MinTTL != extlibs.MinTTL || jsonl.MaxTTL != time.Duration(extlibs.MaxTTL) {
		t.Error("the limits differ")
	}
	for left, want := range map[time.Duration]time.Duration{0: 0, -1: jsonl.MinTTL, 1: jsonl.MinTTL, time.Minute: time.Minute, jsonl.MaxTTL + 1: jsonl.MaxTTL} {
		if got := jsonl.Storable(left); got != want {
			t.Errorf("%v is stored as %v, want %v", left, got, want)
		}
	}
}

// A dict in a dict in a dict, each in another order than its names, takes time that grows
// with the levels, not more.
func TestDeeplyNestedDictsArePrinted(t *testing.T) {
	v := any(strings.Repeat("x", 100_000))
	for range extlibs.MaxDepth {
		v = extlibs.Dict{{Key: "b", Value: v}, {Key: "a", Value: 1}}
	}
	b, err := jsonl.AppendValue(nil, encoded(t, v))
	if err != nil || len(b) < 100_000 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if raw, err := jsonl.ParseValue(b); err != nil || len(raw) != len(encoded(t, v)) {
		t.Errorf("it came back as %d bytes, %v", len(raw), err)
	}
}
