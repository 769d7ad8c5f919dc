package ast

// ExprStmt is an expression used as a statement. Its line is that of the first
// name in the expression.
type ExprStmt struct {
	Pos
	Value Expr
}

// Assign is "t1 = t2 = value". A target is an *Ident, *Attribute, *Index or
// *UnpackTarget; any other expression parses too and is an error at run time
// ("cannot assign to expression").
type Assign struct {
	Pos
	Targets []Expr
	Value   Expr
}

// AugAssign is "target op= value"; the target is as in Assign, never an unpacking.
type AugAssign struct {
	Pos
	Op     Op
	Target Expr
	Value  Expr
}

// If is if/elif/else. Elifs are further branches tried in order.
type If struct {
	Pos
	Cond  Expr
	Then  []Stmt
	Elifs []Elif
	Else  []Stmt
}

// Elif is one elif branch.
type Elif struct {
	Pos
	Cond Expr
	Body []Stmt
}

// While is a while loop with an optional else block.
type While struct {
	Pos
	Cond Expr
	Body []Stmt
	Else []Stmt
}

// For is a for loop with an optional else block. Target is an *Ident or a
// *TupleLit of targets.
type For struct {
	Pos
	Target Expr
	Iter   Expr
	Body   []Stmt
	Else   []Stmt
}

// Break leaves the innermost loop.
type Break struct{ Pos }

// Continue starts the next turn of the innermost loop.
type Continue struct{ Pos }

// Pass does nothing.
type Pass struct{ Pos }

// FuncDef is a function definition. Its line is that of "def" even when it is
// decorated; Decorators are in source order, to be called from the last.
type FuncDef struct {
	Pos
	Name       string
	Params     *Params
	Body       []Stmt
	Decorators []Expr
}

// ClassDef is a class definition. Base is an *Ident, a dotted *Attribute, or nil.
type ClassDef struct {
	Pos
	Name       string
	Base       Expr
	Body       []Stmt
	Decorators []Expr
}

// Return leaves a function; Value is nil for a bare return.
type Return struct {
	Pos
	Value Expr
}

// Import is "import a.b as c, d".
type Import struct {
	Pos
	Items []ImportName
}

// FromImport is "from Module import names". Level counts the leading dots; with
// "from . import x" the Module is empty.
type FromImport struct {
	Pos
	Level  int
	Module string
	Names  []ImportName
}

// ImportName is an imported name and its alias ("" when there is none).
type ImportName struct {
	Name  string
	Alias string
}

// Try is try/except/else/finally. HasFinally is true even when Finally does
// nothing.
type Try struct {
	Pos
	Body       []Stmt
	Handlers   []Except
	Else       []Stmt
	Finally    []Stmt
	HasFinally bool
}

// Except is one except clause. Names holds the last component of each listed
// name; it is empty for a bare except. As is the bound name or "".
type Except struct {
	Pos
	Names []string
	As    string
	Body  []Stmt
}

// Raise raises Value, or the active exception again when Value is nil.
type Raise struct {
	Pos
	Value Expr
}

// Assert is "assert cond, msg"; Msg may be nil.
type Assert struct {
	Pos
	Cond Expr
	Msg  Expr
}

// Global marks names as global.
type Global struct {
	Pos
	Names []string
}

// Nonlocal marks names as belonging to an enclosing function.
type Nonlocal struct {
	Pos
	Names []string
}

// Del deletes Target: an *Ident, *Index, *SliceExpr or *Attribute.
type Del struct {
	Pos
	Target Expr
}

// With is "with value as name"; As may be "".
type With struct {
	Pos
	Value Expr
	As    string
	Body  []Stmt
}

// Match is a match statement.
type Match struct {
	Pos
	Subject Expr
	Cases   []Case
}

// Case is one case clause; Guard may be nil.
type Case struct {
	Pos
	Pattern Pattern
	Guard   Expr
	Body    []Stmt
}

func (*ExprStmt) stmt()   {}
func (*Assign) stmt()     {}
func (*AugAssign) stmt()  {}
func (*If) stmt()         {}
func (*While) stmt()      {}
func (*For) stmt()        {}
func (*Break) stmt()      {}
func (*Continue) stmt()   {}
func (*Pass) stmt()       {}
func (*FuncDef) stmt()    {}
func (*ClassDef) stmt()   {}
func (*Return) stmt()     {}
func (*Import) stmt()     {}
func (*FromImport) stmt() {}
func (*Try) stmt()        {}
func (*Raise) stmt()      {}
func (*Assert) stmt()     {}
func (*Global) stmt()     {}
func (*Nonlocal) stmt()   {}
func (*Del) stmt()        {}
func (*With) stmt()       {}
func (*Match) stmt()      {}
