package hashtable

import (
	"math"
	"reflect"
	"unsafe"
)

// box is how Go lays out an empty interface that holds something larger than a
// pointer, or something that is none.
type box struct{ kind, data unsafe.Pointer }

// boxes tells whether that is so.
var boxes = func() bool {
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

// What the first word of a box is for each kind of value.
var (
	textKind  = kindOf("")
	intKind   = kindOf(int64(0))
	floatKind = kindOf(float64(0))
)

func kindOf(v any) unsafe.Pointer { return (*box)(unsafe.Pointer(&v)).kind }

// boxed returns *p, which is of that kind, as an interface value. Where it can it
// does not copy what p points to, which must never change.
func boxed[T string | int64 | float64](kind unsafe.Pointer, p *T) (v any) {
	if !boxes {
		return *p
	}
	*(*box)(unsafe.Pointer(&v)) = box{kind, unsafe.Pointer(p)}
	return v
}

// Wraps tells whether a T is nothing but an F: a struct whose only field with a
// size is one.
func Wraps[T, F any]() bool {
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

// As returns the T that is nothing but the F at p. Wraps[T, F] has to be true.
func As[T, F any](p *F) *T { return (*T)(unsafe.Pointer(p)) }

// Box returns what is ready-made in the record as a Go value: a string, an int64
// or a float64. It takes no memory of its own.
func (r *Record) Box() (v any, ok bool) {
	switch {
	case r.flags&flagText != 0:
		return BoxText(r.Text()), true
	case r.flags&flagInt != 0:
		return BoxInt(r.Int()), true
	case r.flags&flagFloat != 0:
		return BoxFloat(r.Float()), true
	}
	return nil, false
}

// BoxText returns a text that never changes as a Go value.
func BoxText(p *string) any { return boxed(textKind, p) }

// BoxInt is BoxText for ints.
func BoxInt(p *int64) any { return boxed(intKind, p) }

// BoxFloat is BoxText for floats.
func BoxFloat(p *float64) any { return boxed(floatKind, p) }

// Room is memory for the values of one dict or list, which are handed out without
// being copied: a piece for several of them takes less time than one for each. A
// piece stays as long as one of its values. The zero Room is empty.
type Room struct {
	texts   []string
	numbers []uint64
}

const maxPiece = 16 // values

// Text puts a text into the room, where about so many more will follow.
func (r *Room) Text(s string, more int) *string {
	if len(r.texts) == 0 {
		r.texts = make([]string, min(1+more, maxPiece))
	}
	p := &r.texts[0]
	*p, r.texts = s, r.texts[1:]
	return p
}

// Int is Text for ints.
func (r *Room) Int(i int64, more int) *int64 {
	return (*int64)(r.number(uint64(i), more))
}

// Float is Text for floats.
func (r *Room) Float(f float64, more int) *float64 {
	return (*float64)(r.number(math.Float64bits(f), more))
}

func (r *Room) number(bits uint64, more int) unsafe.Pointer {
	if len(r.numbers) == 0 {
		r.numbers = make([]uint64, min(1+more, maxPiece))
	}
	p := &r.numbers[0]
	*p, r.numbers = bits, r.numbers[1:]
	return unsafe.Pointer(p)
}
