package diskstore

import "sync/atomic"

// watch reports changes of keys to one watcher.
type watch struct {
	changed atomic.Pointer[func(key string, live bool)] // nil: no watch
}

// Watch calls changed for each key that changes, after reads see the change, until stop is
// called; with an empty key after a clear. live reports whether the key exists then.
// changed runs under locks of the store: it must not block nor use the store.
func (s *Store) Watch(changed func(key string, live bool)) (stop func()) {
	s.watch.changed.Store(&changed)
	return func() { s.watch.changed.CompareAndSwap(&changed, nil) }
}

// shown reports the changes of a plan that became visible.
func (w *watch) shown(p *Plan) {
	changed := w.changed.Load()
	if changed == nil {
		return
	}
	if p.clear {
		(*changed)("", false)
	}
	for i := range p.changes {
		(*changed)(p.changes[i].Key, p.changes[i].Next.Exists)
	}
}
