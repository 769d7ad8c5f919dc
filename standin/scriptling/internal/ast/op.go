package ast

// Op is a binary operator other than "and" and "or".
type Op uint8

// The binary operators.
const (
	Add Op = iota
	Sub
	Mul
	Div
	FloorDiv
	Mod
	Pow
	BitAnd
	BitOr
	BitXor
	Shl
	Shr
	Eq
	NotEq
	Lt
	Gt
	LtE
	GtE
	In
	NotIn
	Is
	IsNot
)

var opText = [...]string{
	Add: "+", Sub: "-", Mul: "*", Div: "/", FloorDiv: "//", Mod: "%", Pow: "**",
	BitAnd: "&", BitOr: "|", BitXor: "^", Shl: "<<", Shr: ">>",
	Eq: "==", NotEq: "!=", Lt: "<", Gt: ">", LtE: "<=", GtE: ">=",
	In: "in", NotIn: "not in", Is: "is", IsNot: "is not",
}

// String returns the operator as it is written in source text.
func (op Op) String() string {
	if int(op) < len(opText) {
		return opText[op]
	}
	return "?"
}

// UnaryOp is a prefix operator.
type UnaryOp uint8

// The prefix operators.
const (
	Neg UnaryOp = iota
	Invert
	Not
)

// String returns the operator as it is written in source text.
func (op UnaryOp) String() string {
	switch op {
	case Neg:
		return "-"
	case Invert:
		return "~"
	case Not:
		return "not"
	}
	return "?"
}
