// Package parser builds the syntax tree of a source text.
//
// It is a recursive-descent parser with precedence climbing for expressions. It
// stops at the first error, which always names the line it was found on, and it
// bounds the depth of what it accepts, so that neither the parser nor an
// evaluator walking the tree can exhaust the stack.
package parser

import (
	"fmt"

	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/lexer"
	"github.com/paularlott/scriptling/internal/token"
)

const (
	// maxNesting bounds brackets, prefix operators and other nested expressions.
	maxNesting = 200
	// maxBlocks bounds nested blocks.
	maxBlocks = 100
	// maxHeight bounds the height of an expression tree; long chains such as
	// a + b + c + ... make high trees without any nesting.
	maxHeight = 2000
)

// Parse parses a source text. On failure the program is nil and the messages
// are not empty; each starts with "line N: ".
func Parse(src string) (prog *ast.Program, messages []string) {
	p := &parser{tokens: lexer.Scan(src)}
	err := p.run(func() { prog = p.program() })
	if err != nil {
		return nil, []string{err.Error()}
	}
	return prog, nil
}

// parser holds the state of one parse.
type parser struct {
	tokens  []token.Token // ends with EOF
	pos     int
	nesting int
	blocks  int
	height  int  // of the highest expression completed in the current frame
	inLoop  bool // break and continue are allowed
	inline  bool // the last block was a statement on the line of its colon

	functions int // that the current statement is in
}

// Crash is the panic of Parse at some syntax errors in functions, at which the
// published parser panics too, and does not recover. Here it is an import,
// def or class that a closing parenthesis follows.
type Crash struct{ Line int }

func (c *Crash) Error() string {
	return fmt.Sprintf("line %d: the parser has no node for this statement", c.Line)
}

// syntaxError travels up the parser as a panic and ends in run.
type syntaxError struct {
	line    int
	message string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("line %d: %s", e.line, e.message)
}

// run calls parse and returns the syntax error that ended it, if any.
func (p *parser) run(parse func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	parse()
	return nil
}

func (p *parser) fail(line int, format string, args ...any) {
	panic(&syntaxError{line, fmt.Sprintf(format, args...)})
}

// tok returns the current token.
func (p *parser) tok() token.Token {
	t := p.tokens[p.pos]
	if t.Kind == token.Illegal {
		p.fail(t.Line, "%s", t.Text)
	}
	return t
}

func (p *parser) kind() token.Kind { return p.tok().Kind }

// peek returns the kind of the token n places ahead.
func (p *parser) peek(n int) token.Kind {
	if p.pos+n < len(p.tokens) {
		return p.tokens[p.pos+n].Kind
	}
	return token.EOF
}

// next consumes the current token and returns it.
func (p *parser) next() token.Token {
	t := p.tok()
	if t.Kind != token.EOF {
		p.pos++
	}
	return t
}

// accept consumes the current token when it is of the kind.
func (p *parser) accept(kind token.Kind) bool {
	if p.kind() != kind {
		return false
	}
	p.next()
	return true
}

// expect consumes a token of the kind or fails.
func (p *parser) expect(kind token.Kind) token.Token {
	if t := p.tok(); t.Kind != kind {
		p.fail(t.Line, "expected next token to be %s, got %s instead", kind, t.Kind)
	}
	return p.next()
}

func (p *parser) isWord(word string) bool {
	t := p.tok()
	return t.Kind == token.Ident && t.Text == word
}

// unexpected fails at a token that cannot stand where it does.
func (p *parser) unexpected(t token.Token) {
	switch t.Kind {
	case token.Plus:
		p.fail(t.Line, "unary + is not supported")
	case token.Star, token.Pow:
		p.fail(t.Line, "%s before a value is supported only in calls, parameters and assignment targets", t.Kind)
	case token.At:
		p.fail(t.Line, "operator @ is not supported")
	case token.Arrow:
		p.fail(t.Line, "type annotations are not supported: unexpected ->")
	case token.Indent:
		p.fail(t.Line, "unexpected indentation")
	}
	p.fail(t.Line, "unexpected %s", describe(t))
}

func describe(t token.Token) string {
	switch t.Kind {
	case token.Ident, token.Int, token.Float:
		return t.Kind.String() + " " + t.Text
	case token.Newline:
		return "end of line"
	case token.Dedent:
		return "end of block"
	case token.EOF:
		return "end of file"
	}
	return t.Kind.String()
}

// enter starts a nested construct and returns what leave needs.
func (p *parser) enter() (outer int) {
	p.nesting++
	if p.nesting > maxNesting {
		p.fail(p.tok().Line, "expression is nested too deeply (maximum %d levels)", maxNesting)
	}
	outer, p.height = p.height, 0
	return outer
}

func (p *parser) leave(outer int) {
	p.nesting--
	p.grow()
	p.height = max(outer, p.height)
}

// grow adds a level on top of the expressions of the current frame.
func (p *parser) grow() {
	p.height++
	if p.height > maxHeight {
		p.fail(p.tok().Line, "expression is too long (maximum %d operators in a chain)", maxHeight)
	}
}

func pos(t token.Token) ast.Pos { return ast.Pos{Line: t.Line} }
