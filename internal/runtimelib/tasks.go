package runtimelib

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/paularlott/scriptling/object"
)

// Tasks are the background tasks of one registry. A task runs until it ends, until the
// deadline of the call that started it, or until Close.
//
// Tasks is safe for concurrent use.
type Tasks struct {
	limit     func() int                                      // most that run at once; 0 or less: no limit
	failures  reporter                                        // of what perhaps no script asks for
	inherited func(context.Context) func(key any) (value any) // see NewTasks

	mu      sync.Mutex
	life    context.Context // of the tasks started since the last Open
	end     context.CancelFunc
	running int
	idle    chan struct{} // closed when none runs
}

// NewTasks returns open Tasks, of which at most limit() run at the same time. failed is
// called, at a limited rate, for tasks that ended with an exception. inherited receives
// the context of a call that starts a task; it returns the values of this module that the
// task's context takes over, or nil, and must not keep the context.
func NewTasks(limit func() int, failed func(Failure), inherited func(context.Context) func(key any) any) *Tasks {
	t := &Tasks{limit: limit, failures: reporter{report: failed}, inherited: inherited, idle: make(chan struct{})}
	close(t.idle)
	t.Open()
	return t
}

// Open allows tasks to start again after Close.
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

// Close cancels the contexts of the running tasks and waits for the tasks, at most
// closeGrace. No task starts until Open.
func (t *Tasks) Close() error {
	t.mu.Lock()
	t.end()
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	err := t.Wait(ctx)
	t.failures.flush()
	if err != nil {
		return fmt.Errorf("%d background tasks have not ended within %v; check whether they call Go code that ignores its context", t.Running(), closeGrace)
	}
	return nil
}

// Running returns the number of running tasks.
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

// start runs a task in a goroutine, or says why it does not. The task's context has
// the host's values of ctx and its deadline, but not its cancellation: the end
// of a request does not end the tasks that it started. A call whose context has ended starts
// none, so that no chain of tasks outlives the deadline of the script that began it.
func (t *Tasks) start(ctx context.Context, run func(*taskContext)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life.Err() != nil {
		return fmt.Errorf("background: the host has closed its stores, so no task can be started")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if limit := t.limit(); limit > 0 && t.running >= limit {
		return fmt.Errorf("background: %d tasks are running, the maximum; wait for some with promise.wait(), or raise MaxTasks in the host", t.running)
	}
	if t.running == 0 {
		t.idle = make(chan struct{})
	}
	t.running++
	own, cancel := newTaskContext(ctx, t.life, t.inherited(ctx))
	go func() {
		defer t.done()
		defer cancel()
		run(own)
	}()
	return nil
}

// tell reports a task that an exception has ended, and not Close.
func (t *Tasks) tell(ctx context.Context, name string, result object.Object) {
	if ctx.Err() != context.Canceled {
		t.failures.failed(name, result)
	}
}

func (t *Tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 {
		close(t.idle)
	}
}
