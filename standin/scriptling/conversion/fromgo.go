// Package conversion translates between Go values, JSON and script objects.
package conversion

import (
	"encoding/json"
	"fmt"

	"github.com/paularlott/scriptling/object"
)

// FromGo returns the object for a Go value. Types without a direct counterpart
// go through JSON, so their numbers become floats; what JSON refuses becomes
// its %v text.
func FromGo(v interface{}) object.Object {
	switch v := v.(type) {
	case nil:
		return &object.Null{}
	case bool:
		return object.NewBoolean(v)
	case int:
		return object.NewInteger(int64(v))
	case int8:
		return object.NewInteger(int64(v))
	case int16:
		return object.NewInteger(int64(v))
	case int32:
		return object.NewInteger(int64(v))
	case int64:
		return object.NewInteger(v)
	case uint:
		return object.NewInteger(int64(v))
	case uint8:
		return object.NewInteger(int64(v))
	case uint16:
		return object.NewInteger(int64(v))
	case uint32:
		return object.NewInteger(int64(v))
	case uint64:
		return object.NewInteger(int64(v))
	case float32:
		return object.NewFloat(float64(v))
	case float64:
		return object.NewFloat(v)
	case json.Number:
		return fromNumber(v)
	case string:
		return object.NewString(v)
	case []byte:
		return object.NewBytes(v)
	case []interface{}:
		return fromSlice(v)
	case map[string]interface{}:
		return fromMap(v)
	case map[interface{}]interface{}:
		texts := make(map[string]interface{}, len(v))
		for key, value := range v {
			texts[fmt.Sprint(key)] = value
		}
		return fromMap(texts)
	}
	return fromJSON(v)
}

func fromNumber(n json.Number) object.Object {
	if i, err := n.Int64(); err == nil {
		return object.NewInteger(i)
	}
	// A number out of range still gives the nearest float.
	f, _ := n.Float64()
	return object.NewFloat(f)
}

func fromSlice(values []interface{}) object.Object {
	list := &object.List{Elements: make([]object.Object, len(values))}
	for i, value := range values {
		list.Elements[i] = FromGo(value)
	}
	return list
}

func fromMap(values map[string]interface{}) object.Object {
	entries := make(map[string]object.Object, len(values))
	for key, value := range values {
		entries[key] = FromGo(value)
	}
	return object.NewStringDict(entries)
}

func fromJSON(v interface{}) object.Object {
	text, err := json.Marshal(v)
	if err != nil {
		return object.NewString(fmt.Sprintf("%v", v))
	}
	var plain interface{}
	if err := json.Unmarshal(text, &plain); err != nil {
		return object.NewString(fmt.Sprintf("%v", v))
	}
	return FromGo(plain)
}
