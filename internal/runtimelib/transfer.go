package runtimelib

import (
	"fmt"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// Limits of the arguments of one task, all of them together. They hold before
// the interpreter's own functions check and copy the arguments, which take a
// list that is twice in another for two lists, and have no limit.
const (
	maxArgDepth = 500     // levels of nesting
	maxArgParts = 1 << 20 // elements, keys and values in what the copies will be
)

// transfer replaces the arguments of an isolated task by copies.
func transfer(positional []object.Object, keywords map[string]object.Object) object.Object {
	w := walk{onPath: map[object.Object]bool{}}
	copied := func(what string, arg object.Object) (object.Object, object.Object) {
		err := w.check(arg, 0)
		if err == nil {
			err = object.ValidateTransferable(arg)
		}
		if err != nil {
			return nil, errors.NewError("background %s: %s", what, err)
		}
		return object.CloneObject(arg), nil
	}
	var err object.Object
	for i, arg := range positional {
		if positional[i], err = copied(fmt.Sprintf("arg %d", i), arg); err != nil {
			return err
		}
	}
	for name, arg := range keywords {
		if keywords[name], err = copied(fmt.Sprintf("kwarg '%s'", shown(name)), arg); err != nil {
			return err
		}
	}
	return nil
}

// walk goes through arguments as the copying will.
type walk struct {
	onPath map[object.Object]bool
	parts  int
}

func (w *walk) check(o object.Object, depth int) error {
	if w.parts++; w.parts > maxArgParts {
		return fmt.Errorf("has more than %d parts, each counted as often as it occurs; store it with kv and pass the key", maxArgParts)
	}
	kind := containerKind(o)
	if kind == "" {
		return nil
	}
	switch {
	case w.onPath[o]:
		return fmt.Errorf("circular reference in %s", kind)
	case depth == maxArgDepth:
		return fmt.Errorf("%s is nested more than %d levels; pass its parts one by one", kind, maxArgDepth)
	}
	w.onPath[o] = true
	err := w.elements(o, depth+1)
	delete(w.onPath, o)
	return err
}

func containerKind(o object.Object) string {
	switch o.(type) {
	case *object.List:
		return "list"
	case *object.Tuple:
		return "tuple"
	case *object.Dict:
		return "dict"
	case *object.Set:
		return "set"
	}
	return ""
}

func (w *walk) elements(o object.Object, depth int) error {
	switch o := o.(type) {
	case *object.List:
		return w.sequence("list", o.Elements, depth)
	case *object.Tuple:
		return w.sequence("tuple", o.Elements, depth)
	case *object.Set:
		for _, el := range o.Elements {
			if err := w.check(el, depth); err != nil {
				return below(err, depth, fmt.Sprintf("set element %s: ", keyText(el)))
			}
		}
	case *object.Dict:
		for _, p := range o.Pairs {
			if err := w.check(p.Key, depth); err != nil {
				return below(err, depth, fmt.Sprintf("dict key %s: ", keyText(p.Key)))
			}
			if err := w.check(p.Value, depth); err != nil {
				return below(err, depth, fmt.Sprintf("dict[%s]: ", keyText(p.Key)))
			}
		}
	}
	return nil
}

func (w *walk) sequence(kind string, elems []object.Object, depth int) error {
	for i, el := range elems {
		if err := w.check(el, depth); err != nil {
			return below(err, depth, fmt.Sprintf("%s[%d]: ", kind, i))
		}
	}
	return nil
}

// maxPathSteps is how many of the outermost steps an error shows.
const maxPathSteps = 8

func below(err error, depth int, step string) error {
	if depth > maxPathSteps {
		return err
	}
	return fmt.Errorf("%s%w", step, err)
}

const maxKeyRunes = 40

func keyText(key object.Object) string {
	s, ok := key.(*object.String)
	if !ok {
		return key.Type().String()
	}
	text := []rune(s.StringValue()[:min(len(s.StringValue()), 4*maxKeyRunes)])
	if len(text) > maxKeyRunes {
		return fmt.Sprintf("%q...", string(text[:maxKeyRunes]))
	}
	return fmt.Sprintf("%q", string(text))
}
