package eval

import (
	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

func (f *frame) callExpr(e *ast.Call) object.Object {
	fn := f.eval(e.Func)
	if isError(fn) {
		return fn
	}
	mark := f.m.mark()
	if bound, ok := fn.(*object.BoundMethod); ok {
		f.m.push(bound.Instance)
		fn = bound.Method
	}
	kwargs, err := f.pushArgs(&e.Args)
	if err != nil {
		f.m.pop(mark)
		return err
	}
	v := f.call(fn, f.m.since(mark), kwargs)
	f.m.pop(mark)
	return v
}

// pushArgs evaluates arguments: positional ones go to the argument stack, the
// others into the map, which is nil when there are none.
func (f *frame) pushArgs(a *ast.Args) (kwargs map[string]object.Object, err object.Object) {
	for _, e := range a.Positional {
		v := f.eval(e)
		if isError(v) {
			return nil, v
		}
		f.m.push(v)
	}
	for _, e := range a.Stars {
		if err := f.pushStar(e); err != nil {
			return nil, err
		}
	}
	if len(a.Keywords) == 0 && a.KwStar == nil {
		return nil, nil
	}
	kwargs = make(map[string]object.Object, len(a.Keywords))
	for i := range a.Keywords {
		v := f.eval(a.Keywords[i].Value)
		if isError(v) {
			return nil, v
		}
		kwargs[a.Keywords[i].Name] = v
	}
	if a.KwStar == nil {
		return kwargs, nil
	}
	v := f.eval(a.KwStar)
	if isError(v) {
		return nil, v
	}
	dict, ok := v.(*object.Dict)
	if !ok {
		return nil, errors.NewError("argument after ** must be a dictionary, not %s", v.Type())
	}
	for _, pair := range dict.Pairs {
		name := pair.StringKey()
		if _, ok := kwargs[name]; ok {
			return nil, errMultipleValues(name)
		}
		kwargs[name] = pair.Value
	}
	return kwargs, nil
}

func (f *frame) pushStar(e ast.Expr) object.Object {
	v := f.eval(e)
	if isError(v) {
		return v
	}
	src, err := f.iterate(v)
	if err != nil {
		if _, ok := v.(*object.Instance); ok {
			return err
		}
		return errors.NewError("argument after * must be iterable, not %s", v.Type())
	}
	for {
		if err := f.tick(); err != nil {
			return err
		}
		item, ok := src.next()
		if !ok {
			return src.failure
		}
		f.m.push(item)
	}
}

func errMultipleValues(name string) object.Object {
	return errors.NewError("multiple values for argument '%s'", name)
}

// call calls whatever can be called. The args are only read during the call.
func (f *frame) call(fn object.Object, args []object.Object, kwargs map[string]object.Object) object.Object {
	switch fn := fn.(type) {
	case *object.Function:
		if f.isForeign(fn.Env) {
			return f.underLockOf(fn.Env, func() object.Object { return f.callFunction(fn, args, kwargs) })
		}
		return f.callFunction(fn, args, kwargs)
	case *object.Builtin:
		if v := fn.Fn(f, object.Kwargs{Kwargs: kwargs}, args...); v != nil {
			return v
		}
		return null
	case *object.LambdaFunction:
		if f.isForeign(fn.Env) {
			return f.underLockOf(fn.Env, func() object.Object { return f.callLambda(fn, args, kwargs) })
		}
		return f.callLambda(fn, args, kwargs)
	case *object.Class:
		return f.instantiate(fn, args, kwargs)
	case *object.BoundMethod:
		return f.call(fn.Method, withSelf(fn.Instance, args), kwargs)
	case *staticMethod:
		return f.call(fn.fn, args, kwargs)
	}
	return errNotCallable(fn)
}

// isForeign reports whether env belongs to a tree with another interpreter lock.
// Isolated tasks come across such functions in the script libraries that they
// share with the script that started them.
func (f *frame) isForeign(env *object.Environment) bool {
	theirs, ours := env.Root(), f.env.Root()
	return theirs != ours && theirs != nil && ours != nil && !bridge.SameLock(env, f.env)
}

// underLockOf exchanges the interpreter lock for that of another tree while call
// runs. Never holding both, tasks cannot block each other.
func (f *frame) underLockOf(env *object.Environment, call func() object.Object) (v object.Object) {
	f.env.RunUnlocked(func() {
		if env.EnterGIL() {
			defer env.ExitGIL()
		}
		v = call()
	})
	return v
}

func withSelf(self object.Object, args []object.Object) []object.Object {
	return append([]object.Object{self}, args...)
}

// enterCall counts a call of script code; it returns nil or an error.
func (f *frame) enterCall() object.Object {
	if f.m.depth != nil && !f.m.depth.Enter() {
		return errors.NewCallDepthExceededError(int(f.m.depth.max))
	}
	return nil
}

func (f *frame) exitCall() {
	if f.m.depth != nil {
		f.m.depth.Exit()
	}
}

// callFunction calls a script function. An exception that leaves the function
// becomes the value of the call.
func (f *frame) callFunction(fn *object.Function, args []object.Object, kwargs map[string]object.Object) object.Object {
	if err := f.enterCall(); err != nil {
		return err
	}
	defer f.exitCall()
	callee := &frame{Context: f.Context, m: f.m, env: takeFrame(fn.Env), fn: fn}
	defer bridge.ReleaseFrame(callee.env, false)
	if fn.Owner != nil && len(args) > 0 {
		callee.self = args[0]
	}
	if err := callee.bindParams(fn.Params, fn.Env, args, kwargs); err != nil {
		return err
	}
	v, sig := callee.block(fn.Body)
	if sig == sigBreak || sig == sigContinue {
		return null
	}
	return v
}

func (f *frame) callLambda(fn *object.LambdaFunction, args []object.Object, kwargs map[string]object.Object) object.Object {
	if err := f.enterCall(); err != nil {
		return err
	}
	defer f.exitCall()
	callee := &frame{Context: f.Context, m: f.m, env: takeFrame(fn.Env)}
	defer bridge.ReleaseFrame(callee.env, true)
	if err := callee.bindParams(fn.Params, fn.Env, args, kwargs); err != nil {
		return err
	}
	if err := callee.tick(); err != nil {
		return err
	}
	return callee.eval(fn.Body)
}

func takeFrame(outer *object.Environment) *object.Environment {
	return bridge.TakeFrame(outer).(*object.Environment)
}

// bindParams sets the parameters in the environment of the frame. Defaults are
// evaluated now, in the scope of the definition.
func (f *frame) bindParams(p *ast.Params, defs *object.Environment, args []object.Object, kwargs map[string]object.Object) object.Object {
	positional := p.Positional
	if len(args) > len(positional) && p.VarArgs == "" {
		return errors.NewArgumentError(len(args), len(positional))
	}
	used := 0 // keywords that went to a parameter
	for i := range positional {
		param := &positional[i]
		v, given := kwargs[param.Name]
		if i < len(args) {
			if given {
				return errMultipleValues(param.Name)
			}
			f.env.Set(param.Name, args[i])
			continue
		}
		if given {
			used++
			f.env.Set(param.Name, v)
			continue
		}
		if err := f.bindDefault(p, param, defs, args, kwargs); err != nil {
			return err
		}
	}
	if p.VarArgs != "" {
		rest := []object.Object{}
		if len(args) > len(positional) {
			rest = append(rest, args[len(positional):]...)
		}
		f.env.Set(p.VarArgs, &object.List{Elements: rest})
	}
	for i := range p.KwOnly {
		param := &p.KwOnly[i]
		if v, ok := kwargs[param.Name]; ok {
			used++
			f.env.Set(param.Name, v)
			continue
		}
		if err := f.bindDefault(p, param, defs, args, kwargs); err != nil {
			return err
		}
	}
	if p.KwArgs == "" {
		if used < len(kwargs) {
			return errUnexpectedKeyword(p, kwargs)
		}
		return nil
	}
	rest := &object.Dict{Pairs: make(map[string]object.DictPair, len(kwargs)-used)}
	for name, v := range kwargs {
		if !hasParam(p, name) {
			rest.SetByString(name, v)
		}
	}
	f.env.Set(p.KwArgs, rest)
	return nil
}

// bindDefault binds a parameter for which no argument was given.
func (f *frame) bindDefault(p *ast.Params, param *ast.Param, defs *object.Environment, args []object.Object, kwargs map[string]object.Object) object.Object {
	if param.Default == nil {
		if p.KwArgs == "" {
			if err := errUnexpectedKeyword(p, kwargs); err != nil {
				return err
			}
		}
		return errors.NewArgumentError(given(p, args, kwargs), required(p))
	}
	v := f.within(defs).eval(param.Default)
	if isError(v) {
		return v
	}
	f.env.Set(param.Name, v)
	return nil
}

// given counts the arguments that have a parameter.
func given(p *ast.Params, args []object.Object, kwargs map[string]object.Object) int {
	n := len(args)
	for name := range kwargs {
		if hasParam(p, name) {
			n++
		}
	}
	return n
}

// required counts the parameters without a default.
func required(p *ast.Params) int {
	n := 0
	for _, params := range [][]ast.Param{p.Positional, p.KwOnly} {
		for i := range params {
			if params[i].Default == nil {
				n++
			}
		}
	}
	return n
}

func hasParam(p *ast.Params, name string) bool {
	for _, params := range [][]ast.Param{p.Positional, p.KwOnly} {
		for i := range params {
			if params[i].Name == name {
				return true
			}
		}
	}
	return false
}

// errUnexpectedKeyword returns nil when every keyword has a parameter.
func errUnexpectedKeyword(p *ast.Params, kwargs map[string]object.Object) object.Object {
	unexpected := ""
	for name := range kwargs {
		if !hasParam(p, name) && (unexpected == "" || name < unexpected) {
			unexpected = name
		}
	}
	if unexpected == "" {
		return nil
	}
	return errors.NewError("got an unexpected keyword argument '%s'", unexpected)
}
