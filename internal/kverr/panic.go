package kverr

import (
	"fmt"
	"runtime"
)

// Panicked returns the error for a recovered panic p, which is a bug. It contains the
// text of runtime errors, but only the type of other panics, whose text could contain
// stored values. subject names what failed, such as "the store".
func Panicked(subject string, p any) error {
	what := fmt.Sprintf("panic of type %T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	return Errorf(Corrupt, "a bug stopped %s (%s)", subject, what)
}
