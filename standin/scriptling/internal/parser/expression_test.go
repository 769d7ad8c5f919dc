package parser

import (
	"testing"

	"github.com/paularlott/scriptling/internal/ast"
)

// parseOne parses a source of one statement.
func parseOne(t *testing.T, src string) ast.Stmt {
	t.Helper()
	prog, messages := Parse(src)
	if len(messages) > 0 {
		t.Fatalf("Parse(%q): %v", src, messages)
	}
	if len(prog.Body) != 1 {
		t.Fatalf("Parse(%q): %d statements, want 1", src, len(prog.Body))
	}
	return prog.Body[0]
}

func testExpressions(t *testing.T, tests [][2]string) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt[0], func(t *testing.T) {
			s, ok := parseOne(t, tt[0]).(*ast.ExprStmt)
			if !ok {
				t.Fatalf("not an expression statement")
			}
			if got := dump(s.Value); got != tt[1] {
				t.Errorf("\n got %s\nwant %s", got, tt[1])
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	testExpressions(t, [][2]string{
		{"a + b * c", "(Binary + a (Binary * b c))"},
		{"a - b - c", "(Binary - (Binary - a b) c)"},
		{"a ** b ** c", "(Binary ** (Binary ** a b) c)"},
		{"-a ** b", "(Binary ** (Unary - a) b)"},
		{"a ** -b", "(Binary ** a (Unary - b))"},
		{"- -a", "(Unary - (Unary - a))"},
		{"~a.b(c)", "(Unary ~ (MethodCall a b (Args [c] [] [] _)))"},
		{"not a == b", "(Binary == (Unary not a) b)"},
		{"not a in b", "(Binary in (Unary not a) b)"},
		{"a not in b", "(Binary not in a b)"},
		{"a is not b", "(Binary is not a b)"},
		{"a is b", "(Binary is a b)"},
		{"a | b == c", "(Binary | a (Binary == b c))"},
		{"a | b and c", "(Binary | a (Logical true b c))"},
		{"a or b | c", "(Logical false a (Binary | b c))"},
		{"a | b ^ c & d", "(Binary | a (Binary ^ b (Binary & c d)))"},
		{"a and b == c", "(Logical true a (Binary == b c))"},
		{"a << b + c", "(Binary << a (Binary + b c))"},
		{"a < b << c", "(Binary < a (Binary << b c))"},
		{"(a + b) * c", "(Binary * (Binary + a b) c)"},
	})
}

func TestComparisonChains(t *testing.T) {
	testExpressions(t, [][2]string{
		{"a < b", "(Binary < a b)"},
		{"a < b <= c", "(CompareChain a [< <=] [b c])"},
		{"a == b != c", "(CompareChain a [== !=] [b c])"},
		{"a == b < c", "(Binary == a (Binary < b c))"},
		{"a == b in c", "(Binary in (Binary == a b) c)"},
		{"a in b == c", "(Binary == (Binary in a b) c)"},
	})
}

func TestFolding(t *testing.T) {
	testExpressions(t, [][2]string{
		{"f() and False", "false"},
		{"f() or True", "true"},
		{"a and True", "(Logical true a true)"},
		{"a or False", "(Logical false a false)"},
		{"False and a", "(Logical true false a)"},
		{"-5", "-5"},
		{"- 1.5", "-1.5"},
		{"2 ** 62", "4611686018427387904"},
		{"2 ** 63", "(Binary ** 2 63)"},
		{"2 ** 3 ** 2", "64"},
		{"-2 ** 2", "4"},
		{"(-2) ** 63", "-9223372036854775808"},
		{"2 ** -1", "(Binary ** 2 -1)"},
		{"0 ** 0", "1"},
		{"0 ** 9223372036854775807", "0"},
		{"(-1) ** 9223372036854775807", "-1"},
		{"2.0 ** 2", "(Binary ** 2 2)"},
	})
}

func TestPrimaries(t *testing.T) {
	testExpressions(t, [][2]string{
		{"007", "7"},
		{"0xff", "255"},
		{"0b101", "5"},
		{"0o17", "15"},
		{"None", "None"},
		{"()", "(TupleLit [])"},
		{"(a)", "a"},
		{"(a,)", "(TupleLit [a])"},
		{"a, b,", "(TupleLit [a b])"},
		{"[]", "(ListLit [])"},
		{"[a, b,]", "(ListLit [a b])"},
		{"{}", "(DictLit [])"},
		{"{a, b}", "(SetLit [a b])"},
		{"{a: b, c: d,}", "(DictLit [(DictEntry a b) (DictEntry c d)])"},
		{"a if b else c if d else e", "(Conditional b a (Conditional d c e))"},
		{"[x for x in y if z]", "(Comp list _ x [(CompClause x y z)])"},
		{"{x for x in y}", "(Comp set _ x [(CompClause x y _)])"},
		{"{k: v for k, v in y}", "(Comp dict k v [(CompClause (TupleLit [k v]) y _)])"},
		{"[a for b in c for a, (d, e) in b]", "(Comp list _ a [(CompClause b c _) (CompClause (TupleLit [a (TupleLit [d e])]) b _)])"},
		{"(x for x in y)", "(Comp list _ x [(CompClause x y _)])"},
		{"lambda: a", "(Lambda (Params [] _ [] _) a)"},
		{"lambda a, b=1, *c, d, e=2, **f: a", "(Lambda (Params [(Param a _) (Param b 1)] c [(Param d _) (Param e 2)] f) a)"},
		{"lambda *, a: a", "(Lambda (Params [] _ [(Param a _)] _) a)"},
	})
}

func TestPostfix(t *testing.T) {
	testExpressions(t, [][2]string{
		{"a.b.c", "(Attribute (Attribute a b) c)"},
		{"a[b]", "(Index a b)"},
		{"a[b, c]", "(Index a (TupleLit [b c]))"},
		{"a[:]", "(SliceExpr a _ _ _)"},
		{"a[b:c:d]", "(SliceExpr a b c d)"},
		{"a[::-1]", "(SliceExpr a _ _ -1)"},
		{"a()", "(Call a (Args [] [] [] _))"},
		{"a(b)(c)", "(Call (Call a (Args [b] [] [] _)) (Args [c] [] [] _))"},
		{"a(*b, c, d=e, **f,)", "(Call a (Args [c] [b] [(Keyword d e)] f))"},
		{"a(x for x in y)", "(Call a (Args [(Comp list _ x [(CompClause x y _)])] [] [] _))"},
		{"a.class(b)[0]", "(Index (MethodCall a class (Args [b] [] [] _)) 0)"},
		{"'a'.b()", `(MethodCall "a" b (Args [] [] [] _))`},
	})
}

func TestStrings(t *testing.T) {
	testExpressions(t, [][2]string{
		{`"a" 'b' r"\c"`, `"ab\\c"`},
		{`f"a{b}c"`, `(FString ["a" {b} "c"])`},
		{`"x" f"a{b}" "y"`, `(FString ["xa" {b} "y"])`},
		{`f"plain"`, `"plain"`},
		{`f"{{a}}"`, `"{a}"`},
		{`f"}"`, `"}"`},
		{`f"{a:5d}{b}"`, `(FString [{a:} {b}])`},
		{`f"{a:}"`, `(FString [{a}])`},
		{`f"{a!r} {b=} { c }"`, `(FString [{a} " " {b} " " {c}])`},
		{`f"{a + 1, b}"`, `(FString [{(TupleLit [(Binary + a 1) b])}])`},
		{`f"[{l[0:2]}]"`, `"[]"`},
		{`f"{y:{w}}|"`, `(FString [{y:} "}|"])`},
		{`f"{}{a b}{+1}"`, `""`},
		{`f"{'x'}"`, `(FString [{"x"}])`},
		{`f'{d["k"]}'`, `(FString [{(Index d "k")}])`},
		{"f'''{a +\n b}'''", "(FString [{(Binary + a b)}])"},
	})
}
