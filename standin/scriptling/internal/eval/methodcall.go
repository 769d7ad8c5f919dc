package eval

import (
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

// method is a method of a built-in type. The args do not include self.
type method func(f *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object

// noArgs makes a method of a function of the value alone.
func noArgs(fn func(self object.Object) object.Object) method {
	return methodArity(0, 0, func(_ *frame, self object.Object, _ object.Kwargs, _ []object.Object) object.Object { return fn(self) })
}

// methodArity is arity for a method.
func methodArity(least, most int, fn method) method {
	return func(f *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object {
		if err := checkArity(args, least, most); err != nil {
			return err
		}
		return fn(f, self, kwargs, args)
	}
}

// methodCall evaluates obj.name(args).
func (f *frame) methodCall(e *ast.MethodCall) object.Object {
	obj := f.eval(e.Object)
	if isError(obj) {
		return obj
	}
	fn, self, err := f.findMethod(obj, e.Name)
	if err != nil {
		return err
	}
	mark := f.m.mark()
	if fn != nil && self != nil {
		f.m.push(self)
	}
	kwargs, err := f.pushArgs(&e.Args)
	if err != nil {
		f.m.pop(mark)
		return err
	}
	args := f.m.since(mark)
	var v object.Object
	if fn != nil {
		v = f.call(fn, args, kwargs)
	} else {
		v = f.callNative(obj, e.Name, kwargs, args)
	}
	f.m.pop(mark)
	return v
}

// callMethod calls obj.name from Go.
func (f *frame) callMethod(obj object.Object, name string, args []object.Object, kwargs map[string]object.Object) object.Object {
	fn, self, err := f.findMethod(obj, name)
	switch {
	case err != nil:
		return err
	case fn == nil:
		return f.callNative(obj, name, kwargs, args)
	case self != nil:
		args = withSelf(self, args)
	}
	return f.call(fn, args, kwargs)
}

// findMethod returns what obj.name(…) calls and the object to pass first, if
// any. A nil function represents the methods of the built-in types.
func (f *frame) findMethod(obj object.Object, name string) (fn, self, err object.Object) {
	switch obj := obj.(type) {
	case *object.Instance:
		return f.findInstanceMethod(obj, name)
	case *object.Dict:
		if pair, ok := obj.GetByString(name); ok && isCallable(pair.Value) {
			return pair.Value, nil, nil
		}
	case *object.Builtin:
		if v, ok := obj.Attributes[name]; ok {
			return v, nil, nil
		}
	case *object.Class:
		if member, ok := obj.LookupMember(name); ok {
			fn, self := bindToClass(member, obj)
			return fn, self, nil
		}
	case *super:
		return f.findSuperMethod(obj, name)
	case *property:
		if name == "setter" {
			return propertySetter(obj), nil, nil
		}
	}
	return nil, nil, nil
}

func isCallable(obj object.Object) bool {
	switch obj.(type) {
	case *object.Function, *object.LambdaFunction, *object.Builtin, *object.Class, *object.BoundMethod:
		return true
	}
	return false
}

// callNative calls a method of a built-in type.
func (f *frame) callNative(obj object.Object, name string, kwargs map[string]object.Object, args []object.Object) object.Object {
	if m, ok := methodsOf(obj)[name]; ok {
		return m(f, obj, object.Kwargs{Kwargs: kwargs}, args)
	}
	if dict, ok := obj.(*object.Dict); ok {
		if pair, ok := dict.GetByString(name); ok {
			if len(args) == 0 && len(kwargs) == 0 {
				return pair.Value
			}
			return errors.NewIdentifierError(name + " is not callable")
		}
	}
	if name == "type" && len(args) == 0 && len(kwargs) == 0 {
		return object.NewString(typeName(obj))
	}
	return errNoMethod(obj, name)
}

func methodsOf(obj object.Object) map[string]method {
	switch obj.(type) {
	case *object.String:
		return stringMethods
	case *object.List:
		return listMethods
	case *object.Dict:
		return dictMethods
	case *object.Set:
		return setMethods
	case *object.Tuple:
		return tupleMethods
	case *object.Bytes:
		return bytesMethods
	}
	return nil
}

func errNoMethod(obj object.Object, name string) object.Object {
	switch obj.(type) {
	case *object.String:
		return errors.NewIdentifierError(name)
	case *object.List:
		return errors.NewIdentifierError("list method " + name + " not found")
	case *object.Set:
		return errors.NewIdentifierError("set method " + name + " not found")
	case *object.Tuple:
		return errors.NewIdentifierError("tuple method " + name + " not found")
	case *object.Bytes:
		return errors.NewIdentifierError("bytes method " + name + " not found")
	case *object.Dict:
		return errors.NewIdentifierError("method " + name + " not found in library")
	case *object.Instance:
		return errors.NewError("instance has no method %s", name)
	}
	return errors.NewError("object %s has no method %s", obj.Type(), name)
}

// typeName is what type() gives.
func typeName(obj object.Object) string {
	if inst, ok := obj.(*object.Instance); ok {
		return inst.Class.Name
	}
	return obj.Type().String()
}
