package eval

import (
	"maps"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

var dictMethods map[string]method

func init() {
	dictMethods = map[string]method{
		"keys":       noArgs(func(self object.Object) object.Object { return &object.DictKeys{Dict: self.(*object.Dict)} }),
		"values":     noArgs(func(self object.Object) object.Object { return &object.DictValues{Dict: self.(*object.Dict)} }),
		"items":      noArgs(func(self object.Object) object.Object { return &object.DictItems{Dict: self.(*object.Dict)} }),
		"get":        dictGet,
		"pop":        dictPop,
		"setdefault": dictSetDefault,
		"update":     dictUpdate,
		"clear":      noArgs(dictClear),
		"copy":       noArgs(dictCopy),
		"fromkeys":   dictFromKeys,
	}
}

// oneOrTwo checks the arguments of a method that takes one or two.
func oneOrTwo(name string, args []object.Object) object.Object {
	if len(args) < 1 || len(args) > 2 {
		return errors.NewError("%s() takes 1-2 arguments (%d given)", name, len(args))
	}
	return nil
}

func second(args []object.Object) object.Object {
	if len(args) > 1 {
		return args[1]
	}
	return null
}

func dictGet(f *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object {
	if err := oneOrTwo("get", args); err != nil {
		return err
	}
	if pair, ok := self.(*object.Dict).Pairs[f.dictKey(args[0])]; ok {
		return pair.Value
	}
	if def := kwargs.Get("default"); def != nil {
		return def
	}
	return second(args)
}

func dictPop(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := oneOrTwo("pop", args); err != nil {
		return err
	}
	dict, key := self.(*object.Dict), f.dictKey(args[0])
	pair, ok := dict.Pairs[key]
	switch {
	case ok:
		delete(dict.Pairs, key)
		return pair.Value
	case len(args) == 2:
		return args[1]
	}
	return errors.NewError("key '%s' not found", key)
}

func dictSetDefault(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := oneOrTwo("setdefault", args); err != nil {
		return err
	}
	dict, key := self.(*object.Dict), f.dictKey(args[0])
	if pair, ok := dict.Pairs[key]; ok {
		return pair.Value
	}
	dict.Pairs[key] = object.DictPair{Key: args[0], Value: second(args)}
	return second(args)
}

func dictUpdate(f *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object {
	if err := errors.MaxArgs(args, 1); err != nil {
		return err
	}
	dict := self.(*object.Dict)
	if len(args) == 1 {
		if err := f.addPairs(dict, args[0]); err != nil {
			return err
		}
	}
	for name, v := range kwargs.Kwargs {
		dict.SetByString(name, v)
	}
	return null
}

// addPairs puts the entries of a dict, or of a list of pairs, into dict.
func (f *frame) addPairs(dict *object.Dict, from object.Object) object.Object {
	if other, ok := from.(*object.Dict); ok {
		maps.Copy(dict.Pairs, other.Pairs)
		return nil
	}
	wrong := errors.NewTypeError("DICT or LIST of pairs", from.Type().String())
	switch from.(type) {
	case *object.List, *object.Tuple, *object.Iterator, *object.DictItems:
	default:
		return wrong
	}
	pairs, err := f.collect(from)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		pair, ok := sequence(p)
		if !ok || len(pair) != 2 {
			return wrong
		}
		dict.Pairs[f.dictKey(pair[0])] = object.DictPair{Key: pair[0], Value: pair[1]}
	}
	return nil
}

func dictClear(self object.Object) object.Object {
	clear(self.(*object.Dict).Pairs)
	return null
}

func dictCopy(self object.Object) object.Object {
	return copyDict(self.(*object.Dict))
}

func copyDict(d *object.Dict) *object.Dict {
	c := &object.Dict{Pairs: make(map[string]object.DictPair, len(d.Pairs))}
	maps.Copy(c.Pairs, d.Pairs)
	return c
}

func dictFromKeys(f *frame, _ object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := oneOrTwo("fromkeys", args); err != nil {
		return err
	}
	keys, err := f.collect(args[0])
	if err != nil {
		return err
	}
	dict := &object.Dict{Pairs: make(map[string]object.DictPair, len(keys))}
	for _, key := range keys {
		dict.Pairs[f.dictKey(key)] = object.DictPair{Key: key, Value: second(args)}
	}
	return dict
}
