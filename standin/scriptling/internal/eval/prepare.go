package eval

import (
	"github.com/paularlott/scriptling/internal/ast"
)

// Prepare is a placeholder.
func Prepare(prog *ast.Program) {}
