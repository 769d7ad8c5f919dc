package eval

import (
	"unicode/utf8"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func errNoIndex(obj object.Object) object.Object {
	return errors.NewError("index operator not supported: %s", obj.Type())
}

// attribute reads obj.name. What is missing reads as None.
func (f *frame) attribute(obj object.Object, name string) object.Object {
	switch obj := obj.(type) {
	case *object.Dict:
		if pair, ok := obj.GetByString(name); ok {
			return pair.Value
		}
		return null
	case *object.Instance:
		return f.instanceAttribute(obj, name)
	case *object.Class:
		return f.classAttribute(obj, name)
	case *object.Builtin:
		if v, ok := obj.Attributes[name]; ok {
			return v
		}
		return null
	case *super:
		return f.superAttribute(obj, name)
	case *property:
		if name == "setter" {
			return propertySetter(obj)
		}
	case *object.Function:
		if name == "__name__" {
			return object.NewString(obj.Name)
		}
	case *object.LambdaFunction:
		if name == "__name__" {
			return object.NewString("<lambda>")
		}
	case *object.BoundMethod:
		return f.attribute(obj.Method, name)
	}
	return errNoIndex(obj)
}

// index reads obj[key]. What is missing reads as None.
func (f *frame) index(obj, key object.Object) object.Object {
	if s, ok := key.(*object.Slice); ok {
		return f.slice(obj, s)
	}
	switch obj := obj.(type) {
	case *object.Dict:
		if pair, ok := obj.Pairs[f.dictKey(key)]; ok {
			return pair.Value
		}
		return null
	case *object.List:
		return elementAt(obj, obj.Elements, key)
	case *object.Tuple:
		return elementAt(obj, obj.Elements, key)
	case *object.String:
		return charAt(obj, key)
	case *object.Bytes:
		n, ok := key.(*object.Integer)
		if !ok {
			return errNoIndex(obj)
		}
		b := obj.BytesValue()
		if i, ok := position(n.IntValue(), len(b)); ok {
			return object.NewInteger(int64(b[i]))
		}
		return null
	case *object.Instance:
		if v, ok := f.callSpecial(obj, "__getitem__", key); ok {
			return v
		}
	case *object.Builtin:
		name, ok := key.(*object.String)
		if !ok {
			return errors.NewError("builtin index must be string")
		}
		return f.attribute(obj, name.StringValue())
	}
	return errNoIndex(obj)
}

func elementAt(obj object.Object, elements []object.Object, key object.Object) object.Object {
	n, ok := key.(*object.Integer)
	if !ok {
		return errNoIndex(obj)
	}
	if i, ok := position(n.IntValue(), len(elements)); ok {
		return elements[i]
	}
	return null
}

func charAt(s *object.String, key object.Object) object.Object {
	n, ok := key.(*object.Integer)
	if !ok {
		return errNoIndex(s)
	}
	text := s.StringValue()
	length := utf8.RuneCountInString(text)
	i, ok := position(n.IntValue(), length)
	if !ok {
		return null
	}
	if length == len(text) {
		return object.NewString(text[i : i+1])
	}
	for ; i > 0; i-- {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	_, size := utf8.DecodeRuneInString(text)
	return object.NewString(text[:size])
}

func (f *frame) sliceExpr(e *ast.SliceExpr) object.Object {
	obj := f.eval(e.Object)
	if isError(obj) {
		return obj
	}
	s, err := f.sliceObject(e)
	if err != nil {
		return err
	}
	return f.slice(obj, s)
}

func (f *frame) sliceObject(e *ast.SliceExpr) (*object.Slice, object.Object) {
	s := &object.Slice{}
	for _, part := range []struct {
		expr ast.Expr
		to   **object.Integer
	}{{e.Start, &s.Start}, {e.End, &s.End}, {e.Step, &s.Step}} {
		if part.expr == nil {
			continue
		}
		v := f.eval(part.expr)
		switch v := v.(type) {
		case *object.Error:
			return nil, v
		case *object.Integer:
			*part.to = v
		case *object.Null:
		default:
			return nil, errors.NewTypeError("INTEGER", v.Type().String())
		}
	}
	return s, nil
}

// span is a resolved slice: count positions from start in steps of step.
type span struct{ start, step, count int }

// resolveSlice applies a slice to a sequence of the given length.
func resolveSlice(s *object.Slice, length int) (span, object.Object) {
	n := int64(length)
	step := int64(1)
	if s.Step != nil {
		step = s.Step.IntValue()
	}
	if step == 0 {
		return span{}, errors.NewError("slice step cannot be zero")
	}
	low, high := int64(0), n // where positions are clamped
	start, end := int64(0), n
	if step < 0 {
		low, high = -1, n-1
		start, end = n-1, -1
	}
	bound := func(i *object.Integer, def int64) int64 {
		if i == nil {
			return def
		}
		v := i.IntValue()
		if v < 0 {
			v = max(v, -n-1) + n
		}
		return min(max(v, low), high)
	}
	start, end = bound(s.Start, start), bound(s.End, end)
	count := int64(0)
	switch {
	case step > 0 && end > start:
		count = int64((uint64(end-start)-1)/uint64(step)) + 1
	case step < 0 && start > end:
		count = int64((uint64(start-end)-1)/-uint64(step)) + 1
	}
	if count == 0 {
		start = 0
	}
	return span{int(start), int(step), int(count)}, nil
}

func (f *frame) slice(obj object.Object, s *object.Slice) object.Object {
	switch obj := obj.(type) {
	case *object.List:
		r, err := resolveSlice(s, len(obj.Elements))
		if err != nil {
			return err
		}
		if r.step == 1 {
			// Such a slice shares the storage of the list.
			return &object.List{Elements: obj.Elements[r.start : r.start+r.count]}
		}
		return &object.List{Elements: pick(obj.Elements, r)}
	case *object.Tuple:
		r, err := resolveSlice(s, len(obj.Elements))
		if err != nil {
			return err
		}
		return &object.Tuple{Elements: pick(obj.Elements, r)}
	case *object.Bytes:
		r, err := resolveSlice(s, obj.Len())
		if err != nil {
			return err
		}
		return object.NewBytes(pick(obj.BytesValue(), r))
	case *object.String:
		return sliceString(obj.StringValue(), s)
	case *object.Instance:
		if v, ok := f.callSpecial(obj, "__getitem__", s); ok {
			return v
		}
	}
	return errNoIndex(obj)
}

func sliceString(text string, s *object.Slice) object.Object {
	if length := utf8.RuneCountInString(text); length == len(text) {
		r, err := resolveSlice(s, length)
		if err != nil {
			return err
		}
		if r.step == 1 {
			return object.NewString(text[r.start : r.start+r.count])
		}
		return object.NewString(string(pick([]byte(text), r)))
	}
	runes := []rune(text)
	r, err := resolveSlice(s, len(runes))
	if err != nil {
		return err
	}
	return object.NewString(string(pick(runes, r)))
}

func pick[T any](elements []T, r span) []T {
	out := make([]T, r.count)
	for i := range out {
		out[i] = elements[r.start+i*r.step]
	}
	return out
}
