package extlibs

import (
	"slices"
	"strings"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// encodeObject encodes a script's object. It reads the object's tree and keeps
// nothing of it.
func encodeObject(o object.Object, limit int) (Value, error) {
	switch o := o.(type) { // the values that need no buffer
	case *object.Integer:
		return encodeInt(o.IntValue()), nil
	case *object.String:
		return finished(codec.Text(o.StringValue(), limit))
	case *object.Float:
		return encodeFloat(o.FloatValue()), nil
	case *object.Boolean:
		return encodeBool(o.BoolValue()), nil
	}
	e := codec.NewEncoder(limit)
	defer e.Release()
	if err := walkObject(e, o); err != nil {
		return Value{}, err
	}
	return finished(e.Value())
}

// walkObject is encodeObject into an encoder.
func walkObject(e *codec.Encoder, o object.Object) error {
	err := scriptWalk{e}.value(o, 0)
	// Only a structure that is too deep can be one without an end, and only
	// then is it worth following.
	if p, ok := err.(*codec.PathError); ok && p.Depth {
		if steps, found := findCycle(o); found {
			return codec.Along(codec.Errorf(ErrType, "cannot store a structure that contains itself at %%s"), steps)
		}
	}
	return err
}

// scriptWalk encodes script objects.
type scriptWalk struct{ *codec.Encoder }

func (w scriptWalk) value(o object.Object, depth int) error {
	switch o := o.(type) {
	case *object.Null:
		w.Null()
	case *object.Boolean:
		w.Bool(o.BoolValue())
	case *object.Integer:
		w.Int(o.IntValue())
	case *object.Float:
		w.Float(o.FloatValue())
	case *object.String:
		w.Text(o.StringValue())
	case *object.Bytes:
		w.Bytes(o.BytesValue())
	case *object.List:
		if err := w.List(len(o.Elements), depth); err != nil {
			return err
		}
		return w.elements(o.Elements, depth)
	case *object.Tuple:
		if err := w.Tuple(len(o.Elements), depth); err != nil {
			return err
		}
		return w.elements(o.Elements, depth)
	case *object.Dict:
		return w.dict(o, depth)
	case *object.Set:
		return w.set(o, depth)
	case *object.Instance:
		return codec.Errorf(ErrType, "cannot store a %s at %%s; store a dict or str of what it holds", typeName(o))
	default:
		return codec.Errorf(ErrType, "cannot store a %s at %%s", typeName(o))
	}
	return w.Check()
}

// typeName also names what a careless Go function may hand to a script.
func typeName(o object.Object) string {
	if o == nil {
		return "nil"
	}
	return o.Type().String()
}

// isNone also takes what a careless Go function may return.
func isNone(o object.Object) bool {
	_, null := o.(*object.Null)
	return null || o == nil
}

func (w scriptWalk) elements(elems []object.Object, depth int) error {
	for i, el := range elems {
		if err := w.value(el, depth+1); err != nil {
			return codec.At(err, codec.IndexStep(i))
		}
	}
	return nil
}

func (w scriptWalk) set(s *object.Set, depth int) error {
	if err := w.Set(len(s.Elements), depth); err != nil {
		return err
	}
	for _, el := range s.Elements {
		if err := w.value(el, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w scriptWalk) dict(d *object.Dict, depth int) error {
	if err := w.Dict(len(d.Pairs), depth); err != nil {
		return err
	}
	for _, p := range d.Pairs {
		err := error(nil)
		if name, ok := p.Key.(*object.String); ok { // most are names of fields
			w.Text(name.StringValue())
			err = w.Check()
		} else {
			err = w.key(p.Key, depth)
		}
		if err != nil {
			return err
		}
		if err := w.value(p.Value, depth+1); err != nil {
			return codec.At(err, objectStep(p.Key))
		}
	}
	return nil
}

// key encodes a key of a dict at a depth.
func (w scriptWalk) key(key object.Object, depth int) error {
	// A tuple may be a graph that is much larger than what it is made of: only
	// once it is encoded is its size known to be bounded.
	_, isTuple := key.(*object.Tuple)
	if !isTuple && !storableKey(key, depth) {
		return unstorableKey(key)
	}
	if err := w.value(key, depth+1); err != nil {
		return err
	}
	if isTuple && !storableKey(key, depth) {
		return unstorableKey(key)
	}
	return nil
}

// objectStep names a key as a script would write it. What is no key of a value,
// such as a list that contains itself, is named by its type.
func objectStep(key object.Object) string {
	if s, ok := key.(*object.String); ok {
		return codec.KeyStep(s.StringValue())
	}
	if storableKey(key, 0) {
		return "[" + shorten(strings.ToValidUTF8(key.Inspect(), "?")) + "]"
	}
	return "[" + typeName(key) + "]"
}

func unstorableKey(key object.Object) error {
	return codec.Errorf(ErrType, "cannot store a dict with a %s as key at %%s", typeName(key))
}

// storableKey reports whether a dict key is the same key after a round trip.
// Others, such as lists, are keys by their identity.
func storableKey(o object.Object, depth int) bool {
	switch o := o.(type) {
	case *object.Null, *object.Boolean, *object.Integer, *object.Float, *object.String, *object.Bytes:
		return true
	case *object.Tuple:
		return depth <= MaxDepth && !slices.ContainsFunc(o.Elements, func(el object.Object) bool { return !storableKey(el, depth+1) })
	}
	return false
}

// findCycle looks for a container that contains itself, and returns the steps to
// the place where it stands again. It visits each container once and does not
// recurse, because there is no bound to what a script may nest.
func findCycle(o object.Object) (steps []string, found bool) {
	onPath := map[object.Object]bool{} // false: visited, and not on a cycle
	path := []*level{{elems: []object.Object{o}}}
	for len(path) > 0 {
		l := path[len(path)-1]
		if l.next == len(l.elems) {
			onPath[l.container] = false
			path = path[:len(path)-1]
			continue
		}
		next := levelOf(l.elems[l.next])
		l.next++
		if next == nil {
			continue
		}
		switch again, visited := onPath[next.container]; {
		case again:
			for _, l := range path[1:] {
				steps = append(steps, l.step())
			}
			return steps, true
		case !visited:
			onPath[next.container] = true
			path = append(path, next)
		}
	}
	return nil, false
}

// level is a container on the path of findCycle, and how far it has been looked
// through.
type level struct {
	container object.Object
	keys      []object.Object // of a dict
	elems     []object.Object
	next      int
}

func levelOf(o object.Object) *level {
	switch o := o.(type) {
	case *object.List:
		return &level{container: o, elems: o.Elements}
	case *object.Tuple:
		return &level{container: o, elems: o.Elements}
	case *object.Dict:
		l := &level{container: o}
		for _, p := range o.Pairs {
			l.keys = append(l.keys, p.Key)
			l.elems = append(l.elems, p.Value)
		}
		return l
	}
	return nil
}

// step names the element that was looked at last.
func (l *level) step() string {
	if l.keys != nil {
		return objectStep(l.keys[l.next-1])
	}
	return codec.IndexStep(l.next - 1)
}

// decodeObject makes a script's object of a value.
func decodeObject(v Value) (object.Object, error) {
	if item, ok := codec.Scalar(v.data); ok {
		switch item.Kind {
		case cbor.Text:
			return object.NewString(item.Text), nil
		case cbor.Int:
			return object.NewInteger(item.Int), nil
		}
	}
	return codec.Decode(v.data, objectBuilder{})
}

// objectBuilder makes script objects.
type objectBuilder struct{}

var none = &object.Null{}

func (objectBuilder) Null() object.Object           { return none }
func (objectBuilder) Bool(v bool) object.Object     { return object.NewBoolean(v) }
func (objectBuilder) Int(v int64) object.Object     { return object.NewInteger(v) }
func (objectBuilder) Float(v float64) object.Object { return object.NewFloat(v) }
func (objectBuilder) Text(v string) object.Object   { return object.NewString(v) }
func (objectBuilder) Bytes(v string) object.Object  { return object.NewBytesFromString(v) }

func (objectBuilder) List(v []object.Object) object.Object  { return &object.List{Elements: v} }
func (objectBuilder) Tuple(v []object.Object) object.Object { return &object.Tuple{Elements: v} }

func (objectBuilder) Set(v []object.Object) (object.Object, error) {
	s := object.NewSet()
	for _, el := range v {
		if !object.IsHashable(el) {
			return nil, kverr.Errorf(ErrCorrupt, "set element of type %s", typeName(el))
		}
		s.AddKeyed(object.DictKey(el), el)
	}
	return s, nil
}

func (objectBuilder) Dict(n int) codec.DictBuilder[object.Object] {
	return (*objectDict)(&object.Dict{Pairs: make(map[string]object.DictPair, n)})
}

// objectDict builds a dict.
type objectDict object.Dict

func (d *objectDict) PutText(key string, borrowed bool, value object.Object) {
	if borrowed {
		key = strings.Clone(key)
	}
	d.Pairs[object.DictStringKey(key)] = object.DictPair{Key: object.NewString(key), Value: value}
}

func (d *objectDict) Put(key, value object.Object) (codec.DictBuilder[object.Object], error) {
	if !storableKey(key, 0) {
		return nil, kverr.Errorf(ErrCorrupt, "dict key of type %s", typeName(key))
	}
	d.Pairs[object.DictKey(key)] = object.DictPair{Key: key, Value: value}
	return d, nil
}

func (d *objectDict) Done() object.Object { return (*object.Dict)(d) }
