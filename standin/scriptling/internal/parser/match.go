package parser

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/token"
)

// atMatch reports whether a match statement starts here. "match" is an ordinary
// name unless something follows that cannot continue an expression.
func (p *parser) atMatch() bool {
	if !p.isWord("match") {
		return false
	}
	switch p.peek(1) {
	case token.Ident, token.Int, token.Float, token.String, token.FString, token.LBrace,
		token.Lambda, token.True, token.False, token.None, token.Tilde:
		return true
	case token.Not:
		return p.peek(2) != token.In
	}
	return false
}

func (p *parser) matchStatement() ast.Stmt {
	s := &ast.Match{Pos: pos(p.next())}
	s.Subject = p.expressionList()
	p.expect(token.Colon)
	p.openBlock()
	for p.kind() != token.Dedent {
		s.Cases = append(s.Cases, p.caseClause())
		for p.accept(token.Newline) {
		}
	}
	p.closeBlock()
	return s
}

func (p *parser) caseClause() ast.Case {
	t := p.tok()
	if !p.isWord("case") {
		p.fail(t.Line, "expected case, got %s", describe(t))
	}
	p.next()
	c := ast.Case{Pos: pos(t), Pattern: p.pattern()}
	if comma := p.tok(); comma.Kind == token.Comma {
		p.fail(comma.Line, "tuple patterns are not supported")
	}
	if p.accept(token.If) {
		c.Guard = p.expression()
	}
	c.Body = p.block()
	return c
}

// pattern parses alternatives and an optional "as name".
func (p *parser) pattern() ast.Pattern {
	outer := p.enter()
	first := p.closedPattern()
	if p.kind() == token.Pipe {
		or := &ast.OrPattern{Pos: ast.Pos{Line: first.LineNo()}, Alternatives: []ast.Pattern{first}}
		for p.accept(token.Pipe) {
			or.Alternatives = append(or.Alternatives, p.closedPattern())
		}
		first = or
	}
	if p.accept(token.As) {
		first = &ast.AsPattern{
			Pos:     ast.Pos{Line: first.LineNo()},
			Pattern: first,
			Name:    p.expect(token.Ident).Text,
		}
	}
	p.leave(outer)
	return first
}

func (p *parser) closedPattern() ast.Pattern {
	t := p.tok()
	switch t.Kind {
	case token.Ident:
		return p.namePattern()
	case token.LBracket:
		return p.listPattern()
	case token.LBrace:
		return p.dictPattern()
	case token.LParen:
		p.fail(t.Line, "tuple patterns are not supported")
	case token.Star, token.Pow:
		p.fail(t.Line, "%s in patterns is not supported", t.Kind)
	}
	return &ast.LiteralPattern{Pos: pos(t), Value: p.literal()}
}

// literal parses the literals that patterns may contain.
func (p *parser) literal() ast.Expr {
	t := p.tok()
	switch t.Kind {
	case token.Int, token.Float, token.String, token.FString, token.True, token.False, token.None:
		e := p.primary()
		if _, ok := e.(*ast.FString); ok {
			p.fail(t.Line, "f-strings in patterns are not supported")
		}
		return e
	case token.Minus:
		if k := p.peek(1); k == token.Int || k == token.Float {
			return p.unary()
		}
	}
	p.fail(t.Line, "unexpected %s in a pattern", describe(t))
	return nil
}

func (p *parser) namePattern() ast.Pattern {
	t := p.next()
	switch p.kind() {
	case token.LParen:
		return p.typePattern(t)
	case token.Dot:
		p.fail(t.Line, "dotted names in patterns are not supported")
	}
	if t.Text == "_" {
		return &ast.WildcardPattern{Pos: pos(t)}
	}
	return &ast.CapturePattern{Pos: pos(t), Name: t.Text}
}

func (p *parser) typePattern(t token.Token) ast.Pattern {
	switch t.Text {
	case "int", "float", "str", "bool", "list", "dict", "tuple", "set":
	default:
		p.fail(t.Line, "class pattern %s() is not supported", t.Text)
	}
	p.next()
	if arg := p.tok(); arg.Kind != token.RParen {
		p.fail(arg.Line, "arguments of class patterns are not supported")
	}
	p.next()
	return &ast.TypePattern{Pos: pos(t), Name: t.Text}
}

func (p *parser) listPattern() ast.Pattern {
	l := &ast.ListPattern{Pos: pos(p.next())}
	for p.kind() != token.RBracket {
		l.Elements = append(l.Elements, p.pattern())
		if !p.accept(token.Comma) {
			break
		}
	}
	p.expect(token.RBracket)
	return l
}

func (p *parser) dictPattern() ast.Pattern {
	d := &ast.DictPattern{Pos: pos(p.next())}
	for p.kind() != token.RBrace {
		if t := p.tok(); t.Kind == token.Pow {
			p.fail(t.Line, "** in patterns is not supported")
		}
		d.Keys = append(d.Keys, p.literal())
		p.expect(token.Colon)
		d.Values = append(d.Values, p.pattern())
		if !p.accept(token.Comma) {
			break
		}
	}
	p.expect(token.RBrace)
	return d
}
