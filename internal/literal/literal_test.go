package literal

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

var literals = []struct {
	value any
	text  string
}{
	{nil, "None"},
	{true, "True"},
	{int64(math.MinInt64), "-9223372036854775808"},
	{1.5, "1.5"},
	{1.0, "1.0"},
	{1e300, "1.0e+300"},
	{math.Inf(1), `float("inf")`},
	{"it's \"5\" \\ é\n\t\x00", `"it's \"5\" \\ é\n\t\0"`},
	{"\x1b[2J\xff\u202e", `"\u001b[2J\xff\u202e"`},
	{[]byte("hi \""), `bytes("hi \"")`},
	{[]byte{0, 255}, `bytes.fromhex("00ff")`},
	{[]any{}, "[]"},
	{[]any{int64(1), "a"}, `[1, "a"]`},
	{extlibs.Tuple{}, "()"},
	{extlibs.Tuple{int64(1)}, "(1,)"},
	{extlibs.Tuple{int64(1), int64(2)}, "(1, 2)"},
	{extlibs.Set{}, "set()"},
	{extlibs.Set{int64(1), int64(2)}, "{1, 2}"},
	{map[string]any{}, "{}"},
	{map[string]any{"b": nil, "a": []any{1.0}}, `{"a": [1.0], "b": None}`},
	{extlibs.Dict{{Key: int64(1), Value: "one"}, {Key: "a", Value: extlibs.Tuple{}}}, `{"a": (), 1: "one"}`},
}

func TestFormatWritesWhatParseReads(t *testing.T) {
	for _, l := range literals {
		if got := Format(l.value); got != l.text {
			t.Errorf("%#v is written %s, want %s", l.value, got, l.text)
		}
		v, err := Parse(l.text)
		if err != nil || Format(v) != l.text || reflect.TypeOf(v) != reflect.TypeOf(l.value) {
			t.Errorf("%s is read as %#v (%v), want %#v", l.text, v, err, l.value)
		}
	}
}

func TestParseTakesWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]any{
		" 42 ": int64(42), "+1": int64(1), "-2.5e-1": -0.25, "'a\\'b'": "a'b", `'\d\x41é'`: `\dAé`,
		"[1,2,]": []any{int64(1), int64(2)}, "( 1 )": int64(1), "(1,\n2,)": extlibs.Tuple{int64(1), int64(2)},
		`{"a":1,"a":2}`: map[string]any{"a": int64(2)}, "{ }": map[string]any{}, "{1,}": extlibs.Set{int64(1)},
	} {
		if v, err := Parse(text); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%q is %#v (%v), want %#v", text, v, err, want)
		}
	}
}

func TestParseRefusesAnythingElse(t *testing.T) {
	for _, text := range []string{
		"", " ", "x", "nope()", "None None", "1 2", "9223372036854775808", "0x10", "1_000", "1e999", "--1", `"a`, `'a"`, "[1", "[1 2]", "(1",
		"{1: 2, 3}", "{1, 2: 3}", "{1:}", "{1 2}", "float(1)", `float("x")`, `bytes.fromhex("0")`, `bytes("a"`, "set(1)", "true",
		strings.Repeat("[", 502) + strings.Repeat("]", 502), strings.Repeat("[", 100_000),
	} {
		if v, err := Parse(text); err == nil {
			t.Errorf("%.40q is %#v", text, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, l := range literals {
		f.Add(l.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		formatted := Format(v)
		again, err := Parse(formatted)
		if err != nil || Format(again) != formatted {
			t.Errorf("%q is %s, which is %#v (%v)", text, formatted, again, err)
		}
	})
}
