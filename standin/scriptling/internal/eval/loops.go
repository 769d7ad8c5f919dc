package eval

import (
	"unicode/utf8"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/object"
)

func (f *frame) whileLoop(s *ast.While) (object.Object, signal) {
	var result object.Object = null
	for {
		if err := f.tick(); err != nil {
			return err, sigFail
		}
		cond, err := f.condition(s.Cond)
		if err != nil {
			return err, sigFail
		}
		if !cond {
			break
		}
		v, sig := f.block(s.Body)
		switch sig {
		case sigBreak:
			return null, sigNone
		case sigReturn, sigFail:
			return v, sig
		}
		result = v
	}
	if s.Else != nil {
		return f.block(s.Else)
	}
	return result, sigNone
}

func (f *frame) forLoop(s *ast.For) (object.Object, signal) {
	iter := f.eval(s.Iter)
	if isError(iter) {
		return iter, sigFail
	}
	src, err := f.iterate(iter)
	if err != nil {
		return err, sigFail
	}
	var result object.Object = null
	for {
		if err := f.tick(); err != nil {
			return err, sigFail
		}
		item, ok := src.next()
		if !ok {
			break
		}
		if err := f.bindTarget(s.Target, item); err != nil {
			return err, sigFail
		}
		v, sig := f.block(s.Body)
		switch sig {
		case sigBreak:
			return null, sigNone
		case sigReturn, sigFail:
			return v, sig
		}
		result = v
	}
	if src.failure != nil {
		return src.failure, sigFail
	}
	if s.Else != nil {
		return f.block(s.Else)
	}
	return result, sigNone
}

// bindTarget assigns an item to the target of a loop or comprehension.
func (f *frame) bindTarget(target ast.Expr, item object.Object) object.Object {
	switch target := target.(type) {
	case *ast.Ident:
		f.env.Set(target.Name, item)
		return nil
	case *ast.TupleLit:
		elements, ok := sequence(item)
		if !ok {
			return errors.NewError("cannot unpack non-tuple/list value")
		}
		if len(elements) != len(target.Elements) {
			return errors.NewError("cannot unpack %d values into %d variables", len(elements), len(target.Elements))
		}
		for i, t := range target.Elements {
			if err := f.bindTarget(t, elements[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.NewError("cannot assign to expression")
}

// sequence returns the elements of a list or tuple.
func sequence(obj object.Object) ([]object.Object, bool) {
	switch obj := obj.(type) {
	case *object.List:
		return obj.Elements, true
	case *object.Tuple:
		return obj.Elements, true
	}
	return nil, false
}

// source walks through an iterable. After next returned false, failure is
// the error of the iterable, if it was one.
type source struct {
	f        *frame
	list     *object.List // read live: the loop may change it
	elements []object.Object
	text     string
	iterator *object.Iterator
	instance *object.Instance
	pos      int
	failure  object.Object
}

// iterate starts to walk through an iterable.
func (f *frame) iterate(obj object.Object) (source, object.Object) {
	switch obj := obj.(type) {
	case *object.List:
		return source{f: f, list: obj}, nil
	case *object.Tuple:
		return source{f: f, elements: obj.Elements}, nil
	case *object.Iterator:
		return source{f: f, iterator: obj}, nil
	case *object.String:
		return source{f: f, text: obj.StringValue()}, nil
	case *object.Dict:
		return source{f: f, iterator: obj.CreateIterator()}, nil
	case *object.DictKeys:
		return source{f: f, iterator: obj.CreateIterator()}, nil
	case *object.DictValues:
		return source{f: f, iterator: obj.CreateIterator()}, nil
	case *object.DictItems:
		return source{f: f, iterator: obj.CreateIterator()}, nil
	case *object.Set:
		return source{f: f, iterator: obj.CreateIterator()}, nil
	case *object.Bytes:
		elements, _ := object.IterableToSlice(obj)
		return source{f: f, elements: elements}, nil
	case *object.Instance:
		return f.iterateInstance(obj)
	}
	return source{}, errors.NewTypeError("iterable", obj.Type().String())
}

// iterateInstance follows __iter__, which may return an instance with __next__
// or any other iterable.
func (f *frame) iterateInstance(inst *object.Instance) (source, object.Object) {
	v, ok := f.callSpecial(inst, "__iter__")
	if !ok {
		return source{}, errors.NewTypeError("iterable", "INSTANCE")
	}
	switch v := v.(type) {
	case *object.Error, *object.Exception:
		return source{}, v
	case *object.Instance:
		if _, ok := v.Class.LookupMember("__next__"); ok {
			return source{f: f, instance: v}, nil
		}
		if v == inst {
			return source{}, errors.NewTypeError("iterable", "INSTANCE")
		}
		if f.m.nesting++; f.m.nesting > maxNesting {
			f.m.nesting--
			return source{}, errTooDeep()
		}
		src, err := f.iterateInstance(v)
		f.m.nesting--
		return src, err
	}
	return f.iterate(v)
}

func (s *source) next() (object.Object, bool) {
	switch {
	case s.iterator != nil:
		v, ok := s.iterator.Next()
		if _, failed := v.(*object.Error); failed { // the published interpreter ends silently
			return nil, false
		}
		return v, ok
	case s.list != nil:
		if s.pos >= len(s.list.Elements) {
			return nil, false
		}
		s.pos++
		return s.list.Elements[s.pos-1], true
	case s.instance != nil:
		v, _ := s.f.callSpecial(s.instance, "__next__")
		switch v := v.(type) {
		case *object.Error:
			s.failure = v
			return nil, false
		case *object.Exception:
			if v.ExceptionType != object.ExceptionTypeStopIteration {
				s.failure = v
			}
			return nil, false
		}
		return v, true
	case s.text != "":
		if s.pos >= len(s.text) {
			return nil, false
		}
		_, size := utf8.DecodeRuneInString(s.text[s.pos:])
		s.pos += size
		return object.NewString(s.text[s.pos-size : s.pos]), true
	}
	if s.pos >= len(s.elements) {
		return nil, false
	}
	s.pos++
	return s.elements[s.pos-1], true
}

// collect returns the elements of an iterable. The slice may be the storage of
// the iterable itself.
func (f *frame) collect(obj object.Object) ([]object.Object, object.Object) {
	if elements, ok := sequence(obj); ok {
		return elements, nil
	}
	src, err := f.iterate(obj)
	if err != nil {
		return nil, err
	}
	out := []object.Object{}
	for {
		if err := f.tick(); err != nil {
			return nil, err
		}
		v, ok := src.next()
		if !ok {
			return out, src.failure
		}
		out = append(out, v)
	}
}
