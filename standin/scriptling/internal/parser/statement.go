package parser

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/token"
)

func (p *parser) program() *ast.Program {
	return &ast.Program{Body: p.statements(token.EOF)}
}

// statements parses up to, not including, the end token.
func (p *parser) statements(end token.Kind) []ast.Stmt {
	var body []ast.Stmt
	for {
		for p.accept(token.Newline) {
		}
		if k := p.kind(); k == end || k == token.EOF {
			return body
		}
		body = append(body, p.statement())
		p.height = 0
	}
}

// statement parses a statement and what ends it.
func (p *parser) statement() ast.Stmt {
	switch p.kind() {
	case token.Import, token.Def, token.Class:
		if p.functions > 0 && p.peek(1) == token.RParen {
			panic(&Crash{p.tok().Line})
		}
	}
	s := p.compound()
	if s == nil {
		s = p.simple()
		p.inline = true
	}
	if p.inline {
		p.endOfStatement()
	}
	return s
}

func (p *parser) endOfStatement() {
	switch t := p.tok(); t.Kind {
	case token.Newline, token.Semicolon:
		p.next()
	case token.EOF, token.Dedent:
	default:
		p.unexpected(t)
	}
}

// compound parses a statement with blocks; it returns nil at any other one.
func (p *parser) compound() ast.Stmt {
	switch p.kind() {
	case token.If:
		return p.ifStatement()
	case token.While:
		return p.whileStatement()
	case token.For:
		return p.forStatement()
	case token.Try:
		return p.tryStatement()
	case token.With:
		return p.withStatement()
	case token.Def, token.Class, token.At:
		return p.definition()
	}
	if p.atMatch() {
		return p.matchStatement()
	}
	return nil
}

// block parses the colon and the statements that belong to it: an indented
// block, or exactly one simple statement on the same line.
func (p *parser) block() []ast.Stmt {
	p.expect(token.Colon)
	if t := p.tok(); t.Kind == token.Newline || t.Kind == token.EOF || t.Kind == token.Dedent {
		p.fail(t.Line, "expected an indented block")
	}
	if p.kind() != token.Indent {
		s := p.simple()
		p.inline = true
		return []ast.Stmt{s}
	}
	p.openBlock()
	body := p.statements(token.Dedent)
	p.closeBlock()
	return body
}

func (p *parser) openBlock() {
	t := p.expect(token.Indent)
	p.blocks++
	if p.blocks > maxBlocks {
		p.fail(t.Line, "blocks are nested too deeply (maximum %d levels)", maxBlocks)
	}
}

func (p *parser) closeBlock() {
	p.expect(token.Dedent)
	p.blocks--
	p.inline = false
}

// clause consumes the keyword of a further clause (else, except ...) of the
// statement whose block was parsed last.
func (p *parser) clause(keyword token.Kind) bool {
	if !p.inline {
		return p.accept(keyword)
	}
	if p.kind() != token.Newline || p.peek(1) != keyword {
		return false
	}
	p.next()
	return p.accept(keyword)
}

func (p *parser) elseBlock() []ast.Stmt {
	if !p.clause(token.Else) {
		return nil
	}
	return p.block()
}

// loopBlock parses a block in which break and continue are allowed.
func (p *parser) loopBlock() []ast.Stmt {
	outer := p.inLoop
	p.inLoop = true
	body := p.block()
	p.inLoop = outer
	return body
}

// detachedBlock parses the body of a function or class, which loops around it
// do not reach.
func (p *parser) detachedBlock() []ast.Stmt {
	outer := p.inLoop
	p.inLoop = false
	body := p.block()
	p.inLoop = outer
	return body
}

func (p *parser) ifStatement() ast.Stmt {
	s := &ast.If{Pos: pos(p.next())}
	s.Cond = p.expression()
	s.Then = p.block()
	for p.clause(token.Elif) {
		branch := ast.Elif{Pos: pos(p.tokens[p.pos-1])}
		branch.Cond = p.expression()
		branch.Body = p.block()
		s.Elifs = append(s.Elifs, branch)
	}
	s.Else = p.elseBlock()
	return s
}

func (p *parser) whileStatement() ast.Stmt {
	s := &ast.While{Pos: pos(p.next())}
	s.Cond = p.expression()
	s.Body = p.loopBlock()
	s.Else = p.elseBlock()
	return s
}

func (p *parser) forStatement() ast.Stmt {
	s := &ast.For{Pos: pos(p.next())}
	s.Target = p.loopTarget()
	p.expect(token.In)
	s.Iter = p.expressionList()
	s.Body = p.loopBlock()
	s.Else = p.elseBlock()
	return s
}

// loopTarget parses the targets of "for", in statements and comprehensions.
func (p *parser) loopTarget() ast.Expr {
	first := p.loopTargetItem()
	if p.kind() != token.Comma {
		return first
	}
	list := &ast.TupleLit{Pos: ast.Pos{Line: first.LineNo()}, Elements: []ast.Expr{first}}
	for p.accept(token.Comma) {
		switch p.kind() {
		case token.In, token.RParen, token.RBracket:
			return list
		}
		list.Elements = append(list.Elements, p.loopTargetItem())
	}
	return list
}

func (p *parser) loopTargetItem() ast.Expr {
	t := p.next()
	var end token.Kind
	switch t.Kind {
	case token.Ident:
		return &ast.Ident{Pos: pos(t), Name: t.Text}
	case token.LParen:
		end = token.RParen
	case token.LBracket:
		end = token.RBracket
	default:
		p.fail(t.Line, "expected a name as loop variable, got %s", describe(t))
	}
	outer := p.enter()
	target := p.loopTarget()
	p.leave(outer)
	p.expect(end)
	return target
}

func (p *parser) tryStatement() ast.Stmt {
	s := &ast.Try{Pos: pos(p.next())}
	s.Body = p.block()
	for p.clause(token.Except) {
		s.Handlers = append(s.Handlers, p.exceptClause())
	}
	if len(s.Handlers) > 0 {
		s.Else = p.elseBlock()
	}
	if p.clause(token.Finally) {
		s.Finally = p.block()
		s.HasFinally = true
	}
	if len(s.Handlers) == 0 && !s.HasFinally {
		p.fail(p.tok().Line, "expected except or finally, got %s", describe(p.tok()))
	}
	return s
}

func (p *parser) exceptClause() ast.Except {
	c := ast.Except{Pos: pos(p.tokens[p.pos-1])}
	switch p.kind() {
	case token.Colon:
	case token.LParen:
		c.Names = p.exceptionNames(token.RParen)
	case token.LBracket:
		c.Names = p.exceptionNames(token.RBracket)
	default:
		c.Names = []string{p.exceptionName()}
	}
	if len(c.Names) > 0 && p.accept(token.As) {
		c.As = p.expect(token.Ident).Text
	}
	c.Body = p.block()
	return c
}

func (p *parser) exceptionNames(end token.Kind) []string {
	p.next()
	names := []string{p.exceptionName()}
	for p.accept(token.Comma) && p.kind() != end {
		names = append(names, p.exceptionName())
	}
	p.expect(end)
	return names
}

// exceptionName parses a dotted name and returns its last component.
func (p *parser) exceptionName() string {
	name := p.expect(token.Ident).Text
	for p.accept(token.Dot) {
		name = p.expect(token.Ident).Text
	}
	return name
}

func (p *parser) withStatement() ast.Stmt {
	s := &ast.With{Pos: pos(p.next())}
	s.Value = p.expression()
	if p.accept(token.As) {
		s.As = p.expect(token.Ident).Text
	}
	if t := p.tok(); t.Kind == token.Comma {
		p.fail(t.Line, "with supports only one item")
	}
	s.Body = p.block()
	return s
}
