package jsonl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// ParseValue returns the encoded value of a JSON text.
func ParseValue(text []byte) (raw string, err error) {
	if err := checkText(text); err != nil {
		return "", err
	}
	return encode(text)
}

func encode(text []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", errors.New("the value is not valid JSON; put strings in double quotes")
	}
	if _, err := d.Token(); err != io.EOF {
		return "", errors.New("there is more than one JSON value; put them into a list")
	}
	w := writer{codec.NewEncoder(context.Background(), math.MaxInt32)}
	b, err := w.value(nil, v, 0, false)
	return string(b), err
}

// writer encodes what encoding/json made. Its methods append to b, as append does.
type writer struct{ codec.Encoder }

// value appends a value. In a set, or as the key of a dict, it must be one that scripts
// accept there.
func (w *writer) value(b []byte, v any, depth int, hashed bool) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		b = cbor.AppendNull(b)
	case bool:
		b = cbor.AppendBool(b, v)
	case string:
		return w.Text(b, v)
	case json.Number:
		return w.number(b, string(v))
	case []any:
		if hashed {
			return b, unhashable("list")
		}
		b, err := w.List(b, len(v), depth)
		return w.elements(b, v, depth, false, err)
	case map[string]any:
		for name, el := range v {
			if len(v) == 1 && strings.HasPrefix(name, "$") {
				return w.named(b, name, el, depth, hashed)
			}
		}
		if hashed {
			return b, unhashable("dict")
		}
		b, err := w.Dict(b, len(v), depth)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err == nil {
				b, err = w.Text(b, name)
			}
			if err == nil {
				b, err = w.value(b, v[name], depth+1, false)
			}
		}
		return b, err
	}
	return b, w.Check(b)
}

func unhashable(what string) error {
	return kverr.Errorf(kverr.Type, "a %s cannot be a member of a set or the key of a dict; use a tuple", what)
}

func (w *writer) number(b []byte, s string) ([]byte, error) {
	if !strings.ContainsAny(s, ".eE") {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return b, errors.New("an int is outside the range of 64 bits; use a float or a string")
		}
		b = cbor.AppendInt(b, i)
		return b, w.Check(b)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return b, errors.New("a float is outside the range of 64 bits; use a string")
	}
	b = cbor.AppendFloat(b, f)
	return b, w.Check(b)
}

// elements continues a container that was begun, unless err is not nil.
func (w *writer) elements(b []byte, list []any, depth int, hashed bool, err error) ([]byte, error) {
	for i := 0; i < len(list) && err == nil; i++ {
		b, err = w.value(b, list[i], depth+1, hashed)
	}
	return b, err
}

// named appends what an object with one name represents.
func (w *writer) named(b []byte, name string, v any, depth int, hashed bool) ([]byte, error) {
	text, isText := v.(string)
	elems, isList := v.([]any)
	switch {
	case name == nameFloat && isText:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			b = cbor.AppendFloat(b, f)
			return b, w.Check(b)
		}
	case (name == nameBytes || name == nameText) && isText:
		data, err := base64.StdEncoding.DecodeString(text)
		if err == nil && name == nameText {
			return w.Text(b, string(data))
		}
		if err == nil {
			return w.Bytes(b, data)
		}
	case name == nameTuple && isList:
		b, err := w.Tuple(b, len(elems), depth)
		return w.elements(b, elems, depth, hashed, err)
	case (name == nameSet || name == nameDict) && isList && hashed:
		return b, unhashable(name[1:])
	case name == nameSet && isList:
		b, err := w.Set(b, len(elems), depth)
		return w.elements(b, elems, depth, true, err)
	case name == nameDict && isList:
		return w.dict(b, elems, depth)
	}
	return b, fmt.Errorf("an object has the single name %.20q, which is not a type; write {\"$dict\": [[name, value]]} for a dict with that key", name)
}

func (w *writer) dict(b []byte, elems []any, depth int) ([]byte, error) {
	b, err := w.Dict(b, len(elems), depth)
	for i := 0; i < len(elems) && err == nil; i++ {
		pair, ok := elems[i].([]any)
		if !ok || len(pair) != 2 {
			return b, errors.New("$dict is not a list of pairs; write {\"$dict\": [[key, value], ...]}")
		}
		if b, err = w.value(b, pair[0], depth+1, true); err == nil {
			b, err = w.value(b, pair[1], depth+1, false)
		}
	}
	return b, err
}
