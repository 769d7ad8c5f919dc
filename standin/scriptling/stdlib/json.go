package stdlib

import (
	"context"
	"encoding/json"

	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// maxJSONDepth is the nesting that encoding/json accepts when it reads.
const maxJSONDepth = 10000

var (
	dumps = function("dumps(v, indent=\"\") - Return v as a JSON text", jsonDumps)
	loads = function("loads(s) - Return the value of a JSON text", jsonLoads)
)

// JSONLibrary is the library json.
var JSONLibrary = object.NewLibrary("json", map[string]*object.Builtin{
	"dumps": dumps, "stringify": dumps,
	"loads": loads, "parse": loads,
}, nil, "JSON encoding and decoding")

func jsonDumps(_ context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
	if len(args) != 1 {
		return jsonArityError(args)
	}
	value, failure := jsonValue(args[0], 0)
	if failure != nil {
		return failure
	}
	var text []byte
	var err error
	if indent := kwargs.MustGetString("indent", ""); indent != "" {
		text, err = json.MarshalIndent(value, "", indent)
	} else {
		text, err = json.Marshal(value)
	}
	if err != nil {
		return errors.NewError("json serialize error: %v", err)
	}
	return object.NewString(string(text))
}

// jsonValue returns what encoding/json is to write for obj.
func jsonValue(obj object.Object, depth int) (interface{}, object.Object) {
	if depth > maxJSONDepth {
		return nil, errors.NewError("json serialize error: exceeded max depth")
	}
	switch obj := obj.(type) {
	case *object.Null:
		return nil, nil
	case *object.Boolean:
		return obj.BoolValue(), nil
	case *object.Integer:
		return obj.IntValue(), nil
	case *object.Float:
		return obj.FloatValue(), nil
	case *object.String:
		return obj.StringValue(), nil
	case *object.List:
		values := make([]interface{}, len(obj.Elements))
		for i, element := range obj.Elements {
			value, failure := jsonValue(element, depth+1)
			if failure != nil {
				return nil, failure
			}
			values[i] = value
		}
		return values, nil
	case *object.Dict:
		values := make(map[string]interface{}, len(obj.Pairs))
		for _, pair := range obj.Pairs {
			value, failure := jsonValue(pair.Value, depth+1)
			if failure != nil {
				return nil, failure
			}
			values[pair.StringKey()] = value
		}
		return values, nil
	}
	return obj.Inspect(), nil
}

func jsonLoads(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if len(args) != 1 {
		return jsonArityError(args)
	}
	text, ok := args[0].(*object.String)
	if !ok {
		return errors.NewError("argument to loads/parse must be STRING")
	}
	return conversion.MustParseJSON(text.StringValue())
}

func jsonArityError(args []object.Object) object.Object {
	return errors.NewError("wrong number of arguments. got=%d, want=1", len(args))
}
