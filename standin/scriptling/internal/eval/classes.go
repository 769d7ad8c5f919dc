package eval

import (
	"context"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

// defineClass makes a class from the functions in its body; other statements
// have no effect.
func (f *frame) defineClass(s *ast.ClassDef) (object.Object, signal) {
	bridge.Capture(f.env)
	class := &object.Class{Name: s.Name, Methods: map[string]object.Object{}, Env: f.env}
	if s.Base != nil {
		base := f.eval(s.Base)
		if isError(base) {
			return base, sigFail
		}
		var ok bool
		if class.BaseClass, ok = base.(*object.Class); !ok {
			return errors.NewError("base class is not a class type, got %s", base.Type()), sigFail
		}
	}
	// Decorators such as @value.setter refer to earlier members.
	body := f.within(object.NewEnclosedEnvironment(f.env))
	for _, stmt := range s.Body {
		def, ok := stmt.(*ast.FuncDef)
		if !ok {
			continue
		}
		fn := &object.Function{Name: def.Name, Env: f.env, Params: def.Params, Body: def.Body, Owner: class}
		member := body.decorate(fn, def.Decorators)
		if failure(member) != nil {
			return f.locate(member, def.Line), sigFail
		}
		class.Methods[def.Name] = member
		body.env.Set(def.Name, member)
	}
	v, sig := outcome(f.decorate(class, s.Decorators))
	if sig == sigNone {
		f.env.Set(s.Name, v)
	}
	return v, sig
}

// instantiate makes an instance. An exception raised by __init__ is ignored,
// an error is not.
func (f *frame) instantiate(class *object.Class, args []object.Object, kwargs map[string]object.Object) object.Object {
	inst := object.NewInstance(class)
	init, ok := class.LookupMember("__init__")
	if !ok {
		if n := len(args) + len(kwargs); n > 0 {
			return errors.NewArgumentError(n, 0)
		}
		return inst
	}
	mark := f.m.mark()
	f.m.push(inst)
	f.m.args = append(f.m.args, args...)
	v := f.call(init, f.m.since(mark), kwargs)
	f.m.pop(mark)
	if isError(v) {
		return v
	}
	return inst
}

func (f *frame) instanceAttribute(inst *object.Instance, name string) object.Object {
	if v, ok := inst.GetField(name); ok {
		return v
	}
	member, ok := inst.Class.LookupMember(name)
	if !ok {
		return null
	}
	return f.bindMember(member, inst, inst.Class)
}

// bindMember is what reading a class member through an instance gives.
func (f *frame) bindMember(member object.Object, self object.Object, class *object.Class) object.Object {
	switch m := member.(type) {
	case *property:
		return f.call(m.getter, []object.Object{self}, nil)
	case *staticMethod:
		return m.fn
	case *classMethod:
		return &object.BoundMethod{Instance: class, Method: m.fn}
	case *object.Function, *object.Builtin, *object.LambdaFunction:
		return &object.BoundMethod{Instance: self, Method: m}
	}
	return member
}

func (f *frame) classAttribute(class *object.Class, name string) object.Object {
	member, ok := class.LookupMember(name)
	if !ok {
		if name == "__name__" {
			return object.NewString(class.Name)
		}
		return null
	}
	fn, self := bindToClass(member, class)
	if self != nil {
		return &object.BoundMethod{Instance: self, Method: fn}
	}
	return fn
}

// bindToClass is what a class member read through the class calls, and the
// object to pass first, if any.
func bindToClass(member object.Object, class *object.Class) (fn, self object.Object) {
	switch m := member.(type) {
	case *staticMethod:
		return m.fn, nil
	case *classMethod:
		return m.fn, class
	}
	return member, nil
}

func (f *frame) findInstanceMethod(inst *object.Instance, name string) (fn, self, err object.Object) {
	if v, ok := inst.GetField(name); ok {
		return v, nil, nil
	}
	member, ok := inst.Class.LookupMember(name)
	if !ok {
		return nil, nil, nil
	}
	return f.bindForCall(member, inst, inst.Class)
}

// bindForCall is bindMember without the detour of a bound method.
func (f *frame) bindForCall(member, self object.Object, class *object.Class) (fn, first, err object.Object) {
	switch m := member.(type) {
	case *object.Function, *object.Builtin, *object.LambdaFunction:
		return m, self, nil
	case *classMethod:
		return m.fn, class, nil
	}
	fn = f.bindMember(member, self, class)
	if isError(fn) {
		return nil, nil, fn
	}
	return fn, nil, nil
}

// inherited finds a member in the classes after s.class.
func inherited(s *super, name string) (object.Object, *object.Class, bool) {
	class, ok := s.instance.(*object.Class)
	if inst, isInstance := s.instance.(*object.Instance); isInstance {
		class, ok = inst.Class, true
	}
	if !ok || s.class.BaseClass == nil {
		return nil, nil, false
	}
	member, ok := s.class.BaseClass.LookupMember(name)
	return member, class, ok
}

func (f *frame) superAttribute(s *super, name string) object.Object {
	member, class, ok := inherited(s, name)
	if !ok {
		return null
	}
	return f.bindMember(member, s.instance, class)
}

func (f *frame) findSuperMethod(s *super, name string) (fn, self, err object.Object) {
	member, class, ok := inherited(s, name)
	if !ok {
		if name == "__init__" {
			return noInit, nil, nil
		}
		return nil, nil, nil
	}
	return f.bindForCall(member, s.instance, class)
}

// noInit represents the __init__ of a class that has none.
var noInit = &object.Builtin{
	Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object { return null },
}

// callSpecial calls a special method of an instance, if its class has it.
func (f *frame) callSpecial(inst *object.Instance, name string, args ...object.Object) (object.Object, bool) {
	member, ok := inst.Class.LookupMember(name)
	if !ok || name == "" {
		return nil, false
	}
	fn, self, err := f.bindForCall(member, inst, inst.Class)
	if err != nil {
		return err, true
	}
	mark := f.m.mark()
	if self != nil {
		f.m.push(self)
	}
	f.m.args = append(f.m.args, args...)
	v := f.call(fn, f.m.since(mark), nil)
	f.m.pop(mark)
	return v, true
}

func hasSpecial(inst *object.Instance, name string) bool {
	_, ok := inst.Class.LookupMember(name)
	return ok
}

// propertySetter is the decorator that makes a property with a setter.
func propertySetter(p *property) object.Object {
	return &object.Builtin{
		HelpText: "setter(function) - Set the function that assigns the property",
		Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
			if err := errors.ExactArgs(args, 1); err != nil {
				return err
			}
			return newProperty(p.getter, args[0])
		},
	}
}
