package eval

import (
	"strings"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

func stringReplace(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	from, err := stringArg(args[0], "old")
	if err != nil {
		return err
	}
	to, err := stringArg(args[1], "new")
	if err != nil {
		return err
	}
	s := str(self)
	if growth := len(to) - len(from); growth > 0 && strings.Count(s, from) > (maxRepeat-len(s))/growth {
		return errTooLarge("string")
	}
	return object.NewString(strings.ReplaceAll(s, from, to))
}

// searchArgs are the needle and the part of the text between the optional byte
// offsets start and end.
func searchArgs(self object.Object, args []object.Object) (part, needle string, start int, err object.Object) {
	if err := errors.RangeArgs(args, 1, 3); err != nil {
		return "", "", 0, err
	}
	if needle, err = stringArg(args[0], "substring"); err != nil {
		return "", "", 0, err
	}
	part = str(self)
	bounds := &object.Slice{}
	for i, to := range []**object.Integer{&bounds.Start, &bounds.End} {
		if len(args) <= i+1 || isNone(args[i+1]) {
			continue
		}
		n, ok := args[i+1].(*object.Integer)
		if !ok {
			return "", "", 0, errors.NewError("%s: %s", []string{"start", "end"}[i], object.ErrMustBeInteger)
		}
		*to = n
	}
	r, _ := resolveSlice(bounds, len(part))
	return part[r.start : r.start+r.count], needle, r.start, nil
}

func searchString(search func(s, needle string) int, must bool) method {
	return func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		part, needle, start, err := searchArgs(self, args)
		if err != nil {
			return err
		}
		i := search(part, needle)
		switch {
		case i >= 0:
			return object.NewInteger(int64(start + i))
		case must:
			return errors.NewError("substring not found")
		}
		return object.NewInteger(-1)
	}
}

func stringCount(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	part, needle, _, err := searchArgs(self, args)
	if err != nil {
		return err
	}
	return object.NewInteger(int64(strings.Count(part, needle)))
}

func affixTest(name string, test func(s, affix string) bool) method {
	return affixMethod(name, func(s, affix string) object.Object { return object.NewBoolean(test(s, affix)) })
}

func affixCut(name string, cut func(s, affix string) string) method {
	return affixMethod(name, func(s, affix string) object.Object { return object.NewString(cut(s, affix)) })
}

func affixMethod(name string, fn func(s, affix string) object.Object) method {
	return methodArity(1, 1, func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		affix, err := stringArg(args[0], name)
		if err != nil {
			return err
		}
		return fn(str(self), affix)
	})
}
