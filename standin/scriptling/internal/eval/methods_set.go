package eval

import (
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

var setMethods map[string]method

func init() {
	setMethods = map[string]method{
		"add":                  methodArity(1, 1, setAdd),
		"remove":               setRemove,
		"discard":              setDiscard,
		"pop":                  noArgs(setPop),
		"clear":                noArgs(setClear),
		"copy":                 noArgs(func(self object.Object) object.Object { return self.(*object.Set).Copy() }),
		"union":                combineSets((*object.Set).Union),
		"intersection":         combineSets((*object.Set).Intersection),
		"difference":           combineSets((*object.Set).Difference),
		"symmetric_difference": combineSets((*object.Set).SymmetricDifference),
		"issubset":             testSets((*object.Set).IsSubset),
		"issuperset":           testSets((*object.Set).IsSuperset),
	}
}

func setAdd(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := f.addToSet(self.(*object.Set), args[0]); err != nil {
		return err
	}
	return null
}

// setKey checks the argument of remove and discard.
func (f *frame) setKey(args []object.Object) (string, object.Object) {
	if err := errors.ExactArgs(args, 1); err != nil {
		return "", err
	}
	if !object.IsHashable(args[0]) {
		return "", errUnhashable(args[0])
	}
	return f.dictKey(args[0]), nil
}

func setRemove(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	key, err := f.setKey(args)
	if err != nil {
		return err
	}
	set := self.(*object.Set)
	if !set.ContainsKeyed(key) {
		return errors.NewError("KeyError: %s", args[0].Inspect())
	}
	delete(set.Elements, key)
	return null
}

func setDiscard(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	key, err := f.setKey(args)
	if err != nil {
		return err
	}
	delete(self.(*object.Set).Elements, key)
	return null
}

func setPop(self object.Object) object.Object {
	set := self.(*object.Set)
	for key, v := range set.Elements {
		delete(set.Elements, key)
		return v
	}
	return errors.NewError("pop from an empty set")
}

func setClear(self object.Object) object.Object {
	clear(self.(*object.Set).Elements)
	return null
}

func setArg(args []object.Object) (*object.Set, object.Object) {
	if err := errors.ExactArgs(args, 1); err != nil {
		return nil, err
	}
	set, ok := args[0].(*object.Set)
	if !ok {
		return nil, errors.NewTypeError("SET", args[0].Type().String())
	}
	return set, nil
}

func combineSets(combine func(a, b *object.Set) *object.Set) method {
	return func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		other, err := setArg(args)
		if err != nil {
			return err
		}
		return combine(self.(*object.Set), other)
	}
}

func testSets(test func(a, b *object.Set) bool) method {
	return func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		other, err := setArg(args)
		if err != nil {
			return err
		}
		return object.NewBoolean(test(self.(*object.Set), other))
	}
}
