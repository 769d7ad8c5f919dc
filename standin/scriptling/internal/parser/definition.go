package parser

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/token"
)

// definition parses a function or class with its decorators.
func (p *parser) definition() ast.Stmt {
	var decorators []ast.Expr
	for p.accept(token.At) {
		decorators = append(decorators, p.expression())
		p.expect(token.Newline)
	}
	if p.kind() == token.Class {
		return p.class(decorators)
	}
	return p.function(decorators)
}

func (p *parser) function(decorators []ast.Expr) ast.Stmt {
	f := &ast.FuncDef{Pos: pos(p.expect(token.Def)), Decorators: decorators}
	f.Name = p.expect(token.Ident).Text
	p.expect(token.LParen)
	f.Params = p.params(token.RParen)
	p.expect(token.RParen)
	if p.kind() == token.Arrow {
		p.unexpected(p.tok())
	}
	p.functions++
	f.Body = p.detachedBlock()
	p.functions--
	return f
}

func (p *parser) class(decorators []ast.Expr) ast.Stmt {
	c := &ast.ClassDef{Pos: pos(p.next()), Decorators: decorators}
	c.Name = p.expect(token.Ident).Text
	if p.accept(token.LParen) {
		if p.kind() != token.RParen {
			c.Base = p.dottedExpr()
			if t := p.tok(); t.Kind == token.Comma {
				p.fail(t.Line, "a class can have only one base class")
			}
		}
		p.expect(token.RParen)
	}
	c.Body = p.detachedBlock()
	return c
}

// dottedExpr parses a name or a dotted name.
func (p *parser) dottedExpr() ast.Expr {
	t := p.expect(token.Ident)
	var e ast.Expr = &ast.Ident{Pos: pos(t), Name: t.Text}
	outer := p.enter()
	for p.accept(token.Dot) {
		p.grow()
		e = &ast.Attribute{Pos: pos(t), Object: e, Name: p.expect(token.Ident).Text}
	}
	p.leave(outer)
	return e
}

// params parses the parameters of a function or lambda up to the end token.
func (p *parser) params(end token.Kind) *ast.Params {
	params := &ast.Params{}
	seen := make(map[string]bool)
	starred := false
	for p.kind() != end {
		t := p.tok()
		switch t.Kind {
		case token.Star:
			if starred {
				p.fail(t.Line, "* may appear only once in a parameter list")
			}
			p.next()
			starred = true
			if p.kind() == token.Ident {
				params.VarArgs = p.paramName(seen)
			} else if p.kind() != token.Comma || p.peek(1) != token.Ident {
				p.fail(t.Line, "a name must follow *")
			}
		case token.Pow:
			p.next()
			params.KwArgs = p.paramName(seen)
			p.rejectAnnotation(end)
			p.accept(token.Comma)
			if k := p.tok(); k.Kind != end {
				p.fail(k.Line, "expected next token to be %s, got %s instead", end, k.Kind)
			}
			return params
		case token.Slash:
			p.fail(t.Line, "positional-only parameters (/) are not supported")
		default:
			p.namedParam(params, seen, starred, end)
		}
		p.rejectAnnotation(end)
		if !p.accept(token.Comma) {
			break
		}
	}
	return params
}

func (p *parser) namedParam(params *ast.Params, seen map[string]bool, keywordOnly bool, end token.Kind) {
	line := p.tok().Line
	param := ast.Param{Name: p.paramName(seen)}
	p.rejectAnnotation(end)
	if p.accept(token.Assign) {
		param.Default = p.expression()
	}
	if keywordOnly {
		params.KwOnly = append(params.KwOnly, param)
		return
	}
	if n := len(params.Positional); param.Default == nil && n > 0 && params.Positional[n-1].Default != nil {
		p.fail(line, "parameter without a default follows parameter with a default")
	}
	params.Positional = append(params.Positional, param)
}

func (p *parser) paramName(seen map[string]bool) string {
	t := p.expect(token.Ident)
	if seen[t.Text] {
		p.fail(t.Line, "duplicate parameter %s", t.Text)
	}
	seen[t.Text] = true
	return t.Text
}

// rejectAnnotation names the construct instead of complaining about its colon.
// In a lambda the colon is what ends the parameters.
func (p *parser) rejectAnnotation(end token.Kind) {
	if t := p.tok(); t.Kind == token.Colon && end != token.Colon {
		p.fail(t.Line, "type annotations are not supported")
	}
}
