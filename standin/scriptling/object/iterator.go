package object

import "unicode/utf8"

// Iterator yields objects one at a time and only once.
type Iterator struct {
	refusals
	next func() (Object, bool)
	done bool
}

// NewIterator returns an iterator over what next yields until it returns false.
func NewIterator(next func() (Object, bool)) *Iterator {
	return &Iterator{next: next}
}

// NewRangeIterator returns an iterator over the integers from start towards
// stop. A step of zero yields nothing.
func NewRangeIterator(start, stop, step int64) *Iterator {
	var left uint64
	switch {
	case step > 0 && start < stop:
		left = (uint64(stop)-uint64(start)-1)/uint64(step) + 1
	case step < 0 && start > stop:
		left = (uint64(start)-uint64(stop)-1)/-uint64(step) + 1
	}
	current := start
	return NewIterator(func() (Object, bool) {
		if left == 0 {
			return nil, false
		}
		left--
		value := current
		current += step
		return NewInteger(value), true
	})
}

func sliceIterator(elements []Object) *Iterator {
	i := 0
	return NewIterator(func() (Object, bool) {
		if i >= len(elements) {
			return nil, false
		}
		i++
		return elements[i-1], true
	})
}

// Next returns the next object, or false when there is none.
func (it *Iterator) Next() (Object, bool) {
	if it.done {
		return nil, false
	}
	obj, ok := it.next()
	if !ok {
		it.done = true
		return nil, false
	}
	return obj, true
}

func (it *Iterator) Type() ObjectType               { return ITERATOR_OBJ }
func (it *Iterator) Inspect() string                { return "<iterator>" }
func (it *Iterator) CoerceString() (string, Object) { return it.Inspect(), nil }

// AsBool returns true, also for an iterator at its end.
func (it *Iterator) AsBool() (bool, Object) { return true, nil }

// IterableToSlice returns the elements of an iterable. The slice may be the
// storage of the iterable itself; an iterator is consumed.
func IterableToSlice(obj Object) ([]Object, bool) {
	switch obj := obj.(type) {
	case *List:
		return obj.Elements, true
	case *Tuple:
		return obj.Elements, true
	case *String:
		out := make([]Object, 0, utf8.RuneCountInString(obj.value))
		for _, r := range obj.value {
			out = append(out, NewString(string(r)))
		}
		return out, true
	case *Bytes:
		out := make([]Object, len(obj.value))
		for i, b := range obj.value {
			out[i] = NewInteger(int64(b))
		}
		return out, true
	case *Iterator:
		return obj.drain(), true
	case *Set:
		return obj.list(), true
	case *Dict:
		return obj.CreateIterator().drain(), true
	case *DictKeys:
		return obj.CreateIterator().drain(), true
	case *DictValues:
		return obj.CreateIterator().drain(), true
	case *DictItems:
		return obj.CreateIterator().drain(), true
	}
	return nil, false
}

func (it *Iterator) drain() []Object {
	out := []Object{}
	for {
		obj, ok := it.Next()
		if !ok {
			return out
		}
		out = append(out, obj)
	}
}
