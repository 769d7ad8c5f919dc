package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func init() {
	builtin("help", "help(obj) - Print help on a function or, by name, a library", one(func(f *frame, v object.Object) object.Object {
		fmt.Fprintln(f.env.GetWriter(), f.helpText(v))
		return null
	}))
}

const noHelp = "  No documentation available"

func (f *frame) helpText(v object.Object) string {
	switch v := v.(type) {
	case *object.Builtin:
		return "Help for builtin function:\n" + builtinHelp(v)
	case *object.Function:
		return "Help for function '" + v.Name + "':\n" + functionHelp(v)
	case *object.BoundMethod:
		return f.helpText(v.Method)
	case *object.String:
		return f.helpByName(v.StringValue())
	}
	return "No help available for " + v.Type().String()
}

func builtinHelp(b *object.Builtin) string {
	if b.HelpText == "" {
		return noHelp
	}
	return b.HelpText
}

func functionHelp(fn *object.Function) string {
	about := "User-defined function"
	if doc, ok := ast.Docstring(fn.Body); ok {
		about = strings.TrimSpace(doc)
	}
	return fn.Name + "(" + signature(fn.Params) + ") - " + about
}

func signature(p *ast.Params) string {
	var parts []string
	add := func(params []ast.Param) {
		for _, param := range params {
			if param.Default != nil {
				parts = append(parts, param.Name+"=...")
			} else {
				parts = append(parts, param.Name)
			}
		}
	}
	add(p.Positional)
	if p.VarArgs != "" || len(p.KwOnly) > 0 {
		parts = append(parts, "*"+p.VarArgs)
	}
	add(p.KwOnly)
	if p.KwArgs != "" {
		parts = append(parts, "**"+p.KwArgs)
	}
	return strings.Join(parts, ", ")
}

// helpByName is help on a library, an entry of a library or a builtin.
func (f *frame) helpByName(name string) string {
	v, ok := f.module(name)
	if b, isBuiltin := builtins[name]; !ok && isBuiltin {
		v, ok = b, true
	}
	if !ok {
		return "No help available for '" + name + "'"
	}
	switch v := v.(type) {
	case *object.Dict:
		return libraryHelp(name, v)
	case *object.Builtin:
		return "Help for " + name + ":\n" + builtinHelp(v)
	case *object.Function:
		return "Help for " + name + ":\n" + functionHelp(v)
	}
	return "Help for " + name + ":\n" + noHelp
}

func libraryHelp(name string, lib *object.Dict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s functions:\n\n", name)
	if doc, ok := member(lib, "__doc__"); ok {
		b.WriteString("Description:\n")
		for line := range strings.SplitSeq(doc.Inspect(), "\n") {
			b.WriteString("  " + line + "\n")
		}
		b.WriteString("\n")
	}
	b.WriteString("Available functions:\n")
	var names []string
	for _, pair := range lib.Pairs {
		if key := pair.StringKey(); key != "__doc__" {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	for _, entry := range names {
		b.WriteString("  - " + entry + "\n")
	}
	fmt.Fprintf(&b, "\nUse help(%q) for details on a specific function", name+".function_name")
	return b.String()
}
