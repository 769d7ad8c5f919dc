package ast

import "github.com/paularlott/scriptling/internal/format"

// Ident is a name.
type Ident struct {
	Pos
	Name string
}

// IntLit is an integer literal.
type IntLit struct {
	Pos
	Value int64
	Obj   any // room for the evaluator's prebuilt object
}

// FloatLit is a float literal.
type FloatLit struct {
	Pos
	Value float64
	Obj   any // room for the evaluator's prebuilt object
}

// StringLit is a string literal, adjacent literals joined.
type StringLit struct {
	Pos
	Value string
	Obj   any // room for the evaluator's prebuilt object
}

// BoolLit is True or False.
type BoolLit struct {
	Pos
	Value bool
}

// NoneLit is None.
type NoneLit struct {
	Pos
}

// FString is an f-string, also one joined with adjacent plain literals.
type FString struct {
	Pos
	Parts []FPart
}

// FPart is a piece of an f-string: literal text when Value is nil, else an
// expression with its format specification (nil when there is none).
type FPart struct {
	Text  string
	Value Expr
	Spec  *format.Spec
}

// ListLit is [a, b].
type ListLit struct {
	Pos
	Elements []Expr
}

// TupleLit is (a, b). It also represents nested targets of "for".
type TupleLit struct {
	Pos
	Elements []Expr
}

// SetLit is {a, b}.
type SetLit struct {
	Pos
	Elements []Expr
}

// DictLit is {k: v}.
type DictLit struct {
	Pos
	Entries []DictEntry
}

// DictEntry is one key and value of a DictLit.
type DictEntry struct {
	Key, Value Expr
}

// CompKind tells what a comprehension builds.
type CompKind uint8

// The kinds of comprehension; a generator expression is a CompList.
const (
	CompList CompKind = iota
	CompSet
	CompDict
)

// String returns the name of the container that is built.
func (k CompKind) String() string {
	switch k {
	case CompSet:
		return "set"
	case CompDict:
		return "dict"
	}
	return "list"
}

// Comp is a comprehension. Value is the element, or the value of a dict entry
// whose key is Key.
type Comp struct {
	Pos
	Kind    CompKind
	Key     Expr // dict comprehensions only
	Value   Expr
	Clauses []CompClause
}

// CompClause is "for Target in Iter" with an optional condition (nil if absent).
// Target is an *Ident or a *TupleLit of targets.
type CompClause struct {
	Target Expr
	Iter   Expr
	Cond   Expr
}

// Lambda is lambda Params: Body.
type Lambda struct {
	Pos
	Params *Params
	Body   Expr
}

// Conditional is Then if Cond else Else.
type Conditional struct {
	Pos
	Cond, Then, Else Expr
}

// Binary is a binary operation, single comparisons included.
type Binary struct {
	Pos
	Op          Op
	Left, Right Expr
}

// Logical is "and" (And is true) or "or".
type Logical struct {
	Pos
	And         bool
	Left, Right Expr
}

// Unary is a prefix operation.
type Unary struct {
	Pos
	Op      UnaryOp
	Operand Expr
}

// CompareChain is a comparison with at least two operators, such as a < b < c:
// First Ops[0] Rest[0] Ops[1] Rest[1] and so on.
type CompareChain struct {
	Pos
	First Expr
	Ops   []Op
	Rest  []Expr
}

// Args are the arguments of a call. Starred arguments follow all positionals,
// whatever the order in the source was.
type Args struct {
	Positional []Expr
	Stars      []Expr // values after *
	Keywords   []Keyword
	KwStar     Expr // value after **, or nil
}

// Keyword is one keyword argument.
type Keyword struct {
	Name  string
	Value Expr
}

// Call is Func(Args) where Func is not an attribute.
type Call struct {
	Pos
	Func Expr
	Args
}

// MethodCall is Object.Name(Args).
type MethodCall struct {
	Pos
	Object Expr
	Name   string
	Args
}

// Attribute is Object.Name.
type Attribute struct {
	Pos
	Object Expr
	Name   string
}

// Index is Object[Key].
type Index struct {
	Pos
	Object Expr
	Key    Expr
}

// SliceExpr is Object[Start:End:Step]; absent parts are nil.
type SliceExpr struct {
	Pos
	Object           Expr
	Start, End, Step Expr
}

// UnpackTarget is the left side of "a, *b = value". It occurs only among the
// targets of an Assign. Star is the index of the starred name, or -1.
type UnpackTarget struct {
	Pos
	Names []string
	Star  int
}

func (*Ident) expr()        {}
func (*IntLit) expr()       {}
func (*FloatLit) expr()     {}
func (*StringLit) expr()    {}
func (*BoolLit) expr()      {}
func (*NoneLit) expr()      {}
func (*FString) expr()      {}
func (*ListLit) expr()      {}
func (*TupleLit) expr()     {}
func (*SetLit) expr()       {}
func (*DictLit) expr()      {}
func (*Comp) expr()         {}
func (*Lambda) expr()       {}
func (*Conditional) expr()  {}
func (*Binary) expr()       {}
func (*Logical) expr()      {}
func (*Unary) expr()        {}
func (*CompareChain) expr() {}
func (*Call) expr()         {}
func (*MethodCall) expr()   {}
func (*Attribute) expr()    {}
func (*Index) expr()        {}
func (*SliceExpr) expr()    {}
func (*UnpackTarget) expr() {}
