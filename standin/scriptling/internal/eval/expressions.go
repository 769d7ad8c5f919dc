package eval

import (
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/internal/format"
	"github.com/paularlott/scriptling/object"
)

// eval evaluates an expression.
func (f *frame) eval(e ast.Expr) object.Object {
	switch e := e.(type) {
	case *ast.Ident:
		return f.name(e.Name)
	case *ast.IntLit:
		if obj, ok := e.Obj.(*object.Integer); ok {
			return obj
		}
		return object.NewInteger(e.Value)
	case *ast.StringLit:
		if obj, ok := e.Obj.(*object.String); ok {
			return obj
		}
		return object.NewString(e.Value)
	case *ast.FloatLit:
		if obj, ok := e.Obj.(*object.Float); ok {
			return obj
		}
		return object.NewFloat(e.Value)
	case *ast.BoolLit:
		return object.NewBoolean(e.Value)
	case *ast.NoneLit:
		return null
	}
	if f.m.nesting++; f.m.nesting > maxNesting {
		f.m.nesting--
		return errTooDeep()
	}
	v := f.compound(e)
	f.m.nesting--
	return v
}

func (f *frame) name(name string) object.Object {
	if v, ok := f.env.Get(name); ok {
		return v
	}
	if b, ok := builtins[name]; ok {
		return b
	}
	return errors.NewIdentifierError(name)
}

// compound evaluates an expression that has parts.
func (f *frame) compound(e ast.Expr) object.Object {
	switch e := e.(type) {
	case *ast.Binary:
		left := f.eval(e.Left)
		if isError(left) {
			return left
		}
		right := f.eval(e.Right)
		if isError(right) {
			return right
		}
		return f.binary(e.Op, left, right)
	case *ast.Call:
		return f.callExpr(e)
	case *ast.MethodCall:
		return f.methodCall(e)
	case *ast.Attribute:
		obj := f.eval(e.Object)
		if isError(obj) {
			return obj
		}
		return f.attribute(obj, e.Name)
	case *ast.Index:
		obj := f.eval(e.Object)
		if isError(obj) {
			return obj
		}
		key := f.eval(e.Key)
		if isError(key) {
			return key
		}
		return f.index(obj, key)
	case *ast.SliceExpr:
		return f.sliceExpr(e)
	case *ast.Logical:
		return f.logical(e)
	case *ast.Unary:
		v := f.eval(e.Operand)
		if isError(v) {
			return v
		}
		return f.unary(e.Op, v)
	case *ast.CompareChain:
		return f.compareChain(e)
	case *ast.Conditional:
		cond, err := f.condition(e.Cond)
		if err != nil {
			return err
		}
		if cond {
			return f.eval(e.Then)
		}
		return f.eval(e.Else)
	case *ast.FString:
		return f.fstring(e)
	case *ast.ListLit:
		elements, err := f.evalAll(e.Elements)
		if err != nil {
			return err
		}
		return &object.List{Elements: elements}
	case *ast.TupleLit:
		elements, err := f.evalAll(e.Elements)
		if err != nil {
			return err
		}
		return &object.Tuple{Elements: elements}
	case *ast.SetLit:
		return f.setLit(e)
	case *ast.DictLit:
		return f.dictLit(e)
	case *ast.Comp:
		return f.comprehension(e)
	case *ast.Lambda:
		bridge.Capture(f.env)
		return &object.LambdaFunction{Env: f.env, Params: e.Params, Body: e.Body}
	}
	return errors.NewError("unknown expression: %T", e)
}

func (f *frame) evalAll(exprs []ast.Expr) ([]object.Object, object.Object) {
	out := make([]object.Object, len(exprs))
	for i, e := range exprs {
		v := f.eval(e)
		if isError(v) {
			return nil, v
		}
		out[i] = v
	}
	return out, nil
}

func (f *frame) setLit(e *ast.SetLit) object.Object {
	set := object.NewSet()
	for _, element := range e.Elements {
		v := f.eval(element)
		if isError(v) {
			return v
		}
		if err := f.addToSet(set, v); err != nil {
			return err
		}
	}
	return set
}

func (f *frame) dictLit(e *ast.DictLit) object.Object {
	dict := &object.Dict{Pairs: make(map[string]object.DictPair, len(e.Entries))}
	for _, entry := range e.Entries {
		key := f.eval(entry.Key)
		if isError(key) {
			return key
		}
		value := f.eval(entry.Value)
		if isError(value) {
			return value
		}
		dict.Pairs[f.dictKey(key)] = object.DictPair{Key: key, Value: value}
	}
	return dict
}

func (f *frame) logical(e *ast.Logical) object.Object {
	left := f.eval(e.Left)
	if isError(left) {
		return left
	}
	truth, err := f.truth(left)
	if err != nil {
		return err
	}
	if truth != e.And {
		return left
	}
	return f.eval(e.Right)
}

func (f *frame) compareChain(e *ast.CompareChain) object.Object {
	left := f.eval(e.First)
	if isError(left) {
		return left
	}
	var result object.Object = null
	for i, op := range e.Ops {
		right := f.eval(e.Rest[i])
		if isError(right) {
			return right
		}
		result = f.binary(op, left, right)
		if isError(result) {
			return result
		}
		truth, err := f.truth(result)
		if err != nil {
			return err
		}
		if !truth {
			return result
		}
		left = right
	}
	return result
}

func (f *frame) fstring(e *ast.FString) object.Object {
	var b strings.Builder
	for i := range e.Parts {
		part := &e.Parts[i]
		if part.Value == nil {
			b.WriteString(part.Text)
			continue
		}
		v := f.eval(part.Value)
		if isError(v) {
			return v
		}
		text, err := f.field(v, part.Spec)
		if err != nil {
			return err
		}
		b.WriteString(text)
	}
	return object.NewString(b.String())
}

func (f *frame) field(v object.Object, spec *format.Spec) (string, object.Object) {
	if spec == nil {
		return f.fieldText(v)
	}
	value, err := f.formatValue(v)
	if err != nil {
		return "", err
	}
	return spec.Apply(value), nil
}

// comprehension evaluates in a new scope for the loop variables.
func (f *frame) comprehension(e *ast.Comp) object.Object {
	c := &comprehension{f: f.within(object.NewEnclosedEnvironment(f.env)), e: e}
	switch e.Kind {
	case ast.CompSet:
		c.set = object.NewSet()
	case ast.CompDict:
		c.dict = &object.Dict{Pairs: map[string]object.DictPair{}}
	default:
		c.list = &object.List{Elements: []object.Object{}}
	}
	if err := c.clause(0); err != nil {
		return err
	}
	switch {
	case c.set != nil:
		return c.set
	case c.dict != nil:
		return c.dict
	}
	return c.list
}

type comprehension struct {
	f    *frame
	e    *ast.Comp
	list *object.List
	set  *object.Set
	dict *object.Dict
}

// clause runs the n-th "for" and those inside it. It returns nil or a failure.
func (c *comprehension) clause(n int) object.Object {
	if n == len(c.e.Clauses) {
		return c.add()
	}
	clause := &c.e.Clauses[n]
	iter := c.f.eval(clause.Iter)
	if isError(iter) {
		return iter
	}
	src, err := c.f.iterate(iter)
	if err != nil {
		return err
	}
	for {
		if err := c.f.tick(); err != nil {
			return err
		}
		item, ok := src.next()
		if !ok {
			return src.failure
		}
		if err := c.f.bindTarget(clause.Target, item); err != nil {
			return err
		}
		if clause.Cond != nil {
			ok, err := c.f.condition(clause.Cond)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		if err := c.clause(n + 1); err != nil {
			return err
		}
	}
}

func (c *comprehension) add() object.Object {
	var key object.Object
	if c.dict != nil {
		if key = c.f.eval(c.e.Key); isError(key) {
			return key
		}
	}
	v := c.f.eval(c.e.Value)
	switch {
	case isError(v):
		return v
	case c.dict != nil:
		c.dict.Pairs[c.f.dictKey(key)] = object.DictPair{Key: key, Value: v}
	case c.set != nil:
		return c.f.addToSet(c.set, v)
	default:
		c.list.Elements = append(c.list.Elements, v)
	}
	return nil
}
