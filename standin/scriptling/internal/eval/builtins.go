package eval

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime"
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// builtinFunc is a builtin function; f is the frame of the caller.
type builtinFunc func(f *frame, kwargs object.Kwargs, args []object.Object) object.Object

// builtins are found after the global variables.
var builtins = map[string]*object.Builtin{}

func builtin(name, help string, fn builtinFunc) *object.Builtin {
	b := &object.Builtin{
		HelpText: help,
		Fn: func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
			return fn(frameOf(ctx), kwargs, args)
		},
	}
	builtins[name] = b
	return b
}

// one adapts a function of exactly one argument.
func one(fn func(f *frame, arg object.Object) object.Object) builtinFunc {
	return arity(1, 1, func(f *frame, _ object.Kwargs, args []object.Object) object.Object {
		return fn(f, args[0])
	})
}

// arity makes a function refuse other numbers of positional arguments.
func arity(least, most int, fn builtinFunc) builtinFunc {
	return func(f *frame, kwargs object.Kwargs, args []object.Object) object.Object {
		if err := checkArity(args, least, most); err != nil {
			return err
		}
		return fn(f, kwargs, args)
	}
}

func checkArity(args []object.Object, least, most int) object.Object {
	if least == most {
		return errors.ExactArgs(args, least)
	}
	return errors.RangeArgs(args, least, most)
}

func init() {
	builtin("print", "print(*args, sep=' ', end='\\n') - Print values", builtinPrint)
	builtin("len", "len(obj) - Number of items of a container", one(builtinLen))
	builtin("type", "type(obj) - Name of the type of a value", one(func(_ *frame, v object.Object) object.Object {
		return object.NewString(typeName(v))
	}))
	builtin("repr", "repr(obj) - Representation of a value", one(func(f *frame, v object.Object) object.Object {
		s, err := f.repr(v)
		return orError(object.NewString(s), err)
	}))
	builtin("format", "format(value, spec='') - Format a value", builtinFormat)
	builtin("id", "id(obj) - Identity of a value", one(builtinID))
	builtin("hash", "hash(obj) - Hash of a value", one(builtinHash))
	builtin("callable", "callable(obj) - Whether a value is a function", one(func(_ *frame, v object.Object) object.Object {
		switch v.(type) {
		case *object.Function, *object.LambdaFunction, *object.Builtin:
			return object.NewBoolean(true)
		}
		return object.NewBoolean(false)
	}))
	builtin("copy", "copy(obj) - Shallow copy of a value", one(func(_ *frame, v object.Object) object.Object {
		return shallowCopy(v)
	}))
	builtin("yield_now", "yield_now() - Let other goroutines run", func(f *frame, _ object.Kwargs, args []object.Object) object.Object {
		if err := errors.NoArgs(args); err != nil {
			return err
		}
		object.RunBlocking(f, runtime.Gosched)
		return null
	})
	for _, name := range []string{
		object.ExceptionTypeException, object.ExceptionTypeValueError, object.ExceptionTypeTypeError,
		object.ExceptionTypeNameError, object.ExceptionTypeImportError, object.ExceptionTypeStopIteration,
		object.ExceptionTypeRuntimeError, object.ExceptionTypeZeroDivisionError, object.ExceptionTypeIndexError,
		object.ExceptionTypeKeyError, object.ExceptionTypeAttributeError, object.ExceptionTypeOSError,
	} {
		builtin(name, name+"(message='') - Make an exception", exceptionConstructor(name))
	}
}

// orError returns err if it is set, and v otherwise.
func orError(v, err object.Object) object.Object {
	if err != nil {
		return err
	}
	return v
}

func exceptionConstructor(name string) builtinFunc {
	return func(f *frame, _ object.Kwargs, args []object.Object) object.Object {
		exc := &object.Exception{ExceptionType: name}
		if len(args) > 0 {
			var err object.Object
			if exc.Message, err = f.innerText(args[0]); err != nil {
				return err
			}
		}
		return exc
	}
}

func builtinPrint(f *frame, kwargs object.Kwargs, args []object.Object) object.Object {
	sep, end := kwargs.MustGetString("sep", " "), kwargs.MustGetString("end", "\n")
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(printText(arg))
	}
	b.WriteString(end)
	fmt.Fprint(f.env.GetWriter(), b.String())
	return null
}

func builtinLen(f *frame, v object.Object) object.Object {
	n := 0
	switch v := v.(type) {
	case *object.String:
		n = len([]rune(v.StringValue()))
	case *object.Bytes:
		n = v.Len()
	case *object.List:
		n = len(v.Elements)
	case *object.Tuple:
		n = len(v.Elements)
	case *object.Dict:
		n = len(v.Pairs)
	case *object.Set:
		n = len(v.Elements)
	case *object.DictKeys:
		n = len(v.Dict.Pairs)
	case *object.DictValues:
		n = len(v.Dict.Pairs)
	case *object.DictItems:
		n = len(v.Dict.Pairs)
	default:
		if inst, ok := v.(*object.Instance); ok {
			if result, ok := f.callSpecial(inst, "__len__"); ok {
				return result
			}
		}
		return errors.NewTypeError("STRING, LIST, DICT, TUPLE, SET, BYTES, or VIEW", v.Type().String())
	}
	return object.NewInteger(int64(n))
}

// builtinFormat applies specifications to numbers and strings only.
func builtinFormat(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 2); err != nil {
		return err
	}
	spec := ""
	if len(args) == 2 {
		var err object.Object
		if spec, err = stringArg(args[1], "format_spec"); err != nil {
			return err
		}
	}
	switch args[0].(type) {
	case *object.Integer, *object.Float, *object.String:
		if spec != "" {
			s, err := f.field(args[0], parseSpec(spec))
			return orError(object.NewString(s), err)
		}
	}
	s, err := f.text(args[0])
	return orError(object.NewString(s), err)
}

func builtinID(_ *frame, v object.Object) object.Object {
	var n int64
	if _, err := fmt.Sscanf(fmt.Sprintf("%p", v), "0x%x", &n); err != nil {
		return errors.NewError("no identity: %s", v.Type())
	}
	return object.NewInteger(n)
}

func builtinHash(f *frame, v object.Object) object.Object {
	if inst, ok := v.(*object.Instance); ok {
		if result, ok := f.callSpecial(inst, "__hash__"); ok {
			return result
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(v.Inspect()))
	return object.NewInteger(int64(h.Sum64()))
}

func shallowCopy(v object.Object) object.Object {
	switch v := v.(type) {
	case *object.List:
		return &object.List{Elements: append([]object.Object{}, v.Elements...)}
	case *object.Tuple:
		return &object.Tuple{Elements: append([]object.Object{}, v.Elements...)}
	case *object.Dict:
		return copyDict(v)
	case *object.Set:
		return v.Copy()
	case *object.Instance:
		return object.NewInstanceWithData(v.Class, v.FieldsSnapshot(), v.NativeData)
	}
	return v
}
