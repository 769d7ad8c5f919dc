package hashtable

import (
	"reflect"
	"unsafe"
)

// A ready-made scalar is handed out as an interface value that points into its record, or
// into an Arena, instead of to a copy: that saves an allocation, which takes longer than
// the rest of a get. It is safe because
//
//   - Go lays out an interface value as two words, what the value's type is and where the
//     value is, for every value that is not itself one pointer. layoutAsExpected checks
//     that when the program starts; if it were not so, values are copied.
//   - what the second word points to is never written to again: a record does not change,
//     and an Arena hands out each of its places once.
//   - the garbage collector keeps the whole block alive that the second word points into.

// box is an interface value as Go lays it out.
type box struct{ kind, data unsafe.Pointer }

var layoutAsExpected = func() bool {
	if reflect.TypeFor[any]().Size() != unsafe.Sizeof(box{}) {
		return false
	}
	text, number, float := "text", int64(1)<<40, 1.5
	for _, c := range []struct {
		value any
		at    unsafe.Pointer
		same  func(at unsafe.Pointer) bool
	}{
		{text, unsafe.Pointer(&text), func(at unsafe.Pointer) bool { return *(*string)(at) == text }},
		{number, unsafe.Pointer(&number), func(at unsafe.Pointer) bool { return *(*int64)(at) == number }},
		{float, unsafe.Pointer(&float), func(at unsafe.Pointer) bool { return *(*float64)(at) == float }},
	} {
		b := (*box)(unsafe.Pointer(&c.value))
		if b.data == nil || !c.same(b.data) {
			return false
		}
		b.data = c.at
		if v := reflect.ValueOf(c.value); !v.IsValid() || !v.Equal(reflect.NewAt(v.Type(), c.at).Elem()) {
			return false
		}
	}
	return true
}()

// The first word of an interface value of each type.
var (
	textKind  = kindOf("")
	intKind   = kindOf(int64(0))
	floatKind = kindOf(float64(0))
)

func kindOf(v any) unsafe.Pointer { return (*box)(unsafe.Pointer(&v)).kind }

// boxed returns *p, whose type is that of kind, as an interface value.
func boxed[T string | int64 | float64](kind unsafe.Pointer, p *T) (v any) {
	if !layoutAsExpected {
		return *p
	}
	*(*box)(unsafe.Pointer(&v)) = box{kind, unsafe.Pointer(p)}
	return v
}

// BoxText returns *p as an interface value without copying it. *p must never change.
func BoxText(p *string) any { return boxed(textKind, p) }

// BoxInt is BoxText for ints.
func BoxInt(p *int64) any { return boxed(intKind, p) }

// BoxFloat is BoxText for floats.
func BoxFloat(p *float64) any { return boxed(floatKind, p) }

// Scalar returns the ready-made scalar of a record as a string, an int64 or a float64. It
// reports false if the record has none, or is nil.
func (r *Record) Scalar() (v any, ok bool) {
	switch {
	case r == nil:
	case r.flags&flagText != 0:
		return BoxText(r.Text()), true
	case r.flags&flagInt != 0:
		return BoxInt(r.Int()), true
	case r.flags&flagFloat != 0:
		return BoxFloat(r.Float()), true
	}
	return nil, false
}
