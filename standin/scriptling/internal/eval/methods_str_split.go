package eval

import (
	"strings"
	"unicode"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func stringSplit(_ *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object {
	sep, limit := kwargs.Get("sep"), kwargs.Get("maxsplit")
	if len(args) > 0 {
		sep = args[0]
	}
	if len(args) > 1 {
		limit = args[1]
	}
	n := -1
	if limit != nil {
		var err object.Object
		if n, err = intArg(limit, "maxsplit"); err != nil {
			return err
		}
	}
	if sep == nil || isNone(sep) {
		return stringList(splitSpace(str(self), n))
	}
	by, err := stringArg(sep, "separator")
	if err != nil {
		return err
	}
	if by == "" {
		return errors.NewValueError("empty separator")
	}
	if n >= 0 {
		n++
	}
	if n < 0 {
		n = -1
	}
	return stringList(strings.SplitN(str(self), by, n))
}

// splitSpace splits around white space at most n times; n < 0 is no limit.
func splitSpace(s string, n int) []string {
	if n < 0 {
		return strings.Fields(s)
	}
	out := []string{}
	s = trimLeftSpace(s)
	for ; s != ""; n-- {
		end := strings.IndexFunc(s, unicode.IsSpace)
		if n == 0 || end < 0 {
			return append(out, trimRightSpace(s))
		}
		out = append(out, s[:end])
		s = trimLeftSpace(s[end:])
	}
	return out
}

func stringList(parts []string) object.Object {
	elements := make([]object.Object, len(parts))
	for i, p := range parts {
		elements[i] = object.NewString(p)
	}
	return &object.List{Elements: elements}
}

func stringSplitLines(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	if err := errors.MaxArgs(args, 1); err != nil {
		return err
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(str(self))
	if text == "" {
		return &object.List{Elements: []object.Object{}}
	}
	return stringList(strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
}

func stringJoin(f *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	elements, err := f.collect(args[0])
	if err != nil {
		return err
	}
	texts := make([]string, len(elements))
	for i, e := range elements {
		if texts[i], err = f.innerText(e); err != nil {
			return err
		}
	}
	size := len(str(self)) * len(texts)
	for _, text := range texts {
		size += len(text)
	}
	if size > maxRepeat {
		return errTooLarge("string")
	}
	return object.NewString(strings.Join(texts, str(self)))
}

func stringPartition(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	return partition(self, args, strings.Index, func(s string) (string, string, string) { return s, "", "" })
}

func stringRPartition(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	return partition(self, args, strings.LastIndex, func(s string) (string, string, string) { return "", "", s })
}

func partition(self object.Object, args []object.Object, search func(s, sep string) int, absent func(string) (a, b, c string)) object.Object {
	if err := errors.ExactArgs(args, 1); err != nil {
		return err
	}
	sep, err := stringArg(args[0], "separator")
	if err != nil {
		return err
	}
	if sep == "" {
		return errors.NewValueError("empty separator")
	}
	s := str(self)
	a, b, c := absent(s)
	if i := search(s, sep); i >= 0 {
		a, b, c = s[:i], sep, s[i+len(sep):]
	}
	return &object.Tuple{Elements: []object.Object{object.NewString(a), object.NewString(b), object.NewString(c)}}
}
