package eval

import (
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

// Prepare gives the literals of a program their objects. It must be called
// before the program is shared.
func Prepare(prog *ast.Program) { prepareBlock(prog.Body) }

func prepareBlock(stmts []ast.Stmt) {
	for _, s := range stmts {
		prepareStmt(s)
	}
}

func prepareStmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.ExprStmt:
		prepare(s.Value)
	case *ast.Assign:
		prepare(s.Targets...)
		prepare(s.Value)
	case *ast.AugAssign:
		prepare(s.Target, s.Value)
	case *ast.If:
		prepare(s.Cond)
		prepareBlock(s.Then)
		for _, elif := range s.Elifs {
			prepare(elif.Cond)
			prepareBlock(elif.Body)
		}
		prepareBlock(s.Else)
	case *ast.While:
		prepare(s.Cond)
		prepareBlock(s.Body)
		prepareBlock(s.Else)
	case *ast.For:
		prepare(s.Iter)
		prepareBlock(s.Body)
		prepareBlock(s.Else)
	case *ast.FuncDef:
		prepare(s.Decorators...)
		prepareParams(s.Params)
		prepareBlock(s.Body)
	case *ast.ClassDef:
		prepare(s.Decorators...)
		prepareBlock(s.Body)
	case *ast.Return:
		prepare(s.Value)
	case *ast.Try:
		prepareBlock(s.Body)
		for _, h := range s.Handlers {
			prepareBlock(h.Body)
		}
		prepareBlock(s.Else)
		prepareBlock(s.Finally)
	case *ast.Raise:
		prepare(s.Value)
	case *ast.Assert:
		prepare(s.Cond, s.Msg)
	case *ast.Del:
		prepare(s.Target)
	case *ast.With:
		prepare(s.Value)
		prepareBlock(s.Body)
	case *ast.Match:
		prepare(s.Subject)
		for _, c := range s.Cases {
			prepare(c.Guard)
			prepareBlock(c.Body)
		}
	}
}

func prepareParams(p *ast.Params) {
	for _, params := range [][]ast.Param{p.Positional, p.KwOnly} {
		for i := range params {
			prepare(params[i].Default)
		}
	}
}

// prepare skips expressions that are nil.
func prepare(exprs ...ast.Expr) {
	for _, e := range exprs {
		prepareExpr(e)
	}
}

func prepareExpr(e ast.Expr) {
	switch e := e.(type) {
	case *ast.IntLit:
		e.Obj = object.NewInteger(e.Value)
	case *ast.FloatLit:
		e.Obj = object.NewFloat(e.Value)
	case *ast.StringLit:
		e.Obj = object.NewString(e.Value)
	case *ast.FString:
		for _, part := range e.Parts {
			prepare(part.Value)
		}
	case *ast.ListLit:
		prepare(e.Elements...)
	case *ast.TupleLit:
		prepare(e.Elements...)
	case *ast.SetLit:
		prepare(e.Elements...)
	case *ast.DictLit:
		for _, entry := range e.Entries {
			prepare(entry.Key, entry.Value)
		}
	case *ast.Comp:
		prepare(e.Key, e.Value)
		for _, c := range e.Clauses {
			prepare(c.Iter, c.Cond)
		}
	case *ast.Lambda:
		prepareParams(e.Params)
		prepare(e.Body)
	case *ast.Conditional:
		prepare(e.Cond, e.Then, e.Else)
	case *ast.Binary:
		prepare(e.Left, e.Right)
	case *ast.Logical:
		prepare(e.Left, e.Right)
	case *ast.Unary:
		prepare(e.Operand)
	case *ast.CompareChain:
		prepare(e.First)
		prepare(e.Rest...)
	case *ast.Call:
		prepare(e.Func)
		prepareArgs(&e.Args)
	case *ast.MethodCall:
		prepare(e.Object)
		prepareArgs(&e.Args)
	case *ast.Attribute:
		prepare(e.Object)
	case *ast.Index:
		prepare(e.Object, e.Key)
	case *ast.SliceExpr:
		prepare(e.Object, e.Start, e.End, e.Step)
	}
}

func prepareArgs(a *ast.Args) {
	prepare(a.Positional...)
	prepare(a.Stars...)
	for _, k := range a.Keywords {
		prepare(k.Value)
	}
	prepare(a.KwStar)
}
