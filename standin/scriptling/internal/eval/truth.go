package eval

import (
	"strconv"

	"github.com/paularlott/scriptling/object"
)

// truth reports whether a value counts as true. The second result is nil or an
// error from a special method.
func (f *frame) truth(v object.Object) (bool, object.Object) {
	switch v := v.(type) {
	case *object.Boolean:
		return v.BoolValue(), nil
	case *object.Null:
		return false, nil
	case *object.Integer:
		return v.IntValue() != 0, nil
	case *object.Float:
		return v.FloatValue() != 0, nil
	case *object.String:
		return v.StringValue() != "", nil
	case *object.Bytes:
		return v.Len() > 0, nil
	case *object.List:
		return len(v.Elements) > 0, nil
	case *object.Tuple:
		return len(v.Elements) > 0, nil
	case *object.Dict:
		return len(v.Pairs) > 0, nil
	case *object.Set:
		return len(v.Elements) > 0, nil
	case *object.DictKeys:
		return len(v.Dict.Pairs) > 0, nil
	case *object.DictValues:
		return len(v.Dict.Pairs) > 0, nil
	case *object.DictItems:
		return len(v.Dict.Pairs) > 0, nil
	case *object.Instance:
		return f.instanceTruth(v)
	}
	return true, nil
}

func (f *frame) instanceTruth(inst *object.Instance) (bool, object.Object) {
	for _, name := range []string{"__bool__", "__len__"} {
		v, ok := f.callSpecial(inst, name)
		if !ok {
			continue
		}
		switch v := v.(type) {
		case *object.Error:
			return false, v
		case *object.Instance:
			return true, nil
		default:
			return f.truth(v)
		}
	}
	return true, nil
}

// dictKey is object.DictKey with instances hashed in this activation.
func (f *frame) dictKey(key object.Object) string {
	if inst, ok := key.(*object.Instance); ok {
		if h, ok := f.instanceHash(inst); ok {
			return "h:" + strconv.FormatInt(h, 10)
		}
	}
	return object.DictKey(key)
}

// instanceHash calls __hash__ if the class has it and it gives an integer.
func (f *frame) instanceHash(inst *object.Instance) (int64, bool) {
	v, ok := f.callSpecial(inst, "__hash__")
	if !ok {
		return 0, false
	}
	n, ok := v.(*object.Integer)
	if !ok {
		return 0, false
	}
	return n.IntValue(), true
}

// addToSet returns nil or an error.
func (f *frame) addToSet(set *object.Set, v object.Object) object.Object {
	if !object.IsHashable(v) {
		return errUnhashable(v)
	}
	set.AddKeyed(f.dictKey(v), v)
	return nil
}

func errUnhashable(v object.Object) object.Object {
	return &object.Error{
		Message:       "unhashable type: '" + v.Type().String() + "'",
		ExceptionType: object.ExceptionTypeTypeError,
	}
}
