package object

// Kwargs are the keyword arguments of a call. The map may be nil.
type Kwargs struct {
	Kwargs map[string]Object
}

// NewKwargs returns Kwargs over the map.
func NewKwargs(kwargs map[string]Object) Kwargs { return Kwargs{Kwargs: kwargs} }

// Has reports whether the argument was given.
func (k Kwargs) Has(key string) bool {
	_, ok := k.Kwargs[key]
	return ok
}

// Get returns the argument, or nil.
func (k Kwargs) Get(key string) Object { return k.Kwargs[key] }

// Keys returns the names of the arguments in no particular order.
func (k Kwargs) Keys() []string {
	keys := make([]string, 0, len(k.Kwargs))
	for key := range k.Kwargs {
		keys = append(keys, key)
	}
	return keys
}

// Len returns the number of arguments.
func (k Kwargs) Len() int { return len(k.Kwargs) }

// GetString returns a string argument, or def when it is absent or no string.
func (k Kwargs) GetString(name, def string) (string, Object) {
	return kwarg(k, name, def, ErrMustBeString, Object.AsString)
}

// GetInt returns an integer argument, or def when it is absent or no number.
func (k Kwargs) GetInt(name string, def int64) (int64, Object) {
	return kwarg(k, name, def, ErrMustBeNumber, Object.AsInt)
}

// GetFloat returns a number argument, or def when it is absent or no number.
func (k Kwargs) GetFloat(name string, def float64) (float64, Object) {
	return kwarg(k, name, def, ErrMustBeNumber, Object.AsFloat)
}

// GetBool returns the truth of an argument, or def when it is absent or has none.
func (k Kwargs) GetBool(name string, def bool) (bool, Object) {
	return kwarg(k, name, def, ErrMustBeBoolean, Object.AsBool)
}

// GetList returns the elements of a list argument, or def when it is absent or
// no list.
func (k Kwargs) GetList(name string, def []Object) ([]Object, Object) {
	return kwarg(k, name, def, ErrMustBeList, Object.AsList)
}

// MustGetString is GetString without the error.
func (k Kwargs) MustGetString(name, def string) string {
	v, _ := k.GetString(name, def)
	return v
}

// MustGetInt is GetInt without the error.
func (k Kwargs) MustGetInt(name string, def int64) int64 {
	v, _ := k.GetInt(name, def)
	return v
}

// MustGetFloat is GetFloat without the error.
func (k Kwargs) MustGetFloat(name string, def float64) float64 {
	v, _ := k.GetFloat(name, def)
	return v
}

// MustGetBool is GetBool without the error.
func (k Kwargs) MustGetBool(name string, def bool) bool {
	v, _ := k.GetBool(name, def)
	return v
}

// MustGetList is GetList without the error.
func (k Kwargs) MustGetList(name string, def []Object) []Object {
	v, _ := k.GetList(name, def)
	return v
}

func kwarg[T any](k Kwargs, name string, def T, message string, as func(Object) (T, Object)) (T, Object) {
	obj, ok := k.Kwargs[name]
	if !ok {
		return def, nil
	}
	v, failure := as(obj)
	if failure != nil {
		return def, &Error{Message: name + ": " + message}
	}
	return v, nil
}
