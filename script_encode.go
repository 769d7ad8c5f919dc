package extlibs

import (
	"context"
	"slices"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// encodeObject encodes a script's object. It reads the object's tree and keeps
// nothing of it.
func encodeObject(ctx context.Context, o object.Object, limit int) (Value, error) {
	return finished(encodedObject(ctx, o, limit))
}

// encodedObject is encodedGo for a script's object.
func encodedObject(ctx context.Context, o object.Object, limit int) (codec.Encoded, error) {
	switch o := o.(type) { // the values that need no buffer
	case *object.Null:
		return codec.Null(), nil
	case *object.Boolean:
		return codec.Bool(o.BoolValue()), nil
	case *object.Integer:
		return codec.Int(o.IntValue()), nil
	case *object.Float:
		return codec.Float(o.FloatValue()), nil
	case *object.String:
		return codec.Text(o.StringValue(), limit)
	}
	buf := codec.NewBuffer()
	if err := writeObject(ctx, buf, o, limit); err != nil {
		buf.Release()
		return codec.Encoded{}, err
	}
	return buf.Encoded(), nil
}

// writeObject encodes a script's object into a buffer.
func writeObject(ctx context.Context, buf *codec.Buffer, o object.Object, limit int) (err error) {
	w := objectWriter{codec.NewEncoder(ctx, limit)}
	buf.Bytes, err = w.value(buf.Bytes, o, 0)
	// Only a structure that is too deep can be one without an end, and only
	// then is it worth following.
	if p, ok := err.(*codec.PathError); ok && p.Depth {
		if steps, found := findCycle(ctx, o); found {
			err = codec.Along(codec.Errorf(ErrType, "cannot store a structure that contains itself at %%s; remove the cycle"), steps)
		}
	}
	return err
}

// objectWriter encodes script objects. Its methods append to b, as append does.
type objectWriter struct{ codec.Encoder }

func (w *objectWriter) value(b []byte, o object.Object, depth int) ([]byte, error) {
	switch o := o.(type) {
	case *object.Null:
		b = cbor.AppendNull(b)
	case *object.Boolean:
		b = cbor.AppendBool(b, o.BoolValue())
	case *object.Integer:
		b = cbor.AppendInt(b, o.IntValue())
	case *object.Float:
		b = cbor.AppendFloat(b, o.FloatValue())
	case *object.String:
		return w.Text(b, o.StringValue())
	case *object.Bytes:
		return w.Bytes(b, o.BytesValue())
	case *object.Dict:
		return w.dict(b, o, depth)
	case *object.List:
		b, err := w.List(b, len(o.Elements), depth)
		return w.elements(b, o.Elements, depth, err)
	case *object.Tuple:
		b, err := w.Tuple(b, len(o.Elements), depth)
		return w.elements(b, o.Elements, depth, err)
	case *object.Set:
		b, err := w.Set(b, len(o.Elements), depth)
		for _, el := range o.Elements {
			if err != nil {
				break
			}
			b, err = w.value(b, el, depth+1)
		}
		return b, err
	case *object.Instance:
		return b, codec.Errorf(ErrType, "cannot store a %s at %%s; store its fields as a dict", typeName(o))
	default:
		return b, codec.Errorf(ErrType, "cannot store a %s at %%s; store plain data instead", typeName(o))
	}
	return b, w.Check(b)
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

// elements continues a container that was begun, unless err is not nil.
func (w *objectWriter) elements(b []byte, elems []object.Object, depth int, err error) ([]byte, error) {
	for i := 0; i < len(elems) && err == nil; i++ {
		if b, err = w.value(b, elems[i], depth+1); err != nil {
			err = codec.At(err, codec.IndexStep(i))
		}
	}
	return b, err
}

func (w *objectWriter) dict(b []byte, d *object.Dict, depth int) ([]byte, error) {
	b, err := w.Dict(b, len(d.Pairs), depth)
	if err != nil {
		return b, err
	}
	for _, p := range d.Pairs {
		if name, ok := p.Key.(*object.String); ok { // most are names of fields
			b, err = w.Text(b, name.StringValue())
		} else {
			b, err = w.key(b, p.Key, depth)
		}
		if err != nil {
			return b, err
		}
		if b, err = w.value(b, p.Value, depth+1); err != nil {
			return b, codec.At(err, objectStep(p.Key))
		}
	}
	return b, nil
}

// key encodes a key of a dict at a depth.
func (w *objectWriter) key(b []byte, key object.Object, depth int) ([]byte, error) {
	// A tuple may be a graph that is much larger than what it is made of: only
	// once it is encoded is its size known to be bounded.
	_, isTuple := key.(*object.Tuple)
	if !isTuple && !storableKey(key, depth) {
		return b, unstorableKey(key)
	}
	b, err := w.value(b, key, depth+1)
	if err == nil && isTuple && !storableKey(key, depth) {
		err = unstorableKey(key)
	}
	return b, err
}

// objectStep names a key as a script would write it. What is no key of a value,
// such as a list that contains itself, is named by its type.
func objectStep(key object.Object) string {
	if s, ok := key.(*object.String); ok {
		return codec.KeyStep(s.StringValue())
	}
	if storableKey(key, 0) {
		return "[" + kverr.Printable(shorten(key.Inspect())) + "]"
	}
	return "[" + typeName(key) + "]"
}

func unstorableKey(key object.Object) error {
	return codec.Errorf(ErrType, "cannot store a dict with a %s as key at %%s; use str, int, float, bool, None, bytes or tuples of them", typeName(key))
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
// the place where it occurs again. It visits each container once and does not
// recurse, because a script can nest without limit.
func findCycle(ctx context.Context, o object.Object) (steps []string, found bool) {
	onPath := map[object.Object]bool{} // false: visited, and not on a cycle
	path := []*level{{elems: []object.Object{o}}}
	for n := 1; len(path) > 0; n++ {
		if n%findCycleLook == 0 && ctx.Err() != nil {
			return nil, false
		}
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

const findCycleLook = 4096 // elements between two checks of the context

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

// step names the element that was visited last.
func (l *level) step() string {
	if l.keys != nil {
		return objectStep(l.keys[l.next-1])
	}
	return codec.IndexStep(l.next - 1)
}
