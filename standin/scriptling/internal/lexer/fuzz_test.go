package lexer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/paularlott/scriptling/internal/token"
)

// FuzzLexer checks that any text gives a well-formed token sequence.
func FuzzLexer(f *testing.F) {
	paths, err := filepath.Glob("../../testdata/conformance/*.py")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no conformance scripts: %v", err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		tokens := Scan(src)
		depth, line := 0, 1
		for i, tok := range tokens {
			switch tok.Kind {
			case token.Indent:
				depth++
			case token.Dedent:
				depth--
			case token.Illegal:
				depth = 0 // the scan ended inside its blocks
				if i != len(tokens)-2 {
					t.Fatalf("token %d of %d is illegal", i, len(tokens))
				}
			}
			if depth < 0 {
				t.Fatalf("token %d closes a block that is not open", i)
			}
			if tok.Kind == token.EOF && i != len(tokens)-1 {
				t.Fatalf("token %d of %d is EOF", i, len(tokens))
			}
			// An unterminated string is reported where it starts.
			if tok.Line < line && tok.Kind != token.Illegal {
				t.Fatalf("token %d is on line %d after line %d", i, tok.Line, line)
			}
			line = tok.Line
		}
		if n := len(tokens); n == 0 || tokens[n-1].Kind != token.EOF {
			t.Fatal("the last token is not EOF")
		}
		if depth != 0 {
			t.Fatalf("%d blocks are not closed", depth)
		}
		ScanField(src, 1)
	})
}
