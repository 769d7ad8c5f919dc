package scriptling

import (
	"errors"
	"fmt"
	"slices"

	"github.com/paularlott/scriptling/conversion"
	"github.com/paularlott/scriptling/object"
)

// SetVar sets a global variable to a Go value.
func (p *Scriptling) SetVar(name string, value interface{}) error {
	return p.SetObjectVar(name, conversion.FromGo(value))
}

// SetObjectVar sets a global variable.
func (p *Scriptling) SetObjectVar(name string, obj object.Object) error {
	p.env.SetGlobal(name, obj)
	return nil
}

// UnsetVar removes a global variable.
func (p *Scriptling) UnsetVar(name string) { p.env.Delete(name) }

// ListVars returns the sorted names of the global variables.
func (p *Scriptling) ListVars() []string {
	names := []string{}
	for name := range p.env.GetStore() {
		if name != importName {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// GetVarAsObject returns a global variable.
func (p *Scriptling) GetVarAsObject(name string) (object.Object, error) {
	obj, failure := p.lookup(name)
	if failure != nil {
		return nil, errors.New(failure.Message)
	}
	return obj, nil
}

func (p *Scriptling) lookup(name string) (object.Object, *object.Error) {
	if obj, ok := p.env.Get(name); ok {
		return obj, nil
	}
	return nil, &object.Error{Message: fmt.Sprintf("variable '%s' not found", name)}
}

// variable converts a global variable.
func variable[T any](p *Scriptling, name string, as func(object.Object) (T, object.Object)) (T, object.Object) {
	obj, failure := p.lookup(name)
	if failure != nil {
		var zero T
		return zero, failure
	}
	return as(obj)
}

// GetVar returns a global variable as a Go value.
func (p *Scriptling) GetVar(name string) (interface{}, object.Object) {
	return variable(p, name, func(obj object.Object) (interface{}, object.Object) {
		return conversion.ToGo(obj), nil
	})
}

// GetVarAsString returns a global variable that is a string.
func (p *Scriptling) GetVarAsString(name string) (string, object.Object) {
	return variable(p, name, object.Object.AsString)
}

// GetVarAsInt returns a global variable that is an integer.
func (p *Scriptling) GetVarAsInt(name string) (int64, object.Object) {
	return variable(p, name, object.Object.AsInt)
}

// GetVarAsFloat returns a global variable that is a number.
func (p *Scriptling) GetVarAsFloat(name string) (float64, object.Object) {
	return variable(p, name, object.Object.AsFloat)
}

// GetVarAsBool returns the truth of a global variable.
func (p *Scriptling) GetVarAsBool(name string) (bool, object.Object) {
	return variable(p, name, object.Object.AsBool)
}

// GetVarAsList returns the elements of a global variable that is a list.
func (p *Scriptling) GetVarAsList(name string) ([]object.Object, object.Object) {
	return variable(p, name, object.Object.AsList)
}

// GetVarAsDict returns the entries of a global variable that is a dict.
func (p *Scriptling) GetVarAsDict(name string) (map[string]object.Object, object.Object) {
	return variable(p, name, object.Object.AsDict)
}

// GetVarAsSet returns a global variable that is a set.
func (p *Scriptling) GetVarAsSet(name string) (*object.Set, object.Object) {
	return variable(p, name, func(obj object.Object) (*object.Set, object.Object) {
		if set, ok := obj.(*object.Set); ok {
			return set, nil
		}
		return nil, &object.Error{Message: "must be a set"}
	})
}

// GetVarAsTuple returns the elements of a global variable that is a tuple.
func (p *Scriptling) GetVarAsTuple(name string) ([]object.Object, object.Object) {
	return variable(p, name, func(obj object.Object) ([]object.Object, object.Object) {
		if tuple, ok := obj.(*object.Tuple); ok {
			return tuple.AsList()
		}
		return nil, &object.Error{Message: "must be a tuple"}
	})
}
