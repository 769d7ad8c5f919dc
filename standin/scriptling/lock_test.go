package scriptling_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

// TestEveryEntryTakesTheLock calls script code in every way that the lock
// covers, from several goroutines at once. A Go function that finds another one
// running tells that the lock is missing.
func TestEveryEntryTakesTheLock(t *testing.T) {
	p := scriptling.New()
	running := 0 // guarded by the interpreter lock
	p.RegisterFunc("alone", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		running++
		defer func() { running-- }()
		if running != 1 {
			t.Error("two goroutines run script code at once")
		}
		return &object.Null{}
	})
	var env *object.Environment
	p.RegisterFunc("remember", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		env = evaluator.GetEnvFromContext(ctx)
		return &object.Null{}
	})
	if _, err := p.Eval("class C:\n    def __init__(self):\n        alone()\n    def m(self):\n        alone()\ndef f():\n    alone()\nremember()"); err != nil {
		t.Fatal(err)
	}
	fnObject, _ := p.GetVarAsObject("f")
	fn := fnObject.(*object.Function)
	c, err := p.CreateInstance("C")
	if err != nil {
		t.Fatal(err)
	}
	inst := c.(*object.Instance)
	member, _ := inst.Class.LookupMember("m")
	ctx := evaluator.WithEvaluator(evaluator.SetEnvInContext(context.Background(), env))
	eval := evaliface.FromContext(ctx)
	failure := func(obj object.Object) error {
		if object.IsError(obj) {
			return fmt.Errorf("%s", obj.Inspect())
		}
		return nil
	}
	entries := map[string]func() error{
		"Eval":               func() error { _, err := p.Eval("alone()"); return err },
		"EvalWithTimeout":    func() error { _, err := p.EvalWithTimeout(time.Minute, "f()"); return err },
		"CallFunction":       func() error { _, err := p.CallFunction("f"); return err },
		"CreateInstance":     func() error { _, err := p.CreateInstance("C"); return err },
		"CallMethod":         func() error { _, err := p.CallMethod(inst, "m"); return err },
		"evaluator function": func() error { return failure(eval.CallFunction(ctx, fn, nil, nil)) },
		"evaluator object":   func() error { return failure(eval.CallObjectFunction(ctx, fn, nil, nil, env)) },
		"evaluator method":   func() error { return failure(eval.CallMethod(ctx, inst, member.(*object.Function), nil)) },
		"ApplyFunctionGIL":   func() error { return failure(evaluator.ApplyFunctionGIL(ctx, fn, nil, nil, env)) },
	}
	var wg sync.WaitGroup
	for name, enter := range entries {
		wg.Go(func() {
			for range 50 {
				if err := enter(); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestInterpretersRunInParallel has two interpreters meet in a Go function.
func TestInterpretersRunInParallel(t *testing.T) {
	meet := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			p := scriptling.New()
			p.RegisterFunc("meet", func(context.Context, object.Kwargs, ...object.Object) object.Object {
				if i == 0 {
					meet <- struct{}{}
				} else {
					<-meet
				}
				return &object.Null{}
			})
			// Equal first programs would share their table of names.
			if _, err := p.Eval(fmt.Sprintf("for i in range(100): meet() # %d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestWaitingForAnotherGoroutine starts, in a Go function, a goroutine that
// calls back into the same interpreter.
func TestWaitingForAnotherGoroutine(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("elsewhere", func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		fn := args[0]
		var result object.Object
		object.RunBlocking(ctx, func() {
			done := make(chan object.Object)
			go func() {
				done <- evaliface.FromContext(ctx).CallObjectFunction(ctx, fn, nil, nil, evaluator.GetEnvFromContext(ctx))
			}()
			result = <-done
		})
		return result
	})
	check(t, p, "n = 0\ndef bump():\n    global n\n    n += 1\n    return n\nprint([elsewhere(bump) for i in range(3)], n)", "[1, 2, 3] 3")
}

// TestSetHonoursGlobal assigns from Go in the scope of a script function.
func TestSetHonoursGlobal(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("assign", func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		return evaluator.GetEnvFromContext(ctx).Set(args[0].Inspect(), args[1])
	})
	check(t, p, `
x = y = z = 0
def outer():
    z = 1
    def f():
        global x
        nonlocal z
        assign("x", 5)
        assign("y", 6)
        assign("z", 7)
        return y
    return [f(), z]
print(outer(), x, y, z)
`, "[6, 7] 5 0 0")
}
