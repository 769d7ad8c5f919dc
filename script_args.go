package extlibs

import (
	"context"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs/internal/codec"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// arguments are the arguments of a call in the order of its parameters. Without keyword
// arguments this is the interpreter's own slice, valid until the call returns.
type arguments []object.Object

// at returns an argument, or nil if it was not given.
func (a arguments) at(i int) object.Object {
	if i < len(a) {
		return a[i]
	}
	return nil
}

// maxParams is the maximum number of parameters of a call.
const maxParams = 7

// argBuffer holds the arguments of a call with keywords in the order of its parameters.
type argBuffer [maxParams]object.Object

var argBuffers = sync.Pool{New: func() any { return new(argBuffer) }}

func (b *argBuffer) release() {
	clear(b[:])
	argBuffers.Put(b)
}

// bind returns the arguments of a call in the order of its parameters, in b if there are
// keywords.
func (c *call) bind(b *argBuffer, kwargs map[string]object.Object, args arguments) (arguments, error) {
	if len(args) > len(c.params) {
		plural := "s"
		if len(c.params) == 1 {
			plural = ""
		}
		return nil, kverr.Errorf(ErrType, "takes at most %d argument%s, got %d; usage: %s", len(c.params), plural, len(args), c.signature())
	}
	if len(kwargs) > 0 {
		var err error
		if args, err = c.bindKeywords(b, kwargs, args); err != nil {
			return nil, err
		}
	}
	for i := range c.params {
		if args.at(i) == nil && c.params[i].fallback == "" {
			return nil, kverr.Errorf(ErrType, "missing argument '%s'; usage: %s", c.params[i].name, c.signature())
		}
	}
	return args, raiseIn(args)
}

func (c *call) bindKeywords(b *argBuffer, kwargs map[string]object.Object, args arguments) (arguments, error) {
	positional, found := len(args), 0
	bound := arguments(b[:len(c.params)])
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
			return nil, kverr.Errorf(ErrType, "unexpected keyword argument '%s'%s; usage: %s", kverr.Printable(shorten(name)), c.hint(name), c.signature())
		case i < positional:
			return nil, kverr.Errorf(ErrType, "got argument '%s' twice; usage: %s", name, c.signature())
		}
	}
	return bound, nil
}

// elsewhere maps keywords of other stores to the parameter or call that has their effect here.
var elsewhere = map[string][]struct{ param, hint string }{
	"ex":      {{"ttl", "use ttl=, in seconds"}},
	"px":      {{"ttl", "use ttl=, in seconds"}},
	"expire":  {{"ttl", "use ttl=, in seconds"}},
	"expires": {{"ttl", "use ttl=, in seconds"}},
	"timeout": {{"ttl", "use ttl=, in seconds"}, {"wait", "use wait=, in seconds"}},
	"wait":    {{"timeout", "use timeout=, in seconds"}},
	"nx":      {{"value", "use add(key, value)"}},
	"match":   {{"pattern", "use pattern="}},
	"start":   {{"after", "use after=, which is exclusive, or prefix="}},
	"end":     {{"before", "use before=, which is exclusive, or prefix="}},
	"desc":    {{"reverse", "use reverse=True"}},
	"count":   {{"limit", "use limit="}},
	"amount":  {{"delta", "use delta="}},
}

// hint returns what to write here in place of a keyword of another store, or "".
func (c *call) hint(name string) string {
	for _, e := range elsewhere[name] {
		if c.index(e.param) >= 0 {
			return " (" + e.hint + ")"
		}
	}
	return ""
}

// raiseIn returns the error of an exception among the arguments: inside an expression, a raise
// evaluates to the exception, which is raised here.
func raiseIn(args []object.Object) error {
	for _, arg := range args {
		if x, ok := arg.(*object.Exception); ok {
			return &scriptRaise{x}
		}
	}
	return nil
}

// keyArg returns a key.
func keyArg(o object.Object) (string, error) {
	if s, ok := o.(*object.String); ok {
		return s.StringValue(), nil
	}
	return "", errKeyType(o)
}

func errKeyType(o object.Object) error {
	hint := ""
	switch o.(type) {
	case *object.Integer, *object.Float:
		hint = "; write str(key)"
	case *object.List, *object.Tuple, *object.Set:
		hint = "; get_many, set_many and delete_many take several keys"
	}
	return kverr.Errorf(ErrType, "key must be a str, not %s%s", typeName(o), hint)
}

// reader reads the arguments of a call, which it numbers from 0, and keeps the first
// error.
type reader struct {
	a   arguments
	err error
}

// fail keeps an error if it is the first one.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) key() string {
	if s, ok := r.a.at(0).(*object.String); ok {
		return s.StringValue()
	}
	r.fail(errKeyType(r.a.at(0)))
	return ""
}

// text reads a str, or returns the fallback of an argument that was not given.
func (r *reader) text(i int, name, fallback string) string {
	switch o := r.a.at(i).(type) {
	case nil:
		return fallback
	case *object.String:
		return o.StringValue()
	default:
		r.fail(kverr.Errorf(ErrType, "%s must be a str, not %s", name, typeName(o)))
		return ""
	}
}

// ttl reads a number of seconds. A ttl shorter than a millisecond is rounded up to one; only 0
// and None mean no expiry.
func (r *reader) ttl(i int) time.Duration {
	if i >= len(r.a) {
		return 0
	}
	return r.seconds(i, "ttl", "no expiry")
}

// seconds reads a number of seconds; zero describes what 0 means, for the error.
func (r *reader) seconds(i int, name, zero string) time.Duration {
	var seconds float64
	switch o := r.a.at(i).(type) {
	case nil, *object.Null:
		return 0
	case *object.Integer:
		if i := o.IntValue(); i >= 0 && i <= int64(MaxTTL/time.Second) {
			return time.Duration(i) * time.Second
		}
		seconds = float64(o.IntValue())
	case *object.Float:
		seconds = o.FloatValue()
	default:
		r.fail(kverr.Errorf(ErrType, "%s must be a number of seconds, not %s", name, typeName(o)))
		return 0
	}
	if !(seconds >= 0 && seconds <= MaxTTL.Seconds()) {
		r.fail(kverr.Errorf(ErrInvalid, "%s is %v; use a number of seconds from 0 (%s) to 100 years", name, seconds, zero))
		return 0
	}
	if seconds == 0 {
		return 0
	}
	return min(max(time.Duration(math.Ceil(seconds*float64(time.Second))), MinTTL), MaxTTL)
}

// until reads the number of seconds that a call waits, and returns the moment at which the wait
// ends: the zero time if the argument is None or was not given.
func (r *reader) until(i int, name string) time.Time {
	if isNone(r.a.at(i)) {
		return time.Time{}
	}
	return time.Now().Add(r.seconds(i, name, "not to wait"))
}

// newTTL is ttl for calls that keep the remaining time if no ttl is given.
func (r *reader) newTTL(i int) time.Duration {
	if isNone(r.a.at(i)) {
		return KeepTTL
	}
	return r.ttl(i)
}

func (r *reader) delta(i int) Value {
	switch o := r.a.at(i).(type) {
	case nil:
		return encodeInt(1)
	case *object.Integer:
		return encodeInt(o.IntValue())
	case *object.Float:
		return encodeFloat(o.FloatValue())
	default:
		r.fail(kverr.Errorf(ErrType, "delta must be an int or a float, not %s", typeName(o)))
		return Value{}
	}
}

// callable reads a function that the interpreter can call.
func (r *reader) callable(i int) object.Object {
	switch o := r.a.at(i).(type) {
	case *object.Function, *object.LambdaFunction, *object.Builtin:
		return o
	case *object.BoundMethod:
		r.fail(kverr.Errorf(ErrType, "fn cannot be a bound method; wrap it in a lambda, as in lambda *args: obj.method(*args)"))
	default:
		r.fail(kverr.Errorf(ErrType, "fn must be a function, not %s", typeName(o)))
	}
	return nil
}

// value encodes an argument, if there has been no error.
func (r *reader) value(ctx context.Context, h *Handle, i int, name string) (v Value) {
	if r.err == nil {
		v, r.err = encodeObject(ctx, r.a.at(i), h.opts.maxValueBytes)
		r.err = codec.In(r.err, name)
	}
	return v
}

// number reads an int that is not negative, 0 unless it was given.
func (r *reader) number(i int, name string) int {
	switch o := r.a.at(i).(type) {
	case nil:
	case *object.Integer:
		n := o.IntValue()
		if n < 0 {
			r.fail(kverr.Errorf(ErrInvalid, "%s is %d; use 0 (all) or more", name, n))
		}
		return int(min(n, math.MaxInt))
	default:
		r.fail(kverr.Errorf(ErrType, "%s must be an int, not %s", name, typeName(o)))
	}
	return 0
}

// flag reads a bool, False unless it was given.
func (r *reader) flag(i int, name string) bool {
	switch o := r.a.at(i).(type) {
	case nil:
	case *object.Boolean:
		return o.BoolValue()
	default:
		r.fail(kverr.Errorf(ErrType, "%s must be a bool, not %s", name, typeName(o)))
	}
	return false
}

// matching reads pattern and prefix.
func (r *reader) matching(pattern, prefix int) selection {
	return r.selection(ListOptions{Pattern: r.text(pattern, "pattern", "*"), Prefix: r.text(prefix, "prefix", "")})
}

// list reads the parameters pListing, which begin at argument i.
func (r *reader) list(i int) selection {
	return r.selection(ListOptions{
		Pattern: r.text(i, "pattern", "*"),
		Limit:   r.number(i+1, "limit"),
		After:   r.text(i+2, "after", ""),
		Before:  r.text(i+3, "before", ""),
		Prefix:  r.text(i+4, "prefix", ""),
		Reverse: r.flag(i+5, "reverse"),
	})
}

// removal reads pattern and prefix for a call that removes keys.
func (r *reader) removal() selection {
	pattern, prefix := r.text(0, "pattern", ""), r.text(1, "prefix", "")
	if r.a.at(0) == nil {
		if prefix == "" {
			r.fail(kverr.Errorf(ErrType, `needs a pattern or a prefix; use prefix="user:", or "*" to remove every key`))
		}
		pattern = "*"
	}
	if r.err != nil {
		return selection{}
	}
	s, err := removal(pattern, prefix)
	r.fail(err)
	return s
}

// selection compiles o, if there has been no error.
func (r *reader) selection(o ListOptions) (s selection) {
	if r.err == nil {
		s, r.err = o.selects()
	}
	return s
}

// keys reads a list of keys and returns each of them once. It charges held for them.
func (r *reader) keys(h *Handle, held *budget) []string {
	n, elems := elementsOf(r.a.at(0))
	if elems == nil {
		hint := ""
		if _, ok := r.a.at(0).(*object.String); ok {
			hint = "; write [key] for one key"
		}
		r.fail(kverr.Errorf(ErrType, "keys must be a list of str, not %s%s", typeName(r.a.at(0)), hint))
		return nil
	}
	i := -1
	keys, err := held.distinct(n, func(yield func(string) bool) {
		for el := range elems {
			i++
			s, ok := el.(*object.String)
			if !ok {
				r.fail(kverr.Errorf(ErrType, "keys[%d] must be a str, not %s", i, typeName(el)))
			}
			if !ok || !yield(s.StringValue()) {
				return
			}
		}
	})
	if err != nil {
		r.fail(h.inStore("", err))
	}
	return keys
}

// elementsOf returns the elements of a list, a tuple, a set or a dict's keys(), and their
// number; nil for anything else.
func elementsOf(o object.Object) (n int, elems iter.Seq[object.Object]) {
	switch o := o.(type) {
	case *object.List:
		return len(o.Elements), slices.Values(o.Elements)
	case *object.Tuple:
		return len(o.Elements), slices.Values(o.Elements)
	case *object.Set:
		return len(o.Elements), maps.Values(o.Elements)
	case *object.DictKeys:
		return len(o.Dict.Pairs), func(yield func(object.Object) bool) {
			for _, p := range o.Dict.Pairs {
				if !yield(p.Key) {
					return
				}
			}
		}
	}
	return 0, nil
}
