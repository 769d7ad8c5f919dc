// Package ast defines the syntax tree of the language.
//
// A tree is immutable once the parser returns it, because parsed programs are
// shared between interpreters that run in parallel. The Obj fields of literals
// are the one exception: the caller of the parser may fill them before it
// passes the tree on.
//
// The parser has already folded what the language folds: "x and False" and
// "x or True" are a BoolLit, the negation of a numeric literal is a literal,
// and a power of integer literals is an IntLit when it fits int64.
package ast

// Pos is the source position embedded in every node.
type Pos struct {
	Line int
}

// LineNo returns the line of the node, counted from 1.
func (p Pos) LineNo() int { return p.Line }

// Node is any part of the tree.
type Node interface {
	LineNo() int
}

// Expr is an expression.
type Expr interface {
	Node
	expr()
}

// Stmt is a statement.
type Stmt interface {
	Node
	stmt()
}

// Pattern is a pattern of a case clause.
type Pattern interface {
	Node
	pattern()
}

// Program is a parsed source text.
type Program struct {
	// Names is the table of top-level names of the interpreters whose first program
	// this is. It is not locked.
	Names *Names
	Body  []Stmt
}

// Param is one named parameter; Default is nil when there is none.
type Param struct {
	Name    string
	Default Expr
}

// Params are the parameters of a function or lambda.
type Params struct {
	Positional []Param
	VarArgs    string // name after *, or "" (also for a bare *)
	KwOnly     []Param
	KwArgs     string // name after **, or ""
}

// Docstring returns the leading string literal of a body.
func Docstring(body []Stmt) (string, bool) {
	if len(body) == 0 {
		return "", false
	}
	if s, ok := body[0].(*ExprStmt); ok {
		if lit, ok := s.Value.(*StringLit); ok {
			return lit.Value, true
		}
	}
	return "", false
}

// Names are the places of variables in an interpreter.
type Names struct{ Index map[string]int }
