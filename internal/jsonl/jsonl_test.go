package jsonl

import (
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/scriptling-kv/extlibs"
)

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
			b, err := AppendValue(nil, c.value)
			if err != nil || string(b) != c.json {
				t.Errorf("%s (%v), want %s", b, err, c.json)
			}
			v, err := ParseValue(b)
			if err != nil || !reflect.DeepEqual(v, c.value) {
				t.Errorf("%#v (%v), want %#v", v, err, c.value)
			}
		})
	}
	b, err := AppendValue(nil, math.NaN())
	if v, e := ParseValue(b); err != nil || e != nil || !math.IsNaN(v.(float64)) {
		t.Errorf("nan came back as %v", v)
	}
}

func TestALineKeepsTheTimeLeft(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Millisecond, 90*time.Second + 500*time.Millisecond, extlibs.MaxTTL} {
		b, err := Append(nil, Entry{"k", int64(1), ttl})
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewReader(strings.NewReader(string(b)), extlibs.DefaultMaxValueBytes).Next()
		if err != nil || e.Key != "k" || (e.TTL-ttl).Abs() > time.Microsecond {
			t.Errorf("%s came back as %v, %v", b, e, err)
		}
	}
}

func TestWhatIsNoEntryIsRefusedWithItsLine(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `{"key":"k"}`, `{"value":1}`, `{"key":1,"value":1}`, `{"key":"k","value":1}{}`, `{"key":"k","value":1,"tll":1}`,
		`{"key":"k","value":1,"ttl":-1}`, `{"key":"k","value":1,"ttl":1e99}`, `{"key":"k","value":9223372036854775808}`,
		`{"key":"k","value":{"$set":1}}`, `{"key":"k","value":{"$nosuch":[]}}`, `{"key":"k","value":{"$dict":[[1]]}}`,
		`{"key":"k","value":` + strings.Repeat("[", 502) + strings.Repeat("]", 502) + `}`, "{\"key\":\"\xff\",\"value\":1}",
	} {
		r := NewReader(strings.NewReader("\n"+text+"\n"), extlibs.DefaultMaxValueBytes)
		if e, err := r.Next(); err == nil || err == io.EOF || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%.80s: %v, %v", text, e, err)
		}
	}
}

func TestALineThatCouldNotBeReadIsNoWrongLine(t *testing.T) {
	broken := errors.New("the disk is gone")
	r := NewReader(io.MultiReader(strings.NewReader("{\"key\":\"a\",\"value\":1}\n{\"key\":\"b"), iotest.ErrReader(broken)), extlibs.DefaultMaxValueBytes)
	if e, err := r.Next(); err != nil || e.Key != "a" {
		t.Fatalf("%v, %v", e, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("%v", err)
	}
}

func FuzzValueRoundTrip(f *testing.F) {
	for _, c := range values {
		f.Add(c.json)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseValue([]byte(text))
		if err != nil {
			return
		}
		b, err := AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseValue(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := AppendValue(nil, again); err != nil || string(c) != string(b) {
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
		v, err := ParseValue([]byte(text))
		if err != nil || strings.Contains(text, "\ufffd") || strings.Contains(strings.ToLower(text), `\ufffd`) || strings.Contains(text, "$") {
			return
		}
		if b, err := AppendValue(nil, v); err != nil || strings.Contains(string(b), "\ufffd") {
			t.Errorf("%q became %q (%v)", text, b, err)
		}
	})
}

func TestAKeyThatIsNoTextIsNotExportedAsAnother(t *testing.T) {
	for _, key := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		if b, err := Append(nil, Entry{key, int64(1), 0}); err == nil {
			t.Errorf("%q is exported as %s", key, b)
		}
	}
}
