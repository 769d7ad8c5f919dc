// Package lexer splits source text into tokens and finds its block structure.
package lexer

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/paularlott/scriptling/internal/token"
)

const tabWidth = 4

// lexer holds the state of one scan.
type lexer struct {
	src     string
	pos     int
	line    int
	depth   int   // open brackets; inside them lines and indentation do not count
	indents []int // columns of the open blocks, the first is always 0
	tokens  []token.Token
	failed  bool
}

// Scan returns the tokens of src, the last of which is EOF. After a lexical
// error it ends early with an Illegal token in front of the EOF, so that a
// syntax error before that place is still found first.
func Scan(src string) []token.Token {
	l := &lexer{src: src, line: 1, indents: []int{0}}
	atLineStart := true
	for !l.failed {
		if atLineStart && l.depth == 0 && !l.startLine() {
			continue
		}
		atLineStart = false
		l.skipBlanks()
		if l.pos >= len(l.src) {
			break
		}
		if l.src[l.pos] == '\n' {
			l.endLine()
			atLineStart = true
			continue
		}
		l.scanToken()
	}
	if !l.failed {
		if l.depth == 0 {
			l.endLogicalLine()
		}
		for len(l.indents) > 1 {
			l.closeBlock()
		}
	}
	l.emit(token.EOF, "", l.line)
	return l.tokens
}

// ScanField returns the tokens of an expression inside an f-string. Its line
// breaks do not count, and all tokens carry the given line.
func ScanField(src string, line int) []token.Token {
	l := &lexer{src: src, line: line, depth: 1, indents: []int{0}}
	for !l.failed {
		if l.skipBlanks(); l.pos >= len(l.src) {
			break
		}
		if l.src[l.pos] == '\n' {
			l.pos++
			continue
		}
		l.scanToken()
	}
	l.emit(token.EOF, "", line)
	for i := range l.tokens {
		l.tokens[i].Line = line
	}
	return l.tokens
}

// startLine measures the indentation of a line and opens or closes blocks. It
// returns false when there is nothing to scan on the line.
func (l *lexer) startLine() bool {
	column := 0
	for l.pos < len(l.src) && (l.src[l.pos] == ' ' || l.src[l.pos] == '\t') {
		if l.src[l.pos] == '\t' {
			column += tabWidth
		} else {
			column++
		}
		l.pos++
	}
	if l.pos >= len(l.src) {
		return true
	}
	switch {
	case l.src[l.pos] == '\n':
		l.pos++
		l.line++
		return false
	case l.src[l.pos] == '#':
		return true
	case strings.HasPrefix(l.src[l.pos:], "\r\n"):
		// The language does not take this line for a blank one: it closes blocks.
		for column < l.indents[len(l.indents)-1] {
			l.closeBlock()
		}
		return true
	}
	l.indentTo(column)
	return !l.failed
}

func (l *lexer) indentTo(column int) {
	top := l.indents[len(l.indents)-1]
	if column > top {
		if n := len(l.tokens); n > 0 && l.tokens[n-1].Kind == token.Newline {
			l.tokens = l.tokens[:n-1]
		}
		l.indents = append(l.indents, column)
		l.emit(token.Indent, "", l.line)
		return
	}
	for column < l.indents[len(l.indents)-1] {
		l.closeBlock()
	}
	if column != l.indents[len(l.indents)-1] {
		l.fail(l.line, "unindent does not match any outer indentation level")
	}
}

func (l *lexer) closeBlock() {
	l.indents = l.indents[:len(l.indents)-1]
	l.emit(token.Dedent, "", l.line)
}

// endLine consumes a line break.
func (l *lexer) endLine() {
	if l.depth == 0 {
		l.endLogicalLine()
	}
	l.pos++
	l.line++
}

// endLogicalLine emits a Newline unless the line was empty.
func (l *lexer) endLogicalLine() {
	n := len(l.tokens)
	if n == 0 {
		return
	}
	switch l.tokens[n-1].Kind {
	case token.Newline, token.Indent, token.Dedent:
		return
	}
	l.emit(token.Newline, "", l.line)
}

// skipBlanks skips spaces and a comment.
func (l *lexer) skipBlanks() {
	for l.pos < len(l.src) {
		switch l.src[l.pos] {
		case ' ', '\t', '\r':
			l.pos++
		case '#':
			end := strings.IndexByte(l.src[l.pos:], '\n')
			if end < 0 {
				l.pos = len(l.src)
			} else {
				l.pos += end
			}
			return
		default:
			return
		}
	}
}

func (l *lexer) scanToken() {
	c := l.src[l.pos]
	switch {
	case isLetter(c):
		l.scanWord()
	case isDigit(c):
		l.scanNumber()
	case c == '"' || c == '\'':
		l.scanString(false, false)
	default:
		l.scanOperator()
	}
}

func (l *lexer) scanWord() {
	start := l.pos
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
		l.pos++
	}
	word := l.src[start:l.pos]
	if l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\'') {
		switch strings.ToLower(word) {
		case "r":
			l.scanString(true, false)
			return
		case "f":
			l.scanString(false, true)
			return
		case "rf", "fr":
			l.scanString(true, true)
			return
		case "b", "br", "rb", "u":
			l.fail(l.line, fmt.Sprintf("string prefix %s is not supported", word))
			return
		}
	}
	kind := token.Lookup(word)
	if n := len(l.tokens); n > 0 && l.tokens[n-1].Kind == token.Dot && !l.inRelativeImport() {
		kind = token.Ident
	}
	l.emit(kind, word, l.line)
}

// inRelativeImport reports whether the dots just scanned follow "from": there
// the next word may be the keyword "import".
func (l *lexer) inRelativeImport() bool {
	i := len(l.tokens) - 1
	for i >= 0 && l.tokens[i].Kind == token.Dot {
		i--
	}
	return i >= 0 && l.tokens[i].Kind == token.From
}

// operators that the language lacks but that must not be read as two others.
var foreignOperators = []string{":=", "...", "@=", "<>"}

func (l *lexer) scanOperator() {
	rest := l.src[l.pos:]
	for _, op := range foreignOperators {
		if strings.HasPrefix(rest, op) {
			l.fail(l.line, fmt.Sprintf("operator %s is not supported", op))
			return
		}
	}
	for size := min(3, len(rest)); size > 0; size-- {
		if kind, ok := token.Operator(rest[:size]); ok {
			l.emit(kind, rest[:size], l.line)
			l.pos += size
			l.countBracket(kind)
			return
		}
	}
	if rest[0] == '\\' {
		l.fail(l.line, "backslash line continuation is not supported")
		return
	}
	r, _ := utf8.DecodeRuneInString(rest)
	l.fail(l.line, fmt.Sprintf("illegal character %q", r))
}

func (l *lexer) countBracket(kind token.Kind) {
	switch kind {
	case token.LParen, token.LBracket, token.LBrace:
		l.depth++
	case token.RParen, token.RBracket, token.RBrace:
		if l.depth > 0 {
			l.depth--
		}
	}
}

func (l *lexer) emit(kind token.Kind, text string, line int) {
	l.tokens = append(l.tokens, token.Token{Kind: kind, Text: text, Line: line})
}

func (l *lexer) fail(line int, message string) {
	l.emit(token.Illegal, message, line)
	l.failed = true
}

func isLetter(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
