package eval

import (
	"github.com/paularlott/scriptling/internal/format"
	"github.com/paularlott/scriptling/object"
)

// printText is the text print writes for a value.
func printText(v object.Object) string {
	if s, err := v.AsString(); err == nil {
		return s
	}
	return v.Inspect()
}

// text is what str() gives: the message of an exception, __str__ of an
// instance, the Inspect text otherwise. The second result is nil or an error.
func (f *frame) text(v object.Object) (string, object.Object) {
	if exc, ok := v.(*object.Exception); ok {
		return exc.Message, nil
	}
	return f.innerText(v)
}

// innerText is the text of a value inside another one, such as a joined or
// formatted string, where exceptions are marked as such.
func (f *frame) innerText(v object.Object) (string, object.Object) {
	if inst, ok := v.(*object.Instance); ok {
		if s, err, ok := f.specialText(inst, "__str__"); ok {
			return s, err
		}
	}
	return v.Inspect(), nil
}

// specialText calls a method that returns a text.
func (f *frame) specialText(inst *object.Instance, name string) (s string, err object.Object, ok bool) {
	v, ok := f.callSpecial(inst, name)
	if !ok {
		return "", nil, false
	}
	if isError(v) {
		return "", v, true
	}
	return printText(v), nil, true
}

// repr is what repr() gives.
func (f *frame) repr(v object.Object) (string, object.Object) {
	switch v := v.(type) {
	case *object.String:
		return "'" + v.StringValue() + "'", nil
	case *object.Instance:
		for _, name := range []string{"__repr__", "__str__"} {
			if s, err, ok := f.specialText(v, name); ok {
				return s, err
			}
		}
	}
	return v.Inspect(), nil
}

// fieldText is the text of a value in an f-string without a specification.
func (f *frame) fieldText(v object.Object) (string, object.Object) {
	switch v := v.(type) {
	case *object.String:
		return v.StringValue(), nil
	case *object.Float:
		return format.FloatFieldText(v.FloatValue()), nil
	}
	return f.innerText(v)
}

// formatValue describes a value to package format.
func (f *frame) formatValue(v object.Object) (format.Value, object.Object) {
	switch v := v.(type) {
	case *object.Integer:
		return format.IntValue(v.IntValue()), nil
	case *object.Float:
		return format.FloatValue(v.FloatValue()), nil
	case *object.String:
		return format.TextValue(v.StringValue()), nil
	}
	s, err := f.innerText(v)
	return format.OtherValue(s, v.Type().String()), err
}
