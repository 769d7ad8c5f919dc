package extlibs

import (
	"context"
	"sync/atomic"
)

// watch is the watch of a store in this process: it implements Watcher. The zero watch is
// ready.
type watch struct {
	changed atomic.Pointer[func(key string, live bool)] // nil: no watch
}

// Watch implements Watcher.
func (w *watch) Watch(_ context.Context, changed func(key string, live bool)) (stop func(), err error) {
	w.changed.Store(&changed)
	return func() { w.changed.CompareAndSwap(&changed, nil) }, nil
}

// active reports whether there is a watch.
func (w *watch) active() bool { return w.changed.Load() != nil }

// tell reports the change of a key that reads see. It takes no lock of the store.
func (w *watch) tell(key string, live bool) {
	if changed := w.changed.Load(); changed != nil {
		(*changed)(key, live)
	}
}

// tellAll reports that any key can have changed.
func (w *watch) tellAll() { w.tell("", false) }

// applied reports the change of an operation that has been carried out.
func (w *watch) applied(op *Op, r Result) {
	if w.changed.Load() != nil && r.Applied && op.Kind != OpCheck {
		w.tell(op.Key, op.Kind != OpDelete && op.Kind != OpDeleteIf)
	}
}
