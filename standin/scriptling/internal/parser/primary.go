package parser

import (
	"strconv"
	"strings"

	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/token"
)

func (p *parser) primary() ast.Expr {
	t := p.tok()
	switch t.Kind {
	case token.Ident:
		p.rejectForeignWord(t)
		p.next()
		return &ast.Ident{Pos: pos(t), Name: t.Text}
	case token.Int:
		return p.intLiteral()
	case token.Float:
		return p.floatLiteral()
	case token.String, token.FString:
		return p.stringLiteral()
	case token.True, token.False:
		p.next()
		return &ast.BoolLit{Pos: pos(t), Value: t.Kind == token.True}
	case token.None:
		p.next()
		return &ast.NoneLit{Pos: pos(t)}
	case token.LParen:
		return p.parenthesised()
	case token.LBracket:
		return p.listDisplay()
	case token.LBrace:
		return p.braceDisplay()
	case token.Lambda:
		return p.lambda()
	}
	p.unexpected(t)
	return nil
}

// rejectForeignWord names constructs whose keywords are plain names here.
func (p *parser) rejectForeignWord(t token.Token) {
	switch t.Text {
	case "yield":
		p.fail(t.Line, "yield is not supported")
	case "async", "await":
		switch p.peek(1) {
		case token.Ident, token.Def, token.For, token.With:
			p.fail(t.Line, "%s is not supported", t.Text)
		}
	}
}

func (p *parser) intLiteral() ast.Expr {
	t := p.next()
	digits, base := t.Text, 10
	if len(t.Text) > 1 {
		switch t.Text[1] {
		case 'x', 'X':
			digits, base = t.Text[2:], 16
		case 'b', 'B':
			digits, base = t.Text[2:], 2
		case 'o', 'O':
			digits, base = t.Text[2:], 8
		}
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		p.fail(t.Line, "could not parse %q as integer", t.Text)
	}
	return &ast.IntLit{Pos: pos(t), Value: n}
}

func (p *parser) floatLiteral() ast.Expr {
	t := p.next()
	// A literal that is too large is an infinity, as in Python.
	f, _ := strconv.ParseFloat(t.Text, 64)
	return &ast.FloatLit{Pos: pos(t), Value: f}
}

// stringLiteral joins adjacent literals.
func (p *parser) stringLiteral() ast.Expr {
	at := pos(p.tok())
	var parts []ast.FPart
	for {
		switch t := p.tok(); t.Kind {
		case token.String:
			p.next()
			parts = append(parts, ast.FPart{Text: t.Text})
		case token.FString:
			p.next()
			parts = p.fields(parts, t)
		default:
			return joinParts(at, parts)
		}
	}
}

// joinParts merges texts that touch; without fields a plain literal is left.
func joinParts(at ast.Pos, parts []ast.FPart) ast.Expr {
	var merged []ast.FPart
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			merged = append(merged, ast.FPart{Text: text.String()})
			text.Reset()
		}
	}
	fields := false
	for _, part := range parts {
		if part.Value == nil {
			text.WriteString(part.Text)
			continue
		}
		fields = true
		flush()
		merged = append(merged, part)
	}
	if !fields {
		return &ast.StringLit{Pos: at, Value: text.String()}
	}
	flush()
	return &ast.FString{Pos: at, Parts: merged}
}

func (p *parser) parenthesised() ast.Expr {
	t := p.next()
	if p.accept(token.RParen) {
		return &ast.TupleLit{Pos: pos(t)}
	}
	e := p.expression()
	switch p.kind() {
	case token.For:
		e = p.comprehension(t, ast.CompList, nil, e)
	case token.Comma:
		e = &ast.TupleLit{Pos: pos(t), Elements: p.moreElements(e, token.RParen)}
	}
	p.expect(token.RParen)
	return e
}

func (p *parser) listDisplay() ast.Expr {
	t := p.next()
	if p.accept(token.RBracket) {
		return &ast.ListLit{Pos: pos(t)}
	}
	e := p.expression()
	if p.kind() == token.For {
		e = p.comprehension(t, ast.CompList, nil, e)
	} else {
		e = &ast.ListLit{Pos: pos(t), Elements: p.moreElements(e, token.RBracket)}
	}
	p.expect(token.RBracket)
	return e
}

// moreElements parses the elements after the first one, up to the end token.
func (p *parser) moreElements(first ast.Expr, end token.Kind) []ast.Expr {
	elements := []ast.Expr{first}
	for p.accept(token.Comma) && p.kind() != end {
		elements = append(elements, p.expression())
	}
	return elements
}

// braceDisplay parses dict and set displays and comprehensions.
func (p *parser) braceDisplay() ast.Expr {
	t := p.next()
	if p.accept(token.RBrace) {
		return &ast.DictLit{Pos: pos(t)}
	}
	var e ast.Expr
	first := p.expression()
	switch p.kind() {
	case token.Colon:
		e = p.dictDisplay(t, first)
	case token.For:
		e = p.comprehension(t, ast.CompSet, nil, first)
	default:
		e = &ast.SetLit{Pos: pos(t), Elements: p.moreElements(first, token.RBrace)}
	}
	p.expect(token.RBrace)
	return e
}

func (p *parser) dictDisplay(t token.Token, key ast.Expr) ast.Expr {
	p.expect(token.Colon)
	value := p.expression()
	if p.kind() == token.For {
		return p.comprehension(t, ast.CompDict, key, value)
	}
	d := &ast.DictLit{Pos: pos(t), Entries: []ast.DictEntry{{Key: key, Value: value}}}
	for p.accept(token.Comma) && p.kind() != token.RBrace {
		key := p.expression()
		p.expect(token.Colon)
		d.Entries = append(d.Entries, ast.DictEntry{Key: key, Value: p.expression()})
	}
	return d
}

// comprehension parses the for clauses after the element.
func (p *parser) comprehension(t token.Token, kind ast.CompKind, key, value ast.Expr) ast.Expr {
	c := &ast.Comp{Pos: pos(t), Kind: kind, Key: key, Value: value}
	for p.accept(token.For) {
		clause := ast.CompClause{Target: p.loopTarget()}
		p.expect(token.In)
		clause.Iter = p.operation()
		if p.accept(token.If) {
			clause.Cond = p.operation()
			if again := p.tok(); again.Kind == token.If {
				p.fail(again.Line, "a for clause of a comprehension supports only one if")
			}
		}
		c.Clauses = append(c.Clauses, clause)
		p.grow()
	}
	return c
}

func (p *parser) lambda() ast.Expr {
	l := &ast.Lambda{Pos: pos(p.next())}
	l.Params = p.params(token.Colon)
	p.expect(token.Colon)
	l.Body = p.expression()
	return l
}
