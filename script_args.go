package extlibs

import (
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/glob"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// arguments are a call's arguments in the order of its parameters. Where none has
// a keyword they are the interpreter's own, which are ours until the call returns.
type arguments []object.Object

// at returns an argument; nil: not given.
func (a arguments) at(i int) object.Object {
	if i < len(a) {
		return a[i]
	}
	return nil
}

// maxParams is the most parameters that a call has.
const maxParams = 4

// room is where the arguments of a call with keywords are put in their order.
type room [maxParams]object.Object

var rooms = sync.Pool{New: func() any { return new(room) }}

func (r *room) release() {
	clear(r[:])
	rooms.Put(r)
}

// bind sorts the arguments of a call into its parameters. r is only used where
// there are keywords.
func (c *call) bind(r *room, kwargs map[string]object.Object, args arguments) (arguments, error) {
	if len(args) > len(c.params) {
		return nil, kverr.Errorf(ErrType, "takes at most %d arguments, got %d; it is %s", len(c.params), len(args), c.signature())
	}
	if len(kwargs) > 0 {
		var err error
		if args, err = c.bindKeywords(r, kwargs, args); err != nil {
			return nil, err
		}
	}
	for i := range c.params {
		if args.at(i) == nil && c.params[i].fallback == "" {
			return nil, kverr.Errorf(ErrType, "missing argument '%s'; it is %s", c.params[i].name, c.signature())
		}
	}
	return args, raiseIn(args)
}

func (c *call) bindKeywords(r *room, kwargs map[string]object.Object, args arguments) (arguments, error) {
	positional, found := len(args), 0
	bound := arguments(r[:len(c.params)])
	copy(bound, args)
	for i := positional; i < len(c.params); i++ {
		if arg, ok := kwargs[c.params[i].name]; ok {
			bound[i] = arg
			found++
		}
	}
	if found == len(kwargs) {
		return bound, nil
	}
	for name := range kwargs {
		switch i := c.index(name); {
		case i < 0:
			return nil, kverr.Errorf(ErrType, "unexpected keyword argument '%s'%s; it is %s", kverr.Printable(shorten(name)), c.hint(name), c.signature())
		case i < positional:
			return nil, kverr.Errorf(ErrType, "got argument '%s' twice; it is %s", name, c.signature())
		}
	}
	return bound, nil
}

// elsewhere are keywords of other stores, and the parameter or call that does
// the same here.
var elsewhere = map[string]struct{ param, hint string }{
	"ex":      {"ttl", "say ttl=, in seconds"},
	"px":      {"ttl", "say ttl=, in seconds"},
	"expire":  {"ttl", "say ttl=, in seconds"},
	"expires": {"ttl", "say ttl=, in seconds"},
	"timeout": {"ttl", "say ttl=, in seconds"},
	"nx":      {"value", "use add(key, value)"},
	"match":   {"pattern", "say pattern="},
	"prefix":  {"pattern", "say pattern=, as in \"prefix*\""},
	"count":   {"limit", "say limit="},
	"amount":  {"delta", "say delta="},
}

// hint says what a keyword of another store is called here.
func (c *call) hint(name string) string {
	e, ok := elsewhere[name]
	if !ok || c.index(e.param) < 0 {
		return ""
	}
	return " (" + e.hint + ")"
}

// raiseIn finds an exception among arguments. A raise inside an expression is a
// value there; it goes on from here.
func raiseIn(args []object.Object) error {
	for _, arg := range args {
		if x, ok := arg.(*object.Exception); ok {
			return &scriptRaise{x}
		}
	}
	return nil
}

// textArg takes a str, or a fallback where there is no argument.
func textArg(name string, o object.Object, fallback string) (string, error) {
	switch o := o.(type) {
	case nil:
		return fallback, nil
	case *object.String:
		return o.StringValue(), nil
	}
	return "", kverr.Errorf(ErrType, "%s must be a str, not %s", name, typeName(o))
}

func keyArg(o object.Object) (string, error) { return textArg("key", o, "") }

// ttlArg takes seconds. A ttl that is shorter than a millisecond becomes one, and
// never no expiry.
func ttlArg(o object.Object) (time.Duration, error) {
	var seconds float64
	switch o := o.(type) {
	case nil, *object.Null:
		return 0, nil
	case *object.Integer:
		if i := o.IntValue(); i >= 0 && i <= int64(MaxTTL/time.Second) {
			return time.Duration(i) * time.Second, nil
		}
		seconds = float64(o.IntValue())
	case *object.Float:
		seconds = o.FloatValue()
	default:
		return 0, kverr.Errorf(ErrType, "ttl must be a number of seconds, not %s", typeName(o))
	}
	if !(seconds >= 0 && seconds <= MaxTTL.Seconds()) {
		return 0, kverr.Errorf(ErrInvalid, "ttl is %v; use seconds from 0 (no expiry) up to 100 years", seconds)
	}
	if seconds == 0 {
		return 0, nil
	}
	return min(max(time.Duration(math.Ceil(seconds*float64(time.Second))), MinTTL), MaxTTL), nil
}

// newTTLArg is ttlArg where no ttl leaves the time left as it is.
func newTTLArg(o object.Object) (time.Duration, error) {
	if isNone(o) {
		return KeepTTL, nil
	}
	return ttlArg(o)
}

func deltaArg(o object.Object) (Value, error) {
	switch o := o.(type) {
	case nil:
		return encodeInt(1), nil
	case *object.Integer:
		return encodeInt(o.IntValue()), nil
	case *object.Float:
		return encodeFloat(o.FloatValue()), nil
	}
	return Value{}, kverr.Errorf(ErrType, "delta must be an int or a float, not %s", typeName(o))
}

// reader takes the arguments of a call one by one and keeps the first error.
type reader struct {
	a   arguments
	err error
}

func (r *reader) key() (key string) {
	if r.err == nil {
		key, r.err = keyArg(r.a.at(0))
	}
	return key
}

func (r *reader) ttl(i int) (ttl time.Duration) {
	if r.err == nil {
		ttl, r.err = ttlArg(r.a.at(i))
	}
	return ttl
}

func (r *reader) delta(i int) (delta Value) {
	if r.err == nil {
		delta, r.err = deltaArg(r.a.at(i))
	}
	return delta
}

func (r *reader) callable(i int) (fn object.Object) {
	if r.err == nil {
		fn, r.err = callableArg(r.a.at(i))
	}
	return fn
}

// pageArgs takes pattern, limit and after.
func pageArgs(a arguments) (s selection, err error) {
	if s.Pattern, err = patternArg(a.at(0)); err != nil {
		return s, err
	}
	switch o := a.at(1).(type) {
	case nil:
	case *object.Integer:
		i := o.IntValue()
		if i < 0 {
			return s, kverr.Errorf(ErrInvalid, "limit is %d; use 0 (all) or more", i)
		}
		s.limit = int(min(i, math.MaxInt))
	default:
		return s, kverr.Errorf(ErrType, "limit must be an int, not %s", typeName(o))
	}
	s.after, err = textArg("after", a.at(2), "")
	return s, err
}

func patternArg(o object.Object) (*glob.Pattern, error) {
	text, err := textArg("pattern", o, "*")
	if err != nil {
		return nil, err
	}
	return glob.Compile(text)
}

// keysArg takes keys and returns each of them once, however often it stands
// there. It counts them.
func (h *Handle) keysArg(held *budget, o object.Object) ([]string, error) {
	elems := elementsOf(o)
	if elems == nil {
		return nil, kverr.Errorf(ErrType, "keys must be a list of str, not %s", typeName(o))
	}
	most := held.most(lenOf(o), budgetKeyBytes)
	keys := make([]string, 0, most)
	seen, i := make(map[string]bool, most), 0
	for el := range elems {
		s, ok := el.(*object.String)
		if !ok {
			return nil, kverr.Errorf(ErrType, "keys[%d] must be a str, not %s", i, typeName(el))
		}
		i++
		key := s.StringValue()
		if seen[key] {
			if err := held.look(budgetKeyBytes); err != nil {
				return nil, h.inStore("", err)
			}
			continue
		}
		if err := held.takeKey(key); err != nil {
			return nil, h.inStore("", err)
		}
		seen[key] = true
		keys = append(keys, key)
	}
	return keys, nil
}

// elementsOf returns the elements of a list, a tuple, a set or a dict's keys(),
// nil for anything else.
func elementsOf(o object.Object) iter.Seq[object.Object] {
	switch o := o.(type) {
	case *object.List:
		return slices.Values(o.Elements)
	case *object.Tuple:
		return slices.Values(o.Elements)
	case *object.Set:
		return maps.Values(o.Elements)
	case *object.DictKeys:
		return func(yield func(object.Object) bool) {
			for _, p := range o.Dict.Pairs {
				if !yield(p.Key) {
					return
				}
			}
		}
	}
	return nil
}

// lenOf is how many elements elementsOf returns.
func lenOf(o object.Object) int {
	switch o := o.(type) {
	case *object.List:
		return len(o.Elements)
	case *object.Tuple:
		return len(o.Elements)
	case *object.Set:
		return len(o.Elements)
	case *object.DictKeys:
		return len(o.Dict.Pairs)
	}
	return 0
}

// callableArg takes what the interpreter can call back.
func callableArg(o object.Object) (object.Object, error) {
	switch o := o.(type) {
	case *object.Function, *object.LambdaFunction, *object.Builtin:
		return o, nil
	case *object.BoundMethod:
		return nil, kverr.Errorf(ErrType, "fn cannot be a bound method; wrap it in a lambda, as in lambda *args: obj.method(*args)")
	}
	return nil, kverr.Errorf(ErrType, "fn must be a function, not %s", typeName(o))
}
