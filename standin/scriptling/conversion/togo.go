package conversion

import (
	stderrors "errors"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// ToGo returns the Go value of an object. Tuples become slices; what has no
// counterpart becomes a text.
func ToGo(obj object.Object) interface{} {
	switch obj := obj.(type) {
	case nil, *object.Null:
		return nil
	case *object.List:
		return toSlice(obj.Elements)
	case *object.Tuple:
		return toSlice(obj.Elements)
	case *object.Dict:
		values := make(map[string]interface{}, len(obj.Pairs))
		for _, pair := range obj.Pairs {
			values[pair.StringKey()] = ToGo(pair.Value)
		}
		return values
	case *object.Error:
		return obj.Message
	case *object.Builtin:
		if obj.HelpText != "" {
			return obj.HelpText
		}
	case *object.Function:
		return obj.Name
	}
	if v, ok := scalar(obj); ok {
		return v
	}
	return obj.Inspect()
}

func toSlice(elements []object.Object) []interface{} {
	values := make([]interface{}, len(elements))
	for i, element := range elements {
		values[i] = ToGo(element)
	}
	return values
}

func scalar(obj object.Object) (interface{}, bool) {
	switch obj := obj.(type) {
	case *object.Boolean:
		return obj.BoolValue(), true
	case *object.Integer:
		return obj.IntValue(), true
	case *object.Float:
		return obj.FloatValue(), true
	case *object.String:
		return obj.StringValue(), true
	case *object.Bytes:
		return append([]byte{}, obj.BytesValue()...), true
	}
	return nil, false
}

// ToGoWithError is ToGo for scalars, lists and dicts; anything else, tuples
// included, is an error.
func ToGoWithError(obj object.Object) (interface{}, *object.Error) {
	switch obj := obj.(type) {
	case *object.Null:
		return nil, nil
	case *object.List:
		values := make([]interface{}, len(obj.Elements))
		for i, element := range obj.Elements {
			value, err := ToGoWithError(element)
			if err != nil {
				return nil, err
			}
			values[i] = value
		}
		return values, nil
	case *object.Dict:
		values := make(map[string]interface{}, len(obj.Pairs))
		for _, pair := range obj.Pairs {
			value, err := ToGoWithError(pair.Value)
			if err != nil {
				return nil, err
			}
			values[pair.StringKey()] = value
		}
		return values, nil
	}
	if v, ok := scalar(obj); ok {
		return v, nil
	}
	return nil, errors.NewError("cannot convert complex types to Go")
}

// ToGoError returns a Go error with the text of an error object, and nil for
// any other object.
func ToGoError(obj object.Object) error {
	if e, ok := obj.(*object.Error); ok {
		return stderrors.New(e.Inspect())
	}
	return nil
}

// ToBytes returns the content of a Bytes or String; the second result is an
// error object for anything else.
func ToBytes(obj object.Object) ([]byte, object.Object) {
	switch obj := obj.(type) {
	case *object.Bytes:
		return obj.BytesValue(), nil
	case *object.String:
		return []byte(obj.StringValue()), nil
	}
	return nil, errors.NewTypeError("BYTES or STRING", obj.Type().String())
}
