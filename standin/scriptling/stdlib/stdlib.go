// Package stdlib holds the standard library of the language: json, time, math
// and random.
package stdlib

import (
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// RegisterAll registers every library of this package.
func RegisterAll(p interface{ RegisterLibrary(*object.Library) }) {
	for _, lib := range []*object.Library{JSONLibrary, TimeLibrary, MathLibrary, RandomLibrary} {
		p.RegisterLibrary(lib)
	}
}

func function(help string, fn object.BuiltinFunction) *object.Builtin {
	return &object.Builtin{Fn: fn, HelpText: help}
}

func none() object.Object { return &object.Null{} }

// intArg returns an argument that must be an integer proper.
func intArg(arg object.Object) (int64, object.Object) {
	if n, ok := arg.(*object.Integer); ok {
		return n.IntValue(), nil
	}
	return 0, errors.NewTypeError("INTEGER", arg.Type().String())
}

// listArg returns the elements of a list or tuple.
func listArg(arg object.Object) ([]object.Object, object.Object) {
	switch arg := arg.(type) {
	case *object.List:
		return arg.Elements, nil
	case *object.Tuple:
		return arg.Elements, nil
	}
	return nil, errors.NewTypeError("LIST", arg.Type().String())
}
