package eval

import (
	"strings"
	"unicode/utf8"

	"github.com/paularlott/scriptling/errors"
	"github.com/paularlott/scriptling/object"
)

// missing is the number of characters by which s is shorter than width.
func missing(s string, width int) (int, object.Object) {
	if width > maxRepeat {
		return 0, errTooLarge("width")
	}
	return max(width-utf8.RuneCountInString(s), 0), nil
}

func stringZfill(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
	width, err := intArg(args[0], "width")
	if err != nil {
		return err
	}
	s := str(self)
	n, err := missing(s, width)
	if err != nil {
		return err
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	return object.NewString(sign + strings.Repeat("0", n) + s)
}

// padString pads to a width; share divides the padding between left and right.
func padString(share func(n int) (left, right int)) method {
	return func(_ *frame, self object.Object, _ object.Kwargs, args []object.Object) object.Object {
		if err := errors.RangeArgs(args, 1, 2); err != nil {
			return err
		}
		width, err := intArg(args[0], "width")
		if err != nil {
			return err
		}
		fill := " "
		if len(args) == 2 {
			if fill, err = stringArg(args[1], "fillchar"); err != nil {
				return err
			}
			if utf8.RuneCountInString(fill) != 1 {
				return errors.NewError("fillchar: must be a single character")
			}
		}
		s := str(self)
		n, err := missing(s, width)
		if err != nil {
			return err
		}
		left, right := share(n)
		return object.NewString(strings.Repeat(fill, left) + s + strings.Repeat(fill, right))
	}
}

func stringExpandTabs(_ *frame, self object.Object, kwargs object.Kwargs, args []object.Object) object.Object {
	size := 8
	if v := kwargs.Get("tabsize"); v != nil {
		args = []object.Object{v}
	}
	if len(args) == 1 {
		var err object.Object
		if size, err = intArg(args[0], "tabsize"); err != nil {
			return err
		}
	}
	if size > maxRepeat {
		return errTooLarge("tabsize")
	}
	var b strings.Builder
	column := 0
	for _, r := range str(self) {
		switch r {
		case '\t':
			if size > 0 {
				n := size - column%size
				b.WriteString(strings.Repeat(" ", n))
				column += n
			}
			continue
		case '\n', '\r':
			column = -1
		}
		b.WriteRune(r)
		column++
	}
	return object.NewString(b.String())
}
