package codec

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// PathError is an error about a part of a value. The recursion of the front end adds the
// steps of the path as it returns.
type PathError struct {
	Kind   error
	Depth  bool   // it is nested too deeply, perhaps because it contains itself
	format string // has one %s, for the path
	path   string
	root   string // the beginning of the path; "": value
}

// Errorf returns a PathError. The formatted text contains one %s, for the path.
func Errorf(kind error, format string, args ...any) *PathError {
	return &PathError{Kind: kind, format: fmt.Sprintf(format, args...)}
}

func (p *PathError) Error() string { return fmt.Sprintf(p.format, cmp.Or(p.root, "value")+p.path) }

// Unwrap returns the kind.
func (p *PathError) Unwrap() error { return p.Kind }

// Limits of a path in a message.
const (
	maxPathBytes = 120
	cut          = "..."
)

// At adds a step at the beginning of the path of err, if err has one.
func At(err error, step string) error {
	switch p, ok := err.(*PathError); {
	case !ok:
	case p.path == "" || len(step)+len(p.path) <= maxPathBytes && !strings.HasPrefix(p.path, cut):
		p.path = step + p.path
	case !strings.HasPrefix(p.path, cut): // the outermost steps are left out
		p.path = cut + p.path
	}
	return err
}

// In names the argument in which the path of err begins, if err has a path. The default is
// value.
func In(err error, argument string) error {
	if p, ok := err.(*PathError); ok {
		p.root = argument
	}
	return err
}

// Along adds steps to the path of err; steps lead from the value to the part, in this
// order.
func Along(err *PathError, steps []string) error {
	for _, s := range steps {
		if err.path != "" && len(err.path)+len(s) > maxPathBytes {
			err.path += cut
			break
		}
		err.path += s
	}
	return err
}

// IndexStep returns the step to an element.
func IndexStep(i int) string { return fmt.Sprintf("[%d]", i) }

// KeyStep returns the step to the value of a dict key.
func KeyStep(key any) string {
	if s, ok := key.(string); ok {
		return fmt.Sprintf("[%q]", kverr.Shorten(s))
	}
	return "[" + kverr.Printable(kverr.Shorten(fmt.Sprint(key))) + "]"
}
