package conversion

import (
	"encoding/json"
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// ParseJSON returns the first JSON value in s. Whole numbers become integers.
func ParseJSON(s string) (object.Object, error) {
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var v interface{}
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return FromGo(v), nil
}

// MustParseJSON is ParseJSON with an error object in place of an error.
func MustParseJSON(s string) object.Object {
	v, err := ParseJSON(s)
	if err != nil {
		return errors.NewError("JSONDecodeError: %v", err)
	}
	return v
}
