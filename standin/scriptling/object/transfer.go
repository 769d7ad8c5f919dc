package object

import (
	"errors"
	"fmt"
	"runtime"
)

// maxTransferDepth bounds the recursion through nested containers.
const maxTransferDepth = 10000

// ValidateTransferable reports whether obj may be handed to an isolated task:
// None, bool, int, float, str, and containers of those without cycles.
func ValidateTransferable(obj Object) error {
	return validator{open: map[Object]bool{}}.check(obj)
}

type validator struct{ open map[Object]bool }

func (v validator) check(obj Object) error {
	kind := ""
	switch obj.(type) {
	case *Null, *Boolean, *Integer, *Float, *String:
		return nil
	case *List:
		kind = "list"
	case *Dict:
		kind = "dict"
	case *Set:
		kind = "set"
	case *Tuple:
		kind = "tuple"
	default:
		return fmt.Errorf("%s is not transferable to background tasks (allowed: None, bool, int, float, str, list, dict, set, tuple)", obj.Type())
	}
	if v.open[obj] {
		return errors.New("circular reference in " + kind)
	}
	if len(v.open) >= maxTransferDepth {
		return errors.New(kind + " is nested too deeply")
	}
	v.open[obj] = true
	defer delete(v.open, obj)
	return v.elements(obj)
}

func (v validator) elements(obj Object) error {
	switch obj := obj.(type) {
	case *List:
		return v.sequence("list", obj.Elements)
	case *Tuple:
		return v.sequence("tuple", obj.Elements)
	case *Set:
		for _, e := range obj.Elements {
			if err := v.check(e); err != nil {
				return fmt.Errorf("set element %q: %w", e.Inspect(), err)
			}
		}
	case *Dict:
		for _, pair := range obj.Pairs {
			if err := v.check(pair.Key); err != nil {
				return fmt.Errorf("dict key %q: %w", pair.StringKey(), err)
			}
			if err := v.check(pair.Value); err != nil {
				return fmt.Errorf("dict[%q]: %w", pair.StringKey(), err)
			}
		}
	}
	return nil
}

func (v validator) sequence(kind string, elements []Object) error {
	for i, e := range elements {
		if err := v.check(e); err != nil {
			return fmt.Errorf("%s[%d]: %w", kind, i, err)
		}
	}
	return nil
}

// CloneObject returns a deep copy of a list, tuple, dict, set or instance (its
// fields, not its NativeData). Everything else is returned as it is.
func CloneObject(obj Object) Object {
	return cloner{open: map[Object]Object{}}.clone(obj)
}

// cloner maps the containers being copied to their copies, so that one that
// contains itself ends up in its own copy.
type cloner struct{ open map[Object]Object }

func (c cloner) clone(obj Object) Object {
	switch obj.(type) {
	case *List, *Tuple, *Dict, *Set, *Instance:
		if made, ok := c.open[obj]; ok {
			return made
		}
	}
	switch src := obj.(type) {
	case *List:
		dst := &List{}
		defer c.enter(src, dst)()
		dst.Elements = c.sequence(src.Elements)
		return dst
	case *Tuple:
		dst := &Tuple{}
		defer c.enter(src, dst)()
		dst.Elements = c.sequence(src.Elements)
		return dst
	case *Dict:
		dst := &Dict{Pairs: make(map[string]DictPair, len(src.Pairs))}
		defer c.enter(src, dst)()
		for _, pair := range src.Pairs {
			key := c.clone(pair.Key)
			dst.Pairs[DictKey(key)] = DictPair{Key: key, Value: c.clone(pair.Value)}
		}
		return dst
	case *Set:
		dst := NewSet()
		defer c.enter(src, dst)()
		for _, e := range src.Elements {
			e = c.clone(e)
			dst.Elements[DictKey(e)] = e
		}
		return dst
	case *Instance:
		dst := &Instance{Class: src.Class}
		defer c.enter(src, dst)()
		for name, value := range src.fields {
			dst.SetField(name, c.clone(value))
		}
		return dst
	}
	return obj
}

func (c cloner) enter(src, dst Object) (leave func()) {
	c.open[src] = dst
	return func() { delete(c.open, src) }
}

func (c cloner) sequence(elements []Object) []Object {
	out := make([]Object, len(elements))
	for i, e := range elements {
		out[i] = c.clone(e)
	}
	return out
}

// ClientWrapper carries a Go value that scripts can hold but not look into.
type ClientWrapper struct {
	refusals
	TypeName string
	Client   any
}

func (c *ClientWrapper) Type() ObjectType       { return INSTANCE_OBJ }
func (c *ClientWrapper) AsBool() (bool, Object) { return true, nil }

// Inspect returns the type name in angle brackets.
func (c *ClientWrapper) Inspect() string {
	if c.TypeName == "" {
		return "<client>"
	}
	return "<" + c.TypeName + ">"
}

func (c *ClientWrapper) CoerceString() (string, Object) { return c.Inspect(), nil }

// GetClientField returns the ClientWrapper in a field of an instance.
func GetClientField(instance *Instance, field string) (*ClientWrapper, bool) {
	c, ok := instance.fields[field].(*ClientWrapper)
	return c, ok
}

// SetGCReleaseHook calls hook some time after target, a pointer that hook must
// not refer to, became unreachable.
func SetGCReleaseHook(target any, hook func()) (err error) {
	if target == nil || hook == nil {
		return errors.New("release hook needs a target and a function")
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("release hook: %v", r)
		}
	}()
	runtime.SetFinalizer(target, func(any) { hook() })
	return nil
}
