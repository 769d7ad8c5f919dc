package extlibs

import (
	"context"
	"sync/atomic"
)

// callbackKey is where the context of a script's function that a call runs holds its
// callbackMark.
type callbackKey struct{}

// callbackMark is what the function's calls find out about it.
type callbackMark struct {
	nesting   int  // functions of other calls that it runs in
	computing bool // see computingKey
	ended     atomic.Bool
}

// computingKey marks the context of a function that get_or_set runs. A get_or_set in it
// does not wait for another caller: that caller can be the one that runs the function,
// or can wait for it.
type computingKey struct{}

// inheritedByTask returns the marks that a background task gets which is started in a
// call with ctx: computingKey alone, until the function that makes the call has ended.
// That function can wait for the task, and other callers wait for the function.
func inheritedByTask(ctx context.Context) func(key any) any {
	mark, ok := ctx.Value(callbackKey{}).(*callbackMark)
	if !ok || !mark.computing {
		mark, ok = ctx.Value(computingKey{}).(*callbackMark) // of a task that was started so
	}
	if !ok || !mark.computing {
		return nil
	}
	return func(key any) any {
		if key == (computingKey{}) && !mark.ended.Load() {
			return mark
		}
		return nil
	}
}
