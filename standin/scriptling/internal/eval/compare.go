package eval

import (
	"cmp"
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

// maxCompareDepth bounds the recursion through nested containers.
const maxCompareDepth = 10000

// maxIdenticalText is the length up to which equal strings are one object for
// the operator "is".
const maxIdenticalText = 20

func identical(a, b object.Object) bool {
	switch a := a.(type) {
	case *object.Null:
		_, ok := b.(*object.Null)
		return ok
	case *object.String:
		if b, ok := b.(*object.String); ok && len(a.StringValue()) <= maxIdenticalText {
			return a.StringValue() == b.StringValue()
		}
	}
	return a == b
}

// compare applies a comparison operator; ok is false for any other operator. NaN
// is neither less than anything nor equal to it.
func compare[T cmp.Ordered](op ast.Op, a, b T) (result object.Object, ok bool) {
	var holds bool
	switch op {
	case ast.Eq:
		holds = a == b
	case ast.NotEq:
		holds = a != b
	case ast.Lt:
		holds = a < b
	case ast.Gt:
		holds = a > b
	case ast.LtE:
		holds = a <= b
	case ast.GtE:
		holds = a >= b
	default:
		return nil, false
	}
	return object.NewBoolean(holds), true
}

// equal is the operator ==, where numbers compare by value across types.
func (f *frame) equal(a, b object.Object) (bool, object.Object) {
	if x, ok := toInt(a); ok {
		if y, ok := toInt(b); ok {
			return x == y, nil
		}
	}
	if x, ok := toFloat(a); ok {
		if y, ok := toFloat(b); ok {
			return x == y, nil
		}
		return false, nil
	}
	c := comparison{f: f}
	return c.same(a, b), c.err
}

// same is equality inside containers: the types must match exactly.
func (f *frame) same(a, b object.Object) bool {
	c := comparison{f: f}
	return c.same(a, b)
}

// comparison is one deep comparison; err is set when it cannot be completed.
type comparison struct {
	f     *frame
	depth int
	err   object.Object
}

func (c *comparison) same(a, b object.Object) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch a := a.(type) {
	case *object.Null:
		return true
	case *object.Integer:
		b, ok := b.(*object.Integer)
		return ok && a.IntValue() == b.IntValue()
	case *object.Float:
		b, ok := b.(*object.Float)
		return ok && a.FloatValue() == b.FloatValue()
	case *object.Boolean:
		b, ok := b.(*object.Boolean)
		return ok && a.BoolValue() == b.BoolValue()
	case *object.String:
		b, ok := b.(*object.String)
		return ok && a.StringValue() == b.StringValue()
	case *object.Bytes:
		b, ok := b.(*object.Bytes)
		return ok && a.Equal(b)
	case *object.Instance:
		return c.sameInstance(a, b)
	}
	if a == b {
		return true
	}
	if c.depth >= maxCompareDepth {
		c.err = errTooDeep()
	}
	if c.err != nil {
		return false
	}
	c.depth++
	defer func() { c.depth-- }()
	switch a := a.(type) {
	case *object.List:
		return c.sameElements(a.Elements, b.(*object.List).Elements)
	case *object.Tuple:
		return c.sameElements(a.Elements, b.(*object.Tuple).Elements)
	case *object.Dict:
		return c.sameDict(a, b.(*object.Dict))
	case *object.Set:
		b := b.(*object.Set)
		return len(a.Elements) == len(b.Elements) && a.IsSubset(b)
	}
	return false
}

func (c *comparison) sameInstance(a *object.Instance, other object.Object) bool {
	v, ok := c.f.callSpecial(a, "__eq__", other)
	if !ok {
		return object.Object(a) == other
	}
	if isError(v) {
		c.err = v
		return false
	}
	truth, err := c.f.truth(v)
	if err != nil {
		c.err = err
	}
	return truth
}

func (c *comparison) sameElements(a, b []object.Object) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !c.same(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (c *comparison) sameDict(a, b *object.Dict) bool {
	if len(a.Pairs) != len(b.Pairs) {
		return false
	}
	for key, pair := range a.Pairs {
		other, ok := b.Pairs[key]
		if !ok || !c.same(pair.Value, other.Value) {
			return false
		}
	}
	return true
}

// membership is "in" and "not in"; the latter turns an error into true.
func (f *frame) membership(op ast.Op, needle, container object.Object) object.Object {
	found, err := f.contains(container, needle)
	if op == ast.NotIn {
		return object.NewBoolean(err != nil || !found)
	}
	if err != nil {
		return err
	}
	return object.NewBoolean(found)
}

func (f *frame) contains(container, needle object.Object) (bool, object.Object) {
	switch c := container.(type) {
	case *object.List:
		return f.containsElement(c.Elements, needle)
	case *object.Tuple:
		return f.containsElement(c.Elements, needle)
	case *object.Dict:
		_, ok := c.Pairs[f.dictKey(needle)]
		return ok, nil
	case *object.DictKeys:
		_, ok := c.Dict.Pairs[f.dictKey(needle)]
		return ok, nil
	case *object.Set:
		return c.ContainsKeyed(f.dictKey(needle)), nil
	case *object.DictValues, *object.DictItems:
		elements, err := f.collect(container)
		if err != nil {
			return false, err
		}
		return f.containsElement(elements, needle)
	case *object.String:
		s, ok := needle.(*object.String)
		if !ok {
			return false, errors.NewTypeError("STRING", "non-string type")
		}
		return strings.Contains(c.StringValue(), s.StringValue()), nil
	case *object.Bytes:
		return bytesContain(c, needle)
	case *object.Instance:
		if v, ok := f.callSpecial(c, "__contains__", needle); ok {
			if isError(v) {
				return false, v
			}
			return f.truth(v)
		}
	}
	return false, errors.NewTypeError("iterable", container.Type().String())
}

func bytesContain(b *object.Bytes, needle object.Object) (bool, object.Object) {
	text := string(b.BytesValue())
	switch n := needle.(type) {
	case *object.Integer:
		return n.IntValue() >= 0 && n.IntValue() < 256 && strings.IndexByte(text, byte(n.IntValue())) >= 0, nil
	case *object.Bytes:
		return strings.Contains(text, string(n.BytesValue())), nil
	}
	return false, errors.NewTypeError("BYTES", needle.Type().String())
}

func (f *frame) containsElement(elements []object.Object, needle object.Object) (bool, object.Object) {
	c := comparison{f: f}
	for _, e := range elements {
		if c.same(e, needle) {
			return true, nil
		}
		if c.err != nil {
			return false, c.err
		}
	}
	return false, nil
}

// ordering orders values for sorting, min and max. The first failure is kept in
// err and makes all further comparisons false.
type ordering struct {
	f       *frame
	lenient bool // values that cannot be compared count as equal
	err     object.Object
}

func (o *ordering) less(a, b object.Object) bool {
	if o.err != nil {
		return false
	}
	if x, ok := a.(*object.String); ok {
		if y, ok := b.(*object.String); ok {
			return x.StringValue() < y.StringValue()
		}
	}
	if x, ok := toInt(a); ok {
		if y, ok := toInt(b); ok {
			return x < y
		}
	}
	if x, ok := toFloat(a); ok {
		if y, ok := toFloat(b); ok {
			return x < y
		}
	}
	if a.Type() == b.Type() {
		switch x := a.(type) {
		case *object.List:
			return o.lessElements(x.Elements, b.(*object.List).Elements)
		case *object.Tuple:
			return o.lessElements(x.Elements, b.(*object.Tuple).Elements)
		case *object.Bytes:
			return string(x.BytesValue()) < string(b.(*object.Bytes).BytesValue())
		case *object.Instance:
			if v, ok := o.f.callSpecial(x, "__lt__", b); ok {
				return o.truth(v)
			}
		}
	}
	if !o.lenient {
		o.err = errNoOrder(a, b)
	}
	return false
}

func errNoOrder(a, b object.Object) object.Object {
	if a.Type() != b.Type() {
		return errors.NewError("cannot compare %s with %s", a.Type(), b.Type())
	}
	return errors.NewError("unsupported type for sorting: %s", a.Type())
}

func (o *ordering) truth(v object.Object) bool {
	if isError(v) {
		o.err = v
		return false
	}
	var truth bool
	truth, o.err = o.f.truth(v)
	return truth
}

func (o *ordering) lessElements(a, b []object.Object) bool {
	if o.f.m.nesting++; o.f.m.nesting > maxNesting {
		o.err = errTooDeep()
	}
	defer func() { o.f.m.nesting-- }()
	for i := range min(len(a), len(b)) {
		if o.less(a[i], b[i]) {
			return true
		}
		if o.less(b[i], a[i]) || o.err != nil {
			return false
		}
	}
	return len(a) < len(b)
}
