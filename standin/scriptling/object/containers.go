package object

import "maps"

// List is a mutable sequence.
type List struct {
	refusals
	Elements []Object
}

func (l *List) Type() ObjectType               { return LIST_OBJ }
func (l *List) Inspect() string                { return inspect(l) }
func (l *List) AsBool() (bool, Object)         { return len(l.Elements) > 0, nil }
func (l *List) AsList() ([]Object, Object)     { return append([]Object{}, l.Elements...), nil }
func (l *List) CoerceString() (string, Object) { return l.Inspect(), nil }

// Tuple is an immutable sequence.
type Tuple struct {
	refusals
	Elements []Object
}

func (t *Tuple) Type() ObjectType               { return TUPLE_OBJ }
func (t *Tuple) Inspect() string                { return inspect(t) }
func (t *Tuple) AsBool() (bool, Object)         { return len(t.Elements) > 0, nil }
func (t *Tuple) AsList() ([]Object, Object)     { return append([]Object{}, t.Elements...), nil }
func (t *Tuple) CoerceString() (string, Object) { return t.Inspect(), nil }

// DictPair is an entry of a Dict.
type DictPair struct {
	Key   Object
	Value Object
}

// StringKey returns the text of the key.
func (p DictPair) StringKey() string {
	if s, ok := p.Key.(*String); ok {
		return s.value
	}
	return p.Key.Inspect()
}

// Dict maps keys to values without an order. Pairs is keyed by DictKey.
type Dict struct {
	refusals
	Pairs map[string]DictPair
}

// NewStringDict returns a Dict with the given entries.
func NewStringDict(entries map[string]Object) *Dict {
	d := &Dict{Pairs: make(map[string]DictPair, len(entries))}
	for name, value := range entries {
		d.SetByString(name, value)
	}
	return d
}

// GetByString returns the entry of a string key.
func (d *Dict) GetByString(name string) (DictPair, bool) {
	pair, ok := d.Pairs[DictStringKey(name)]
	return pair, ok
}

// SetByString sets the entry of a string key.
func (d *Dict) SetByString(name string, value Object) {
	d.Pairs[DictStringKey(name)] = DictPair{Key: NewString(name), Value: value}
}

// HasByString reports whether a string key has an entry.
func (d *Dict) HasByString(name string) bool {
	_, ok := d.Pairs[DictStringKey(name)]
	return ok
}

// DeleteByString removes the entry of a string key and reports whether it existed.
func (d *Dict) DeleteByString(name string) bool {
	key := DictStringKey(name)
	_, ok := d.Pairs[key]
	delete(d.Pairs, key)
	return ok
}

// CreateIterator returns an iterator over the keys.
func (d *Dict) CreateIterator() *Iterator {
	return d.iterate(func(p DictPair) Object { return p.Key })
}

// iterate walks the entries that exist now, without the entries that are deleted
// before their turn.
func (d *Dict) iterate(pick func(DictPair) Object) *Iterator {
	keys := make([]string, 0, len(d.Pairs))
	for key := range d.Pairs {
		keys = append(keys, key)
	}
	return NewIterator(func() (Object, bool) {
		for len(keys) > 0 {
			pair, ok := d.Pairs[keys[0]]
			keys = keys[1:]
			if ok {
				return pick(pair), true
			}
		}
		return nil, false
	})
}

func (d *Dict) Type() ObjectType               { return DICT_OBJ }
func (d *Dict) Inspect() string                { return inspect(d) }
func (d *Dict) AsBool() (bool, Object)         { return len(d.Pairs) > 0, nil }
func (d *Dict) CoerceString() (string, Object) { return d.Inspect(), nil }

// AsDict returns the values by the text of their keys.
func (d *Dict) AsDict() (map[string]Object, Object) {
	m := make(map[string]Object, len(d.Pairs))
	for _, pair := range d.Pairs {
		m[pair.Key.Inspect()] = pair.Value
	}
	return m, nil
}

// Set is a set of hashable objects. Elements is keyed by DictKey.
type Set struct {
	refusals
	Elements map[string]Object
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{Elements: map[string]Object{}} }

// AddKeyed adds obj, whose DictKey is key.
func (s *Set) AddKeyed(key string, obj Object) { s.Elements[key] = obj }

// ContainsKeyed reports whether the set holds the element with that DictKey.
func (s *Set) ContainsKeyed(key string) bool {
	_, ok := s.Elements[key]
	return ok
}

// Copy returns a set with the same elements.
func (s *Set) Copy() *Set {
	c := &Set{Elements: make(map[string]Object, len(s.Elements))}
	maps.Copy(c.Elements, s.Elements)
	return c
}

// Union returns the elements of either set.
func (s *Set) Union(other *Set) *Set {
	u := other.Copy()
	maps.Copy(u.Elements, s.Elements)
	return u
}

// Intersection returns the elements of both sets.
func (s *Set) Intersection(other *Set) *Set {
	return s.filter(other.ContainsKeyed)
}

// Difference returns the elements that other does not hold.
func (s *Set) Difference(other *Set) *Set {
	return s.filter(func(key string) bool { return !other.ContainsKeyed(key) })
}

// SymmetricDifference returns the elements of exactly one of the sets.
func (s *Set) SymmetricDifference(other *Set) *Set {
	return s.Difference(other).Union(other.Difference(s))
}

func (s *Set) filter(keep func(key string) bool) *Set {
	out := NewSet()
	for key, obj := range s.Elements {
		if keep(key) {
			out.Elements[key] = obj
		}
	}
	return out
}

// IsSubset reports whether other holds every element.
func (s *Set) IsSubset(other *Set) bool {
	for key := range s.Elements {
		if !other.ContainsKeyed(key) {
			return false
		}
	}
	return true
}

// IsSuperset reports whether the set holds every element of other.
func (s *Set) IsSuperset(other *Set) bool { return other.IsSubset(s) }

// CreateIterator returns an iterator over the elements.
func (s *Set) CreateIterator() *Iterator { return sliceIterator(s.list()) }

func (s *Set) list() []Object {
	out := make([]Object, 0, len(s.Elements))
	for _, obj := range s.Elements {
		out = append(out, obj)
	}
	return out
}

func (s *Set) Type() ObjectType               { return SET_OBJ }
func (s *Set) Inspect() string                { return inspect(s) }
func (s *Set) AsString() (string, Object)     { return s.Inspect(), nil }
func (s *Set) AsBool() (bool, Object)         { return len(s.Elements) > 0, nil }
func (s *Set) AsList() ([]Object, Object)     { return s.list(), nil }
func (s *Set) CoerceString() (string, Object) { return s.Inspect(), nil }

// DictKeys is a live view of the keys of a dict.
type DictKeys struct {
	refusals
	Dict *Dict
}

// CreateIterator returns an iterator over the keys.
func (v *DictKeys) CreateIterator() *Iterator { return v.Dict.CreateIterator() }

func (v *DictKeys) Type() ObjectType               { return DICT_KEYS_OBJ }
func (v *DictKeys) Inspect() string                { return inspect(v) }
func (v *DictKeys) AsString() (string, Object)     { return v.Inspect(), nil }
func (v *DictKeys) AsBool() (bool, Object)         { return len(v.Dict.Pairs) > 0, nil }
func (v *DictKeys) CoerceString() (string, Object) { return v.Inspect(), nil }

// DictValues is a live view of the values of a dict.
type DictValues struct {
	refusals
	Dict *Dict
}

// CreateIterator returns an iterator over the values.
func (v *DictValues) CreateIterator() *Iterator {
	return v.Dict.iterate(func(p DictPair) Object { return p.Value })
}

func (v *DictValues) Type() ObjectType               { return DICT_VALUES_OBJ }
func (v *DictValues) Inspect() string                { return inspect(v) }
func (v *DictValues) AsString() (string, Object)     { return v.Inspect(), nil }
func (v *DictValues) AsBool() (bool, Object)         { return len(v.Dict.Pairs) > 0, nil }
func (v *DictValues) CoerceString() (string, Object) { return v.Inspect(), nil }

// DictItems is a live view of the entries of a dict.
type DictItems struct {
	refusals
	Dict *Dict
}

// CreateIterator returns an iterator over (key, value) tuples.
func (v *DictItems) CreateIterator() *Iterator {
	return v.Dict.iterate(func(p DictPair) Object {
		return &Tuple{Elements: []Object{p.Key, p.Value}}
	})
}

func (v *DictItems) Type() ObjectType               { return DICT_ITEMS_OBJ }
func (v *DictItems) Inspect() string                { return inspect(v) }
func (v *DictItems) AsString() (string, Object)     { return v.Inspect(), nil }
func (v *DictItems) AsBool() (bool, Object)         { return len(v.Dict.Pairs) > 0, nil }
func (v *DictItems) CoerceString() (string, Object) { return v.Inspect(), nil }
