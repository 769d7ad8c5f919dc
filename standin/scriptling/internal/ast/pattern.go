package ast

// LiteralPattern matches a value equal to Value, which is an *IntLit,
// *FloatLit, *StringLit, *BoolLit or *NoneLit.
type LiteralPattern struct {
	Pos
	Value Expr
}

// WildcardPattern is "_".
type WildcardPattern struct{ Pos }

// CapturePattern binds the value to Name.
type CapturePattern struct {
	Pos
	Name string
}

// OrPattern matches when one of Alternatives does.
type OrPattern struct {
	Pos
	Alternatives []Pattern
}

// ListPattern matches a list of exactly this length.
type ListPattern struct {
	Pos
	Elements []Pattern
}

// DictPattern matches a dict that has all Keys (literals) with matching values.
type DictPattern struct {
	Pos
	Keys   []Expr
	Values []Pattern
}

// TypePattern is a type call such as int(): one of int, float, str, bool, list,
// dict, tuple, set.
type TypePattern struct {
	Pos
	Name string
}

// AsPattern binds what Pattern matched to Name.
type AsPattern struct {
	Pos
	Pattern Pattern
	Name    string
}

func (*LiteralPattern) pattern()  {}
func (*WildcardPattern) pattern() {}
func (*CapturePattern) pattern()  {}
func (*OrPattern) pattern()       {}
func (*ListPattern) pattern()     {}
func (*DictPattern) pattern()     {}
func (*TypePattern) pattern()     {}
func (*AsPattern) pattern()       {}
