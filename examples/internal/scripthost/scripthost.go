// Package scripthost runs scripts for the example hosts as a host of scripts that it
// does not trust has to: each interpreter has a first program with a different text, panics
// are errors, and calls have a limit of depth.
package scripthost

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

// made counts the interpreters of the process.
var made atomic.Int64

// New returns an interpreter with the standard libraries. It has run a first program
// that no other interpreter has: those whose first programs are equal share the table
// of their top-level names, and the values of one take the places of another's.
func New() (*scriptling.Scriptling, error) {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	_, err := Eval(context.Background(), p, fmt.Sprintf("interpreter_%d = None", made.Add(1)))
	return p, err
}

// A Panic is the error for a panic that left an interpreter. The interpreter may still
// hold its lock: use it no more.
type Panic struct{ Value any }

func (p *Panic) Error() string { return fmt.Sprintf("the interpreter panicked: %v", p.Value) }

// Eval is p.EvalWithContext, with a *Panic for a panic, such as those of the parser.
func Eval(ctx context.Context, p *scriptling.Scriptling, source string) (object.Object, error) {
	return guarded(func() (object.Object, error) { return p.EvalWithContext(ctx, source) })
}

// EvalFile is p.EvalFile, with a *Panic for a panic.
func EvalFile(p *scriptling.Scriptling, path string) (object.Object, error) {
	return guarded(func() (object.Object, error) { return p.EvalFile(path) })
}

// Call is p.CallFunctionWithContext, with a *Panic for a panic, and with the limit of
// nested calls that Eval has.
func Call(ctx context.Context, p *scriptling.Scriptling, name string, args ...any) (object.Object, error) {
	ctx = evaluator.ContextWithCallDepth(ctx, evaluator.DefaultMaxCallDepth)
	return guarded(func() (object.Object, error) { return p.CallFunctionWithContext(ctx, name, args...) })
}

func guarded(run func() (object.Object, error)) (result object.Object, err error) {
	defer func() {
		if value := recover(); value != nil {
			result, err = nil, &Panic{value}
		}
	}()
	return run()
}
