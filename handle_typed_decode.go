package extlibs

import (
	"context"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Types that hold an any are decoded here, because package cbor makes its own types
// for such values: map[any]any, and tags. All other types it decodes itself, and
// it says which member of a dict belongs to which field of a struct.

// decodeInto decodes a value into dst, which is zero.
func decodeInto(ctx context.Context, v Value, dst reflect.Value) error {
	if !holdsAny(dst.Type()) {
		return unmarshal(v.Raw(), dst.Addr().Interface())
	}
	decoded, err := decodeGo(ctx, v)
	if err != nil {
		return err
	}
	return assign(ctx, decoded, dst)
}

// unmarshal leaves a value to package cbor.
func unmarshal(raw string, dst any) error {
	raw, err := codec.UnmarkText(raw)
	if err != nil {
		return kverr.Errorf(ErrCorrupt, "value cannot be decoded (%w); store it again, or restore it from a backup", err)
	}
	return typedDecoding.Unmarshal([]byte(raw), dst)
}

// mismatchError is a value that does not fit into a type. It shows types only.
type mismatchError struct {
	value any
	t     reflect.Type
}

func (e *mismatchError) Error() string {
	name, article := scriptType(e.value), "a"
	if name == "int" {
		article = "an"
	}
	return fmt.Sprintf("it has %s %s where the type has %s", article, name, e.t)
}

// scriptType names the type that a script sees of a decoded value.
func scriptType(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case string:
		return "str"
	case int64:
		return "int"
	case float64:
		return "float"
	case []byte:
		return "bytes"
	case []any:
		return "list"
	case Tuple:
		return "tuple"
	case Set:
		return "set"
	case map[string]any, Dict:
		return "dict"
	}
	return fmt.Sprintf("%T", v)
}

var typeDict = reflect.TypeFor[Dict]()

// assign stores a decoded value in dst, which is zero.
func assign(ctx context.Context, v any, dst reflect.Value) error {
	t := dst.Type()
	switch {
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		if v != nil {
			dst.Set(reflect.ValueOf(v))
		}
		return nil
	case !holdsAny(t):
		buf := codec.NewBuffer()
		defer buf.Release()
		raw, err := writeGo(ctx, buf, v, math.MaxInt32)
		if err != nil {
			return err
		}
		return unmarshal(string(raw), dst.Addr().Interface())
	case v == nil:
		return nil
	case t == typeDict:
		pairs, ok := pairsOf(v)
		if !ok {
			return &mismatchError{v, t}
		}
		dst.Set(reflect.ValueOf(pairs))
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(t.Elem()))
		return assign(ctx, v, dst.Elem())
	case reflect.Slice, reflect.Array:
		elems, _, ok := elementsOfValue(v)
		if !ok {
			return &mismatchError{v, t}
		}
		if t.Kind() == reflect.Slice {
			dst.Set(reflect.MakeSlice(t, len(elems), len(elems)))
		}
		for i := range min(len(elems), dst.Len()) {
			if err := assign(ctx, elems[i], dst.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		pairs, ok := pairsOf(v)
		if !ok {
			return &mismatchError{v, t}
		}
		dst.Set(reflect.MakeMapWithSize(t, len(pairs)))
		for _, p := range pairs {
			key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			if err := assign(ctx, p.Key, key); err != nil {
				return err
			}
			if !key.Comparable() {
				return &mismatchError{p.Key, t.Key()}
			}
			if err := assign(ctx, p.Value, value); err != nil {
				return err
			}
			dst.SetMapIndex(key, value)
		}
		return nil
	case reflect.Struct:
		return assignStruct(ctx, v, dst)
	}
	return &mismatchError{v, t}
}

// pairsOf returns the members of a decoded dict.
func pairsOf(v any) (Dict, bool) {
	switch v := v.(type) {
	case Dict:
		return v, true
	case map[string]any:
		pairs := make(Dict, 0, len(v))
		for key, value := range v {
			pairs = append(pairs, Pair{key, value})
		}
		return pairs, true
	}
	return nil, false
}

// elementsOfValue returns the elements of a decoded list, tuple or set, and a function
// that makes one of the same type.
func elementsOfValue(v any) (elems []any, remake func([]any) any, ok bool) {
	switch v := v.(type) {
	case []any:
		return v, func(l []any) any { return l }, true
	case Tuple:
		return v, func(l []any) any { return Tuple(l) }, true
	case Set:
		return v, func(l []any) any { return Set(l) }, true
	}
	return nil, nil, false
}

// assignStruct lets package cbor decode the places of the members instead of the members
// themselves, into a struct with the same fields.
func assignStruct(ctx context.Context, v any, dst reflect.Value) error {
	s, values, places, err := placesOf(ctx, v, dst.Type())
	if err != nil {
		return err
	}
	return s.assign(ctx, values, places, dst)
}

// placesOf returns the members of a decoded value, and a shadow of t whose fields have the
// places of their members.
func placesOf(ctx context.Context, v any, t reflect.Type) (s *shadow, values []any, found reflect.Value, err error) {
	var places any
	if pairs, ok := pairsOf(v); ok {
		dict := make(Dict, 0, len(pairs))
		for _, p := range pairs {
			switch p.Key.(type) {
			case string, int64: // no other key is that of a field
				dict = append(dict, Pair{p.Key, len(values)})
				values = append(values, p.Value)
			}
		}
		places = dict
	} else if elems, _, ok := elementsOfValue(v); ok { // a struct can be an array
		list := make([]any, len(elems))
		for i := range elems {
			list[i] = i
		}
		values, places = elems, list
	} else {
		return nil, nil, found, &mismatchError{v, t}
	}
	buf := codec.NewBuffer()
	defer buf.Release()
	raw, err := writeGo(ctx, buf, places, math.MaxInt32)
	if err != nil {
		return nil, nil, found, err
	}
	s = shadowOf(t)
	found = reflect.New(s.t)
	if err := unmarshal(string(raw), found.Interface()); err != nil {
		return nil, nil, found, &mismatchError{v, t}
	}
	return s, values, found.Elem(), nil
}

// shadow is a struct type that has a *int for each field of another.
type shadow struct {
	t      reflect.Type
	fields []shadowField // one for each field of t
}

type shadowField struct {
	index    int     // of the field in the other type
	embedded *shadow // of the struct that is embedded there
}

var shadows sync.Map // reflect.Type to *shadow

func shadowOf(t reflect.Type) *shadow {
	if s, ok := shadows.Load(t); ok {
		return s.(*shadow)
	}
	s := newShadow(t, map[reflect.Type]bool{})
	shadows.Store(t, s)
	return s
}

// newShadow makes the shadow of t, which is embedded in the types of within.
func newShadow(t reflect.Type, within map[reflect.Type]bool) *shadow {
	within[t] = true
	defer delete(within, t)
	s := &shadow{}
	var fields []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" { // options of the struct, such as toarray
			fields = append(fields, reflect.StructField{Name: "_", PkgPath: "extlibs", Type: reflect.TypeFor[struct{}](), Tag: f.Tag})
			s.fields = append(s.fields, shadowField{index: -1})
			continue
		}
		tag, tagged := f.Tag.Lookup("cbor")
		if !tagged || tag == "" {
			tag = f.Tag.Get("json")
		}
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch embeds := f.Anonymous && inner.Kind() == reflect.Struct; {
		case tag == "-" || !f.IsExported() && !embeds || embeds && name == "" && within[inner]:
		case embeds && name == "":
			e := newShadow(inner, within)
			fields = append(fields, reflect.StructField{Name: freeName(t, i), Anonymous: true, Type: e.t})
			s.fields = append(s.fields, shadowField{i, e})
		default:
			field := reflect.StructField{Name: f.Name, Type: reflect.TypeFor[*int](), Tag: f.Tag}
			if !f.IsExported() { // a tagged field of an unexported type
				field.Name = freeName(t, i)
			}
			fields = append(fields, field)
			s.fields = append(s.fields, shadowField{i, nil})
		}
	}
	s.t = reflect.StructOf(fields)
	return s
}

// freeName returns a name that no field of t has, for its field i.
func freeName(t reflect.Type, i int) string {
	name := fmt.Sprint("Embedded", i)
	for {
		if _, taken := t.FieldByName(name); !taken {
			return name
		}
		name += "X"
	}
}

// assign stores the values that found has places of in the fields of dst.
func (s *shadow) assign(ctx context.Context, values []any, found, dst reflect.Value) error {
	for i, f := range s.fields {
		if f.index < 0 || found.Field(i).IsZero() {
			continue
		}
		field := dst.Field(f.index)
		if f.embedded != nil {
			for field.Kind() == reflect.Pointer {
				if field.IsNil() {
					if !field.CanSet() {
						return &mismatchError{map[string]any(nil), field.Type()}
					}
					field.Set(reflect.New(field.Type().Elem()))
				}
				field = field.Elem()
			}
			if err := f.embedded.assign(ctx, values, found.Field(i), field); err != nil {
				return err
			}
			continue
		}
		if !field.CanSet() {
			return &mismatchError{map[string]any(nil), field.Type()}
		}
		if err := assign(ctx, values[found.Field(i).Elem().Int()], field); err != nil {
			return err
		}
	}
	return nil
}

var anyHolders sync.Map // reflect.Type to bool

// holdsAny reports whether a value of type t can have an any in it that package cbor
// would decode.
func holdsAny(t reflect.Type) bool {
	if holds, ok := anyHolders.Load(t); ok {
		return holds.(bool)
	}
	holds := findAny(t, map[reflect.Type]bool{})
	anyHolders.Store(t, holds)
	return holds
}

var ownDecoding = []reflect.Type{
	reflect.TypeFor[cbor.Unmarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
}

func findAny(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t == reflect.TypeFor[cbor.Tag]() {
		return false
	}
	for _, own := range ownDecoding {
		if reflect.PointerTo(t).Implements(own) {
			return false
		}
	}
	switch t.Kind() {
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return findAny(t.Elem(), seen)
	case reflect.Map:
		return findAny(t.Key(), seen) || findAny(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if (f.IsExported() || f.Anonymous) && f.Tag.Get("cbor") != "-" && findAny(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
