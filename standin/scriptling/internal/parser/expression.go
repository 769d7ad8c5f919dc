package parser

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/token"
)

// Precedences of the binary operators, from the loosest to the tightest. Unary
// operators bind tighter than all of them, and all of them are left-associative.
const (
	precOr = iota + 1
	precBitOr
	precBitXor
	precBitAnd
	precAnd
	precEquality
	precComparison
	precShift
	precSum
	precProduct
	precPower
)

type binaryOp struct {
	prec      int
	op        ast.Op
	chainable bool // a < b < c means a < b and b < c
}

var binaryOps = map[token.Kind]binaryOp{
	token.Or:       {prec: precOr},
	token.And:      {prec: precAnd},
	token.Pipe:     {precBitOr, ast.BitOr, false},
	token.Caret:    {precBitXor, ast.BitXor, false},
	token.Amp:      {precBitAnd, ast.BitAnd, false},
	token.Eq:       {precEquality, ast.Eq, true},
	token.NotEq:    {precEquality, ast.NotEq, true},
	token.In:       {precEquality, ast.In, false},
	token.Not:      {precEquality, ast.NotIn, false}, // only before "in"
	token.Is:       {precEquality, ast.Is, false},
	token.Lt:       {precComparison, ast.Lt, true},
	token.Gt:       {precComparison, ast.Gt, true},
	token.LtE:      {precComparison, ast.LtE, true},
	token.GtE:      {precComparison, ast.GtE, true},
	token.Shl:      {precShift, ast.Shl, false},
	token.Shr:      {precShift, ast.Shr, false},
	token.Plus:     {precSum, ast.Add, false},
	token.Minus:    {precSum, ast.Sub, false},
	token.Star:     {precProduct, ast.Mul, false},
	token.Slash:    {precProduct, ast.Div, false},
	token.FloorDiv: {precProduct, ast.FloorDiv, false},
	token.Percent:  {precProduct, ast.Mod, false},
	token.Pow:      {precPower, ast.Pow, false},
}

// expression parses any expression except a tuple without parentheses.
func (p *parser) expression() ast.Expr {
	outer := p.enter()
	e := p.operation()
	if t := p.tok(); t.Kind == token.If {
		p.next()
		c := &ast.Conditional{Pos: pos(t), Then: e}
		c.Cond = p.operation()
		p.expect(token.Else)
		c.Else = p.expression()
		p.grow()
		e = c
	}
	p.leave(outer)
	return e
}

// operation parses an expression without a conditional at its top.
func (p *parser) operation() ast.Expr { return p.binary(precOr) }

// binary parses operators that bind at least as tight as min.
func (p *parser) binary(min int) ast.Expr {
	outer := p.height
	p.height = 0
	left := p.unary()
	for {
		op, ok := p.binaryOp()
		if !ok || op.prec < min {
			break
		}
		if op.chainable {
			left = p.comparison(left, op.prec)
			continue
		}
		t := p.next()
		if op.op == ast.NotIn || op.op == ast.IsNot {
			p.next()
		}
		right := p.binary(op.prec + 1)
		p.grow()
		switch t.Kind {
		case token.And, token.Or:
			left = logical(t, left, right)
		default:
			left = arithmetic(t, op.op, left, right)
		}
	}
	p.height = max(outer, p.height)
	return left
}

// binaryOp looks at the operator at the current token.
func (p *parser) binaryOp() (binaryOp, bool) {
	k := p.kind()
	op, ok := binaryOps[k]
	switch {
	case k == token.Not && p.peek(1) != token.In:
		return op, false
	case k == token.Is && p.peek(1) == token.Not:
		op.op = ast.IsNot
	}
	return op, ok
}

// comparison parses one comparison or a chain of comparisons of one level.
func (p *parser) comparison(first ast.Expr, prec int) ast.Expr {
	chain := &ast.CompareChain{Pos: pos(p.tok()), First: first}
	for {
		op, ok := p.binaryOp()
		if !ok || !op.chainable || op.prec != prec {
			break
		}
		p.next()
		chain.Ops = append(chain.Ops, op.op)
		chain.Rest = append(chain.Rest, p.binary(prec+1))
		p.grow()
	}
	if len(chain.Ops) == 1 {
		return &ast.Binary{Pos: chain.Pos, Op: chain.Ops[0], Left: first, Right: chain.Rest[0]}
	}
	return chain
}

// logical builds "and" and "or". The language folds a literal on the right that
// decides the result, without evaluating the left side.
func logical(t token.Token, left, right ast.Expr) ast.Expr {
	and := t.Kind == token.And
	if lit, ok := right.(*ast.BoolLit); ok && lit.Value != and {
		return lit
	}
	return &ast.Logical{Pos: pos(t), And: and, Left: left, Right: right}
}

// arithmetic builds a binary operation, folding powers of integer literals.
func arithmetic(t token.Token, op ast.Op, left, right ast.Expr) ast.Expr {
	if op == ast.Pow {
		base, ok1 := left.(*ast.IntLit)
		exponent, ok2 := right.(*ast.IntLit)
		if ok1 && ok2 {
			if n, ok := intPower(base.Value, exponent.Value); ok {
				return &ast.IntLit{Pos: base.Pos, Value: n}
			}
		}
	}
	return &ast.Binary{Pos: pos(t), Op: op, Left: left, Right: right}
}

// intPower returns base to the exponent if it is an integer that fits int64.
func intPower(base, exponent int64) (int64, bool) {
	switch {
	case exponent < 0:
		return 0, false
	case base == 0 && exponent > 0:
		return 0, true
	case base == 1 || base == -1:
		if exponent%2 == 0 {
			return 1, true
		}
		return base, true
	}
	result := int64(1)
	for range exponent {
		next := result * base
		if next/base != result {
			return 0, false
		}
		result = next
	}
	return result, true
}

func (p *parser) unary() ast.Expr {
	t := p.tok()
	var op ast.UnaryOp
	switch t.Kind {
	case token.Minus:
		op = ast.Neg
	case token.Tilde:
		op = ast.Invert
	case token.Not:
		op = ast.Not
	default:
		return p.postfix()
	}
	p.next()
	outer := p.enter()
	operand := p.unary()
	p.leave(outer)
	if op == ast.Neg {
		switch lit := operand.(type) {
		case *ast.IntLit:
			return &ast.IntLit{Pos: pos(t), Value: -lit.Value}
		case *ast.FloatLit:
			return &ast.FloatLit{Pos: pos(t), Value: -lit.Value}
		}
	}
	return &ast.Unary{Pos: pos(t), Op: op, Operand: operand}
}

// postfix parses a primary expression with its calls, indexes and attributes.
func (p *parser) postfix() ast.Expr {
	outer := p.height
	p.height = 0
	e := p.primary()
	at := ast.Pos{Line: e.LineNo()}
	for {
		switch p.kind() {
		case token.LParen:
			e = &ast.Call{Pos: at, Func: e, Args: p.callArgs()}
		case token.LBracket:
			e = p.subscript(at, e)
		case token.Dot:
			p.next()
			name := p.expect(token.Ident).Text
			if p.kind() == token.LParen {
				e = &ast.MethodCall{Pos: at, Object: e, Name: name, Args: p.callArgs()}
			} else {
				e = &ast.Attribute{Pos: at, Object: e, Name: name}
			}
		default:
			p.height = max(outer, p.height)
			return e
		}
		p.grow()
	}
}

func (p *parser) callArgs() ast.Args {
	p.expect(token.LParen)
	var args ast.Args
	for p.kind() != token.RParen {
		t := p.tok()
		switch {
		case t.Kind == token.Star:
			p.next()
			args.Stars = append(args.Stars, p.expression())
		case t.Kind == token.Pow:
			if args.KwStar != nil {
				p.fail(t.Line, "a call supports only one ** argument")
			}
			p.next()
			args.KwStar = p.expression()
		case t.Kind == token.Ident && p.peek(1) == token.Assign:
			p.next()
			p.next()
			for _, k := range args.Keywords {
				if k.Name == t.Text {
					p.fail(t.Line, "keyword argument repeated: %s", t.Text)
				}
			}
			args.Keywords = append(args.Keywords, ast.Keyword{Name: t.Text, Value: p.expression()})
		case len(args.Keywords) > 0 || args.KwStar != nil:
			p.fail(t.Line, "positional argument follows keyword argument")
		default:
			e := p.expression()
			if p.kind() == token.For && len(args.Positional)+len(args.Stars) == 0 {
				e = p.comprehension(t, ast.CompList, nil, e)
				args.Positional = append(args.Positional, e)
				p.expect(token.RParen)
				return args
			}
			args.Positional = append(args.Positional, e)
		}
		if !p.accept(token.Comma) {
			break
		}
	}
	p.expect(token.RParen)
	return args
}

// subscript parses an index or a slice.
func (p *parser) subscript(at ast.Pos, object ast.Expr) ast.Expr {
	p.expect(token.LBracket)
	s := &ast.SliceExpr{Pos: at, Object: object}
	if p.kind() != token.Colon {
		key := p.expressionList()
		if p.kind() != token.Colon {
			p.expect(token.RBracket)
			return &ast.Index{Pos: at, Object: object, Key: key}
		}
		s.Start = key
	}
	p.expect(token.Colon)
	s.End = p.slicePart()
	if p.accept(token.Colon) {
		s.Step = p.slicePart()
	}
	p.expect(token.RBracket)
	return s
}

func (p *parser) slicePart() ast.Expr {
	if k := p.kind(); k == token.Colon || k == token.RBracket {
		return nil
	}
	return p.expression()
}
