package object

import (
	"sync"
	"sync/atomic"
)

// envContextKey is the context key under which Go functions find the
// environment of their caller.
const envContextKey = "scriptling-env"

// interpreterLock lets one goroutine at a time run the scripts of an
// environment tree.
type interpreterLock struct {
	mu    sync.Mutex
	owner atomic.Uint64 // id of the goroutine that holds mu, or 0
}

func (l *interpreterLock) lock(goroutine uint64) {
	l.mu.Lock()
	l.owner.Store(goroutine)
}

func (l *interpreterLock) unlock() {
	l.owner.Store(0)
	l.mu.Unlock()
}

// EnterGIL takes the interpreter lock of the environment tree. It returns true
// when the lock was taken now, to be given back with ExitGIL, and false when
// the calling goroutine already held it. The scope of a call that has ended has no
// lock: EnterGIL, ExitGIL and RunUnlocked do nothing about one there.
func (e *Environment) EnterGIL() bool {
	if e.root == nil {
		return false
	}
	id := goroutineID()
	l := e.root.gil
	if l.owner.Load() == id {
		return false
	}
	l.lock(id)
	return true
}

// ExitGIL gives the interpreter lock back.
func (e *Environment) ExitGIL() {
	if e.root != nil {
		e.root.gil.unlock()
	}
}

// RunUnlocked runs fn without the interpreter lock if the calling goroutine
// holds it, and takes it again afterwards, also when fn panics.
func (e *Environment) RunUnlocked(fn func()) {
	if e.root == nil {
		fn()
		return
	}
	id := goroutineID()
	l := e.root.gil
	if l.owner.Load() == id {
		l.unlock()
		defer l.lock(id)
	}
	fn()
}

// RunBlocking runs fn, which may wait, without the interpreter lock of the
// environment found on ctx. Without an environment it just runs fn.
func RunBlocking(ctx interface{ Value(any) any }, fn func()) {
	if env, ok := ctx.Value(envContextKey).(*Environment); ok && env != nil {
		env.RunUnlocked(fn)
		return
	}
	fn()
}
