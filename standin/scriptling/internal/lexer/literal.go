package lexer

import (
	"strings"

	"github.com/paularlott/scriptling/internal/token"
)

// scanNumber leaves the conversion to the parser, which reports what is out of
// range.
func (l *lexer) scanNumber() {
	start := l.pos
	kind := token.Int
	if digits := prefixedDigits(l.src[l.pos:]); digits != "" {
		l.pos += 2
		l.skipWhile(func(c byte) bool { return strings.IndexByte(digits, c) >= 0 })
	} else {
		l.skipWhile(isDigit)
		if l.at(0) == '.' && isDigit(l.at(1)) {
			kind = token.Float
			l.pos++
			l.skipWhile(isDigit)
		}
		if n := exponentSize(l.src[l.pos:]); n > 0 {
			kind = token.Float
			l.pos += n
			l.skipWhile(isDigit)
		}
	}
	if l.at(0) == '_' {
		l.fail(l.line, "underscores in numbers are not supported")
		return
	}
	l.emit(kind, l.src[start:l.pos], l.line)
}

// prefixedDigits returns the digits allowed after 0x, 0b or 0o, or "" when s
// does not start with such a prefix.
func prefixedDigits(s string) string {
	if len(s) < 2 || s[0] != '0' {
		return ""
	}
	switch s[1] {
	case 'x', 'X':
		return "0123456789abcdefABCDEF"
	case 'b', 'B':
		return "01"
	case 'o', 'O':
		return "01234567"
	}
	return ""
}

// exponentSize returns the length of "e", "e+" or "e-" when a digit follows.
func exponentSize(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	n := 1
	if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
		n = 2
	}
	if len(s) > n && isDigit(s[n]) {
		return n
	}
	return 0
}

// scanString scans a string literal whose prefix has been read already.
func (l *lexer) scanString(raw, fstring bool) {
	line := l.line
	kind := token.String
	if fstring {
		kind = token.FString
	}
	quote := l.src[l.pos : l.pos+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(l.src[l.pos:], triple) {
		quote = triple
	}
	l.pos += len(quote)
	escapes := !raw && (fstring || len(quote) == 1)

	var b strings.Builder
	for l.pos < len(l.src) {
		if strings.HasPrefix(l.src[l.pos:], quote) {
			l.pos += len(quote)
			l.emit(kind, b.String(), line)
			return
		}
		c := l.src[l.pos]
		if c == '\\' && l.pos+1 < len(l.src) && (escapes || raw) {
			l.writePair(&b, escapes)
			continue
		}
		l.writeByte(&b, c)
	}
	l.fail(line, "unterminated string")
}

// writePair copies a backslash and the character after it, resolved when it is
// one of the escapes of the language.
func (l *lexer) writePair(b *strings.Builder, escapes bool) {
	const from, to = `ntr\'"0`, "\n\t\r\\'\"\x00"
	l.pos++
	c := l.src[l.pos]
	if i := strings.IndexByte(from, c); escapes && i >= 0 {
		b.WriteByte(to[i])
		l.pos++
		return
	}
	b.WriteByte('\\')
	l.writeByte(b, c)
}

func (l *lexer) writeByte(b *strings.Builder, c byte) {
	if c == '\n' {
		l.line++
	}
	b.WriteByte(c)
	l.pos++
}

func (l *lexer) skipWhile(accept func(byte) bool) {
	for l.pos < len(l.src) && accept(l.src[l.pos]) {
		l.pos++
	}
}

// at returns the byte n places ahead, or 0 at the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.src) {
		return l.src[l.pos+n]
	}
	return 0
}
