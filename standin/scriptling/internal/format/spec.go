package format

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth bounds widths and precisions, so that a script cannot ask for a text
// that does not fit into memory.
const maxWidth = 1_000_000

// Spec is a parsed format specification:
// [[fill]align][sign][#][0][width][,][.precision][type].
type Spec struct {
	fill      rune
	align     byte // '<', '>', '^', '=' or 0
	sign      byte // '+', ' ', '-' or 0
	zero      bool
	width     int
	comma     bool
	precision int // -1 when absent
	verb      byte
	unknown   bool // cannot be understood: values keep their plain text
}

// ParseSpec parses a specification. It never fails: a specification that makes
// no sense formats every value as its plain text.
func ParseSpec(text string) *Spec {
	s := &Spec{fill: ' ', precision: -1}
	rest := s.parseAlign(text)
	if rest != "" && strings.IndexByte("+- ", rest[0]) >= 0 {
		s.sign, rest = rest[0], rest[1:]
	}
	rest = strings.TrimPrefix(rest, "#")
	if strings.HasPrefix(rest, "0") {
		s.zero, rest = true, rest[1:]
	}
	var ok bool
	if s.width, rest, ok = leadingNumber(rest); !ok {
		s.width = 0
	}
	if strings.HasPrefix(rest, ",") {
		s.comma, rest = true, rest[1:]
	}
	if strings.HasPrefix(rest, ".") {
		if s.precision, rest, ok = leadingNumber(rest[1:]); !ok {
			s.unknown = true
		}
	}
	switch {
	case rest == "":
	case len(rest) == 1 && strings.Contains("dfFeEgGxXobs%", rest):
		s.verb = rest[0]
	default:
		s.unknown = true
	}
	return s
}

func (s *Spec) parseAlign(text string) string {
	fill, size := utf8.DecodeRuneInString(text)
	if size > 0 && len(text) > size && isAlign(text[size]) {
		s.fill, s.align = fill, text[size]
		return text[size+1:]
	}
	if text != "" && isAlign(text[0]) {
		s.align = text[0]
		return text[1:]
	}
	return text
}

func isAlign(c byte) bool { return strings.IndexByte("<>^=", c) >= 0 }

func leadingNumber(s string) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == 0 {
		return 0, s, false
	}
	n, err := strconv.Atoi(s[:i])
	if err != nil || n > maxWidth {
		n = maxWidth
	}
	return n, s[i:], true
}

// Apply formats v.
func (s *Spec) Apply(v Value) string {
	if s.unknown {
		return v.plain()
	}
	switch v.Kind {
	case Int:
		return s.int(v)
	case Float:
		return s.float(v)
	case Text:
		return s.text(v.Text)
	}
	return s.pad("", v.Text, '>')
}

func (s *Spec) int(v Value) string {
	switch s.verb {
	case 'x', 'X', 'o', 'b':
		return s.number(v.Int < 0, s.digits(magnitude(v.Int)))
	case 'f', 'F', 'e', 'E', 'g', 'G', '%':
		return s.float(FloatValue(float64(v.Int)))
	case 's':
		return s.pad("", v.plain(), '>')
	}
	return s.number(v.Int < 0, s.group(strconv.FormatUint(magnitude(v.Int), 10)))
}

func (s *Spec) digits(n uint64) string {
	switch s.verb {
	case 'x':
		return strconv.FormatUint(n, 16)
	case 'X':
		return strings.ToUpper(strconv.FormatUint(n, 16))
	case 'o':
		return strconv.FormatUint(n, 8)
	}
	return strconv.FormatUint(n, 2)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func (s *Spec) float(v Value) string {
	f := v.Float
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return s.pad("", v.plain(), '>')
	}
	negative := math.Signbit(f)
	abs := math.Abs(f)
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	var digits string
	switch s.verb {
	case 'd', 'x', 'X', 'o', 'b':
		if math.Abs(f) < math.MaxInt64 {
			return s.int(IntValue(int64(f)))
		}
		digits = strconv.FormatFloat(math.Trunc(abs), 'f', 0, 64)
	case 'f', 'F':
		digits = strconv.FormatFloat(abs, 'f', precision, 64)
	case 'e', 'E':
		digits = strconv.FormatFloat(abs, s.verb, precision, 64)
	case 'g', 'G':
		digits = strconv.FormatFloat(abs, s.verb, s.precision, 64)
	case '%':
		digits = strconv.FormatFloat(abs*100, 'f', precision, 64) + "%"
	case 's':
		return s.pad("", v.plain(), '>')
	default:
		if s.precision >= 0 {
			digits = strconv.FormatFloat(abs, 'f', s.precision, 64)
		} else {
			digits = FloatFieldText(abs)
		}
	}
	return s.number(negative, s.group(digits))
}

func (s *Spec) text(t string) string {
	if s.precision >= 0 {
		t = firstRunes(t, s.precision)
	}
	return s.pad("", t, '<')
}

func firstRunes(t string, n int) string {
	for i := range t {
		if n == 0 {
			return t[:i]
		}
		n--
	}
	return t
}

// group inserts thousands separators into the integer part of digits.
func (s *Spec) group(digits string) string {
	if !s.comma {
		return digits
	}
	end := strings.IndexAny(digits, ".e%")
	if end < 0 {
		end = len(digits)
	}
	var b strings.Builder
	for i := 0; i < end; i++ {
		if i > 0 && (end-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	b.WriteString(digits[end:])
	return b.String()
}

func (s *Spec) number(negative bool, digits string) string {
	sign := ""
	switch {
	case negative:
		sign = "-"
	case s.sign == '+' || s.sign == ' ':
		sign = string(s.sign)
	}
	return s.pad(sign, digits, '>')
}

// pad brings sign+body to the width; natural is the alignment of the type.
func (s *Spec) pad(sign, body string, natural byte) string {
	missing := s.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(body)
	if missing <= 0 {
		return sign + body
	}
	fill, align := s.fill, s.align
	if s.zero {
		if fill == ' ' {
			fill = '0'
		}
		if align == 0 && natural == '>' {
			align = '='
		}
	}
	if align == 0 {
		align = natural
	}
	filler := func(n int) string { return strings.Repeat(string(fill), n) }
	switch align {
	case '<':
		return sign + body + filler(missing)
	case '^':
		return filler(missing/2) + sign + body + filler(missing-missing/2)
	case '=':
		return sign + filler(missing) + body
	}
	return filler(missing) + sign + body
}
