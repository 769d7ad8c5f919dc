package eval

import "github.com/paularlott/scriptling/object"

// opaque is embedded by the objects that only the evaluator makes. It refuses
// every conversion but those to a truth value and to a text.
type opaque struct {
	kind object.ObjectType
	text string
}

func (o *opaque) Type() object.ObjectType { return o.kind }
func (o *opaque) Inspect() string         { return o.text }

func (o *opaque) AsString() (string, object.Object)     { return "", refuse(object.ErrMustBeString) }
func (o *opaque) AsInt() (int64, object.Object)         { return 0, refuse(object.ErrMustBeInteger) }
func (o *opaque) AsFloat() (float64, object.Object)     { return 0, refuse(object.ErrMustBeNumber) }
func (o *opaque) AsBool() (bool, object.Object)         { return true, nil }
func (o *opaque) CoerceString() (string, object.Object) { return o.text, nil }
func (o *opaque) CoerceInt() (int64, object.Object)     { return 0, refuse(object.ErrMustBeInteger) }
func (o *opaque) CoerceFloat() (float64, object.Object) { return 0, refuse(object.ErrMustBeNumber) }

func (o *opaque) AsList() ([]object.Object, object.Object) {
	return nil, refuse(object.ErrMustBeList)
}

func (o *opaque) AsDict() (map[string]object.Object, object.Object) {
	return nil, refuse(object.ErrMustBeDict)
}

func refuse(message string) object.Object { return &object.Error{Message: message} }

// property is a computed attribute; setter is nil when it is read-only.
type property struct {
	opaque
	getter, setter object.Object
}

func newProperty(getter, setter object.Object) *property {
	return &property{opaque{object.PROPERTY_OBJ, "<property>"}, getter, setter}
}

// staticMethod is a function of a class that gets no instance.
type staticMethod struct {
	opaque
	fn object.Object
}

func newStaticMethod(fn object.Object) *staticMethod {
	return &staticMethod{opaque{object.STATICMETHOD_OBJ, "<staticmethod>"}, fn}
}

// classMethod is a function of a class that gets the class.
type classMethod struct {
	opaque
	fn object.Object
}

func newClassMethod(fn object.Object) *classMethod {
	return &classMethod{opaque{object.CLASSMETHOD_OBJ, "<classmethod>"}, fn}
}

// super gives access to the members that class inherits, bound to instance.
type super struct {
	opaque
	class    *object.Class
	instance object.Object
}

func newSuper(class *object.Class, instance object.Object) *super {
	return &super{opaque{object.SUPER_OBJ, "<super>"}, class, instance}
}
