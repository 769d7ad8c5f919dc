package eval

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/internal/format"
	"github.com/paularlott/scriptling/object"
)

var stringMethods map[string]method

func init() {
	stringMethods = map[string]method{
		"upper":        mapString(strings.ToUpper),
		"lower":        mapString(strings.ToLower),
		"casefold":     mapString(strings.ToLower),
		"title":        mapString(titleCase),
		"capitalize":   mapString(capitalize),
		"swapcase":     mapString(swapCase),
		"strip":        trimString(strings.Trim, strings.TrimSpace),
		"lstrip":       trimString(strings.TrimLeft, trimLeftSpace),
		"rstrip":       trimString(strings.TrimRight, trimRightSpace),
		"isdigit":      testString(allRunes(unicode.IsDigit)),
		"isdecimal":    testString(allRunes(unicode.IsDigit)),
		"isnumeric":    testString(allRunes(unicode.IsNumber)),
		"isalpha":      testString(allRunes(unicode.IsLetter)),
		"isalnum":      testString(allRunes(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })),
		"isspace":      testString(allRunes(unicode.IsSpace)),
		"isprintable":  testString(func(s string) bool { return s == "" || allRunes(unicode.IsPrint)(s) }),
		"isupper":      testString(func(s string) bool { return hasCase(s) && s == strings.ToUpper(s) }),
		"islower":      testString(func(s string) bool { return hasCase(s) && s == strings.ToLower(s) }),
		"istitle":      testString(func(s string) bool { return hasCase(s) && s == titleCase(s) }),
		"isidentifier": testString(isIdentifier),
		"split":        methodArity(0, 2, stringSplit),
		"splitlines":   stringSplitLines,
		"join":         methodArity(1, 1, stringJoin),
		"replace":      methodArity(2, 2, stringReplace),
		"find":         searchString(strings.Index, false),
		"rfind":        searchString(strings.LastIndex, false),
		"index":        searchString(strings.Index, true),
		"rindex":       searchString(strings.LastIndex, true),
		"count":        stringCount,
		"startswith":   affixTest("prefix", strings.HasPrefix),
		"endswith":     affixTest("suffix", strings.HasSuffix),
		"removeprefix": affixCut("prefix", strings.TrimPrefix),
		"removesuffix": affixCut("suffix", strings.TrimSuffix),
		"zfill":        methodArity(1, 1, stringZfill),
		"center":       padString(func(n int) (int, int) { return n / 2, n - n/2 }),
		"ljust":        padString(func(n int) (int, int) { return 0, n }),
		"rjust":        padString(func(n int) (int, int) { return n, 0 }),
		"partition":    stringPartition,
		"rpartition":   stringRPartition,
		"expandtabs":   methodArity(0, 1, stringExpandTabs),
		"encode":       stringEncode,
		"format":       stringFormat,
		"maketrans":    stringMakeTrans,
		"translate":    methodArity(1, 1, stringTranslate),
	}
}

func str(obj object.Object) string { return obj.(*object.String).StringValue() }

func mapString(fn func(string) string) method {
	return noArgs(func(self object.Object) object.Object { return object.NewString(fn(str(self))) })
}

func testString(fn func(string) bool) method {
	return noArgs(func(self object.Object) object.Object { return object.NewBoolean(fn(str(self))) })
}

func allRunes(is func(rune) bool) func(string) bool {
	return func(s string) bool {
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
	}
}

func hasCase(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) }) >= 0
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

func titleCase(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		start := !inWord
		inWord = unicode.IsLetter(r)
		switch {
		case !inWord:
			return r
		case start:
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func capitalize(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + strings.ToLower(s[size:])
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

func trimLeftSpace(s string) string  { return strings.TrimLeftFunc(s, unicode.IsSpace) }
func trimRightSpace(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }

func trimString(trim func(s, cutset string) string, trimSpace func(string) string) method {
	return func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		if err := errors.RangeArgs(args, 0, 1); err != nil {
			return err
		}
		if len(args) == 0 || isNone(args[0]) {
			return object.NewString(trimSpace(str(self)))
		}
		chars, err := stringArg(args[0], "chars")
		if err != nil {
			return err
		}
		return object.NewString(trim(str(self), chars))
	}
}

func isNone(obj object.Object) bool {
	_, ok := obj.(*object.Null)
	return ok
}

// stringArg returns the text of an argument that must be a string.
func stringArg(arg object.Object, name string) (string, object.Object) {
	if s, ok := arg.(*object.String); ok {
		return s.StringValue(), nil
	}
	return "", errors.NewError("%s: %s", name, object.ErrMustBeString)
}

// intArg returns the value of an argument that must be an integer.
func intArg(arg object.Object, name string) (int, object.Object) {
	if n, ok := arg.(*object.Integer); ok {
		return int(n.IntValue()), nil
	}
	return 0, errors.NewError("%s: %s", name, object.ErrMustBeInteger)
}

func stringEncode(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.MaxArgs(args, 2); err != nil {
		return err
	}
	s := str(self)
	out := make([]object.Object, len(s))
	for i := range len(s) {
		out[i] = object.NewInteger(int64(s[i]))
	}
	return &object.List{Elements: out}
}

func stringFormat(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	texts := make([]string, len(args))
	for i, arg := range args {
		var err object.Object
		if texts[i], err = f.innerText(arg); err != nil {
			return err
		}
	}
	return object.NewString(format.Replace(str(self), texts))
}

// stringMakeTrans makes a table for translate: a dict from code points to
// texts, or to None for what is removed.
func stringMakeTrans(f *frame, _ object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.RangeArgs(args, 1, 3); err != nil {
		return err
	}
	table := &object.Dict{Pairs: map[string]object.DictPair{}}
	set := func(from rune, to object.Object) {
		key := object.NewInteger(int64(from))
		table.Pairs[object.DictKey(key)] = object.DictPair{Key: key, Value: to}
	}
	if len(args) == 1 {
		dict, ok := args[0].(*object.Dict)
		if !ok {
			return errors.NewTypeError("DICT", args[0].Type().String())
		}
		for _, pair := range dict.Pairs {
			if s, ok := pair.Key.(*object.String); ok {
				r, _ := utf8.DecodeRuneInString(s.StringValue())
				set(r, pair.Value)
			} else {
				table.Pairs[f.dictKey(pair.Key)] = pair
			}
		}
		return table
	}
	var texts [3]string
	for i, arg := range args {
		s, ok := arg.(*object.String)
		if !ok {
			return errors.NewTypeError("STRING", arg.Type().String())
		}
		texts[i] = s.StringValue()
	}
	from, to := []rune(texts[0]), []rune(texts[1])
	if len(from) != len(to) {
		return errors.NewValueError("the first two maketrans arguments must have equal length")
	}
	for i, r := range from {
		set(r, object.NewString(string(to[i])))
	}
	for _, r := range texts[2] {
		set(r, null)
	}
	return table
}

func stringTranslate(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	table, ok := args[0].(*object.Dict)
	if !ok {
		return errors.NewTypeError("DICT", args[0].Type().String())
	}
	var b strings.Builder
	for _, r := range str(self) {
		pair, ok := table.Pairs[object.DictKey(object.NewInteger(int64(r)))]
		if !ok {
			pair, ok = table.GetByString(string(r))
		}
		switch v := pair.Value.(type) {
		case *object.String:
			b.WriteString(v.StringValue())
		case *object.Integer:
			b.WriteRune(rune(v.IntValue()))
		default:
			if !ok {
				b.WriteRune(r)
			}
		}
	}
	return object.NewString(b.String())
}
