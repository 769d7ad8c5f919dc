package parser

import (
	"strings"
	"testing"
)

func TestErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{"if a\n    b", "line 2: expected next token to be :, got INDENT instead"},
		{"x = (1, 2\ny = 3", "line 2: expected next token to be ), got IDENT instead"},
		{"x = +3", "line 1: unary + is not supported"},
		{"a\nx = 9223372036854775808", `line 2: could not parse "9223372036854775808" as integer`},
		{"x = 0x", `line 1: could not parse "0x" as integer`},
		{"f(a=1, b)", "line 1: positional argument follows keyword argument"},
		{"f(a=1, a=2)", "line 1: keyword argument repeated: a"},
		{"f(**a, **b)", "line 1: a call supports only one ** argument"},
		{"f(a, x for x in y)", "line 1: expected next token to be ), got for instead"},

		{"def f(a: int): pass", "line 1: type annotations are not supported"},
		{"def f() -> int: pass", "line 1: type annotations are not supported: unexpected ->"},
		{"x: int = 5", "line 1: unexpected : (type annotations are not supported)"},
		{"def f(a, /): pass", "line 1: positional-only parameters (/) are not supported"},
		{"def f(a, a): pass", "line 1: duplicate parameter a"},
		{"def f(a=1, b): pass", "line 1: parameter without a default follows parameter with a default"},
		{"def f(*): pass", "line 1: a name must follow *"},
		{"def f(*a, *b): pass", "line 1: * may appear only once in a parameter list"},
		{"def f(**a, b): pass", "line 1: expected next token to be ), got IDENT instead"},
		{"from a import *", "line 1: import * is not supported"},
		{"from a import (b)", "line 1: parenthesised import lists are not supported"},
		{"raise a from b", "line 1: raise ... from is not supported"},
		{"with a as b, c: pass", "line 1: with supports only one item"},
		{"class A(B, C): pass", "line 1: a class can have only one base class"},
		{"del a, b", "line 1: del supports only one target"},
		{"del f()", "line 1: cannot delete expression"},
		{"def f():\n yield 1", "line 2: yield is not supported"},
		{"async def f(): pass", "line 1: async is not supported"},
		{"x = await f()", "line 1: await is not supported"},
		{"(x := 1)", "line 1: operator := is not supported"},
		{"a @= b", "line 1: operator @= is not supported"},
		{"a @ b", "line 1: operator @ is not supported"},
		{"x = ...", "line 1: operator ... is not supported"},
		{"a + \\\n b", "line 1: backslash line continuation is not supported"},
		{`b"x"`, "line 1: string prefix b is not supported"},
		{"[*a]", "line 1: * before a value is supported only in calls, parameters and assignment targets"},
		{"{**a}", "line 1: ** before a value is supported only in calls, parameters and assignment targets"},
		{"{'a': 1, **b}", "line 1: ** before a value is supported only in calls, parameters and assignment targets"},
		{"x = *a, b", "line 1: * before a value is supported only in calls, parameters and assignment targets"},
		{"*a, *b = c", "line 1: only one starred target is allowed in an assignment"},
		{"a['k'], b = c", "line 1: unexpected = (targets of an unpacking must be plain names)"},
		{"if a:\n (", "line 2: unexpected end of block"},
		{"[x for x in y if a if b]", "line 1: a for clause of a comprehension supports only one if"},
		{"for a.b in c: pass", "line 1: expected next token to be in, got . instead"},
		{"for *a in b: pass", "line 1: expected a name as loop variable, got *"},
		{"f'{a'", "line 1: f-string: expected } before the end of the string"},

		{"break", "line 1: break outside a loop"},
		{"for a in b:\n def f():\n  continue", "line 3: continue outside a loop"},
		{"a\n  b", "line 2: unexpected indentation"},
		{"if a:\nb", "line 1: expected an indented block"},
		{"if a: if b: c", "line 1: if is not allowed in a one-line block"},
		{"try: a\nb", "line 1: expected except or finally, got end of line"},
		{"else: a", "line 1: unexpected else"},
		{"a b", "line 1: unexpected IDENT b"},
		{"x =", "line 1: unexpected end of line"},
		{"(", "line 1: unexpected end of file"},
		{"1.", "line 1: expected next token to be IDENT, got NEWLINE instead"},
		{"x = 'a\n\nb", "line 1: unterminated string"},

		{"match a:\n case (1, 2): b", "line 2: tuple patterns are not supported"},
		{"match a:\n case 1, 2: b", "line 2: tuple patterns are not supported"},
		{"match a:\n case P(): b", "line 2: class pattern P() is not supported"},
		{"match a:\n case int(x): b", "line 2: arguments of class patterns are not supported"},
		{"match a:\n case x.y: b", "line 2: dotted names in patterns are not supported"},
		{"match a:\n case [*x]: b", "line 2: * in patterns is not supported"},
		{"match a:\n case {**x}: b", "line 2: ** in patterns is not supported"},
		{"match a:\n case f'{x}': b", "line 2: f-strings in patterns are not supported"},
		{"match (a):\n case 1: b", "line 1: the subject of match cannot start with ("},
		{"match a:\n b", "line 2: expected case, got IDENT b"},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			prog, messages := Parse(tt.src)
			if prog != nil || len(messages) != 1 || messages[0] != tt.want {
				t.Errorf("got %v\nwant %s", messages, tt.want)
			}
		})
	}
}

// TestDepth checks that sources which would exhaust the stack are refused.
func TestDepth(t *testing.T) {
	const n = 100_000
	blocks := func(header string) string {
		var b strings.Builder
		for i := range 200 {
			b.WriteString(strings.Repeat(" ", i) + header + ":\n")
		}
		return b.String()
	}
	tests := []struct{ name, src string }{
		{"parentheses", strings.Repeat("(", n)},
		{"brackets", strings.Repeat("[", n)},
		{"braces", strings.Repeat("{", n)},
		{"calls", strings.Repeat("f(", n)},
		{"minus", strings.Repeat("-", n) + "a"},
		{"not", strings.Repeat("not ", n) + "a"},
		{"lambda", strings.Repeat("lambda: ", n) + "a"},
		{"conditional", strings.Repeat("a if b else ", n) + "a"},
		{"sum", "a" + strings.Repeat(" + a", n)},
		{"comparison", "a" + strings.Repeat(" < a", n)},
		{"attributes", "a" + strings.Repeat(".b", n)},
		{"calls in a row", "a" + strings.Repeat("()", n)},
		{"for clauses", "[a" + strings.Repeat(" for a in b", n) + "]"},
		{"sums of sums", strings.Repeat("(", 150) + "a" + strings.Repeat(strings.Repeat("+a", 1000)+")", 150)},
		{"targets", "for " + strings.Repeat("(", n)},
		{"patterns", "match a:\n case " + strings.Repeat("[", n)},
		{"base class", "class A(a" + strings.Repeat(".b", n) + "): pass"},
		{"blocks", blocks("if a")},
		{"functions", blocks("def f()")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, messages := Parse(tt.src)
			if len(messages) != 1 || !strings.Contains(messages[0], "too deeply") && !strings.Contains(messages[0], "too long") {
				t.Errorf("got %.200v, want an error about the depth", messages)
			}
		})
	}
}

// TestLength checks that size alone is no reason to refuse a source.
func TestLength(t *testing.T) {
	tests := []struct{ name, src string }{
		{"list", "x = [" + strings.Repeat("a + 1, ", 50_000) + "]"},
		{"statements", strings.Repeat("x = a + 1\n", 50_000)},
		{"elifs", "if a: b\n" + strings.Repeat("elif a: b\n", 50_000)},
		{"strings", "x = (" + strings.Repeat("'a' ", 50_000) + ")"},
		{"sum", "x = a" + strings.Repeat(" + a * a", 900)},
		{"nested lists", "x = " + strings.Repeat("[", 150) + strings.Repeat("]", 150)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, messages := Parse(tt.src); len(messages) > 0 {
				t.Errorf("does not parse: %.200v", messages)
			}
		})
	}
}
