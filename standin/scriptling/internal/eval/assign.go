package eval

import (
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

func errAssign(what string) object.Object { return errors.NewError("cannot assign to %s", what) }

func (f *frame) assignment(s *ast.Assign) (object.Object, signal) {
	v := f.eval(s.Value)
	switch v.(type) {
	case *object.Error:
		return v, sigFail
	case *object.Exception:
		if !unpacks(s.Targets) {
			return v, sigFail
		}
	}
	for _, target := range s.Targets {
		if err := f.assign(target, v); err != nil {
			return err, sigFail
		}
	}
	return null, sigNone
}

func unpacks(targets []ast.Expr) bool {
	_, ok := targets[len(targets)-1].(*ast.UnpackTarget)
	return ok
}

func (f *frame) assign(target ast.Expr, v object.Object) object.Object {
	switch target := target.(type) {
	case *ast.Ident:
		f.env.Set(target.Name, v)
		return nil
	case *ast.UnpackTarget:
		return f.unpack(target, v)
	}
	ref, err := f.reference(target)
	if err != nil {
		return err
	}
	return ref.set(f, v)
}

func (f *frame) unpack(target *ast.UnpackTarget, v object.Object) object.Object {
	elements, ok := sequence(v)
	if !ok {
		return errors.NewTypeError("list or tuple", v.Type().String())
	}
	names, star := target.Names, target.Star
	if star < 0 {
		if len(elements) != len(names) {
			return errors.NewError("cannot unpack %d values to %d variables", len(elements), len(names))
		}
		for i, name := range names {
			f.env.Set(name, elements[i])
		}
		return nil
	}
	if len(elements) < len(names)-1 {
		return errors.NewError("not enough values to unpack (expected at least %d, got %d)", len(names)-1, len(elements))
	}
	after := len(names) - star - 1
	for i, name := range names[:star] {
		f.env.Set(name, elements[i])
	}
	rest := append([]object.Object{}, elements[star:len(elements)-after]...)
	f.env.Set(names[star], &object.List{Elements: rest})
	for i, name := range names[star+1:] {
		f.env.Set(name, elements[len(elements)-after+i])
	}
	return nil
}

// reference is an attribute or item that can be read, assigned and deleted.
type reference struct {
	obj  object.Object
	key  object.Object // nil for an attribute
	name string
}

// reference evaluates the parts of an assignment target. Errors in them are
// reported as a bare failure of the assignment.
func (f *frame) reference(target ast.Expr) (reference, object.Object) {
	ref, err := f.evalReference(target)
	if err != nil {
		return ref, errors.NewError("assignment error")
	}
	if ref.obj == nil {
		return ref, errAssign("expression")
	}
	return ref, nil
}

// evalReference returns a reference without an object for an expression that is
// neither an attribute nor an item.
func (f *frame) evalReference(target ast.Expr) (ref reference, err object.Object) {
	switch target := target.(type) {
	case *ast.Attribute:
		ref.name = target.Name
		ref.obj = f.eval(target.Object)
	case *ast.Index:
		ref.obj = f.eval(target.Object)
		if isError(ref.obj) {
			return ref, ref.obj
		}
		ref.key = f.eval(target.Key)
		if isError(ref.key) {
			return ref, ref.key
		}
	}
	if isError(ref.obj) {
		return ref, ref.obj
	}
	return ref, nil
}

func (r reference) get(f *frame) object.Object {
	if r.key == nil {
		return f.attribute(r.obj, r.name)
	}
	return f.index(r.obj, r.key)
}

// set returns nil or the failure of the assignment.
func (r reference) set(f *frame, v object.Object) object.Object {
	if r.key == nil {
		return f.setAttribute(r.obj, r.name, v)
	}
	return f.setItem(r.obj, r.key, v)
}

func (f *frame) setAttribute(obj object.Object, name string, v object.Object) object.Object {
	switch obj := obj.(type) {
	case *object.Instance:
		if member, ok := obj.Class.LookupMember(name); ok {
			if p, ok := member.(*property); ok {
				return f.setProperty(p, obj, name, v)
			}
		}
		obj.SetField(name, v)
		return nil
	case *object.Class:
		if obj.Methods == nil {
			obj.Methods = map[string]object.Object{}
		}
		obj.Methods[name] = v
		obj.InvalidateLookupCache()
		return nil
	case *object.Dict:
		obj.SetByString(name, v)
		return nil
	}
	return errAssign("index")
}

func (f *frame) setProperty(p *property, inst *object.Instance, name string, v object.Object) object.Object {
	if p.setter == nil {
		return &object.Error{
			Message:       "can't set attribute '" + name + "': property is read-only",
			ExceptionType: object.ExceptionTypeAttributeError,
		}
	}
	return failure(f.call(p.setter, []object.Object{inst, v}, nil))
}

// failure returns v if it is an error or an exception, and nil otherwise.
func failure(v object.Object) object.Object {
	switch v.(type) {
	case *object.Error, *object.Exception:
		return v
	}
	return nil
}

func (f *frame) setItem(obj, key, v object.Object) object.Object {
	switch obj := obj.(type) {
	case *object.Dict:
		obj.Pairs[f.dictKey(key)] = object.DictPair{Key: key, Value: v}
		return nil
	case *object.List:
		n, ok := key.(*object.Integer)
		if !ok {
			return errAssign("index")
		}
		i, ok := position(n.IntValue(), len(obj.Elements))
		if !ok {
			return errors.NewError(errors.ErrIndexOutOfRange)
		}
		obj.Elements[i] = v
		return nil
	case *object.Instance:
		if result, ok := f.callSpecial(obj, "__setitem__", key, v); ok {
			return failure(result)
		}
	}
	return errAssign("index")
}

// position turns an index, negative ones counting from the end, into an offset.
func position(i int64, length int) (int, bool) {
	if i < 0 {
		i += int64(length)
	}
	if i < 0 || i >= int64(length) {
		return 0, false
	}
	return int(i), true
}

func (f *frame) augmented(s *ast.AugAssign) (object.Object, signal) {
	var ref reference
	var old object.Object
	name, isName := s.Target.(*ast.Ident)
	if isName {
		old = f.eval(name)
	} else {
		var err object.Object
		if ref, err = f.evalReference(s.Target); err != nil {
			return err, sigFail
		}
		if ref.obj == nil {
			return errAssign("expression"), sigFail
		}
		old = ref.get(f)
	}
	if isError(old) {
		return old, sigFail
	}
	operand, sig := outcome(f.eval(s.Value))
	if sig == sigFail {
		return operand, sig
	}
	v, sig := outcome(f.binary(s.Op, old, operand))
	if sig == sigFail {
		return v, sig
	}
	if isName {
		f.env.Set(name.Name, v)
	} else if err := ref.set(f, v); err != nil {
		return err, sigFail
	}
	return null, sigNone
}

// del deletes a target; the result is None or a failure.
func (f *frame) del(target ast.Expr) object.Object {
	switch target := target.(type) {
	case *ast.Ident:
		return f.deleteName(target.Name)
	case *ast.SliceExpr:
		obj := f.eval(target.Object)
		list, ok := obj.(*object.List)
		if !ok {
			return errors.NewError("deletion error")
		}
		return f.deleteSlice(list, target)
	}
	ref, err := f.evalReference(target)
	if err != nil || ref.obj == nil {
		return errors.NewError("deletion error")
	}
	if ref.key == nil {
		return f.deleteAttribute(ref.obj, ref.name)
	}
	return f.deleteItem(ref.obj, ref.key)
}

func (f *frame) deleteName(name string) object.Object {
	env := f.env
	if bridge.IsGlobal(env, name) {
		env = env.Root()
	}
	if _, ok := env.GetStore()[name]; !ok {
		return errors.NewIdentifierError(name)
	}
	env.Delete(name)
	return null
}

func (f *frame) deleteAttribute(obj object.Object, name string) object.Object {
	kind := obj.Type().String()
	switch obj := obj.(type) {
	case *object.Instance:
		if obj.HasField(name) {
			obj.DeleteField(name)
			return null
		}
		kind = obj.Class.Name
	case *object.Class:
		if _, ok := obj.Methods[name]; ok {
			delete(obj.Methods, name)
			obj.InvalidateLookupCache()
			return null
		}
	case *object.Dict:
		if obj.DeleteByString(name) {
			return null
		}
	}
	return errNoAttribute(kind, name)
}

func errNoAttribute(kind, name string) object.Object {
	return &object.Error{
		Message:       "'" + kind + "' object has no attribute '" + name + "'",
		ExceptionType: object.ExceptionTypeAttributeError,
	}
}

func (f *frame) deleteItem(obj, key object.Object) object.Object {
	switch obj := obj.(type) {
	case *object.Dict:
		k := f.dictKey(key)
		if _, ok := obj.Pairs[k]; !ok {
			return &object.Error{Message: key.Inspect(), ExceptionType: object.ExceptionTypeKeyError}
		}
		delete(obj.Pairs, k)
		return null
	case *object.List:
		n, ok := key.(*object.Integer)
		if !ok {
			return errors.NewTypeError("INTEGER", key.Type().String())
		}
		i, ok := position(n.IntValue(), len(obj.Elements))
		if !ok {
			return &object.Error{Message: "list index out of range", ExceptionType: object.ExceptionTypeIndexError}
		}
		obj.Elements = append(obj.Elements[:i], obj.Elements[i+1:]...)
		return null
	case *object.Instance:
		if result, ok := f.callSpecial(obj, "__delitem__", key); ok {
			if err := failure(result); err != nil {
				return err
			}
			return null
		}
	}
	return errors.NewError("deletion error")
}

func (f *frame) deleteSlice(list *object.List, s *ast.SliceExpr) object.Object {
	bounds, err := f.sliceObject(s)
	if err != nil {
		return errors.NewError("deletion error")
	}
	r, err := resolveSlice(bounds, len(list.Elements))
	if err != nil {
		return err
	}
	drop := make(map[int]bool, r.count)
	for i := range r.count {
		drop[r.start+i*r.step] = true
	}
	kept := make([]object.Object, 0, len(list.Elements)-r.count)
	for i, e := range list.Elements {
		if !drop[i] {
			kept = append(kept, e)
		}
	}
	list.Elements = kept
	return null
}
