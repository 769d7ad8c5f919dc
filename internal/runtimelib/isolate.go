package runtimelib

import (
	"errors"
	"fmt"

	"github.com/paularlott/scriptling/object"
)

// An isolator copies what passes between an isolated task and the interpreter that
// started it, so that they share nothing that scripts can write to: they run under
// different interpreter locks, and two writers of one map end the process.
//
// Immutable objects are shared. Containers are copied; a container that is reachable
// in two ways stays one. What belongs to the interpreter that it comes from (its
// functions and classes, their instances, its iterators) does not pass.
type isolator struct {
	home    *object.Environment             // global scope of the interpreter that the objects come from
	lenient bool                            // leave out members of dicts that do not pass
	copies  map[object.Object]object.Object // of containers; nil for one that does not pass
	request *object.Class                   // the copy of each class of HTTP
	parts   int
}

func newIsolator(home *object.Environment, lenient bool) *isolator {
	return &isolator{home: home, lenient: lenient, copies: map[object.Object]object.Object{}}
}

// refusal is the error for an object that does not pass.
type refusal struct{ kind object.ObjectType }

func (r refusal) Error() string {
	return fmt.Sprintf("a %s belongs to the interpreter that made it", r.kind)
}

var errTooManyParts = fmt.Errorf("more than %d parts or %d levels of nesting", maxArgParts, maxArgDepth)

// modules binds in own, the scope of a task, copies of the modules that a snapshot of
// env has bound there. Entries that do not pass are left out.
func (c *isolator) modules(own, env *object.Environment) error {
	global := env.GetGlobal()
	for name, module := range own.GetStore() {
		if _, ok := module.(*object.Dict); !ok {
			continue
		}
		// The snapshot has copied the module, perhaps more than once, and nothing
		// of what is in it.
		for _, scope := range []*object.Environment{env, global} {
			if original, ok := scope.Get(name); ok && original.Type() == object.DICT_OBJ {
				module = original
			}
		}
		isolated, err := c.copy(module, 0)
		if err != nil {
			return fmt.Errorf("the module %s: %w", name, err)
		}
		own.Set(name, isolated)
		own.MarkImportedBinding(name)
	}
	return nil
}

// copy returns o or a copy of it. The error is a refusal or errTooManyParts.
func (c *isolator) copy(o object.Object, depth int) (object.Object, error) {
	if c.parts++; c.parts > maxArgParts || depth > maxArgDepth {
		return nil, errTooManyParts
	}
	switch o := o.(type) {
	case nil:
		return &object.Null{}, nil
	case *object.Null, *object.Boolean, *object.Integer, *object.Float, *object.String, *object.Bytes, *object.Exception:
		return o, nil
	case *object.Builtin:
		if o.HelpText == sharedPromiseHelp { // its result is live
			return nil, refusal{o.Type()}
		}
		return o, nil
	case *object.List, *object.Tuple, *object.Set, *object.Dict, *object.Instance:
		return c.container(o, depth)
	case *object.Class:
		if isRequestClass(o) {
			if c.request == nil {
				c.request = newRequestClass()
			}
			return c.request, nil
		}
		return c.foreign(o, o.Env)
	case *object.Function:
		return c.foreign(o, o.Env)
	case *object.LambdaFunction:
		return c.foreign(o, o.Env)
	}
	if o.Type() == object.INSTANCE_OBJ { // a value of the host, such as a ClientWrapper
		return o, nil
	}
	return nil, refusal{o.Type()}
}

// foreign returns o, a function or class of env, unless it belongs to the
// interpreter that the objects come from. Those of Go and of script libraries do not.
func (c *isolator) foreign(o object.Object, env *object.Environment) (object.Object, error) {
	if env != nil {
		if root := env.Root(); root == nil || root == c.home {
			return nil, refusal{o.Type()}
		}
	}
	return o, nil
}

func (c *isolator) container(o object.Object, depth int) (object.Object, error) {
	if done, ok := c.copies[o]; ok {
		if done == nil {
			return nil, refusal{o.Type()}
		}
		return done, nil
	}
	copied, fill := c.begin(o)
	if copied == nil {
		return o, nil
	}
	c.copies[o] = copied
	err := fill(depth + 1)
	if err != nil {
		c.copies[o] = nil
		empty(copied) // something inside may hold it
		return nil, err
	}
	return copied, nil
}

// begin returns an empty copy of a container and the function that fills it, or
// nil for an instance of the host's.
func (c *isolator) begin(o object.Object) (object.Object, func(depth int) error) {
	switch o := o.(type) {
	case *object.List:
		list := &object.List{}
		return list, func(depth int) error { return c.sequence(&list.Elements, o.Elements, depth) }
	case *object.Tuple:
		tuple := &object.Tuple{}
		return tuple, func(depth int) error { return c.sequence(&tuple.Elements, o.Elements, depth) }
	case *object.Set:
		set := object.NewSet()
		return set, func(int) error {
			for key, element := range o.Elements {
				if !isFrozen(element) {
					return refusal{element.Type()}
				}
				set.AddKeyed(key, element)
			}
			return nil
		}
	case *object.Dict:
		dict := &object.Dict{Pairs: make(map[string]object.DictPair, len(o.Pairs))}
		return dict, func(depth int) error { return c.members(dict, o, depth) }
	case *object.Instance:
		if o.Class.Env == nil && !isRequestClass(o.Class) {
			return nil, nil
		}
		instance := object.NewInstance(o.Class)
		instance.NativeData = o.NativeData
		return instance, func(depth int) error { return c.fields(instance, o, depth) }
	}
	panic(fmt.Sprintf("%T is no container", o))
}

func (c *isolator) sequence(to *[]object.Object, elements []object.Object, depth int) error {
	*to = make([]object.Object, len(elements))
	for i, element := range elements {
		var err error
		if (*to)[i], err = c.copy(element, depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *isolator) members(to, from *object.Dict, depth int) error {
	for key, pair := range from.Pairs {
		var err error = refusal{pair.Key.Type()}
		if isFrozen(pair.Key) {
			pair.Value, err = c.copy(pair.Value, depth)
		}
		switch {
		case err == nil:
			to.Pairs[key] = pair
		case !c.lenient || !errors.As(err, new(refusal)):
			return err
		}
	}
	return nil
}

func (c *isolator) fields(to, from *object.Instance, depth int) error {
	class, err := c.copy(from.Class, depth)
	if err != nil {
		return err
	}
	to.Class = class.(*object.Class)
	for name, value := range from.FieldsSnapshot() {
		if value, err = c.copy(value, depth); err != nil {
			return err
		}
		to.SetField(name, value)
	}
	return nil
}

// isFrozen reports whether nothing can change o, which is so of what dicts and sets
// know by its content.
func isFrozen(o object.Object) bool {
	switch o := o.(type) {
	case *object.Null, *object.Boolean, *object.Integer, *object.Float, *object.String, *object.Bytes:
		return true
	case *object.Tuple:
		for _, element := range o.Elements {
			if !isFrozen(element) {
				return false
			}
		}
		return true
	}
	return false
}

func empty(o object.Object) {
	switch o := o.(type) {
	case *object.List:
		o.Elements = nil
	case *object.Tuple:
		o.Elements = nil
	case *object.Set:
		clear(o.Elements)
	case *object.Dict:
		clear(o.Pairs)
	case *object.Instance:
		for name := range o.FieldsSnapshot() {
			o.DeleteField(name)
		}
	}
}
