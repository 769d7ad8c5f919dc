package scriptling

import (
	"maps"
	"sync"

	"github.com/paularlott/scriptling/object"
)

// modules are the script libraries that an interpreter has evaluated. A clone begins with
// those of the original, and shares their state. It is safe for concurrent use.
type modules struct {
	mu     sync.Mutex
	byName map[string]*object.Dict
}

func newModules() *modules { return &modules{byName: map[string]*object.Dict{}} }

func (m *modules) copy() *modules {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &modules{byName: maps.Clone(m.byName)}
}

// get returns a module, or nil if it was not evaluated.
func (m *modules) get(name string) *object.Dict {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byName[name]
}

func (m *modules) put(name string, module *object.Dict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byName[name] = module
}

func (m *modules) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byName, name)
}

// keep removes the modules that are not in names.
func (m *modules) keep(names map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.byName, func(name string, _ *object.Dict) bool { return !names[name] })
}
