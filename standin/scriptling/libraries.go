package scriptling

import (
	"errors"
	"fmt"
	"strings"

	"github.com/paularlott/scriptling/object"
)

// RegisterLibrary makes a Go library available to scripts. It replaces one of
// the same name that was not imported yet.
func (p *Scriptling) RegisterLibrary(lib *object.Library) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.libraries[lib.Name()] = lib
}

// UnregisterLibrary forgets a Go library and removes its variable.
func (p *Scriptling) UnregisterLibrary(name string) {
	p.mu.Lock()
	delete(p.libraries, name)
	p.mu.Unlock()
	p.unbind(name)
}

// RegisterScriptLibrary makes a library written as a script available. It is
// evaluated when it is first imported.
func (p *Scriptling) RegisterScriptLibrary(name string, script string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[name] = script
	p.modules.remove(name)
	return nil
}

// UnregisterScriptLibrary forgets a script library and removes its variable.
func (p *Scriptling) UnregisterScriptLibrary(name string) {
	p.mu.Lock()
	delete(p.scripts, name)
	p.modules.remove(name)
	p.mu.Unlock()
	p.unbind(name)
}

// unbind removes the variable of a module and its entry in the parent.
func (p *Scriptling) unbind(name string) {
	p.env.Delete(name)
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return
	}
	if parent, ok := p.find(name[:i]); ok {
		if dict, ok := parent.(*object.Dict); ok {
			dict.DeleteByString(name[i+1:])
		}
	}
}

// GetLibraryLoader returns the loader, or nil.
func (p *Scriptling) GetLibraryLoader() LibraryLoader {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.loader
}

// SetLibraryLoader sets the loader for libraries that are not registered.
func (p *Scriptling) SetLibraryLoader(loader LibraryLoader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loader = loader
}

// Import imports one library or several: a string, []string or *object.List of
// strings.
func (p *Scriptling) Import(names interface{}) error {
	list, err := libraryNames(names)
	if err != nil {
		return err
	}
	if p.env.EnterGIL() {
		defer p.env.ExitGIL()
	}
	for _, name := range list {
		if err := p.importLibrary(name); err != nil {
			return err
		}
	}
	return nil
}

func libraryNames(names interface{}) ([]string, error) {
	switch names := names.(type) {
	case string:
		return []string{names}, nil
	case []string:
		return names, nil
	case *object.List:
		list := make([]string, len(names.Elements))
		for i, e := range names.Elements {
			s, ok := e.(*object.String)
			if !ok {
				return nil, fmt.Errorf("Import: all elements must be strings, got %T", e)
			}
			list[i] = s.StringValue()
		}
		return list, nil
	}
	return nil, fmt.Errorf("Import: expected string, []string, or list of strings, got %T", names)
}

// importLibrary is the import of scripts of this interpreter.
func (p *Scriptling) importLibrary(name string) error {
	return (&importer{p: p, env: p.env, modules: p.modules, parents: true}).load(name)
}

// LoadLibraryIntoEnv binds a library in another environment without loading its
// parent.
func (p *Scriptling) LoadLibraryIntoEnv(name string, env *object.Environment) error {
	im := &importer{p: p, env: env.Root(), modules: p.modules}
	if im.env != p.env {
		// Script libraries run under the lock of their environment, so they
		// cannot be shared with another tree.
		im.modules = newModules()
	}
	err := im.load(name)
	if errors.As(err, new(unknownLibrary)) {
		return fmt.Errorf("library not found: %s", name)
	}
	return err
}
