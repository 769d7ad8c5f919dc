package object

import (
	"context"
	"fmt"
	"reflect"
)

// LibraryBuilder makes a Library of typed Go functions.
type LibraryBuilder struct {
	name, description string
	functions         map[string]*Builtin
	constants         map[string]Object
}

// NewLibraryBuilder returns a builder of an empty library.
func NewLibraryBuilder(name, description string) *LibraryBuilder {
	return &LibraryBuilder{
		name: name, description: description,
		functions: map[string]*Builtin{}, constants: map[string]Object{},
	}
}

// Function adds a function: optionally a context.Context, then optionally
// Kwargs, then typed positional or variadic parameters; it returns nothing, a
// value, or a value and an error. Anything else panics.
func (b *LibraryBuilder) Function(name string, fn any) *LibraryBuilder {
	return b.FunctionWithHelp(name, fn, "")
}

// FunctionWithHelp adds a function with a help text.
func (b *LibraryBuilder) FunctionWithHelp(name string, fn any, help string) *LibraryBuilder {
	b.functions[name] = &Builtin{Fn: wrapFunction(name, reflect.ValueOf(fn)), HelpText: help}
	return b
}

// Constant adds a constant.
func (b *LibraryBuilder) Constant(name string, value any) *LibraryBuilder {
	b.constants[name] = fromValue(reflect.ValueOf(value))
	return b
}

// SubLibrary adds the contents of another library as a constant.
func (b *LibraryBuilder) SubLibrary(name string, lib *Library) *LibraryBuilder {
	b.constants[name] = lib.GetDict()
	return b
}

// Build returns the library.
func (b *LibraryBuilder) Build() *Library {
	return NewLibrary(b.name, b.functions, b.constants, b.description)
}

var (
	contextType = reflect.TypeFor[context.Context]()
	kwargsType  = reflect.TypeFor[Kwargs]()
	objectType  = reflect.TypeFor[Object]()
	errorType   = reflect.TypeFor[error]()
)

func wrapFunction(name string, fn reflect.Value) BuiltinFunction {
	if fn.Kind() != reflect.Func {
		panic(fmt.Sprintf("library function %s is a %T", name, fn.Interface()))
	}
	t := fn.Type()
	if t.NumOut() > 2 || t.NumOut() == 2 && t.Out(1) != errorType {
		panic(fmt.Sprintf("library function %s must return a value and an error at most", name))
	}
	lead := 0
	hasContext := lead < t.NumIn() && t.In(lead) == contextType
	if hasContext {
		lead++
	}
	hasKwargs := lead < t.NumIn() && t.In(lead) == kwargsType
	if hasKwargs {
		lead++
	}
	return func(ctx context.Context, kwargs Kwargs, args ...Object) (result Object) {
		defer func() {
			if r := recover(); r != nil {
				result = &Error{Message: fmt.Sprintf("panic in builtin: %v", r)}
			}
		}()
		in := make([]reflect.Value, 0, lead+len(args))
		if hasContext {
			in = append(in, reflect.ValueOf(ctx))
		}
		if hasKwargs {
			in = append(in, reflect.ValueOf(kwargs))
		}
		want := t.NumIn() - lead
		if t.IsVariadic() && len(args) < want-1 || !t.IsVariadic() && len(args) != want {
			return &Error{Message: fmt.Sprintf("argument error: got %d arguments, want %d", len(args), want)}
		}
		for i, arg := range args {
			v, failure := toValue(arg, parameterType(t, lead+i))
			if failure != nil {
				return failure
			}
			in = append(in, v)
		}
		return fromResults(fn.Call(in))
	}
}

func parameterType(fn reflect.Type, i int) reflect.Type {
	if last := fn.NumIn() - 1; fn.IsVariadic() && i >= last {
		return fn.In(last).Elem()
	}
	return fn.In(i)
}

func fromResults(out []reflect.Value) Object {
	if n := len(out); n > 0 && out[n-1].Type() == errorType {
		if err, _ := out[n-1].Interface().(error); err != nil {
			return &Error{Message: err.Error()}
		}
		out = out[:n-1]
	}
	if len(out) == 0 {
		return &Null{}
	}
	return fromValue(out[0])
}

// toValue converts an argument to a parameter type.
func toValue(obj Object, t reflect.Type) (v reflect.Value, failure Object) {
	if reflect.TypeOf(obj).AssignableTo(t) && (t != reflect.TypeFor[any]()) {
		return reflect.ValueOf(obj), nil
	}
	v = reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		var s string
		s, failure = obj.AsString()
		v.SetString(s)
	case reflect.Bool:
		var b bool
		b, failure = obj.AsBool()
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n int64
		n, failure = obj.AsInt()
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var n int64
		n, failure = obj.AsInt()
		v.SetUint(uint64(n))
	case reflect.Float32, reflect.Float64:
		var f float64
		f, failure = obj.AsFloat()
		v.SetFloat(f)
	case reflect.Slice:
		return toSlice(obj, t)
	case reflect.Map:
		return toMap(obj, t)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			if native := plainValue(obj); native != nil {
				v.Set(reflect.ValueOf(native))
			}
			return v, nil
		}
		failure = &Error{Message: "cannot convert " + obj.Type().String() + " to " + t.String()}
	default:
		failure = &Error{Message: "cannot convert " + obj.Type().String() + " to " + t.String()}
	}
	return v, failure
}

func toSlice(obj Object, t reflect.Type) (v reflect.Value, failure Object) {
	if b, ok := obj.(*Bytes); ok && t.Elem().Kind() == reflect.Uint8 {
		return reflect.ValueOf(append([]byte{}, b.value...)).Convert(t), nil
	}
	elements, failure := obj.AsList()
	if failure != nil {
		return v, failure
	}
	v = reflect.MakeSlice(t, len(elements), len(elements))
	for i, e := range elements {
		element, failure := toValue(e, t.Elem())
		if failure != nil {
			return v, failure
		}
		v.Index(i).Set(element)
	}
	return v, nil
}

func toMap(obj Object, t reflect.Type) (v reflect.Value, failure Object) {
	entries, failure := obj.AsDict()
	if failure != nil {
		return v, failure
	}
	v = reflect.MakeMap(t)
	for name, e := range entries {
		key, failure := toValue(NewString(name), t.Key())
		if failure != nil {
			return v, failure
		}
		value, failure := toValue(e, t.Elem())
		if failure != nil {
			return v, failure
		}
		v.SetMapIndex(key, value)
	}
	return v, nil
}

// plainValue is the Go value of an object for a parameter of type any.
func plainValue(obj Object) any {
	switch obj := obj.(type) {
	case *Null:
		return nil
	case *Boolean:
		return obj.value
	case *Integer:
		return obj.value
	case *Float:
		return obj.value
	case *String:
		return obj.value
	case *Bytes:
		return append([]byte{}, obj.value...)
	case *List, *Tuple:
		v, _ := toSlice(obj, reflect.TypeFor[[]any]())
		return v.Interface()
	case *Dict:
		v, _ := toMap(obj, reflect.TypeFor[map[string]any]())
		return v.Interface()
	}
	return obj
}

// fromValue is the object of a Go value.
func fromValue(v reflect.Value) Object {
	if !v.IsValid() {
		return &Null{}
	}
	if v.Type().Implements(objectType) {
		if obj, ok := v.Interface().(Object); ok {
			return obj
		}
		return &Null{}
	}
	switch v.Kind() {
	case reflect.Bool:
		return NewBoolean(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return NewInteger(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return NewInteger(int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		return NewFloat(v.Float())
	case reflect.String:
		return NewString(v.String())
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return &Null{}
		}
		return fromValue(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return NewBytes(v.Bytes())
		}
		list := &List{Elements: make([]Object, v.Len())}
		for i := range list.Elements {
			list.Elements[i] = fromValue(v.Index(i))
		}
		return list
	case reflect.Map:
		dict := &Dict{Pairs: make(map[string]DictPair, v.Len())}
		for _, key := range v.MapKeys() {
			k := fromValue(key)
			dict.Pairs[DictKey(k)] = DictPair{Key: k, Value: fromValue(v.MapIndex(key))}
		}
		return dict
	}
	return NewString(fmt.Sprint(v.Interface()))
}
