// Package scripthost runs scripts as a host of untrusted scripts must: panics of the
// interpreter are errors, calls have a limit of depth, and each interpreter has a first
// program with a different text. docs/untrusted-scripts.md gives the reasons.
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

// New returns an interpreter with the standard libraries. It has already run a first
// program whose text is unique in the process. Interpreters with equal first programs share
// the table of their top-level names, which mixes up their values.
func New() (*scriptling.Scriptling, error) {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	_, err := Eval(context.Background(), p, fmt.Sprintf("interpreter_%d = None", made.Add(1)))
	return p, err
}

// Panic is the error of a panic of an interpreter. The interpreter may still hold its
// lock, so it must not be used again.
type Panic struct{ Value any }

func (p *Panic) Error() string { return fmt.Sprintf("the interpreter panicked: %v", p.Value) }

// Eval runs a program as p.EvalWithContext does, and returns a *Panic if the interpreter
// panics, as its parser does for some invalid programs.
func Eval(ctx context.Context, p *scriptling.Scriptling, source string) (object.Object, error) {
	return guarded(func() (object.Object, error) { return p.EvalWithContext(ctx, source) })
}

// EvalFile runs a file as p.EvalFile does, and returns a *Panic if the interpreter panics.
func EvalFile(p *scriptling.Scriptling, path string) (object.Object, error) {
	return guarded(func() (object.Object, error) { return p.EvalFile(path) })
}

// Call calls a function as p.CallFunctionWithContext does, with the limit of nested calls
// that Eval has, and returns a *Panic if the interpreter panics.
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
