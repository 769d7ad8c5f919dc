package extlibs

import (
	"fmt"
	"runtime/debug"

	"github.com/scriptling-kv/extlibs/internal/hashtable"
	"github.com/scriptling-kv/extlibs/internal/kverr"
)

// memoryFailure is why an in-memory store answers no more calls.
type memoryFailure struct {
	err   error
	epoch uint64 // of the state that failed
}

// guard turns a panic of a call into an error of the store, for a deferred call. The
// store's table can be half changed then, so that every later call fails too, until
// Clear gives the store a new one. Locks are released by then: they were deferred
// later.
func (m *memory) guard(st *memoryState, err *error) {
	if p := recover(); p != nil {
		*err = m.fail(st, p)
	}
}

// unlock is guard and Unlock in one deferred call, which takes less.
func (m *memory) unlock(st *memoryState, s *hashtable.Slot) {
	p := recover()
	s.Unlock()
	if p != nil {
		m.fail(st, p)
	}
}

// fail takes a state that panicked out of use, and returns the error of its calls.
func (m *memory) fail(st *memoryState, p any) error {
	err := fmt.Errorf("%w; clear the store to use it again, and report the bug with the host's log", kverr.Panicked("the store", p))
	m.opts.logger.Error("kv: a bug stopped an in-memory store", "error", err, "stack", string(debug.Stack()))
	m.replacing.Lock()
	defer m.replacing.Unlock()
	if m.state.CompareAndSwap(st, nil) {
		m.failure.Store(&memoryFailure{err, st.epoch})
		m.counted += st.Retire()
		m.watched.tellAll()
	}
	return err
}
