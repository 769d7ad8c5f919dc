package eval

import (
	"slices"
	"sort"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

var listMethods, tupleMethods map[string]method

func init() {
	listMethods = map[string]method{
		"append":  listAppend,
		"extend":  methodArity(1, 1, listExtend),
		"insert":  methodArity(2, 2, listInsert),
		"pop":     methodArity(0, 1, listPop),
		"remove":  methodArity(1, 1, listRemove),
		"index":   sequenceIndex,
		"count":   methodArity(1, 1, sequenceCount),
		"sort":    listSort,
		"reverse": noArgs(listReverse),
		"clear":   noArgs(listClear),
		"copy":    noArgs(listCopy),
	}
	tupleMethods = map[string]method{
		"index": sequenceIndex,
		"count": methodArity(1, 1, sequenceCount),
	}
}

func listAppend(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	list := self.(*object.List)
	list.Elements = append(list.Elements, args[0])
	return null
}

func listExtend(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	elements, err := args[0].AsList()
	if err != nil {
		return errors.ParameterError("iterable", err)
	}
	list := self.(*object.List)
	list.Elements = append(list.Elements, elements...)
	return null
}

func listInsert(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	i, err := intArg(args[0], "index")
	if err != nil {
		return err
	}
	list := self.(*object.List)
	n := len(list.Elements)
	if i < 0 {
		i = max(i+n, 0)
	}
	list.Elements = slices.Insert(list.Elements, min(i, n), args[1])
	return null
}

func listPop(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	list := self.(*object.List)
	if len(list.Elements) == 0 {
		return errors.NewError("pop from empty list")
	}
	at := -1
	if len(args) == 1 {
		var err object.Object
		if at, err = intArg(args[0], "index"); err != nil {
			return err
		}
	}
	i, ok := position(int64(at), len(list.Elements))
	if !ok {
		return errors.NewError("pop index out of range")
	}
	v := list.Elements[i]
	list.Elements = append(list.Elements[:i], list.Elements[i+1:]...)
	return v
}

func listRemove(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	list := self.(*object.List)
	for i, e := range list.Elements {
		if f.sameScalar(e, args[0]) {
			list.Elements = append(list.Elements[:i], list.Elements[i+1:]...)
			return null
		}
	}
	return errors.NewError("value not in list")
}

// sameScalar compares like the elements of containers, except that containers
// and instances are told by identity.
func (f *frame) sameScalar(a, b object.Object) bool {
	switch a.(type) {
	case *object.List, *object.Tuple, *object.Dict, *object.Set, *object.Instance:
		return a == b
	}
	return f.same(a, b)
}

func sequenceIndex(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 3); err != nil {
		return argumentsError(args, err)
	}
	elements, _ := sequence(self)
	bounds := &object.Slice{}
	for i, to := range []**object.Integer{&bounds.Start, &bounds.End} {
		if len(args) <= i+1 {
			break
		}
		n, ok := args[i+1].(*object.Integer)
		if !ok {
			return errors.NewError("%s: %s", []string{"start", "end"}[i], object.ErrMustBeInteger)
		}
		*to = n
	}
	r, _ := resolveSlice(bounds, len(elements))
	for i, e := range elements[r.start : r.start+r.count] {
		if f.sameScalar(e, args[0]) {
			return object.NewInteger(int64(r.start + i))
		}
	}
	if _, ok := self.(*object.Tuple); ok {
		return errors.NewError("value not in tuple")
	}
	return errors.NewError("value not in list")
}

// argumentsError reports a call without any argument like the methods that take
// exactly one.
func argumentsError(args []object.Object, err object.Object) object.Object {
	if len(args) == 0 {
		return errors.NewArgumentError(0, 1)
	}
	return err
}

func sequenceCount(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	elements, _ := sequence(self)
	n := 0
	for _, e := range elements {
		if f.sameScalar(e, args[0]) {
			n++
		}
	}
	return object.NewInteger(int64(n))
}

// listSort leaves items that cannot be compared in the order they have.
func listSort(f *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object {
	if err := errors.NoArgs(args); err != nil {
		return err
	}
	list := self.(*object.List)
	s, err := f.newSorter(list.Elements, kwargs)
	if err != nil {
		return err
	}
	s.lenient = true
	sort.Stable(s)
	if s.err != nil {
		return s.err
	}
	copy(list.Elements, s.items)
	return null
}

func listReverse(self object.Object) object.Object {
	slices.Reverse(self.(*object.List).Elements)
	return null
}

func listClear(self object.Object) object.Object {
	self.(*object.List).Elements = []object.Object{}
	return null
}

func listCopy(self object.Object) object.Object {
	return &object.List{Elements: slices.Clone(self.(*object.List).Elements)}
}
