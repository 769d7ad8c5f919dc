// Package object defines the values a script works with, the environments that
// hold them and the interpreter lock.
//
//   - Values: scalars.go, containers.go, iterator.go, function.go, class.go and
//     errors.go. All of them implement Object; inspect.go writes their text,
//     dictkey.go makes them keys of dicts and sets.
//   - Libraries: library.go, builder.go for typed Go functions, kwargs.go for
//     keyword arguments.
//   - Environments: environment.go, its variables in scope.go, the interpreter
//     lock in gil.go, snapshot.go and transfer.go for handing functions and
//     values to another interpreter.
package object

// ObjectType tells the kind of an Object.
type ObjectType int

// The kinds of objects.
const (
	INTEGER_OBJ ObjectType = iota
	FLOAT_OBJ
	BOOLEAN_OBJ
	STRING_OBJ
	NULL_OBJ
	RETURN_OBJ
	BREAK_OBJ
	CONTINUE_OBJ
	FUNCTION_OBJ
	LAMBDA_OBJ
	BUILTIN_OBJ
	LIST_OBJ
	TUPLE_OBJ
	DICT_OBJ
	ERROR_OBJ
	EXCEPTION_OBJ
	CLASS_OBJ
	INSTANCE_OBJ
	SUPER_OBJ
	ITERATOR_OBJ
	DICT_KEYS_OBJ
	DICT_VALUES_OBJ
	DICT_ITEMS_OBJ
	SET_OBJ
	SLICE_OBJ
	PROPERTY_OBJ
	STATICMETHOD_OBJ
	CLASSMETHOD_OBJ
	FLOAT_ARRAY_OBJ
	BYTES_OBJ
)

var typeNames = [...]string{
	INTEGER_OBJ:      "INTEGER",
	FLOAT_OBJ:        "FLOAT",
	BOOLEAN_OBJ:      "BOOLEAN",
	STRING_OBJ:       "STRING",
	NULL_OBJ:         "NULL",
	RETURN_OBJ:       "RETURN",
	BREAK_OBJ:        "BREAK",
	CONTINUE_OBJ:     "CONTINUE",
	FUNCTION_OBJ:     "FUNCTION",
	LAMBDA_OBJ:       "LAMBDA",
	BUILTIN_OBJ:      "BUILTIN",
	LIST_OBJ:         "LIST",
	TUPLE_OBJ:        "TUPLE",
	DICT_OBJ:         "DICT",
	ERROR_OBJ:        "ERROR",
	EXCEPTION_OBJ:    "EXCEPTION",
	CLASS_OBJ:        "CLASS",
	INSTANCE_OBJ:     "INSTANCE",
	SUPER_OBJ:        "SUPER",
	ITERATOR_OBJ:     "ITERATOR",
	DICT_KEYS_OBJ:    "DICT_KEYS",
	DICT_VALUES_OBJ:  "DICT_VALUES",
	DICT_ITEMS_OBJ:   "DICT_ITEMS",
	SET_OBJ:          "SET",
	SLICE_OBJ:        "SLICE",
	PROPERTY_OBJ:     "PROPERTY",
	STATICMETHOD_OBJ: "STATICMETHOD",
	CLASSMETHOD_OBJ:  "CLASSMETHOD",
	FLOAT_ARRAY_OBJ:  "FLOAT_ARRAY",
	BYTES_OBJ:        "BYTES",
}

// String returns the upper-case name of the type.
func (t ObjectType) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return "UNKNOWN"
	}
	return typeNames[t]
}

// Object is a script value.
//
// The second result of the AsX and CoerceX methods is a nil interface on
// success and an *Error otherwise. An AsX method accepts what is such a value, a
// CoerceX method also what can be made one. The types say so where a method does
// something else.
type Object interface {
	Type() ObjectType
	Inspect() string
	AsString() (string, Object)
	AsInt() (int64, Object)
	AsFloat() (float64, Object)
	AsBool() (bool, Object)
	AsList() ([]Object, Object)
	AsDict() (map[string]Object, Object)
	CoerceString() (string, Object)
	CoerceInt() (int64, Object)
	CoerceFloat() (float64, Object)
}

// Messages of failed conversions.
const (
	ErrMustBeString   = "must be a string"
	ErrMustBeInteger  = "must be an integer"
	ErrMustBeNumber   = "must be a number"
	ErrMustBeBoolean  = "must be a boolean"
	ErrMustBeList     = "must be a list"
	ErrMustBeDict     = "must be a dict"
	ErrMustBeIterable = "must be iterable"
	ErrMustBeBytes    = "must be bytes or string"
)

// refusals is embedded by the object types to refuse every conversion they do
// not define themselves. The errors are created for each call because the
// evaluator may annotate them.
type refusals struct{}

func (refusals) AsString() (string, Object)          { return "", &Error{Message: ErrMustBeString} }
func (refusals) AsInt() (int64, Object)              { return 0, &Error{Message: ErrMustBeInteger} }
func (refusals) AsFloat() (float64, Object)          { return 0, &Error{Message: ErrMustBeNumber} }
func (refusals) AsBool() (bool, Object)              { return false, &Error{Message: ErrMustBeBoolean} }
func (refusals) AsList() ([]Object, Object)          { return nil, &Error{Message: ErrMustBeList} }
func (refusals) AsDict() (map[string]Object, Object) { return nil, &Error{Message: ErrMustBeDict} }
func (refusals) CoerceInt() (int64, Object)          { return 0, &Error{Message: ErrMustBeInteger} }
func (refusals) CoerceFloat() (float64, Object)      { return 0, &Error{Message: ErrMustBeNumber} }
