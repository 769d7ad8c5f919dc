package scriptling

import (
	"context"
	"errors"
	"fmt"

	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/internal/eval"
	"github.com/paularlott/scriptling/object"
)

// RegisterFunc binds a Go function to a global variable.
func (p *Scriptling) RegisterFunc(name string,
	fn func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object, helpText ...string) {
	help := name + "(...) - User-defined function"
	if len(helpText) > 0 {
		help = helpText[0]
	}
	p.env.SetGlobal(name, &object.Builtin{Fn: fn, HelpText: help})
}

// RegisterScriptFunc binds the function to which a script evaluates.
func (p *Scriptling) RegisterScriptFunc(name string, script string) error {
	result, err := p.Eval(script)
	if err != nil {
		return err
	}
	switch result.(type) {
	case *object.Function, *object.LambdaFunction:
		p.env.SetGlobal(name, result)
		return nil
	}
	return fmt.Errorf("script must evaluate to a function, got %s", result.Type())
}

// CallFunction calls the function of a name, which may be dotted. Arguments are
// objects or Go values; a last argument of type Kwargs gives keyword arguments.
func (p *Scriptling) CallFunction(name string, args ...interface{}) (object.Object, error) {
	return p.CallFunctionWithContext(context.Background(), name, args...)
}

// CallFunctionWithContext is CallFunction until the context ends.
func (p *Scriptling) CallFunctionWithContext(ctx context.Context, name string, args ...interface{}) (object.Object, error) {
	fn, ok := p.find(name)
	if !ok {
		return nil, fmt.Errorf("function '%s' not found", name)
	}
	positional, keywords := arguments(args)
	result := evaluator.ApplyFunctionGIL(withSourceFile(ctx, p.file), fn, positional, keywords, p.env)
	if exc, ok := result.(*object.Exception); ok {
		return exc, exitError(exc)
	}
	return result, prefixed(fmt.Sprintf("function '%s'", name), result)
}

// find looks up a name, which may be dotted. It takes the interpreter lock,
// since another goroutine may be defining variables.
func (p *Scriptling) find(name string) (object.Object, bool) {
	if p.env.EnterGIL() {
		defer p.env.ExitGIL()
	}
	return eval.Find(p.env, name)
}

// arguments converts the arguments of a call from Go.
func arguments(args []interface{}) (positional []object.Object, keywords map[string]object.Object) {
	if n := len(args); n > 0 {
		if kwargs, ok := args[n-1].(Kwargs); ok {
			args = args[:n-1]
			keywords = make(map[string]object.Object, len(kwargs))
			for name, v := range kwargs {
				keywords[name] = toObject(v)
			}
		}
	}
	positional = make([]object.Object, len(args))
	for i, arg := range args {
		positional[i] = toObject(arg)
	}
	return positional, keywords
}

func toObject(v interface{}) object.Object {
	if obj, ok := v.(object.Object); ok {
		return obj
	}
	return conversion.FromGo(v)
}

// prefixed is the Go error of a failed call, and nil for any other result.
func prefixed(what string, result object.Object) error {
	switch v := result.(type) {
	case *object.Error:
		return errors.New(what + ": " + located(v))
	case *object.Exception:
		if v.IsSystemExit() {
			return exitError(v)
		}
		return errors.New(what + ": " + v.Message)
	}
	return nil
}

// CreateInstance makes an instance of a class.
func (p *Scriptling) CreateInstance(className string, args ...interface{}) (object.Object, error) {
	return p.CreateInstanceWithContext(context.Background(), className, args...)
}

// CreateInstanceWithContext is CreateInstance until the context ends.
func (p *Scriptling) CreateInstanceWithContext(ctx context.Context, className string, args ...interface{}) (object.Object, error) {
	obj, ok := p.find(className)
	if !ok {
		return nil, fmt.Errorf("class '%s' not found", className)
	}
	class, ok := obj.(*object.Class)
	if !ok {
		return nil, fmt.Errorf("'%s' is not a class, got %s", className, obj.Type())
	}
	positional, keywords := arguments(args)
	result := evaluator.ApplyFunctionGIL(withSourceFile(ctx, p.file), class, positional, keywords, p.env)
	return result, prefixed(fmt.Sprintf("class '%s'", className), result)
}

// CallMethod calls a method of an instance.
func (p *Scriptling) CallMethod(obj object.Object, methodName string, args ...interface{}) (object.Object, error) {
	return p.CallMethodWithContext(context.Background(), obj, methodName, args...)
}

// CallMethodWithContext is CallMethod until the context ends.
func (p *Scriptling) CallMethodWithContext(ctx context.Context, obj object.Object, methodName string, args ...interface{}) (object.Object, error) {
	inst, ok := obj.(*object.Instance)
	if !ok {
		return nil, fmt.Errorf("object is not an instance, got %s", obj.Type())
	}
	positional, keywords := arguments(args)
	result, ok := eval.CallMethod(withSourceFile(ctx, p.file), p.env, inst, methodName, positional, keywords)
	if !ok {
		return nil, fmt.Errorf("method '%s' not found in class '%s'", methodName, inst.Class.Name)
	}
	return result, prefixed(fmt.Sprintf("method '%s' on class '%s'", methodName, inst.Class.Name), result)
}
