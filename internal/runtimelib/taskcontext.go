package runtimelib

import (
	"context"
	"reflect"
	"strings"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// A taskContext is the context of a background task. It is made afresh: it holds
// neither the contexts of the tasks before it nor what the interpreter and this
// module note on the context of a call, only the values that the host gave the
// script. They are looked up where the first script of a chain of tasks found them.
type taskContext struct {
	context.Context                        // ends at the deadline and with the registry
	host            context.Context        // the context of the call that started the first task
	inherited       func(key any) any      // what a task keeps of its starter's call; may be nil
	importer        *scriptling.Scriptling // used by the task alone; nil: there is none
}

type taskContextKey struct{}

// taskOf returns the context of the task in which ctx was made, or nil.
func taskOf(ctx context.Context) *taskContext {
	t, _ := ctx.Value(taskContextKey{}).(*taskContext)
	return t
}

// newTaskContext returns the context of a task that is started in a call with ctx.
// life ends the task beside its deadline.
func newTaskContext(ctx, life context.Context, inherited func(key any) any) (*taskContext, context.CancelFunc) {
	t := &taskContext{host: ctx, inherited: inherited}
	if starter := taskOf(ctx); starter != nil {
		t.host = starter.host
	}
	var cancel context.CancelFunc
	if deadline, ok := ctx.Deadline(); ok {
		t.Context, cancel = context.WithDeadline(context.Background(), deadline)
	} else {
		t.Context, cancel = context.WithCancel(context.Background())
	}
	stop := context.AfterFunc(life, cancel)
	return t, func() { stop(); cancel() }
}

// Value returns the host's value of a key.
func (t *taskContext) Value(key any) any {
	if key == (taskContextKey{}) {
		return t
	}
	if v := t.Context.Value(key); v != nil {
		return v
	}
	if !isOfCall(key) {
		return t.host.Value(key)
	}
	if t.inherited != nil {
		return t.inherited(key)
	}
	return nil
}

// withInterpreter returns the context in which a script function runs in env as
// the first one of a task.
func withInterpreter(ctx context.Context, env *object.Environment, file string) context.Context {
	ctx = evaluator.SetEnvInContext(ctx, env)
	ctx = evaluator.WithEvaluator(ctx)
	if file != "" {
		ctx = evaluator.ContextWithSourceFile(ctx, file)
	}
	return evaluator.ContextWithCallDepth(ctx, evaluator.DefaultMaxCallDepth)
}

// The packages whose keys mark one call.
var (
	ownModule         = strings.TrimSuffix(reflect.TypeFor[Tasks]().PkgPath(), "/internal/runtimelib")
	interpreterModule = strings.TrimSuffix(reflect.TypeFor[object.Kwargs]().PkgPath(), "/object")
)

// envKey is the key of the calling function's scope, which the interpreter uses
// again once the call has ended.
const envKey = "scriptling-env"

// isOfCall reports whether a value of key is about one call: the interpreter and
// this module put it there, not the host.
func isOfCall(key any) bool {
	if key == envKey {
		return true
	}
	path := reflect.TypeOf(key).PkgPath()
	return path == ownModule || strings.HasPrefix(path, ownModule+"/internal/") ||
		path == interpreterModule || strings.HasPrefix(path, interpreterModule+"/")
}
