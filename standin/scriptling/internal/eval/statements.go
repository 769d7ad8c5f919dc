package eval

import (
	"fmt"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

// signal tells how a statement ended.
type signal uint8

const (
	sigNone signal = iota
	sigBreak
	sigContinue
	sigReturn
	sigFail // the object is an *object.Error or an *object.Exception
)

// outcome is the end of a statement whose value is v.
func outcome(v object.Object) (object.Object, signal) {
	switch v.(type) {
	case *object.Error, *object.Exception:
		return v, sigFail
	}
	return v, sigNone
}

func isError(v object.Object) bool {
	_, ok := v.(*object.Error)
	return ok
}

// block executes statements; its value is that of the last one.
func (f *frame) block(stmts []ast.Stmt) (object.Object, signal) {
	var result object.Object = null
	if f.m.nesting++; f.m.nesting > maxNesting {
		f.m.nesting--
		return errTooDeep(), sigFail
	}
	for _, s := range stmts {
		v, sig := f.statement(s)
		if sig != sigNone {
			f.m.nesting--
			return v, sig
		}
		result = v
	}
	f.m.nesting--
	return result, sigNone
}

func (f *frame) statement(s ast.Stmt) (object.Object, signal) {
	v := f.tick()
	sig := sigFail
	if v == nil {
		v, sig = f.exec(s)
	}
	if sig == sigFail {
		v = f.locate(v, s.LineNo())
	}
	return v, sig
}

// locate fills in the line of an error that has none yet. The error is copied,
// because its creator may use it again elsewhere.
func (f *frame) locate(v object.Object, line int) object.Object {
	err, ok := v.(*object.Error)
	if !ok || err.Line != 0 {
		return v
	}
	located := *err
	located.Line = line
	if located.File == "" {
		located.File = f.m.file
	}
	return &located
}

func (f *frame) exec(s ast.Stmt) (object.Object, signal) {
	switch s := s.(type) {
	case *ast.ExprStmt:
		return outcome(f.eval(s.Value))
	case *ast.Assign:
		return f.assignment(s)
	case *ast.AugAssign:
		return f.augmented(s)
	case *ast.If:
		return f.ifElse(s)
	case *ast.For:
		return f.forLoop(s)
	case *ast.While:
		return f.whileLoop(s)
	case *ast.Return:
		if s.Value == nil {
			return null, sigReturn
		}
		v, sig := outcome(f.eval(s.Value))
		if sig == sigNone {
			sig = sigReturn
		}
		return v, sig
	case *ast.Break:
		return null, sigBreak
	case *ast.Continue:
		return null, sigContinue
	case *ast.Pass:
		return null, sigNone
	case *ast.FuncDef:
		return f.defineFunction(s)
	case *ast.ClassDef:
		return f.defineClass(s)
	case *ast.Try:
		return f.try(s)
	case *ast.Raise:
		return f.raise(s), sigFail
	case *ast.With:
		return f.with(s)
	case *ast.Match:
		return f.match(s)
	case *ast.Assert:
		return f.assert(s)
	case *ast.Import:
		return outcome(f.importModules(s))
	case *ast.FromImport:
		return outcome(f.importNames(s))
	case *ast.Del:
		return outcome(f.del(s.Target))
	case *ast.Global:
		for _, name := range s.Names {
			bridge.MarkGlobal(f.env, name)
		}
		return null, sigNone
	case *ast.Nonlocal:
		for _, name := range s.Names {
			bridge.MarkNonlocal(f.env, name)
		}
		return null, sigNone
	}
	return errors.NewError("unknown statement: %T", s), sigFail
}

func (f *frame) ifElse(s *ast.If) (object.Object, signal) {
	cond, err := f.condition(s.Cond)
	if err != nil {
		return err, sigFail
	}
	if cond {
		return f.block(s.Then)
	}
	for i := range s.Elifs {
		cond, err := f.condition(s.Elifs[i].Cond)
		if err != nil {
			return err, sigFail
		}
		if cond {
			return f.block(s.Elifs[i].Body)
		}
	}
	return f.block(s.Else)
}

// condition evaluates an expression for its truth.
func (f *frame) condition(e ast.Expr) (bool, object.Object) {
	v := f.eval(e)
	if b, ok := v.(*object.Boolean); ok {
		return b.BoolValue(), nil
	}
	if isError(v) {
		return false, v
	}
	return f.truth(v)
}

func (f *frame) assert(s *ast.Assert) (object.Object, signal) {
	ok, err := f.condition(s.Cond)
	if err != nil {
		return err, sigFail
	}
	if ok {
		return null, sigNone
	}
	message := "AssertionError"
	if s.Msg != nil {
		msg := f.eval(s.Msg)
		if isError(msg) {
			return msg, sigFail
		}
		var err object.Object
		if message, err = f.text(msg); err != nil {
			return err, sigFail
		}
	}
	return &object.Error{Message: fmt.Sprintf("AssertionError at line %d: %s", s.Line, message)}, sigFail
}

// defineFunction binds a function, after its decorators were called from the
// last to the first.
func (f *frame) defineFunction(s *ast.FuncDef) (object.Object, signal) {
	bridge.Capture(f.env)
	fn := &object.Function{Name: s.Name, Env: f.env, Params: s.Params, Body: s.Body}
	v, sig := outcome(f.decorate(fn, s.Decorators))
	if sig == sigNone {
		f.env.Set(s.Name, v)
	}
	return v, sig
}

func (f *frame) decorate(v object.Object, decorators []ast.Expr) object.Object {
	for i := len(decorators) - 1; i >= 0; i-- {
		d := f.eval(decorators[i])
		if isError(d) {
			return d
		}
		if v = f.call(d, []object.Object{v}, nil); isError(v) {
			return v
		}
	}
	return v
}
