package scriptling

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/internal/ast"
	"github.com/paularlott/scriptling/internal/bridge"
	"github.com/paularlott/scriptling/internal/eval"
	"github.com/paularlott/scriptling/object"
)

// maxLibraryDots bounds the nesting of library names.
const maxLibraryDots = 5

// unknownLibrary is the error for a name under which nothing can be imported.
type unknownLibrary string

func (name unknownLibrary) Error() string { return "unknown library: " + string(name) }

// importer binds libraries in one global environment.
type importer struct {
	p       *Scriptling
	env     *object.Environment
	modules *modules // script libraries evaluated so far
	parents bool     // load the parent of a dotted name first
}

// load binds a library under its full name and as an entry of its parent.
func (im *importer) load(name string) error {
	if strings.Count(name, ".") > maxLibraryDots {
		return fmt.Errorf("library nesting too deep (max %d levels): %s", maxLibraryDots, name)
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 && im.parents && im.p.isRegistered(name) {
		if _, bound := im.env.Get(name[:i]); !bound {
			// A parent that cannot be loaded is replaced by an empty one below.
			_ = im.load(name[:i])
		}
	}
	if im.bound(name) {
		return nil
	}
	lib, err := im.open(name)
	if err == nil {
		im.bind(name, lib)
		return nil
	}
	if v, ok := eval.Find(im.env, name); ok && errors.As(err, new(unknownLibrary)) {
		// Only a placeholder goes by this name.
		im.bindName(name, v)
		return nil
	}
	return err
}

func (p *Scriptling) isRegistered(name string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, isLibrary := p.libraries[name]
	_, isScript := p.scripts[name]
	return isLibrary || isScript
}

// bound reports whether the name already leads to a value, and binds that value
// under the full name.
func (im *importer) bound(name string) bool {
	if bridge.IsPlaceholder(im.env, name) {
		return false
	}
	if _, ok := im.env.Get(name); ok {
		return true
	}
	v, ok := eval.Find(im.env, name)
	if ok {
		im.bindName(name, v)
	}
	return ok
}

// open returns the contents of a library that is not bound yet.
func (im *importer) open(name string) (*object.Dict, error) {
	im.p.mu.RLock()
	script, isScript := im.p.scripts[name]
	lib, loader := im.p.libraries[name], im.p.loader
	im.p.mu.RUnlock()
	switch {
	case isScript:
		return im.evaluate(name, script)
	case lib != nil:
		return lib.GetDict(), nil
	case loader == nil:
		return nil, unknownLibrary(name)
	}
	source, found, err := loader.Load(name)
	if err != nil {
		return nil, fmt.Errorf("loader error for %s: %w", name, err)
	}
	if !found {
		return nil, unknownLibrary(name)
	}
	im.p.mu.Lock()
	im.p.scripts[name] = source
	im.p.mu.Unlock()
	return im.evaluate(name, source)
}

// bind makes the library reachable through its full name and through the dicts
// of its parents, which are made if they are missing.
func (im *importer) bind(name string, lib *object.Dict) {
	if placeholder, ok := eval.Find(im.env, name); ok && bridge.IsPlaceholder(im.env, name) {
		// Modules below this one were imported first; they stay reachable.
		if dict, ok := placeholder.(*object.Dict); ok {
			for key, pair := range lib.Pairs {
				dict.Pairs[key] = pair
			}
			lib = dict
		}
	}
	parts := strings.Split(name, ".")
	var parent *object.Dict
	for i, part := range parts[:len(parts)-1] {
		parent = im.parent(parent, strings.Join(parts[:i+1], "."), part)
	}
	if parent != nil {
		parent.SetByString(parts[len(parts)-1], lib)
	}
	im.bindName(name, lib)
}

// bindName binds a module under its full name.
func (im *importer) bindName(name string, module object.Object) {
	im.env.SetGlobal(name, module)
	im.env.MarkImportedBinding(name)
}

// parent returns the dict of a parent module, which is an entry of outer or, at
// the top, a variable.
func (im *importer) parent(outer *object.Dict, name, part string) *object.Dict {
	v, ok := im.env.Get(name)
	if outer != nil {
		var pair object.DictPair
		pair, ok = outer.GetByString(part)
		v = pair.Value
	}
	if dict, isDict := v.(*object.Dict); ok && isDict {
		return dict
	}
	dict := &object.Dict{Pairs: map[string]object.DictPair{}}
	if outer != nil {
		outer.SetByString(part, dict)
	} else {
		im.env.SetGlobal(name, dict)
	}
	bridge.MarkPlaceholder(im.env, name)
	return dict
}

// evaluate runs a script library in a new environment. The dict is
// known before the script runs, so that libraries may import each other.
func (im *importer) evaluate(name, source string) (*object.Dict, error) {
	if module := im.modules.get(name); module != nil {
		return module, nil
	}
	prog, err := parse(source)
	if err != nil {
		return nil, err
	}
	env := object.NewEnvironment()
	bridge.ShareLock(env, im.env)
	env.SetOutputWriter(im.env.GetWriter())
	env.SetGlobal(importName, eval.ImportBuiltin)
	env.SetGlobal(nameVar, object.NewString(name))
	inner := &importer{p: im.p, env: env, modules: im.modules}
	env.SetImportCallback(inner.load)

	module := &object.Dict{Pairs: map[string]object.DictPair{}}
	im.modules.put(name, module)
	if err := im.run(name, env, prog); err != nil {
		im.modules.remove(name)
		return nil, err
	}
	for key, v := range env.GetStore() {
		if key != importName && key != nameVar && !strings.Contains(key, ".") {
			module.SetByString(key, v)
		}
	}
	if doc, ok := ast.Docstring(prog.Body); ok {
		module.SetByString("__doc__", object.NewString(doc))
	}
	return module, nil
}

// run evaluates a script library within the limits of the script that imports it.
func (im *importer) run(name string, env *object.Environment, prog *ast.Program) error {
	ctx := bridge.ImportContext(im.env)
	nested := ctx != nil
	if !nested {
		ctx = evaluator.ContextWithCallDepth(context.Background(), evaluator.DefaultMaxCallDepth)
	}
	ctx = evaluator.ContextWithSourceFile(ctx, name)
	switch v := eval.Run(ctx, env, prog, nested).(type) {
	case *object.Error:
		return errors.New(located(v))
	case *object.Exception:
		return exitError(v)
	}
	return nil
}
