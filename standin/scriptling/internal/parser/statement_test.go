package parser

import (
	"testing"

	"github.com/paularlott/scriptling/internal/ast"
)

func testStatements(t *testing.T, tests [][2]string) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt[0], func(t *testing.T) {
			prog, messages := Parse(tt[0])
			if len(messages) > 0 {
				t.Fatal(messages)
			}
			if got := dump(prog.Body); got != "["+tt[1]+"]" {
				t.Errorf("\n got %s\nwant [%s]", got, tt[1])
			}
		})
	}
}

func TestSimpleStatements(t *testing.T) {
	testStatements(t, [][2]string{
		{"a = 1", "(Assign [a] 1)"},
		{"a = b = 1, 2", "(Assign [a b] (TupleLit [1 2]))"},
		{"a, b = c", "(Assign [(UnpackTarget [a b] -1)] c)"},
		{"a, *b, c = d", "(Assign [(UnpackTarget [a b c] 1)] d)"},
		{"*a, = d", "(Assign [(UnpackTarget [a] 0)] d)"},
		{"a = b, c = d", "(Assign [a (UnpackTarget [b c] -1)] d)"},
		{"a.b = c", "(Assign [(Attribute a b)] c)"},
		{"a[0] = c", "(Assign [(Index a 0)] c)"},
		{"(a, b) = c", "(Assign [(TupleLit [a b])] c)"},
		{"a += 1", "(AugAssign + a 1)"},
		{"a.b **= c", "(AugAssign ** (Attribute a b) c)"},
		{"a >>= 1", "(AugAssign >> a 1)"},
		{"pass", "(Pass)"},
		{"return", "(Return _)"},
		{"return a, b", "(Return (TupleLit [a b]))"},
		{"raise", "(Raise _)"},
		{"raise a('m')", `(Raise (Call a (Args ["m"] [] [] _)))`},
		{"assert a, 'm'", `(Assert a "m")`},
		{"global a, b", "(Global [a b])"},
		{"nonlocal a", "(Nonlocal [a])"},
		{"del a[1:2]", "(Del (SliceExpr a 1 2 _))"},
		{"import a.b as c, d", "(Import [(ImportName a.b c) (ImportName d _)])"},
		{"from a.b import c as d, e", "(FromImport 0 a.b [(ImportName c d) (ImportName e _)])"},
		{"from . import a", "(FromImport 1 _ [(ImportName a _)])"},
		{"from ..a import b", "(FromImport 2 a [(ImportName b _)])"},
		{"a; b;", "(ExprStmt a) (ExprStmt b)"},
	})
}

func TestCompoundStatements(t *testing.T) {
	testStatements(t, [][2]string{
		{"if a: b", "(If a [(ExprStmt b)] [] [])"},
		{"if a:\n b\nelif c:\n d\nelse:\n e", "(If a [(ExprStmt b)] [(Elif c [(ExprStmt d)])] [(ExprStmt e)])"},
		{"if a: b\nelif c: d\nelse: e", "(If a [(ExprStmt b)] [(Elif c [(ExprStmt d)])] [(ExprStmt e)])"},
		{"if a: b; c", "(If a [(ExprStmt b)] [] []) (ExprStmt c)"},
		{"if a:\n if b: c\nelse: d", "(If a [(If b [(ExprStmt c)] [] [])] [] [(ExprStmt d)])"},
		{"while a:\n break\nelse:\n b", "(While a [(Break)] [(ExprStmt b)])"},
		{"for a, (b, c) in d, e:\n continue", "(For (TupleLit [a (TupleLit [b c])]) (TupleLit [d e]) [(Continue)] [])"},
		{"for a in b if c else d: pass\nelse: e", "(For a (Conditional c b d) [(Pass)] [(ExprStmt e)])"},
		{"try: a\nfinally: b", "(Try [(ExprStmt a)] [] [] [(ExprStmt b)] true)"},
		{
			"try:\n a\nexcept b.c as d:\n e\nexcept (f, g):\n h\nexcept [i]: j\nexcept:\n k\nelse:\n l\nfinally:\n m",
			"(Try [(ExprStmt a)] [(Except [c] d [(ExprStmt e)]) (Except [f g] _ [(ExprStmt h)])" +
				" (Except [i] _ [(ExprStmt j)]) (Except [] _ [(ExprStmt k)])] [(ExprStmt l)] [(ExprStmt m)] true)",
		},
		{"with a as b:\n c", "(With a b [(ExprStmt c)])"},
		{"with a: b", "(With a _ [(ExprStmt b)])"},
		{"def f(a, b=1, *c, d=2, **e): return a", "(FuncDef f (Params [(Param a _) (Param b 1)] c [(Param d 2)] e) [(Return a)] [])"},
		{"@a\n@b(1)\ndef f():\n pass", "(FuncDef f (Params [] _ [] _) [(Pass)] [a (Call b (Args [1] [] [] _))])"},
		{"class A: pass", "(ClassDef A _ [(Pass)] [])"},
		{"class A():\n pass", "(ClassDef A _ [(Pass)] [])"},
		{"@d\nclass A(b.C):\n def f(self): pass", "(ClassDef A (Attribute b C) [(FuncDef f (Params [(Param self _)] _ [] _) [(Pass)] [])] [d])"},
	})
}

func TestMatch(t *testing.T) {
	testStatements(t, [][2]string{
		{"match a:\n case 1: b\n case -1.5:\n  c", "(Match a [(Case (LiteralPattern 1) _ [(ExprStmt b)]) (Case (LiteralPattern -1.5) _ [(ExprStmt c)])])"},
		{"match a:\n case 'x' | None | True: b", `(Match a [(Case (OrPattern [(LiteralPattern "x") (LiteralPattern None) (LiteralPattern true)]) _ [(ExprStmt b)])])`},
		{"match a:\n case x if x > 1: b", "(Match a [(Case (CapturePattern x) (Binary > x 1) [(ExprStmt b)])])"},
		{"match a:\n case [1, _, [x]] as y: b", "(Match a [(Case (AsPattern (ListPattern [(LiteralPattern 1) (WildcardPattern) (ListPattern [(CapturePattern x)])]) y) _ [(ExprStmt b)])])"},
		{"match a:\n case {'k': v, 2: int()}: b", `(Match a [(Case (DictPattern ["k" 2] [(CapturePattern v) (TypePattern int)]) _ [(ExprStmt b)])])`},
		{"match = 1", "(Assign [match] 1)"},
		{"match(a)", "(ExprStmt (Call match (Args [a] [] [] _)))"},
		{"match.x", "(ExprStmt (Attribute match x))"},
		{"match not in a", "(ExprStmt (Binary not in match a))"},
		{"case = match", "(Assign [case] match)"},
		{"match {'a': 1}:\n case _: b", `(Match (DictLit [(DictEntry "a" 1)]) [(Case (WildcardPattern) _ [(ExprStmt b)])])`},
	})
}

func TestStatementLines(t *testing.T) {
	tests := []struct {
		src  string
		want int
	}{
		{"(\n  f(\n    1))", 2},
		{"[\n1,\n2]", 1},
		{"'a'.\\\n", 0},
		{"x = (\n  y)", 1},
		{"@d\n@e\ndef f(): pass", 3},
		{"@d\nclass A: pass", 2},
		{"f(\n  a,\n  b)", 1},
	}
	for _, tt := range tests {
		prog, messages := Parse(tt.src)
		if tt.want == 0 {
			if len(messages) == 0 {
				t.Errorf("Parse(%q) succeeds", tt.src)
			}
			continue
		}
		if len(messages) > 0 {
			t.Errorf("Parse(%q): %v", tt.src, messages)
			continue
		}
		if got := prog.Body[0].LineNo(); got != tt.want {
			t.Errorf("Parse(%q): statement is on line %d, want %d", tt.src, got, tt.want)
		}
	}
}

func TestDocstring(t *testing.T) {
	f := parseOne(t, "def f():\n 'doc'\n pass").(*ast.FuncDef)
	if doc, ok := ast.Docstring(f.Body); !ok || doc != "doc" {
		t.Errorf("got %q, %v", doc, ok)
	}
	f = parseOne(t, "def f():\n pass").(*ast.FuncDef)
	if doc, ok := ast.Docstring(f.Body); ok {
		t.Errorf("got %q, want none", doc)
	}
}
