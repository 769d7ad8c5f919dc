package parser

import (
	"strings"

	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/format"
	"github.com/paularlott/scriptling/internal/lexer"
	"github.com/paularlott/scriptling/internal/token"
)

// fields appends the parts of an f-string to parts.
func (p *parser) fields(parts []ast.FPart, t token.Token) []ast.FPart {
	body := t.Text
	for body != "" {
		i := strings.IndexAny(body, "{}")
		if i < 0 {
			return append(parts, ast.FPart{Text: body})
		}
		parts = append(parts, ast.FPart{Text: body[:i]})
		brace := body[i : i+1]
		body = body[i+1:]
		if brace == "}" || strings.HasPrefix(body, brace) {
			parts = append(parts, ast.FPart{Text: brace})
			body = strings.TrimPrefix(body, brace)
			continue
		}
		var part ast.FPart
		part, body = p.field(body, t.Line)
		if part.Value != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// field parses what follows an opening brace and returns the rest of the body.
// The expression ends at the first colon or closing brace, wherever that is; an
// expression that does not parse leaves a part without a value.
func (p *parser) field(body string, line int) (part ast.FPart, rest string) {
	end := strings.IndexByte(body, '}')
	if end < 0 {
		p.fail(line, "f-string: expected } before the end of the string")
	}
	source, spec, hasSpec := strings.Cut(body[:end], ":")
	part.Value = p.fieldExpression(source, line)
	if hasSpec && spec != "" {
		part.Spec = format.ParseSpec(spec)
	}
	return part, body[end+1:]
}

func (p *parser) fieldExpression(source string, line int) ast.Expr {
	sub := &parser{tokens: lexer.ScanField(withoutConversion(source), line), nesting: p.nesting}
	var e ast.Expr
	err := sub.run(func() {
		e = sub.expressionList()
		sub.expect(token.EOF)
	})
	if err != nil {
		return nil
	}
	p.height = max(p.height, sub.height)
	return e
}

// withoutConversion drops "!r", "!s", "!a" and "=" from the end of a field.
func withoutConversion(source string) string {
	source = strings.TrimSpace(source)
	for _, suffix := range []string{"!r", "!s", "!a", "="} {
		source = strings.TrimSpace(strings.TrimSuffix(source, suffix))
	}
	return source
}
