package kvadmin

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/literal"
)

// printable returns a text in a form in which every character is visible: quoted and escaped
// if it has others than printable ones.
func printable(s string) string {
	if quoted := literal.Format(s); quoted != `"`+s+`"` || strings.TrimSpace(s) != s || s == "" {
		return quoted
	}
	return s
}

// field returns a text for a field of a form, "" if the field could not show it.
func field(s string) string {
	if printable(s) != s {
		return ""
	}
	return s
}

// cut shortens a text to n characters and reports whether it was longer.
func cut(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for i := range s {
		if n == 0 {
			return s[:i], true
		}
		n--
	}
	return s, false
}

// brief is a printable text of at most n characters.
func brief(s string, n int) string {
	if short, long := cut(s, n); long {
		return printable(short) + "…"
	}
	return printable(s)
}

// number formats an integer as 1,234,567.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// numberOr formats an integer, nil as unknown.
func numberOr(n *int64) string {
	if n == nil {
		return "–"
	}
	return number(*n)
}

// size formats a number of bytes as 1.5 MB.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if f /= 1000; f < 999.5 || unit == "TB" {
			return strconv.FormatFloat(f, 'f', decimals(f), 64) + " " + unit
		}
	}
	return ""
}

// rate formats a number of operations per second.
func rate(f float64) string {
	switch {
	case f >= 999_500:
		return strconv.FormatFloat(f/1e6, 'f', decimals(f/1e6), 64) + " M"
	case f >= 9_995:
		return strconv.FormatFloat(f/1e3, 'f', decimals(f/1e3), 64) + " k"
	}
	if f == math.Trunc(f) || f >= 100 {
		return number(int64(math.Round(f)))
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

func decimals(f float64) int {
	if f < 9.95 {
		return 1
	}
	return 0
}

// left formats a remaining time as 1h 02m 03s, as the script of the pages does.
func left(d time.Duration) string {
	s := int64(math.Ceil(d.Seconds()))
	switch day := int64(86400); {
	case s >= 2*day:
		return fmt.Sprintf("%sd %02dh", number(s/day), s%day/3600)
	case s >= 3600:
		return fmt.Sprintf("%dh %02dm %02ds", s/3600, s%3600/60, s%60)
	case s >= 60:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	}
	return fmt.Sprintf("%ds", s)
}

// plural is a number with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// Limits of breaking a value into lines.
const (
	lineLength  = 88
	prettyBytes = 256 << 10 // of the encoded value
	prettyDepth = 20
)

// pretty returns a value as a script would write it, with a line for each member of a
// container that is longer than a line.
func pretty(v any) string {
	var b strings.Builder
	writePretty(&b, v, 0)
	return b.String()
}

func writePretty(b *strings.Builder, v any, depth int) {
	flat := literal.Format(v)
	if utf8.RuneCountInString(flat)+2*depth <= lineLength || depth == prettyDepth {
		b.WriteString(flat)
		return
	}
	line := "\n" + strings.Repeat("  ", depth)
	list := func(open string, members []any, end string) {
		b.WriteString(open)
		for _, m := range members {
			b.WriteString(line + "  ")
			writePretty(b, m, depth+1)
			b.WriteByte(',')
		}
		b.WriteString(line + end)
	}
	pairs := func(d extlibs.Dict) {
		texts := make(map[string]any, len(d))
		for _, p := range d {
			texts[literal.Format(p.Key)] = p.Value
		}
		b.WriteByte('{')
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			b.WriteString(line + "  " + key + ": ")
			writePretty(b, texts[key], depth+1)
			b.WriteByte(',')
		}
		b.WriteString(line + "}")
	}
	switch v := v.(type) {
	case []any:
		list("[", v, "]")
	case extlibs.Tuple:
		list("(", v, ")")
	case extlibs.Set:
		slices.SortFunc(v, func(x, y any) int { return strings.Compare(literal.Format(x), literal.Format(y)) })
		list("{", v, "}")
	case map[string]any:
		d := make(extlibs.Dict, 0, len(v))
		for key, m := range v {
			d = append(d, extlibs.Pair{Key: key, Value: m})
		}
		pairs(d)
	case extlibs.Dict:
		pairs(v)
	default:
		b.WriteString(flat)
	}
}
