package eval

import (
	"slices"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func init() {
	builtin("range", "range(start, stop, step) - Integers from start up to stop", arity(1, 3, builtinRange))
	builtin("iter", "iter(iterable) - Iterator over a value", one(builtinIter))
	builtin("next", "next(iterator, default) - Next item of an iterator", builtinNext)
	builtin("map", "map(function, *iterables) - Call a function for each item", builtinMap)
	builtin("filter", "filter(function, iterable) - Items for which a function is true", arity(2, 2, builtinFilter))
	builtin("zip", "zip(*iterables) - Tuples of items of several iterables", builtinZip)
	builtin("enumerate", "enumerate(iterable, start) - Tuples of position and item", builtinEnumerate)
	builtin("reversed", "reversed(sequence) - Items in reverse order", one(builtinReversed))
	builtin("sorted", "sorted(iterable, key=None, reverse=False) - Sorted list of items", arity(1, 1, builtinSorted))
	builtin("any", "any(iterable) - Whether some item is true", one(func(f *frame, v object.Object) object.Object {
		return f.findTruth(v, true)
	}))
	builtin("all", "all(iterable) - Whether every item is true", one(func(f *frame, v object.Object) object.Object {
		return f.findTruth(v, false)
	}))
	for name, view := range map[string]func(*object.Dict) object.Object{
		"keys":   func(d *object.Dict) object.Object { return &object.DictKeys{Dict: d} },
		"values": func(d *object.Dict) object.Object { return &object.DictValues{Dict: d} },
		"items":  func(d *object.Dict) object.Object { return &object.DictItems{Dict: d} },
	} {
		builtin(name, name+"(dict) - The "+name+" of a dict", one(func(_ *frame, v object.Object) object.Object {
			dict, ok := v.(*object.Dict)
			if !ok {
				return errors.NewTypeError("DICT", v.Type().String())
			}
			return view(dict)
		}))
	}
	builtin("append", "append(list, item) - Add an item to a list", func(f *frame, kwargs object.Kwargs, args []object.Object) object.Object {
		if err := errors.ExactArgs(args, 2); err != nil {
			return err
		}
		if _, ok := args[0].(*object.List); !ok {
			return errors.NewTypeError("LIST", args[0].Type().String())
		}
		return listAppend(f, args[0], kwargs, args[1:])
	})
}

func builtinRange(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	bounds := [3]int64{0, 0, 1}
	for i, arg := range args {
		n, ok := arg.(*object.Integer)
		if !ok {
			return errors.NewTypeError("INTEGER", arg.Type().String())
		}
		bounds[i] = n.IntValue()
	}
	if len(args) == 1 {
		bounds[0], bounds[1] = 0, bounds[0]
	}
	if bounds[2] == 0 {
		return errors.NewError("range step cannot be zero")
	}
	return object.NewRangeIterator(bounds[0], bounds[1], bounds[2])
}

func iteratorOver(elements []object.Object) object.Object {
	i := 0
	return object.NewIterator(func() (object.Object, bool) {
		if i >= len(elements) {
			return nil, false
		}
		i++
		return elements[i-1], true
	})
}

func builtinIter(f *frame, v object.Object) object.Object {
	switch v := v.(type) {
	case *object.Iterator:
		return v
	case *object.Instance:
		if it, ok := f.callSpecial(v, "__iter__"); ok {
			if _, ok := it.(*object.Instance); ok || failure(it) != nil {
				return it
			}
			return builtinIter(f, it)
		}
	}
	src, err := f.iterate(v)
	if err != nil {
		return err
	}
	return object.NewIterator(src.next)
}

func builtinNext(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 2); err != nil {
		return argumentsError(args, err)
	}
	var v object.Object
	ok := false
	switch it := args[0].(type) {
	case *object.Iterator:
		if v, ok = it.Next(); !ok {
			v = &object.Exception{Message: object.ExceptionTypeStopIteration, ExceptionType: object.ExceptionTypeStopIteration}
		}
	case *object.Instance:
		if v, ok = f.callSpecial(it, "__next__"); !ok {
			return errors.NewTypeError("ITERATOR", "INSTANCE")
		}
	default:
		return errors.NewTypeError("ITERATOR", it.Type().String())
	}
	if exc, ok := v.(*object.Exception); ok && len(args) == 2 && exc.ExceptionType == object.ExceptionTypeStopIteration {
		return args[1]
	}
	return v
}

// walkAll walks through several iterables in step until the shortest ends.
func (f *frame) walkAll(sources []source, visit func(items []object.Object) object.Object) object.Object {
	for {
		if err := f.tick(); err != nil {
			return err
		}
		items := make([]object.Object, len(sources))
		for i := range sources {
			var ok bool
			if items[i], ok = sources[i].next(); !ok {
				return sources[i].failure
			}
		}
		if err := visit(items); err != nil {
			return err
		}
	}
}

func builtinMap(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	if len(args) < 2 {
		return errors.NewError("map() requires at least 2 arguments")
	}
	sources := make([]source, len(args)-1)
	for i, arg := range args[1:] {
		var err object.Object
		if sources[i], err = f.iterate(arg); err != nil {
			return err
		}
	}
	fn := args[0]
	var out []object.Object
	err := f.walkAll(sources, func(items []object.Object) object.Object {
		v := f.call(fn, items, nil)
		if isError(v) {
			return v
		}
		out = append(out, v)
		return nil
	})
	return orError(iteratorOver(out), err)
}

func builtinFilter(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	src, err := f.iterate(args[1])
	if err != nil {
		return err
	}
	fn := args[0]
	var out []object.Object
	err = f.walkAll([]source{src}, func(items []object.Object) object.Object {
		v := items[0]
		if !isNone(fn) {
			if v = f.call(fn, items, nil); isError(v) {
				return v
			}
		}
		keep, err := f.truth(v)
		if keep {
			out = append(out, items[0])
		}
		return err
	})
	return orError(iteratorOver(out), err)
}

// isSequence reports whether enumerate, zip and reversed accept a value.
func isSequence(v object.Object) bool {
	switch v.(type) {
	case *object.List, *object.Tuple, *object.String, *object.Iterator:
		return true
	}
	return false
}

const sequenceTypes = "(LIST, TUPLE, STRING, ITERATOR, FLOAT_ARRAY)"

func builtinZip(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	sources := make([]source, len(args))
	for i, arg := range args {
		if !isSequence(arg) {
			return errors.NewTypeError("iterable "+sequenceTypes, arg.Type().String())
		}
		sources[i], _ = f.iterate(arg)
	}
	if len(sources) == 0 {
		return iteratorOver(nil)
	}
	var out []object.Object
	err := f.walkAll(sources, func(items []object.Object) object.Object {
		out = append(out, &object.Tuple{Elements: items})
		return nil
	})
	return orError(iteratorOver(out), err)
}

func builtinEnumerate(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 2); err != nil {
		return argumentsError(args, err)
	}
	if !isSequence(args[0]) {
		return errors.NewTypeError("iterable "+sequenceTypes, args[0].Type().String())
	}
	n := 0
	if len(args) == 2 {
		var err object.Object
		if n, err = intArg(args[1], "start"); err != nil {
			return err
		}
	}
	elements, err := f.collect(args[0])
	if err != nil {
		return err
	}
	out := make([]object.Object, len(elements))
	for i, v := range elements {
		out[i] = &object.Tuple{Elements: []object.Object{object.NewInteger(int64(n + i)), v}}
	}
	return iteratorOver(out)
}

func builtinReversed(f *frame, v object.Object) object.Object {
	if !isSequence(v) {
		return errors.NewTypeError("sequence "+sequenceTypes, v.Type().String())
	}
	elements, err := f.collect(v)
	if err != nil {
		return err
	}
	out := slices.Clone(elements)
	slices.Reverse(out)
	return iteratorOver(out)
}

// findTruth tells, for want == true, whether an item is true, and otherwise
// whether none is false.
func (f *frame) findTruth(iterable object.Object, want bool) object.Object {
	src, err := f.iterate(iterable)
	if err != nil {
		return err
	}
	for {
		if err := f.tick(); err != nil {
			return err
		}
		v, ok := src.next()
		if !ok {
			return orError(object.NewBoolean(!want), src.failure)
		}
		truth, err := f.truth(v)
		if err != nil {
			return err
		}
		if truth == want {
			return object.NewBoolean(want)
		}
	}
}
