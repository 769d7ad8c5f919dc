package lexer

import (
	"strings"
	"testing"

	"github.com/paularlott/scriptling/internal/token"
)

// render shows tokens by kind, those with a value as kind:value.
func render(tokens []token.Token) string {
	var words []string
	for _, t := range tokens {
		switch t.Kind {
		case token.Ident:
			words = append(words, t.Text)
		case token.Int, token.Float, token.String, token.FString, token.Illegal:
			words = append(words, t.Kind.String()+":"+t.Text)
		default:
			words = append(words, t.Kind.String())
		}
	}
	return strings.Join(words, " ")
}

func TestScan(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"empty", "", "EOF"},
		{"only blanks", "  \n\t\n# c\n", "EOF"},
		{"no final newline", "a", "a NEWLINE EOF"},
		{"operators", "a//=b**c<<1>=2", "a //= b ** c << INT:1 >= INT:2 NEWLINE EOF"},
		{"keywords", "if not x", "if not x NEWLINE EOF"},
		{"soft keywords are names", "match case", "match case NEWLINE EOF"},
		{"keyword after a dot", "obj.class.if", "obj . class . if NEWLINE EOF"},
		{"relative import", "from . import x", "from . import x NEWLINE EOF"},

		{"block", "if a:\n  b\nc", "if a : INDENT b NEWLINE DEDENT c NEWLINE EOF"},
		{"block ends at the end", "if a:\n  b", "if a : INDENT b NEWLINE DEDENT EOF"},
		{"two blocks end", "a:\n b:\n  c\nd", "a : INDENT b : INDENT c NEWLINE DEDENT DEDENT d NEWLINE EOF"},
		{"tab is four columns", "a:\n\tb\n    c", "a : INDENT b NEWLINE c NEWLINE DEDENT EOF"},
		{"blank and comment lines", "a:\n  b\n\n# c\n  d", "a : INDENT b NEWLINE d NEWLINE DEDENT EOF"},
		{"CRLF", "a:\r\n  b\r\nc\r\n", "a : INDENT b NEWLINE DEDENT c NEWLINE EOF"},
		{"blank CRLF line closes blocks", "a:\r\n  b\r\n\r\nc", "a : INDENT b NEWLINE DEDENT c NEWLINE EOF"},
		{"CRLF comment line", "a:\r\n  b\r\n# c\r\n  d", "a : INDENT b NEWLINE d NEWLINE DEDENT EOF"},
		{"odd dedent", "a:\n    b\n  c", "a : INDENT b NEWLINE DEDENT ILLEGAL:unindent does not match any outer indentation level EOF"},
		{"brackets join lines", "f(\n  a,\n\nb)\nc", "f ( a , b ) NEWLINE c NEWLINE EOF"},

		{"integers", "0 007 0x1F 0B10 0o17", "INT:0 INT:007 INT:0x1F INT:0B10 INT:0o17 NEWLINE EOF"},
		{"floats", "1.5 1e3 2.5e-3 1E+2", "FLOAT:1.5 FLOAT:1e3 FLOAT:2.5e-3 FLOAT:1E+2 NEWLINE EOF"},
		{"dot needs digits on both sides", "5. .5", "INT:5 . . INT:5 NEWLINE EOF"},
		{"no underscores", "1_0", "ILLEGAL:underscores in numbers are not supported EOF"},

		{"escapes", `"a\tb\\\"\'\0\q"`, "STRING:a\tb\\\"'\x00\\q NEWLINE EOF"},
		{"string over two lines", "'a\nb'", "STRING:a\nb NEWLINE EOF"},
		{"triple", `"""a "b" \n"""`, `STRING:a "b" \n NEWLINE EOF`},
		{"raw", `r"a\n\"b" R'\d'`, `STRING:a\n\"b STRING:\d NEWLINE EOF`},
		{"f-string", `f"a\t{b}"`, "FSTRING:a\t{b} NEWLINE EOF"},
		{"triple f-string has escapes", `f"""a\t"""`, "FSTRING:a\t NEWLINE EOF"},
		{"raw f-string", `rf"\n{a}" Fr'\t'`, `FSTRING:\n{a} FSTRING:\t NEWLINE EOF`},
		{"empty strings", `"" '' """"""`, "STRING: STRING: STRING: NEWLINE EOF"},
		{"unterminated", "a 'b", "a ILLEGAL:unterminated string EOF"},
		{"bytes literal", `b"x"`, "ILLEGAL:string prefix b is not supported EOF"},

		{"walrus", "(a := 1)", "( a ILLEGAL:operator := is not supported EOF"},
		{"ellipsis", "...", "ILLEGAL:operator ... is not supported EOF"},
		{"matrix assignment", "a @= b", "a ILLEGAL:operator @= is not supported EOF"},
		{"backslash", "a + \\\nb", "a + ILLEGAL:backslash line continuation is not supported EOF"},
		{"illegal character", "a ? b", "a ILLEGAL:illegal character '?' EOF"},
		{"byte order mark", "\ufeffa", `ILLEGAL:illegal character '\ufeff' EOF`},
		{"letters are ASCII", "é", "ILLEGAL:illegal character 'é' EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := render(Scan(tt.src)); got != tt.want {
				t.Errorf("Scan(%q)\n got %s\nwant %s", tt.src, got, tt.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	src := "a\n\"\"\"x\ny\"\"\" b\nif c:\n  d\ne"
	want := map[string]int{"a": 1, "b": 3, "c": 4, "d": 5, "e": 6}
	for _, tok := range Scan(src) {
		if tok.Kind == token.Ident && tok.Line != want[tok.Text] {
			t.Errorf("%s is on line %d, want %d", tok.Text, tok.Line, want[tok.Text])
		}
		if tok.Kind == token.String && tok.Line != 2 {
			t.Errorf("the string starts on line %d, want 2", tok.Line)
		}
	}
}

func TestScanField(t *testing.T) {
	tokens := ScanField(" a\n + b", 7)
	if got := render(tokens); got != "a + b EOF" {
		t.Errorf("got %s", got)
	}
	for _, tok := range tokens {
		if tok.Line != 7 {
			t.Errorf("%v is on line %d, want 7", tok.Kind, tok.Line)
		}
	}
}
