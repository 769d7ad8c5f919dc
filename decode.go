package extlibs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Decode returns the value as a Go value of its own, of the types that Tuple
// lists. What is not the encoding of a value is an error that is ErrCorrupt.
func (v Value) Decode() (any, error) {
	if item, ok := v.scalar(); ok {
		switch item.Kind {
		case cbor.Text:
			return item.Text, nil
		case cbor.Int:
			return item.Int, nil
		}
	}
	return decode[any](v, goBuilder{})
}

// builder makes the values that decode finds: Go values or script objects.
type builder[T any] interface {
	null() T
	bool(bool) T
	int(int64) T
	float(float64) T
	text(string) T
	bytes(string) T
	list([]T) T
	tuple([]T) T
	set([]T) (T, error)
	dict(n int) dictBuilder[T]
}

type dictBuilder[T any] interface {
	putText(key string, value T)
	put(key, value T) error
	done() T
}

// scalar reads a value without parts, other than a byte string.
func (v Value) scalar() (item cbor.Item, ok bool) {
	if v.data == "" {
		return item, false
	}
	switch v.data[0] >> 5 {
	case 0, 1, 3, 7: // integers, text, and the simple values with the floats
		r := cbor.NewReader(v.data)
		item, err := r.Next()
		return item, err == nil && r.Len() == 0
	}
	return item, false
}

// decode reads exactly one value. It reserves memory in proportion to the
// length of v, whatever v claims to hold.
func decode[T any](v Value, b builder[T]) (T, error) {
	d := decoder[T]{r: cbor.NewReader(v.data), b: b, size: v.Len(), room: v.Len()}
	out, err := d.value(0)
	if err == nil && d.r.Len() > 0 {
		err = fmt.Errorf("%d bytes too many", d.r.Len())
	}
	if err != nil {
		var none T
		return none, kverr.Errorf(ErrCorrupt, "value cannot be decoded: %w", err)
	}
	return out, nil
}

type decoder[T any] struct {
	r    cbor.Reader
	b    builder[T]
	size int // of the whole value
	room int // how many more elements the value can have: each takes a byte
}

// reserve notes that a container claims to hold n elements. The reader has seen
// that as many bytes are left, but containers inside each other might all claim
// the same ones.
func (d *decoder[T]) reserve(n, depth int) error {
	if depth >= MaxDepth {
		return errTooDeep
	}
	if d.room -= n; d.room < 0 {
		return cbor.ErrTruncated
	}
	return nil
}

// aliasBytes is the size up to which a value may be kept alive by any text in it.
const aliasBytes = 1024

// text makes a text of a part of the value. Whoever keeps a short text must not
// keep a large value with it.
func (d *decoder[T]) text(s string) string {
	if d.size > aliasBytes && len(s) < d.size/2 {
		return strings.Clone(s)
	}
	return s
}

func (d *decoder[T]) value(depth int) (T, error) {
	item, err := d.r.Next()
	if err != nil {
		var none T
		return none, err
	}
	return d.item(item, depth)
}

// item makes the value that an item begins.
func (d *decoder[T]) item(item cbor.Item, depth int) (T, error) {
	var none T
	switch item.Kind {
	case cbor.Null:
		return d.b.null(), nil
	case cbor.Bool:
		return d.b.bool(item.Int == 1), nil
	case cbor.Int:
		return d.b.int(item.Int), nil
	case cbor.Float:
		return d.b.float(item.Float), nil
	case cbor.Text:
		return d.b.text(d.text(item.Text)), nil
	case cbor.Bytes:
		return d.b.bytes(item.Text), nil
	case cbor.Array:
		elems, err := d.elements(int(item.Int), depth)
		if err != nil {
			return none, err
		}
		return d.b.list(elems), nil
	case cbor.Map:
		return d.dict(int(item.Int), depth)
	default:
		return d.tagged(item.Int, depth)
	}
}

func (d *decoder[T]) elements(n, depth int) ([]T, error) {
	if err := d.reserve(n, depth); err != nil {
		return nil, err
	}
	elems := make([]T, n)
	for i := range elems {
		el, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		elems[i] = el
	}
	return elems, nil
}

var errTooDeep = fmt.Errorf("nested more than %d levels", MaxDepth)

func (d *decoder[T]) dict(n, depth int) (T, error) {
	var none T
	if err := d.reserve(2*n, depth); err != nil {
		return none, err
	}
	dict := d.b.dict(n)
	for range n {
		head, err := d.r.Next()
		if err != nil {
			return none, err
		}
		if head.Kind == cbor.Text { // the common key needs no value of its own
			value, err := d.value(depth + 1)
			if err != nil {
				return none, err
			}
			dict.putText(d.text(head.Text), value)
			continue
		}
		key, err := d.item(head, depth+1)
		if err != nil {
			return none, err
		}
		value, err := d.value(depth + 1)
		if err != nil {
			return none, err
		}
		if err := dict.put(key, value); err != nil {
			return none, err
		}
	}
	return dict.done(), nil
}

// tagged reads what a tag of ours marks. Only an array or a byte string may
// follow, so tags do not nest and need no limit of their own.
func (d *decoder[T]) tagged(tag int64, depth int) (T, error) {
	var none T
	item, err := d.r.Next()
	if err != nil {
		return none, err
	}
	switch {
	case tag == tagRawText && item.Kind == cbor.Bytes:
		return d.b.text(d.text(item.Text)), nil
	case tag == tagTuple && item.Kind == cbor.Array:
		elems, err := d.elements(int(item.Int), depth)
		if err != nil {
			return none, err
		}
		return d.b.tuple(elems), nil
	case tag == tagSet && item.Kind == cbor.Array:
		elems, err := d.elements(int(item.Int), depth)
		if err != nil {
			return none, err
		}
		return d.b.set(elems)
	}
	return none, fmt.Errorf("unknown tag %d", tag)
}

// goBuilder makes Go values.
type goBuilder struct{}

func (goBuilder) null() any           { return nil }
func (goBuilder) bool(v bool) any     { return v }
func (goBuilder) int(v int64) any     { return v }
func (goBuilder) float(v float64) any { return v }
func (goBuilder) text(v string) any   { return v }
func (goBuilder) bytes(v string) any  { return []byte(v) }
func (goBuilder) list(v []any) any    { return v }
func (goBuilder) tuple(v []any) any   { return Tuple(v) }

func (goBuilder) set(v []any) (any, error) {
	if i := slices.IndexFunc(v, unhashable); i >= 0 {
		return nil, fmt.Errorf("set element of type %T", v[i])
	}
	return Set(v), nil
}

func (goBuilder) dict(n int) dictBuilder[any] {
	return &goDict{byName: make(map[string]any, n)}
}

// goDict is a map until a key turns up that is not a string.
type goDict struct {
	byName map[string]any
	pairs  Dict
}

func (d *goDict) putText(key string, value any) {
	if d.pairs == nil {
		d.byName[key] = value
		return
	}
	d.pairs = append(d.pairs, Pair{key, value})
}

func (d *goDict) put(key, value any) error {
	if unhashable(key) {
		return fmt.Errorf("dict key of type %T", key)
	}
	if name, isString := key.(string); isString { // one that is not valid UTF-8
		d.putText(name, value)
		return nil
	}
	if d.pairs == nil {
		d.pairs = make(Dict, 0, len(d.byName)+1)
		for k, v := range d.byName {
			d.pairs = append(d.pairs, Pair{k, v})
		}
	}
	d.pairs = append(d.pairs, Pair{key, value})
	return nil
}

func (d *goDict) done() any {
	if d.pairs != nil {
		return d.pairs
	}
	return d.byName
}
