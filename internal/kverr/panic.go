package kverr

import (
	"fmt"
	"runtime"
)

// Panicked returns the error for a recovered panic p, which is a bug. It tells what a
// runtime error says, and of other panics only the type: their text can contain stored
// values. subject is what failed, such as "the store".
func Panicked(subject string, p any) error {
	what := fmt.Sprintf("panic of type %T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	return Errorf(Corrupt, "a bug stopped %s (%s)", subject, what)
}
