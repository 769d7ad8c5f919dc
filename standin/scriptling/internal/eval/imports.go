package eval

import (
	"context"
	"fmt"
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/object"
)

func (f *frame) importModules(s *ast.Import) object.Object {
	for i, item := range s.Items {
		if err := f.load(item.Name); err != nil {
			if i == 0 {
				return errImport(fmt.Sprintf(" at line %d: %s", s.Line, err))
			}
			return errImport(": " + err.Error())
		}
		if item.Alias == "" {
			continue
		}
		module, ok := f.module(item.Name)
		if !ok {
			return errImport(": unknown library: " + item.Name)
		}
		f.env.Set(item.Alias, module)
		if f.env == f.env.Root() {
			f.env.MarkImportedBinding(item.Alias)
		}
	}
	return null
}

func errImport(rest string) object.Object {
	return &object.Error{Message: errors.ErrImportError + rest, ExceptionType: object.ExceptionTypeImportError}
}

// load binds a module in the global scope.
func (f *frame) load(name string) error {
	callback := f.env.GetImportCallback()
	if callback == nil {
		return fmt.Errorf("unknown library: %s", name)
	}
	bridge.SetImportContext(f.env, f)
	defer bridge.SetImportContext(f.env, nil)
	return callback(name)
}

// module finds a module that was loaded.
func (f *frame) module(name string) (object.Object, bool) { return Find(f.env.Root(), name) }

// Find looks a name up in env. A dotted name that is not bound itself leads
// from the variable of its first part through dicts.
func Find(env *object.Environment, name string) (object.Object, bool) {
	if v, ok := env.Get(name); ok {
		return v, true
	}
	first, rest, dotted := strings.Cut(name, ".")
	v, ok := env.Get(first)
	for ok && dotted {
		first, rest, dotted = strings.Cut(rest, ".")
		v, ok = member(v, first)
	}
	return v, ok
}

// member returns an entry of a module.
func member(module object.Object, name string) (object.Object, bool) {
	if d, ok := module.(*object.Dict); ok {
		if pair, ok := d.GetByString(name); ok {
			return pair.Value, true
		}
	}
	return nil, false
}

func (f *frame) importNames(s *ast.FromImport) object.Object {
	name := s.Module
	if s.Level > 0 {
		base, ok := f.relativeBase(s.Level)
		if !ok {
			return errImport(": attempted relative import outside of a library")
		}
		if name == "" {
			return f.importSiblings(base, s.Names)
		}
		name = base + "." + name
	}
	root := f.env.Root()
	_, bound := root.Get(name)
	if err := f.load(name); err != nil {
		return errImport(": " + err.Error())
	}
	if !bound {
		// The names are bound, not the module.
		defer root.Delete(name)
	}
	module, ok := f.module(name)
	if !ok {
		return errImport(": unknown library: " + name)
	}
	for _, item := range s.Names {
		v, ok := member(module, item.Name)
		if !ok {
			if f.load(name+"."+item.Name) == nil {
				v, ok = f.module(name + "." + item.Name)
			}
		}
		if !ok {
			return errImport(fmt.Sprintf(": cannot import name '%s' from '%s'", item.Name, name))
		}
		f.bindImport(item, v)
	}
	return null
}

func (f *frame) bindImport(item ast.ImportName, v object.Object) {
	name := item.Alias
	if name == "" {
		name = item.Name
	}
	f.env.Set(name, v)
}

// importSiblings is "from . import a, b" inside the library base.
func (f *frame) importSiblings(base string, items []ast.ImportName) object.Object {
	for _, item := range items {
		name := base + "." + item.Name
		if err := f.load(name); err != nil {
			return errImport(": " + err.Error())
		}
		v, ok := f.module(name)
		if !ok {
			return errImport(": unknown library: " + name)
		}
		f.bindImport(item, v)
	}
	return null
}

// relativeBase is the package that the leading dots of a relative import
// mean. Only the environments of script libraries have one.
func (f *frame) relativeBase(level int) (string, bool) {
	v, _ := f.env.Root().Get("__name__")
	s, ok := v.(*object.String)
	if !ok || s.StringValue() == "__main__" || s.StringValue() == "" {
		return "", false
	}
	base := s.StringValue()
	for range level {
		if i := strings.LastIndexByte(base, '.'); i >= 0 {
			base = base[:i]
		}
	}
	return base, true
}

// ImportBuiltin is the function object bound to "import".
var ImportBuiltin = &object.Builtin{
	HelpText: "import(name) - Import a library",
	Fn: func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		if err := errors.ExactArgs(args, 1); err != nil {
			return err
		}
		name, err := args[0].AsString()
		if err != nil {
			return errors.ParameterError("name", err)
		}
		if err := frameOf(ctx).load(name); err != nil {
			return errImport(": " + err.Error())
		}
		return null
	},
}
