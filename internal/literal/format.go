// Package literal writes and reads values as a script would write them:
//
//	None True 42 1.5 float("nan") "text" bytes("hi") bytes.fromhex("00ff")
//	[1, 2] (1,) {1, 2} set() {"user": "bob", 1: "one"}
//
// [Format] makes the text of a value, [Parse] the value of a text.
package literal

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
)

// Format returns a value, of the types that extlibs.Encode lists, as a script
// would write it. Members of sets and dicts are sorted by their text. Characters
// that a terminal would act upon are shown as \u001b, which scripts do not know
// but Parse does.
func Format(v any) string {
	var b strings.Builder
	format(&b, v)
	return b.String()
}

func format(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(formatFloat(v))
	case string:
		quote(b, v)
	case []byte:
		if isPlain(v) {
			b.WriteString("bytes(")
			quote(b, string(v))
		} else {
			b.WriteString("bytes.fromhex(")
			quote(b, hex.EncodeToString(v))
		}
		b.WriteByte(')')
	case []any:
		members(b, "[", v, "]")
	case extlibs.Tuple:
		if len(v) == 1 {
			members(b, "(", v, ",)")
			return
		}
		members(b, "(", v, ")")
	case extlibs.Set:
		if len(v) == 0 {
			b.WriteString("set()")
			return
		}
		texts := make([]string, len(v))
		for i, el := range v {
			texts[i] = Format(el)
		}
		sorted(b, texts)
	case map[string]any:
		texts := make([]string, 0, len(v))
		for key, el := range v {
			texts = append(texts, Format(key)+": "+Format(el))
		}
		sorted(b, texts)
	case extlibs.Dict:
		texts := make([]string, len(v))
		for i, p := range v {
			texts[i] = Format(p.Key) + ": " + Format(p.Value)
		}
		sorted(b, texts)
	default:
		fmt.Fprintf(b, "<%T>", v) // no store returns another type
	}
}

func members(b *strings.Builder, open string, list []any, end string) {
	b.WriteString(open)
	for i, el := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		format(b, el)
	}
	b.WriteString(end)
}

func sorted(b *strings.Builder, texts []string) {
	slices.Sort(texts)
	b.WriteString("{" + strings.Join(texts, ", ") + "}")
}

// formatFloat keeps a float apart from an int.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return `float("nan")`
	case math.IsInf(f, 1):
		return `float("inf")`
	case math.IsInf(f, -1):
		return `float("-inf")`
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	mantissa, exponent, large := strings.Cut(s, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if large {
		return mantissa + "e" + exponent
	}
	return mantissa
}

func isPlain(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

var escapes = map[rune]string{'\n': `\n`, '\t': `\t`, '\r': `\r`, '\\': `\\`, '"': `\"`, 0: `\0`}

func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch escape, known := escapes[r]; {
		case known:
			b.WriteString(escape)
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(b, `\x%02x`, s[0])
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(b, `\U%08x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	b.WriteByte('"')
}
