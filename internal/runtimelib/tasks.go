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
	limit     func() int                                      // most that run at once; 0 or less: no limit
	failures  reporter                                        // of what perhaps no script asks for
	inherited func(context.Context) func(key any) (value any) // see NewTasks

	mu      sync.Mutex
	life    context.Context // of the tasks started since the last Open
	end     context.CancelFunc
	running int
	idle    chan struct{} // closed when none runs
}

// NewTasks returns Tasks that are open. Of them at most limit() run at once. failed is
// called for tasks that an exception has ended, at a limited rate. inherited returns, for
// the context of a call that starts a task, what the task's context has of the values
// that this module puts there for a call, or nil. It must not keep the context.
func NewTasks(limit func() int, failed func(Failure), inherited func(context.Context) func(key any) any) *Tasks {
	t := &Tasks{limit: limit, failures: reporter{report: failed}, inherited: inherited, idle: make(chan struct{})}
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
	err := t.Wait(ctx)
	t.failures.flush()
	if err != nil {
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

// start runs a task in a goroutine, or says why it does not. The task's context has
// the host's values of ctx and its deadline, but not its cancellation: a request that
// is over does not end the tasks that it started. A call whose context has ended starts
// none, so that no chain of tasks outlives the deadline of the script that began it.
func (t *Tasks) start(ctx context.Context, run func(*taskContext)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life.Err() != nil {
		return fmt.Errorf("background: the host has closed its stores and ended its tasks; none can be started")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if limit := t.limit(); limit > 0 && t.running >= limit {
		return fmt.Errorf("background: %d tasks are running, the limit; wait for some with promise.wait(), or let the host raise MaxTasks", t.running)
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
