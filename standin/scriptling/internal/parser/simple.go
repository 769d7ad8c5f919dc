package parser

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/token"
)

var augmentedOps = map[token.Kind]ast.Op{
	token.PlusAssign: ast.Add, token.MinusAssign: ast.Sub, token.StarAssign: ast.Mul,
	token.SlashAssign: ast.Div, token.FloorDivAssign: ast.FloorDiv, token.PercentAssign: ast.Mod,
	token.PowAssign: ast.Pow, token.AmpAssign: ast.BitAnd, token.PipeAssign: ast.BitOr,
	token.CaretAssign: ast.BitXor, token.ShlAssign: ast.Shl, token.ShrAssign: ast.Shr,
}

// simple parses a statement without blocks, leaving what ends it.
func (p *parser) simple() ast.Stmt {
	t := p.tok()
	switch t.Kind {
	case token.Pass:
		return &ast.Pass{Pos: pos(p.next())}
	case token.Break, token.Continue:
		return p.jump()
	case token.Return:
		s := &ast.Return{Pos: pos(p.next())}
		s.Value = p.optionalExpressionList()
		return s
	case token.Raise:
		s := &ast.Raise{Pos: pos(p.next())}
		s.Value = p.optionalExpressionList()
		if from := p.tok(); from.Kind == token.From {
			p.fail(from.Line, "raise ... from is not supported")
		}
		return s
	case token.Assert:
		s := &ast.Assert{Pos: pos(p.next())}
		s.Cond = p.expression()
		if p.accept(token.Comma) {
			s.Msg = p.expression()
		}
		return s
	case token.Global:
		return &ast.Global{Pos: pos(p.next()), Names: p.names()}
	case token.Nonlocal:
		return &ast.Nonlocal{Pos: pos(p.next()), Names: p.names()}
	case token.Del:
		return p.delStatement()
	case token.Import:
		return p.importStatement()
	case token.From:
		return p.fromStatement()
	case token.If, token.While, token.For, token.Try, token.With, token.Def, token.Class:
		p.fail(t.Line, "%s is not allowed in a one-line block", t.Kind)
	}
	return p.expressionStatement()
}

func (p *parser) jump() ast.Stmt {
	t := p.next()
	if !p.inLoop {
		p.fail(t.Line, "%s outside a loop", t.Kind)
	}
	if t.Kind == token.Break {
		return &ast.Break{Pos: pos(t)}
	}
	return &ast.Continue{Pos: pos(t)}
}

func (p *parser) names() []string {
	names := []string{p.expect(token.Ident).Text}
	for p.accept(token.Comma) {
		names = append(names, p.expect(token.Ident).Text)
	}
	return names
}

func (p *parser) delStatement() ast.Stmt {
	s := &ast.Del{Pos: pos(p.next())}
	s.Target = p.expression()
	switch s.Target.(type) {
	case *ast.Ident, *ast.Index, *ast.SliceExpr, *ast.Attribute:
	default:
		p.fail(s.Line, "cannot delete expression")
	}
	if t := p.tok(); t.Kind == token.Comma {
		p.fail(t.Line, "del supports only one target")
	}
	return s
}

func (p *parser) importStatement() ast.Stmt {
	s := &ast.Import{Pos: pos(p.next())}
	for {
		item := ast.ImportName{Name: p.dottedName()}
		if p.accept(token.As) {
			item.Alias = p.expect(token.Ident).Text
		}
		s.Items = append(s.Items, item)
		if !p.accept(token.Comma) {
			return s
		}
	}
}

func (p *parser) fromStatement() ast.Stmt {
	s := &ast.FromImport{Pos: pos(p.next())}
	for p.accept(token.Dot) {
		s.Level++
	}
	if s.Level == 0 || p.kind() != token.Import {
		s.Module = p.dottedName()
	}
	p.expect(token.Import)
	switch t := p.tok(); t.Kind {
	case token.Star:
		p.fail(t.Line, "import * is not supported")
	case token.LParen:
		p.fail(t.Line, "parenthesised import lists are not supported")
	}
	for {
		name := ast.ImportName{Name: p.expect(token.Ident).Text}
		if p.accept(token.As) {
			name.Alias = p.expect(token.Ident).Text
		}
		s.Names = append(s.Names, name)
		if !p.accept(token.Comma) {
			return s
		}
	}
}

func (p *parser) dottedName() string {
	name := p.expect(token.Ident).Text
	for p.accept(token.Dot) {
		name += "." + p.expect(token.Ident).Text
	}
	return name
}

// expressionStatement parses an expression, assignment or augmented assignment.
func (p *parser) expressionStatement() ast.Stmt {
	start := p.pos
	line := p.tok().Line
	value := p.valueOrTargets()
	if p.kind() == token.Assign {
		return p.assignment(line, value)
	}
	if op, ok := augmentedOps[p.kind()]; ok {
		p.next()
		return &ast.AugAssign{Pos: ast.Pos{Line: line}, Op: op, Target: value, Value: p.expressionList()}
	}
	if t := p.tok(); t.Kind == token.Colon {
		if word := p.tokens[start]; word.Kind == token.Ident && word.Text == "match" && start+1 < p.pos {
			p.fail(t.Line, "the subject of match cannot start with %s", p.tokens[start+1].Kind)
		}
		p.fail(t.Line, "unexpected : (type annotations are not supported)")
	}
	return &ast.ExprStmt{Pos: ast.Pos{Line: p.firstNameLine(start)}, Value: value}
}

func (p *parser) assignment(line int, first ast.Expr) ast.Stmt {
	s := &ast.Assign{Pos: ast.Pos{Line: line}, Value: first}
	for p.accept(token.Assign) {
		s.Targets = append(s.Targets, s.Value)
		s.Value = p.valueOrTargets()
	}
	return s
}

// firstNameLine returns the line of the first name since token start, or of the
// start itself when there is none.
func (p *parser) firstNameLine(start int) int {
	for i := start; i < p.pos; i++ {
		if p.tokens[i].Kind == token.Ident && (i == start || p.tokens[i-1].Kind != token.Dot) {
			return p.tokens[i].Line
		}
	}
	return p.tokens[start].Line
}

// valueOrTargets parses an expression list. When an equals sign follows a list
// of names, they are the targets of an unpacking assignment.
func (p *parser) valueOrTargets() ast.Expr {
	line := p.tok().Line
	star := -1
	var items []ast.Expr
	for {
		if t := p.tok(); t.Kind == token.Star {
			if star >= 0 {
				p.fail(t.Line, "only one starred target is allowed in an assignment")
			}
			p.next()
			star = len(items)
			name := p.expect(token.Ident)
			items = append(items, &ast.Ident{Pos: pos(name), Name: name.Text})
		} else {
			items = append(items, p.expression())
		}
		if p.kind() != token.Comma {
			if len(items) == 1 && star < 0 {
				return items[0]
			}
			break
		}
		p.next()
		if p.endsExpressionList() {
			break
		}
	}
	if p.kind() == token.Assign {
		return p.unpackTarget(line, items, star)
	}
	if star >= 0 {
		p.fail(line, "* before a value is supported only in calls, parameters and assignment targets")
	}
	return &ast.TupleLit{Pos: ast.Pos{Line: line}, Elements: items}
}

func (p *parser) unpackTarget(line int, items []ast.Expr, star int) ast.Expr {
	target := &ast.UnpackTarget{Pos: ast.Pos{Line: line}, Star: star}
	for _, item := range items {
		name, ok := item.(*ast.Ident)
		if !ok {
			p.fail(p.tok().Line, "unexpected = (targets of an unpacking must be plain names)")
		}
		target.Names = append(target.Names, name.Name)
	}
	return target
}

// endsExpressionList reports whether a trailing comma was the end of a list.
func (p *parser) endsExpressionList() bool {
	k := p.kind()
	if _, ok := augmentedOps[k]; ok {
		return true
	}
	switch k {
	case token.Newline, token.Semicolon, token.EOF, token.Dedent, token.Indent, token.Assign,
		token.Colon, token.RParen, token.RBracket, token.RBrace:
		return true
	}
	return false
}

// expressionList parses one expression, or a tuple without parentheses.
func (p *parser) expressionList() ast.Expr {
	first := p.expression()
	if p.kind() != token.Comma {
		return first
	}
	list := &ast.TupleLit{Pos: ast.Pos{Line: first.LineNo()}, Elements: []ast.Expr{first}}
	for p.accept(token.Comma) && !p.endsExpressionList() {
		list.Elements = append(list.Elements, p.expression())
	}
	return list
}

func (p *parser) optionalExpressionList() ast.Expr {
	switch p.kind() {
	case token.Newline, token.Semicolon, token.EOF, token.Dedent:
		return nil
	}
	return p.expressionList()
}
