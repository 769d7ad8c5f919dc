package object

import (
	"context"

	"github.com/paularlott/scriptling/internal/ast"
)

// BuiltinFunction is a Go function that scripts can call. The args slice is
// only valid during the call.
type BuiltinFunction func(ctx context.Context, kwargs Kwargs, args ...Object) Object

// Builtin is a function written in Go, or an object whose Attributes are its
// methods and fields.
type Builtin struct {
	refusals
	Fn         BuiltinFunction
	HelpText   string
	Attributes map[string]Object
}

func (b *Builtin) Type() ObjectType               { return BUILTIN_OBJ }
func (b *Builtin) Inspect() string                { return "<builtin function>" }
func (b *Builtin) CoerceString() (string, Object) { return b.Inspect(), nil }

// AsDict returns the attributes.
func (b *Builtin) AsDict() (map[string]Object, Object) {
	if b.Attributes == nil {
		return b.refusals.AsDict()
	}
	return b.Attributes, nil
}

// Function is a function defined by a script.
type Function struct {
	refusals
	Name   string
	Env    *Environment
	Params *ast.Params
	Body   []ast.Stmt
	// Owner is the class whose body defines the function, or nil. super()
	// continues after it.
	Owner *Class
}

func (f *Function) Type() ObjectType               { return FUNCTION_OBJ }
func (f *Function) Inspect() string                { return "<function>" }
func (f *Function) CoerceString() (string, Object) { return f.Inspect(), nil }

// LambdaFunction is a lambda expression with its environment.
type LambdaFunction struct {
	refusals
	Env    *Environment
	Params *ast.Params
	Body   ast.Expr
}

func (f *LambdaFunction) Type() ObjectType               { return LAMBDA_OBJ }
func (f *LambdaFunction) Inspect() string                { return "<lambda>" }
func (f *LambdaFunction) CoerceString() (string, Object) { return f.Inspect(), nil }

// BoundMethod is a method read from an instance.
type BoundMethod struct {
	refusals
	Instance Object
	Method   Object
}

func (b *BoundMethod) Type() ObjectType               { return FUNCTION_OBJ }
func (b *BoundMethod) Inspect() string                { return "<bound method>" }
func (b *BoundMethod) AsBool() (bool, Object)         { return true, nil }
func (b *BoundMethod) CoerceString() (string, Object) { return b.Inspect(), nil }

// ReturnValue carries the value of a return statement. It is a signal of the
// evaluator and never reaches Go functions.
type ReturnValue struct {
	refusals
	Value Object
}

func (r *ReturnValue) Type() ObjectType               { return RETURN_OBJ }
func (r *ReturnValue) Inspect() string                { return r.Value.Inspect() }
func (r *ReturnValue) CoerceString() (string, Object) { return r.Inspect(), nil }

// signal is the type of BREAK and CONTINUE.
type signal struct {
	refusals
	kind ObjectType
	text string
}

func (s *signal) Type() ObjectType               { return s.kind }
func (s *signal) Inspect() string                { return s.text }
func (s *signal) CoerceString() (string, Object) { return s.text, nil }

// Signals of an evaluator for leaving and continuing loops. They never reach Go
// functions.
var (
	BREAK    Object = &signal{kind: BREAK_OBJ, text: "break"}
	CONTINUE Object = &signal{kind: CONTINUE_OBJ, text: "continue"}
)
