package eval

import (
	"maps"
	"slices"
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func init() {
	builtin("isinstance", "isinstance(obj, type) - Whether a value has a type", arity(2, 2, builtinIsInstance))
	builtin("issubclass", "issubclass(class, base) - Whether a class derives from another", arity(2, 2, builtinIsSubclass))
	builtin("hasattr", "hasattr(obj, name) - Whether an attribute exists", builtinHasAttr)
	builtin("getattr", "getattr(obj, name, default) - Read an attribute", builtinGetAttr)
	builtin("setattr", "setattr(obj, name, value) - Set an attribute", builtinSetAttr)
	builtin("delattr", "delattr(obj, name) - Delete an attribute", builtinDelAttr)
	builtin("dir", "dir(obj) - Names of the attributes of a value", one(builtinDir))
	builtin("super", "super() - Access to the methods of the base class", builtinSuper)
	builtin("property", "property(getter, setter) - Make a computed attribute", arity(1, 2, builtinProperty))
	builtin("staticmethod", "staticmethod(function) - Make a method without instance", one(func(_ *frame, v object.Object) object.Object {
		return newStaticMethod(v)
	}))
	builtin("classmethod", "classmethod(function) - Make a method of the class", one(func(_ *frame, v object.Object) object.Object {
		return newClassMethod(v)
	}))
}

// typeNames are the short names of types.
var typeNames = map[string]object.ObjectType{
	"int": object.INTEGER_OBJ, "str": object.STRING_OBJ, "float": object.FLOAT_OBJ,
	"bool": object.BOOLEAN_OBJ, "list": object.LIST_OBJ, "dict": object.DICT_OBJ,
	"tuple": object.TUPLE_OBJ, "set": object.SET_OBJ, "none": object.NULL_OBJ,
}

// isTypeNamed reports whether a value has the type of that name, in any case.
func isTypeNamed(v object.Object, name string) bool {
	if t, ok := typeNames[strings.ToLower(name)]; ok {
		return v.Type() == t
	}
	return strings.EqualFold(typeName(v), name) || strings.EqualFold(v.Type().String(), name)
}

func builtinIsInstance(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	is, ok := hasType(args[0], args[1], 0)
	if !ok {
		return errors.NewError("isinstance() arg 2 must be a type, string, or tuple of types")
	}
	return object.NewBoolean(is)
}

// hasType reports in ok whether t represents types.
func hasType(v, t object.Object, depth int) (is, ok bool) {
	switch t := t.(type) {
	case *object.String:
		return isTypeNamed(v, t.StringValue()), true
	case *object.Class:
		inst, ok := v.(*object.Instance)
		return ok && derives(inst.Class, t), true
	case *object.Builtin:
		for _, name := range []string{"int", "str", "float", "bool", "list", "dict", "tuple"} {
			if builtins[name] == t {
				return v.Type() == typeNames[name], true
			}
		}
	case *object.List, *object.Tuple:
		if depth > maxCompareDepth {
			return false, false
		}
		elements, _ := sequence(t)
		for _, e := range elements {
			one, ok := hasType(v, e, depth+1)
			if !ok {
				return false, false
			}
			is = is || one
		}
		return is, true
	}
	return false, false
}

func derives(class, base *object.Class) bool {
	for ; class != nil; class = class.BaseClass {
		if class == base {
			return true
		}
	}
	return false
}

func builtinIsSubclass(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	class, ok := args[0].(*object.Class)
	if !ok {
		return errors.NewError("issubclass() arg 1 must be a class")
	}
	bases, ok := sequence(args[1])
	if !ok {
		bases = args[1:]
	}
	for _, b := range bases {
		base, ok := b.(*object.Class)
		if !ok {
			return errors.NewError("issubclass() arg 2 must be a class or tuple of classes")
		}
		if derives(class, base) {
			return object.NewBoolean(true)
		}
	}
	return object.NewBoolean(false)
}

// attrArgs checks the first two arguments of the attribute functions.
func attrArgs(args []object.Object, least, most int) (name string, err object.Object) {
	if err := checkArity(args, least, most); err != nil {
		return "", err
	}
	return stringArg(args[1], "name")
}

// lookupAttr finds an attribute of an instance or dict.
func (f *frame) lookupAttr(obj object.Object, name string) (object.Object, bool) {
	switch obj := obj.(type) {
	case *object.Instance:
		if !obj.HasField(name) && !hasSpecial(obj, name) {
			return nil, false
		}
		return f.instanceAttribute(obj, name), true
	case *object.Dict:
		pair, ok := obj.GetByString(name)
		return pair.Value, ok
	}
	return nil, false
}

func builtinHasAttr(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	name, err := attrArgs(args, 2, 2)
	if err != nil {
		return err
	}
	switch obj := args[0].(type) {
	case *object.Instance:
		return object.NewBoolean(obj.HasField(name) || hasSpecial(obj, name))
	case *object.Dict:
		return object.NewBoolean(obj.HasByString(name))
	}
	return object.NewBoolean(false)
}

func builtinGetAttr(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	name, err := attrArgs(args, 2, 3)
	if err != nil {
		return err
	}
	v, ok := f.lookupAttr(args[0], name)
	switch {
	case ok:
		return v
	case len(args) == 3:
		return args[2]
	}
	return errNoAttribute(args[0].Type().String(), name)
}

func builtinSetAttr(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	name, err := attrArgs(args, 3, 3)
	if err != nil {
		return err
	}
	return orError(null, f.setAttribute(args[0], name, args[2]))
}

func builtinDelAttr(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	name, err := attrArgs(args, 2, 2)
	if err != nil {
		return err
	}
	return f.deleteAttribute(args[0], name)
}

func builtinDir(_ *frame, v object.Object) object.Object {
	names := map[string]bool{}
	var class *object.Class
	switch v := v.(type) {
	case *object.Instance:
		v.RangeFields(func(name string, _ object.Object) bool {
			names[name] = true
			return true
		})
		class = v.Class
	case *object.Class:
		class = v
	case *object.Dict:
		for _, pair := range v.Pairs {
			names[pair.StringKey()] = true
		}
	}
	for ; class != nil; class = class.BaseClass {
		for name := range class.Methods {
			names[name] = true
		}
	}
	return stringList(slices.Sorted(maps.Keys(names)))
}

func builtinSuper(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	switch len(args) {
	case 0:
		if f.fn == nil || f.fn.Owner == nil || f.self == nil {
			return &object.Error{Message: "super(): no arguments", ExceptionType: object.ExceptionTypeRuntimeError}
		}
		return newSuper(f.fn.Owner, f.self)
	case 2:
		class, ok := args[0].(*object.Class)
		if !ok {
			return errors.NewTypeError("CLASS", args[0].Type().String())
		}
		return newSuper(class, args[1])
	}
	return errors.NewArgumentError(len(args), 2)
}

func builtinProperty(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	if len(args) == 1 {
		return newProperty(args[0], nil)
	}
	return newProperty(args[0], args[1])
}
