package format

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

var (
	errTooFewArgs  = errors.New("not enough arguments for format string")
	errTooManyArgs = errors.New("not all arguments converted during string formatting")
	errIncomplete  = errors.New("incomplete format")
)

// Percent applies the % operator of strings.
func Percent(template string, args []Value) (string, error) {
	var b strings.Builder
	next := 0
	for i := 0; i < len(template); i++ {
		if template[i] != '%' {
			b.WriteByte(template[i])
			continue
		}
		d, size := parseDirective(template[i+1:])
		i += size
		if d.verb == 0 {
			return "", errIncomplete
		}
		if d.verb == '%' {
			b.WriteByte('%')
			continue
		}
		if !strings.ContainsRune("srdifFeEgGxXoc", d.verb) {
			return "", fmt.Errorf("unsupported format character: %c", d.verb)
		}
		if next == len(args) {
			return "", errTooFewArgs
		}
		text, err := d.apply(args[next])
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		next++
	}
	if next < len(args) {
		return "", errTooManyArgs
	}
	return b.String(), nil
}

// directive is one %-conversion, without the leading percent sign.
type directive struct {
	flags     string
	width     int
	precision int // -1 when absent
	verb      rune
}

func parseDirective(s string) (d directive, size int) {
	rest := strings.TrimLeft(s, "-+ #0")
	d.flags = s[:len(s)-len(rest)]
	d.width, rest, _ = leadingNumber(rest)
	d.precision = -1
	if strings.HasPrefix(rest, ".") {
		d.precision, rest, _ = leadingNumber(rest[1:])
	}
	if rest != "" {
		r, n := utf8.DecodeRuneInString(rest)
		d.verb, rest = r, rest[n:]
	}
	return d, len(s) - len(rest)
}

// format is the directive in the syntax of package fmt with another verb.
func (d directive) format(verb rune) string {
	var b strings.Builder
	b.WriteString("%" + d.flags)
	if d.width > 0 {
		fmt.Fprintf(&b, "%d", d.width)
	}
	if d.precision >= 0 {
		fmt.Fprintf(&b, ".%d", d.precision)
	}
	b.WriteRune(verb)
	return b.String()
}

func (d directive) apply(v Value) (string, error) {
	switch d.verb {
	case 's':
		return d.text(v), nil
	case 'r':
		if v.Kind == Text {
			return `"` + v.Text + `"`, nil
		}
		return d.text(v), nil
	case 'c':
		switch v.Kind {
		case Int:
			return string(rune(v.Int)), nil
		case Text:
			return v.Text, nil
		}
		return "", d.wantsNumber(v)
	case 'd', 'i', 'x', 'X', 'o':
		n, ok := v.toInt()
		if !ok {
			return "", d.wantsNumber(v)
		}
		verb := d.verb
		if verb == 'i' {
			verb = 'd'
		}
		return fmt.Sprintf(d.format(verb), n), nil
	}
	f, ok := v.toFloat()
	if !ok {
		return "", d.wantsNumber(v)
	}
	return fmt.Sprintf(d.format(d.verb), f), nil
}

// text ignores the width on purpose: so does the language.
func (d directive) text(v Value) string {
	t := v.Text
	switch v.Kind {
	case Int:
		t = v.plain()
	case Float:
		t = FloatText(v.Float)
	}
	if d.precision >= 0 {
		return firstRunes(t, d.precision)
	}
	return t
}

func (d directive) wantsNumber(v Value) error {
	return fmt.Errorf("%%%c format: a number is required, not %s", d.verb, v.Type)
}

func (v Value) toInt() (int64, bool) {
	switch v.Kind {
	case Int:
		return v.Int, true
	case Float:
		return int64(math.Trunc(v.Float)), true
	}
	return 0, false
}

func (v Value) toFloat() (float64, bool) {
	switch v.Kind {
	case Int:
		return float64(v.Int), true
	case Float:
		return v.Float, true
	}
	return 0, false
}
