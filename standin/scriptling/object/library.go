package object

import "context"

// Library is a set of functions and constants that scripts can import.
type Library struct {
	refusals
	name        string
	functions   map[string]*Builtin
	constants   map[string]Object
	description string
	data        any
}

// LibraryRegistrar is what libraries are registered with.
type LibraryRegistrar interface {
	RegisterLibrary(lib *Library)
}

// LibraryInfo tells of a library that scripts may import.
type LibraryInfo struct {
	Name       string
	IsImported bool
}

// NewLibrary returns a library over the given maps.
func NewLibrary(name string, functions map[string]*Builtin, constants map[string]Object, description string) *Library {
	return &Library{name: name, functions: functions, constants: constants, description: description}
}

// Name returns the name under which scripts import the library.
func (l *Library) Name() string { return l.name }

// Functions returns the live map of functions.
func (l *Library) Functions() map[string]*Builtin { return l.functions }

// Constants returns the live map of constants, which may be nil.
func (l *Library) Constants() map[string]Object { return l.constants }

// Description returns the description.
func (l *Library) Description() string { return l.description }

// GetDict returns a new dict of the functions, the constants and, if there is a
// description, __doc__.
func (l *Library) GetDict() *Dict {
	d := &Dict{Pairs: make(map[string]DictPair, len(l.functions)+len(l.constants)+1)}
	for name, fn := range l.functions {
		d.SetByString(name, fn)
	}
	for name, value := range l.constants {
		d.SetByString(name, value)
	}
	if l.description != "" {
		d.SetByString("__doc__", NewString(l.description))
	}
	return d
}

type instanceDataKey struct{}

// Instantiate returns a copy of the library whose functions find data with
// InstanceDataFromContext.
func (l *Library) Instantiate(instanceData any) *Library {
	c := *l
	c.data = instanceData
	c.functions = make(map[string]*Builtin, len(l.functions))
	for name, fn := range l.functions {
		c.functions[name] = withInstanceData(fn, instanceData)
	}
	return &c
}

func withInstanceData(fn *Builtin, data any) *Builtin {
	c := *fn
	if call := fn.Fn; call != nil {
		c.Fn = func(ctx context.Context, kwargs Kwargs, args ...Object) Object {
			return call(context.WithValue(ctx, instanceDataKey{}, data), kwargs, args...)
		}
	}
	return &c
}

// InstanceData returns the data given to Instantiate.
func (l *Library) InstanceData() any { return l.data }

// InstanceDataFromContext returns the data of the instantiated library whose
// function is running, or nil.
func InstanceDataFromContext(ctx context.Context) any { return ctx.Value(instanceDataKey{}) }

func (l *Library) Type() ObjectType               { return BUILTIN_OBJ }
func (l *Library) Inspect() string                { return "<library>" }
func (l *Library) AsBool() (bool, Object)         { return true, nil }
func (l *Library) CoerceString() (string, Object) { return l.Inspect(), nil }
