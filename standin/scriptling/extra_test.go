package scriptling_test

import (
	"fmt"
	"testing"
)

// TestExtra runs scripts that show the sentences of sections 1, 7 and 8 of the
// specification one by one. The number of a script starts with 1 and the number
// of its section; what it must print follows from the section.
func TestExtra(t *testing.T) { runScripts(t, "testdata/extra") }

// TestRejectedSources checks that a construct which does not exist is refused
// with the line where it stands, before anything runs.
func TestRejectedSources(t *testing.T) {
	tests := []struct {
		name, source string
		offset       int // lines from the start of the source to the construct
	}{
		{"annotation", "x: int = 5", 0},
		{"result annotation", "def f() -> int:\n    pass", 0},
		{"parameter annotation", "def f(a: int):\n    pass", 0},
		{"positional only", "def f(a, /):\n    pass", 0},
		{"yield", "x = yield 1", 0},
		{"async", "async def f():\n    pass", 0},
		{"await", "await f()", 0},
		{"walrus", "(x := 1)", 0},
		{"ellipsis", "x = ...", 0},
		{"matrix product", "x = 1 @ 2", 0},
		{"augmented matrix product", "x @= 2", 0},
		{"unary plus", "x = +1", 0},
		{"separator in a number", "x = 1_000", 0},
		{"integer too large", "x = 9223372036854775808", 0},
		{"least integer", "x = -9223372036854775808", 0},
		{"float without leading digit", "x = .5", 0},
		{"float without trailing digit", "x = 5.", 0},
		{"bytes literal", `x = b"a"`, 0},
		{"unicode literal", `x = u"a"`, 0},
		{"backslash continuation", "x = 1 + \\\n    2", 0},
		{"identifier outside ASCII", "ä = 1", 0},
		{"byte order mark", "\ufeffx = 1", 0},
		{"attribute and name as targets", "d.a, y = 1, 2", 0},
		{"item and name as targets", `d["x"], y = 1, 2`, 0},
		{"nested targets", "a, (b, c) = 1, (2, 3)", 0},
		{"two targets of del", "del a, b", 0},
		{"two items of with", "with a as b, c as d:\n    pass", 0},
		{"tuple pattern", "match x:\n    case (1, 2):\n        pass", 1},
		{"match subject in brackets", "match (x):\n    case 1:\n        pass", 0},
		{"match subject a list", "match [x]:\n    case 1:\n        pass", 0},
		{"raise from", `raise ValueError("a") from e`, 0},
		{"two base classes", "class A(B, C):\n    pass", 0},
		{"star in a list", "x = [*a]", 0},
		{"double star in a dict", "x = {**a}", 0},
		{"star in a set", "x = {*a}", 0},
		{"two ifs in a comprehension", "x = [y for y in z if y if 1]", 0},
		{"two double stars in a call", "f(**a, **b)", 0},
		{"positional after keyword", "f(a=1, 2)", 0},
		{"repeated keyword", "f(a=1, a=2)", 0},
		{"star import", "from math import *", 0},
		{"old except", "try:\n    pass\nexcept A, e:\n    pass", 2},
		{"CRLF blank line in a block", "if True:\r\n    x = 1\r\n\r\n    y = 2", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := firstMessage(runScript("print(1)\n\n" + tt.source + "\n"))
			want := fmt.Sprintf("RESULT ERROR: parser errors: [line %d:", 3+tt.offset)
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
