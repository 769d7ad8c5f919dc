package scriptling

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	scripterrors "github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/internal/eval"
	"github.com/paularlott/scriptling/object"
)

// Eval runs a script. The result is the value of the last statement executed.
func (p *Scriptling) Eval(input string) (object.Object, error) {
	return p.EvalWithContext(context.Background(), input)
}

// EvalWithTimeout is Eval with a limit of time.
func (p *Scriptling) EvalWithTimeout(timeout time.Duration, input string) (object.Object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return p.EvalWithContext(ctx, input)
}

// EvalWithContext is Eval until the context ends.
func (p *Scriptling) EvalWithContext(ctx context.Context, input string) (object.Object, error) {
	return p.evalAs(ctx, p.file, input)
}

// EvalFile runs the script in a file.
func (p *Scriptling) EvalFile(path string) (object.Object, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("EvalFile: %w", err)
	}
	if p.env.EnterGIL() {
		defer p.env.ExitGIL()
	}
	defer p.restore(fileVar)()
	defer p.restore(nameVar)()
	p.env.SetGlobal(fileVar, object.NewString(path))
	p.env.SetGlobal(nameVar, object.NewString(mainName))
	return p.evalAs(context.Background(), path, string(source))
}

// restore returns a function that gives a global variable its present value.
func (p *Scriptling) restore(name string) func() {
	old, ok := p.env.Get(name)
	return func() {
		if ok {
			p.env.SetGlobal(name, old)
		} else {
			p.env.Delete(name)
		}
	}
}

func (p *Scriptling) evalAs(ctx context.Context, file, input string) (object.Object, error) {
	prog, err := parse(input)
	if err != nil {
		return nil, err
	}
	if evaluator.GetCallDepthFromContext(ctx) == nil {
		ctx = evaluator.ContextWithCallDepth(ctx, evaluator.DefaultMaxCallDepth)
	}
	ctx = withSourceFile(ctx, file)
	return outcome(run(ctx, p.env, prog))
}

// withSourceFile makes errors name the file. Without one they name none, even
// if the context comes from a caller that has one.
func withSourceFile(ctx context.Context, file string) context.Context {
	if file == evaluator.GetSourceFileFromContext(ctx) {
		return ctx
	}
	return evaluator.ContextWithSourceFile(ctx, file)
}

// run executes a program under the interpreter lock and turns a Go panic into
// an error object with the stack trace as the second result.
func run(ctx context.Context, env *object.Environment, prog *ast.Program) (result object.Object, trace string) {
	acquired := env.EnterGIL()
	if acquired {
		defer env.ExitGIL()
	}
	defer func() {
		if r := recover(); r != nil {
			result = scripterrors.NewPanicError(r)
			trace = string(debug.Stack())
		}
	}()
	bridge.AdoptNames(env, prog.Names)
	return eval.Run(ctx, env, prog, !acquired), ""
}

// outcome makes the return values of an evaluation.
func outcome(result object.Object, trace string) (object.Object, error) {
	switch v := result.(type) {
	case *object.Error:
		if trace != "" {
			return v, errors.New(v.Message + "\n" + trace)
		}
		return v, errors.New(located(v))
	case *object.Exception:
		return v, exitError(v)
	}
	return result, nil
}

// exitError is the Go error of a SystemExit: none for code 0.
func exitError(exc *object.Exception) error {
	if exc.IsSystemExit() && exc.GetExitCode() == 0 {
		return nil
	}
	return errors.New(exc.Message)
}

// located is the message of an error with its location, as far as it is known.
func located(err *object.Error) string {
	switch {
	case err.Line == 0:
		return err.Message
	case err.File == "":
		return fmt.Sprintf("%s (line %d)", err.Message, err.Line)
	}
	return fmt.Sprintf("%s (%s:%d)", err.Message, err.File, err.Line)
}
