package extlibs

import (
	"reflect"
	"unsafe"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/hashtable"
)

// A script's str, int or float is handed out without a copy if possible: a pointer to
// the string, the int64 or the float64, in a record of the in-memory store or in an arena,
// is converted to a pointer to the interpreter's object. That saves a get of a scalar
// about 30 ns, half of its time. This file has all such conversions.
//
// They are safe because
//
//   - the object types are structs of exactly that one field, which wraps checks when the
//     program starts. With an interpreter where they are not, objects are made by its own
//     functions instead.
//   - the interpreter's scalars never change, and neither do records and what an arena
//     holds.
//   - the integers that the interpreter shares (see copiesInt) come from the interpreter,
//     so that scripts cannot tell these objects from others. It shares no strings and no
//     floats.
//   - the garbage collector keeps the block alive that a pointer points into, whatever its
//     type.
var (
	stringIsText = wraps[object.String, string]()
	integerIsInt = wraps[object.Integer, int64]()
	floatIsFloat = wraps[object.Float, float64]()
)

// wraps reports whether T is a struct whose only field with a size is an F.
func wraps[T, F any]() bool {
	outer, inner := reflect.TypeFor[T](), reflect.TypeFor[F]()
	if outer.Kind() != reflect.Struct || outer.Size() != inner.Size() || outer.Align() != inner.Align() {
		return false
	}
	found := false
	for i := range outer.NumField() {
		field := outer.Field(i)
		if field.Type.Size() == 0 {
			continue
		}
		if found || field.Type != inner || field.Offset != 0 {
			return false
		}
		found = true
	}
	return found
}

// The functions below have checked wraps for the types that they convert.

func textObject(p *string) object.Object { return (*object.String)(unsafe.Pointer(p)) }
func intObject(p *int64) object.Object   { return (*object.Integer)(unsafe.Pointer(p)) }
func floatObject(p *float64) object.Object {
	return (*object.Float)(unsafe.Pointer(p))
}

// The interpreter has one object for each of these integers.
const (
	minSharedInt = -5
	maxSharedInt = 10_000
)

// copiesInt reports whether only the interpreter may make the object of i.
func copiesInt(i int64) bool { return !integerIsInt || i >= minSharedInt && i <= maxSharedInt }

// scalarObject returns the ready-made scalar of a record as a script's object, or nil if
// the record has none, or is nil.
func scalarObject(r *hashtable.Record) object.Object {
	if r == nil {
		return nil
	}
	if s := r.Text(); s != nil {
		if !stringIsText {
			return object.NewString(*s)
		}
		return textObject(s)
	}
	if i := r.Int(); i != nil {
		if copiesInt(*i) {
			return object.NewInteger(*i)
		}
		return intObject(i)
	}
	if f := r.Float(); f != nil {
		if !floatIsFloat {
			return object.NewFloat(*f)
		}
		return floatObject(f)
	}
	return nil
}

func (r *objectReader) text(s string, more int) object.Object {
	s, small := r.Own(s)
	if !small || !stringIsText {
		return object.NewString(s)
	}
	return textObject(r.arena.Text(s, more))
}

func (r *objectReader) int(i int64, more int) object.Object {
	if copiesInt(i) {
		return object.NewInteger(i)
	}
	return intObject(r.arena.Int(i, more))
}

func (r *objectReader) float(f float64, more int) object.Object {
	if !floatIsFloat {
		return object.NewFloat(f)
	}
	return floatObject(r.arena.Float(f, more))
}
