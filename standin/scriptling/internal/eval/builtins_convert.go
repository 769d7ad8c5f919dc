package eval

import (
	"context"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/format"
	"github.com/paularlott/scriptling/object"
)

func init() {
	builtin("int", "int(value, base=10) - Convert to an integer", builtinInt)
	builtin("float", "float(value) - Convert to a float", one(builtinFloat))
	builtin("str", "str(value) - Convert to a string", one(func(f *frame, v object.Object) object.Object {
		s, err := f.text(v)
		return orError(object.NewString(s), err)
	})).Attributes = map[string]object.Object{"maketrans": asBuiltin(stringMakeTrans)}
	builtin("bool", "bool(value) - Truth of a value", optional(object.NewBoolean(false), func(f *frame, v object.Object) object.Object {
		truth, err := f.truth(v)
		return orError(object.NewBoolean(truth), err)
	}))
	builtin("list", "list(iterable) - Make a list", builtinList)
	builtin("tuple", "tuple(iterable) - Make a tuple", builtinTuple)
	builtin("set", "set(iterable) - Make a set", builtinSet)
	builtin("dict", "dict(pairs, **entries) - Make a dict", builtinDict).
		Attributes = map[string]object.Object{"fromkeys": asBuiltin(dictFromKeys)}
	builtin("bytes", "bytes(value) - Make bytes", optional(object.NewBytes(nil), builtinBytes)).
		Attributes = map[string]object.Object{"fromhex": &object.Builtin{HelpText: "fromhex(text) - Bytes from hexadecimal digits", Fn: bytesFromHex}}
	builtin("chr", "chr(code) - Character with a code point", one(builtinChr))
	builtin("ord", "ord(char) - Code point of a character", one(builtinOrd))
	builtin("hex", "hex(n) - Hexadecimal text of an integer", inBase("0x", 16))
	builtin("oct", "oct(n) - Octal text of an integer", inBase("0o", 8))
	builtin("bin", "bin(n) - Binary text of an integer", inBase("0b", 2))
	builtin("slice", "slice(start, stop, step) - Make a slice", arity(1, 3, builtinSlice))
}

func parseSpec(spec string) *format.Spec { return format.ParseSpec(spec) }

// asBuiltin makes a function of a method that does not look at its object.
func asBuiltin(m method) *object.Builtin {
	return &object.Builtin{
		Fn: func(ctx context.Context, kwargs object.Kwargs, args ...object.Object) object.Object {
			return m(frameOf(ctx), nil, kwargs, args)
		},
	}
}

// optional adapts a function of one argument that has a result without it.
func optional(empty object.Object, fn func(f *frame, arg object.Object) object.Object) builtinFunc {
	return func(f *frame, _ object.Kwargs, args []object.Object) object.Object {
		if err := errors.MaxArgs(args, 1); err != nil {
			return err
		}
		if len(args) == 0 {
			return empty
		}
		return fn(f, args[0])
	}
}

func builtinInt(_ *frame, kwargs object.Kwargs, args []object.Object) object.Object {
	if len(args) == 0 {
		return errors.NewArgumentError(0, 1)
	}
	if err := errors.MaxArgs(args, 2); err != nil {
		return err
	}
	base := kwargs.Get("base")
	if len(args) == 2 {
		base = args[1]
	}
	if base != nil {
		return intInBase(args[0], base)
	}
	switch v := args[0].(type) {
	case *object.Integer:
		return v
	case *object.Float:
		x := v.FloatValue()
		if math.IsNaN(x) || math.Abs(x) >= 1<<63 {
			return errors.NewError("cannot convert %s to int", v.Inspect())
		}
		return object.NewInteger(int64(x))
	case *object.String:
		return parseInt(v.StringValue(), 10)
	}
	return errors.NewTypeError("INTEGER, FLOAT, or STRING", args[0].Type().String())
}

func intInBase(v, base object.Object) object.Object {
	b, err := intArg(base, "base")
	if err != nil {
		return err
	}
	if b < 2 || b > 36 {
		return errors.NewValueError("int() base must be >= 2 and <= 36")
	}
	s, ok := v.(*object.String)
	if !ok {
		return errors.NewTypeError("STRING", v.Type().String())
	}
	return parseInt(s.StringValue(), b)
}

func parseInt(text string, base int) object.Object {
	digits := strings.ToLower(strings.TrimSpace(text))
	prefix := map[int]string{2: "0b", 8: "0o", 16: "0x"}[base]
	sign := ""
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		sign, digits = digits[:1], digits[1:]
	}
	if prefix != "" {
		digits = strings.TrimPrefix(digits, prefix)
	}
	n, err := strconv.ParseInt(sign+digits, base, 64)
	if err != nil || strings.ContainsAny(digits, "+-") {
		return errors.NewError("cannot convert %q to int with base %d", text, base)
	}
	return object.NewInteger(n)
}

func builtinFloat(_ *frame, arg object.Object) object.Object {
	switch v := arg.(type) {
	case *object.Float:
		return v
	case *object.Integer:
		return object.NewFloat(float64(v.IntValue()))
	case *object.String:
		x, err := v.CoerceFloat()
		return orError(object.NewFloat(x), err)
	}
	return errors.NewTypeError("INTEGER, FLOAT, or STRING", arg.Type().String())
}

func (f *frame) collectArg(args []object.Object) ([]object.Object, object.Object) {
	if err := errors.MaxArgs(args, 1); err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, nil
	}
	return f.collect(args[0])
}

func builtinList(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	elements, err := f.collectArg(args)
	return orError(&object.List{Elements: append([]object.Object{}, elements...)}, err)
}

func builtinTuple(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	elements, err := f.collectArg(args)
	return orError(&object.Tuple{Elements: append([]object.Object{}, elements...)}, err)
}

func builtinSet(f *frame, _ object.Kwargs, args []object.Object) object.Object {
	elements, err := f.collectArg(args)
	if err != nil {
		return err
	}
	set := object.NewSet()
	for _, v := range elements {
		if err := f.addToSet(set, v); err != nil {
			return err
		}
	}
	return set
}

func builtinDict(f *frame, kwargs object.Kwargs, args []object.Object) object.Object {
	if err := errors.MaxArgs(args, 1); err != nil {
		return err
	}
	dict := &object.Dict{Pairs: map[string]object.DictPair{}}
	if len(args) == 1 {
		if err := f.addPairs(dict, args[0]); err != nil {
			return err
		}
	}
	for name, v := range kwargs.Kwargs {
		dict.SetByString(name, v)
	}
	return dict
}

func builtinBytes(f *frame, arg object.Object) object.Object {
	switch v := arg.(type) {
	case *object.Bytes:
		return v
	case *object.String:
		return object.NewBytesFromString(v.StringValue())
	case *object.List, *object.Tuple, *object.Iterator:
		elements, err := f.collect(v)
		if err != nil {
			return err
		}
		out := make([]byte, len(elements))
		for i, e := range elements {
			n, ok := e.(*object.Integer)
			if !ok {
				return errors.NewTypeError("INTEGER", e.Type().String())
			}
			if n.IntValue() < 0 || n.IntValue() > 255 {
				return errors.NewValueError("bytes must be in range(0, 256)")
			}
			out[i] = byte(n.IntValue())
		}
		return object.NewBytes(out)
	}
	return errors.NewTypeError("STRING, BYTES, or LIST", arg.Type().String())
}

func bytesFromHex(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	s, ok := args[0].(*object.String)
	if !ok {
		return errors.NewTypeError("STRING", args[0].Type().String())
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(s.StringValue()), ""))
	if err != nil {
		return errors.NewValueError("invalid hexadecimal text: %s", err)
	}
	return object.NewBytes(b)
}

func builtinChr(_ *frame, arg object.Object) object.Object {
	n, ok := arg.(*object.Integer)
	if !ok {
		return errors.NewTypeError("INTEGER", arg.Type().String())
	}
	if n.IntValue() < 0 || n.IntValue() > utf8.MaxRune {
		return errors.NewValueError("chr() arg not in range(0x110000)")
	}
	return object.NewString(string(rune(n.IntValue())))
}

func builtinOrd(_ *frame, arg object.Object) object.Object {
	s, ok := arg.(*object.String)
	if !ok {
		return errors.NewTypeError("STRING", arg.Type().String())
	}
	text := s.StringValue()
	if n := utf8.RuneCountInString(text); n != 1 {
		return errors.NewError("ord() expected a character, but string of length %d found", n)
	}
	r, _ := utf8.DecodeRuneInString(text)
	return object.NewInteger(int64(r))
}

func inBase(prefix string, base int) builtinFunc {
	return one(func(_ *frame, arg object.Object) object.Object {
		n, ok := arg.(*object.Integer)
		if !ok {
			return errors.NewTypeError("INTEGER", arg.Type().String())
		}
		digits, negative := strings.CutPrefix(strconv.FormatInt(n.IntValue(), base), "-")
		if negative {
			prefix := "-" + prefix
			return object.NewString(prefix + digits)
		}
		return object.NewString(prefix + digits)
	})
}

func builtinSlice(_ *frame, _ object.Kwargs, args []object.Object) object.Object {
	parts := make([]*object.Integer, 3)
	for i, arg := range args {
		switch arg := arg.(type) {
		case *object.Integer:
			parts[i] = arg
		case *object.Null:
		default:
			return errors.NewTypeError("INTEGER", arg.Type().String())
		}
	}
	if len(args) == 1 {
		return &object.Slice{End: parts[0]}
	}
	return &object.Slice{Start: parts[0], End: parts[1], Step: parts[2]}
}
