package object

import (
	"fmt"
	"maps"
)

// Class is a class. Methods holds functions, builtins, properties, static and
// class methods, and attributes set on the class.
type Class struct {
	refusals
	Name      string
	BaseClass *Class
	Methods   map[string]Object
	Env       *Environment
}

// LookupMember finds a member of the class or of its base classes.
func (c *Class) LookupMember(name string) (Object, bool) {
	for ; c != nil; c = c.BaseClass {
		if m, ok := c.Methods[name]; ok {
			return m, true
		}
	}
	return nil, false
}

// InvalidateLookupCache must be called after Methods was changed. Lookups are
// not cached at present, so there is nothing to forget.
func (c *Class) InvalidateLookupCache() {}

func (c *Class) Type() ObjectType                    { return CLASS_OBJ }
func (c *Class) Inspect() string                     { return "<class '" + c.Name + "'>" }
func (c *Class) AsString() (string, Object)          { return c.Name, nil }
func (c *Class) AsBool() (bool, Object)              { return true, nil }
func (c *Class) AsDict() (map[string]Object, Object) { return c.Methods, nil }
func (c *Class) CoerceString() (string, Object)      { return c.Inspect(), nil }

// Instance is an instance of a Class. NativeData is for its Go methods.
type Instance struct {
	refusals
	Class      *Class
	NativeData any
	fields     map[string]Object
}

// NewInstance returns an instance without fields.
func NewInstance(c *Class) *Instance { return &Instance{Class: c} }

// NewInstanceWithFields returns an instance with a copy of fields.
func NewInstanceWithFields(c *Class, fields map[string]Object) *Instance {
	return &Instance{Class: c, fields: maps.Clone(fields)}
}

// NewInstanceWithData returns an instance with a copy of fields and with data
// for its Go methods.
func NewInstanceWithData(c *Class, fields map[string]Object, data any) *Instance {
	return &Instance{Class: c, fields: maps.Clone(fields), NativeData: data}
}

// GetField returns the field of that name.
func (i *Instance) GetField(name string) (Object, bool) {
	v, ok := i.fields[name]
	return v, ok
}

// Field returns the field of that name, or nil.
func (i *Instance) Field(name string) Object { return i.fields[name] }

// SetField sets a field.
func (i *Instance) SetField(name string, value Object) {
	if i.fields == nil {
		i.fields = make(map[string]Object)
	}
	i.fields[name] = value
}

// DeleteField removes a field.
func (i *Instance) DeleteField(name string) { delete(i.fields, name) }

// HasField reports whether the field exists.
func (i *Instance) HasField(name string) bool {
	_, ok := i.fields[name]
	return ok
}

// FieldCount returns the number of fields.
func (i *Instance) FieldCount() int { return len(i.fields) }

// RangeFields calls fn for each field, in no particular order, until it returns
// false.
func (i *Instance) RangeFields(fn func(name string, value Object) bool) {
	for name, value := range i.fields {
		if !fn(name, value) {
			return
		}
	}
}

// FieldsSnapshot returns a copy of the fields.
func (i *Instance) FieldsSnapshot() map[string]Object {
	out := make(map[string]Object, len(i.fields))
	maps.Copy(out, i.fields)
	return out
}

func (i *Instance) Type() ObjectType { return INSTANCE_OBJ }

// Inspect returns the text of the field __str_repr__ if there is one.
func (i *Instance) Inspect() string {
	if s, ok := i.fields["__str_repr__"].(*String); ok {
		return s.value
	}
	return fmt.Sprintf("<%s object at %p>", i.Class.Name, i)
}

func (i *Instance) AsString() (string, Object)          { return i.Inspect(), nil }
func (i *Instance) AsBool() (bool, Object)              { return true, nil }
func (i *Instance) AsDict() (map[string]Object, Object) { return i.FieldsSnapshot(), nil }
func (i *Instance) CoerceString() (string, Object)      { return i.Inspect(), nil }
