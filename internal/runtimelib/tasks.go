package runtimelib

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/paularlott/scriptling/object"
)

// Tasks are the background tasks of one registry. They run until they end, until
// the deadline of the call that started them, or until Close.
//
// Tasks is safe for concurrent use.
type Tasks struct {
	limit  func() int                             // most that run at once; 0 or less: no limit
	failed func(task, exception string, line int) // is told of what perhaps no script asks for

	mu      sync.Mutex
	life    context.Context // of the tasks started since the last Open
	end     context.CancelFunc
	running int
	idle    chan struct{} // closed when none runs
}

// NewTasks returns Tasks that are open. Of them at most limit() run at once. failed is
// called with the name that a script gave a task which an exception has ended, with the
// type of that, "" if it has none, and its line, 0 if nobody knows.
func NewTasks(limit func() int, failed func(task, exception string, line int)) *Tasks {
	t := &Tasks{limit: limit, failed: failed, idle: make(chan struct{})}
	close(t.idle)
	t.Open()
	return t
}

// Open lets tasks start, again after Close.
func (t *Tasks) Open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life == nil || t.life.Err() != nil {
		t.life, t.end = context.WithCancel(context.Background())
	}
}

// closeGrace is how long Close waits for tasks to end. A script notices the end
// of its context within a few statements; Go code that it called may not.
const closeGrace = 5 * time.Second

// Close ends the running tasks through their contexts and waits for them, at
// most closeGrace. No task starts until the next Open.
func (t *Tasks) Close() error {
	t.mu.Lock()
	t.end()
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := t.Wait(ctx); err != nil {
		return fmt.Errorf("%d background tasks have not ended %v after they were told to; do they call Go code that ignores its context?", t.Running(), closeGrace)
	}
	return nil
}

// Running returns how many tasks run.
func (t *Tasks) Running() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running
}

// Wait waits until no task runs, or returns the error of ctx.
func (t *Tasks) Wait(ctx context.Context) error {
	t.mu.Lock()
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	default:
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start runs a task in a goroutine of its own, or says why it does not. The
// task's context has the values of ctx and its deadline, but not its
// cancellation: a request that is over does not end the tasks that it started.
func (t *Tasks) start(ctx context.Context, run func(context.Context)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life.Err() != nil {
		return fmt.Errorf("background: the host has closed its stores and ended its tasks; none can be started")
	}
	if limit := t.limit(); limit > 0 && t.running >= limit {
		return fmt.Errorf("background: %d tasks are running, the limit; wait for some with promise.wait(), or let the host raise MaxTasks", t.running)
	}
	if t.running == 0 {
		t.idle = make(chan struct{})
	}
	t.running++
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if deadline, ok := ctx.Deadline(); ok {
		own, cancel = withDeadline(own, cancel, deadline)
	}
	stop := context.AfterFunc(t.life, cancel)
	go func() {
		defer t.done()
		defer cancel()
		defer stop()
		run(own)
	}()
	return nil
}

// maxToldName bounds the name of a task that failed is called with.
const maxToldName = 128

// tell reports a task that an exception has ended, and not Close.
func (t *Tasks) tell(ctx context.Context, name string, result object.Object) {
	if ctx.Err() == context.Canceled {
		return
	}
	name = name[:min(len(name), maxToldName)]
	switch x := result.(type) {
	case *object.Error:
		t.failed(name, x.ExceptionType, x.Line)
	case *object.Exception:
		if !x.IsSystemExit() {
			t.failed(name, x.ExceptionType, 0)
		}
	}
}

func withDeadline(ctx context.Context, outer context.CancelFunc, deadline time.Time) (context.Context, context.CancelFunc) {
	ctx, inner := context.WithDeadline(ctx, deadline)
	return ctx, func() { inner(); outer() }
}

func (t *Tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 {
		close(t.idle)
	}
}
