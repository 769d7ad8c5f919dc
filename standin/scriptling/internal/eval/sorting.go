package eval

import (
	"sort"

	"github.com/paularlott/scriptling/object"
)

// sorter sorts items by their keys.
type sorter struct {
	ordering
	items   []object.Object
	keys    []object.Object // nil when the items are their own keys
	reverse bool
}

// newSorter reads the arguments key and reverse. An exception raised by the key
// function is a value, an error is a failure.
func (f *frame) newSorter(elements []object.Object, kwargs object.Kwargs) (*sorter, object.Object) {
	s := &sorter{ordering: ordering{f: f}, items: append([]object.Object{}, elements...)}
	if v := kwargs.Get("reverse"); v != nil {
		var err object.Object
		if s.reverse, err = f.truth(v); err != nil {
			return nil, err
		}
	}
	key := kwargs.Get("key")
	if key == nil || isNone(key) {
		return s, nil
	}
	s.keys = make([]object.Object, len(s.items))
	for i, item := range s.items {
		v := f.call(key, []object.Object{item}, nil)
		if isError(v) {
			return nil, v
		}
		s.keys[i] = v
	}
	return s, nil
}

func (s *sorter) Len() int { return len(s.items) }

func (s *sorter) Swap(i, j int) {
	s.items[i], s.items[j] = s.items[j], s.items[i]
	if s.keys != nil {
		s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
	}
}

func (s *sorter) Less(i, j int) bool {
	if s.err == nil {
		s.err = s.f.tick()
	}
	if s.reverse {
		i, j = j, i
	}
	if s.keys != nil {
		return s.less(s.keys[i], s.keys[j])
	}
	return s.less(s.items[i], s.items[j])
}

func builtinSorted(f *frame, kwargs object.Kwargs, args []object.Object) object.Object {
	elements, err := f.collect(args[0])
	if err != nil {
		return err
	}
	s, err := f.newSorter(elements, kwargs)
	if err != nil {
		return err
	}
	for _, key := range s.keys {
		if exc, ok := key.(*object.Exception); ok {
			return exc
		}
	}
	sort.Stable(s)
	if s.err != nil {
		return s.err
	}
	return &object.List{Elements: s.items}
}
