package extlibs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/codec"
)

// maxFieldPath is how deep into a value that does not fit a type an error says where: each
// level converts what is below it once more.
const maxFieldPath = 8

// unfit returns the error of a value that does not fit into a type, with the field of a
// struct in it, such as Address.Lines[2]. It shows names of fields and types only.
func unfit(ctx context.Context, v Value, t reflect.Type) error {
	decoded, err := decodeGo(ctx, v)
	if err != nil {
		return err
	}
	path, bad, at := "", decoded, t
	for range maxFieldPath {
		step, inner, innerType, found := unfitPart(ctx, bad, at)
		if !found {
			break
		}
		path, bad, at = path+step, inner, innerType
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	mismatch := &mismatchError{value: bad, t: at}
	if path = strings.TrimPrefix(path, "."); path != "" {
		return fmt.Errorf("field %s: %w", path, mismatch)
	}
	return mismatch
}

// unfitPart returns the first part of a decoded value that does not fit into its part of a
// type.
func unfitPart(ctx context.Context, v any, t reflect.Type) (step string, part any, partType reflect.Type, found bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	// fits tells a part that does not fit from a walk that a context ended.
	fits := func(part any, t reflect.Type) bool {
		err := assign(ctx, part, reflect.New(t).Elem())
		return err == nil || ctx.Err() != nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		elems, _, _ := elementsOfValue(v)
		for i, e := range elems {
			if !fits(e, t.Elem()) {
				return fmt.Sprintf("[%d]", i), e, t.Elem(), true
			}
		}
	case reflect.Map:
		pairs, _ := pairsOf(v)
		for _, p := range pairs {
			if !fits(p.Value, t.Elem()) { // its key is data, which errors do not show
				return "[]", p.Value, t.Elem(), true
			}
		}
	case reflect.Struct:
		s, values, places, err := placesOf(ctx, v, t)
		if err != nil {
			return
		}
		s.each(values, places, t, func(f reflect.StructField, value any) bool {
			if fits(value, f.Type) {
				return true
			}
			step, part, partType, found = "."+f.Name, value, f.Type, true
			return false
		})
	}
	return step, part, partType, found
}

// each calls visit for the fields of t that places has a value for, until it returns false.
func (s *shadow) each(values []any, places reflect.Value, t reflect.Type, visit func(f reflect.StructField, value any) bool) bool {
	for i, f := range s.fields {
		switch place := places.Field(i); {
		case f.index < 0:
		case f.embedded != nil:
			inner := t.Field(f.index).Type
			for inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if !f.embedded.each(values, place, inner, visit) {
				return false
			}
		case !place.IsNil() && !visit(t.Field(f.index), values[place.Elem().Int()]):
			return false
		}
	}
	return true
}

// unstorable returns the field of a value that cannot be stored, such as ".Callback", with
// its type; "" if there is none, or the value is not a struct.
func unstorable(ctx context.Context, v reflect.Value) (path string, t reflect.Type) {
	for range maxFieldPath {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			if v.IsNil() {
				return path, t
			}
			v = v.Elem()
		}
		step, part := unstorablePart(ctx, v)
		if step == "" {
			break
		}
		if part.Kind() == reflect.Interface && !part.IsNil() {
			part = part.Elem()
		}
		path, v, t = path+step, part, part.Type()
	}
	return path, t
}

func unstorablePart(ctx context.Context, v reflect.Value) (step string, part reflect.Value) {
	stores := func(part reflect.Value) bool {
		_, err := marshalTyped(ctx, part.Interface())
		return err == nil || errors.Is(err, ctx.Err())
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !stores(v.Index(i)) {
				return fmt.Sprintf("[%d]", i), v.Index(i)
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if !stores(entries.Value()) {
				return "[]", entries.Value()
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Tag.Get("cbor") != "-" && f.Tag.Get("json") != "-" && !stores(v.Field(i)) {
				return "." + f.Name, v.Field(i)
			}
		}
	}
	return "", part
}

// marshalTyped encodes a value that encodeGo does not know.
func marshalTyped(ctx context.Context, value any) (Value, error) {
	raw, err := typedEncoding.Marshal(value)
	if err != nil {
		return Value{}, err
	}
	marked, err := codec.MarkText(string(raw))
	if err != nil {
		return Value{}, err
	}
	v := RawValue(marked)
	_, err = decodeGo(ctx, v)
	return v, err
}
