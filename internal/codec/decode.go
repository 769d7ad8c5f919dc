package codec

import (
	"fmt"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/cbor"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// Builder makes the values that Decode finds. Of an error that it returns Decode
// makes one that is kverr.Corrupt.
type Builder[T any] interface {
	Null() T
	Bool(bool) T
	Int(int64) T
	Float(float64) T
	Text(string) T
	Bytes(string) T
	List([]T) T
	Tuple([]T) T
	Set([]T) (T, error)
	Dict(n int) DictBuilder[T] // of about n entries
}

// DictBuilder makes one dict. A key that comes twice has the later value. Of a
// text that is borrowed the dict keeps a copy, if it keeps it at all. Put takes a
// key that CBOR's text cannot hold, and may leave the rest of the dict to another
// builder, which has what this one had.
type DictBuilder[T any] interface {
	PutText(key string, borrowed bool, value T)
	Put(key, value T) (DictBuilder[T], error)
	Done() T
}

// Scalar reads a value without parts, other than a byte string.
func Scalar(raw string) (item cbor.Item, ok bool) {
	if raw == "" {
		return item, false
	}
	switch raw[0] >> 5 {
	case 0, 1, 3, 7: // integers, text, and the simple values with the floats
		r := cbor.NewReader(raw)
		item, err := r.Next()
		return item, err == nil && r.Len() == 0
	}
	return item, false
}

// Decode reads exactly one value. It reserves memory in proportion to the length
// of raw, whatever raw claims to hold. Texts may be parts of raw. What is not the
// encoding of a value is an error that is kverr.Corrupt.
func Decode[T any](raw string, b Builder[T]) (T, error) {
	d := decoder[T]{r: cbor.NewReader(raw), b: b, size: len(raw), room: len(raw)}
	out, err := d.value(0)
	if err == nil && d.r.Len() > 0 {
		err = fmt.Errorf("%d bytes too many", d.r.Len())
	}
	if err != nil {
		var none T
		return none, kverr.Errorf(kverr.Corrupt, "value cannot be decoded: %w", err)
	}
	return out, nil
}

type decoder[T any] struct {
	r    cbor.Reader
	b    Builder[T]
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

// borrowed tells whether a text is too small a part of the value to be kept:
// whoever keeps a short text must not keep a large value with it.
func (d *decoder[T]) borrowed(s string) bool {
	return d.size > aliasBytes && len(s) < d.size/2
}

// text makes a text of a part of the value.
func (d *decoder[T]) text(s string) string {
	if d.borrowed(s) {
		return strings.Clone(s)
	}
	return s
}

func (d *decoder[T]) value(depth int) (T, error) {
	if text, ok := d.r.ShortText(); ok {
		return d.b.Text(d.text(text)), nil
	}
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
		return d.b.Null(), nil
	case cbor.Bool:
		return d.b.Bool(item.Int == 1), nil
	case cbor.Int:
		return d.b.Int(item.Int), nil
	case cbor.Float:
		return d.b.Float(item.Float), nil
	case cbor.Text:
		return d.b.Text(d.text(item.Text)), nil
	case cbor.Bytes:
		return d.b.Bytes(item.Text), nil
	case cbor.Array:
		elems, err := d.elements(int(item.Int), depth)
		if err != nil {
			return none, err
		}
		return d.b.List(elems), nil
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
	dict := d.b.Dict(n)
	for range n {
		if name, ok := d.r.ShortText(); ok { // the common key needs no value of its own
			value, err := d.value(depth + 1)
			if err != nil {
				return none, err
			}
			dict.PutText(name, d.borrowed(name), value)
			continue
		}
		key, err := d.r.Next()
		if err != nil {
			return none, err
		}
		if dict, err = d.pair(dict, key, depth); err != nil {
			return none, err
		}
	}
	return dict.Done(), nil
}

// pair reads the rest of an entry whose key an item begins.
func (d *decoder[T]) pair(dict DictBuilder[T], head cbor.Item, depth int) (DictBuilder[T], error) {
	if head.Kind == cbor.Text {
		value, err := d.value(depth + 1)
		if err == nil {
			dict.PutText(head.Text, d.borrowed(head.Text), value)
		}
		return dict, err
	}
	key, err := d.item(head, depth+1)
	if err != nil {
		return dict, err
	}
	value, err := d.value(depth + 1)
	if err != nil {
		return dict, err
	}
	return dict.Put(key, value)
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
		return d.b.Text(d.text(item.Text)), nil
	case tag == tagTuple && item.Kind == cbor.Array:
		elems, err := d.elements(int(item.Int), depth)
		if err != nil {
			return none, err
		}
		return d.b.Tuple(elems), nil
	case tag == tagSet && item.Kind == cbor.Array:
		elems, err := d.elements(int(item.Int), depth)
		if err != nil {
			return none, err
		}
		return d.b.Set(elems)
	}
	return none, fmt.Errorf("unknown tag %d", tag)
}
