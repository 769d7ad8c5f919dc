package scriptling_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

func TestSeveralGoroutinesOnOneInterpreter(t *testing.T) {
	p := define(t, "count = 0\ndef bump():\n    global count\n    for i in range(100):\n        count = count + 1\n    return count\n")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = p.CallFunction("bump")
			} else {
				_, err = p.Eval("bump()")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if v, _ := p.GetVarAsInt("count"); v != 800 {
		t.Errorf("count is %d, want 800", v)
	}
}

func TestSeveralInterpretersShareALibrary(t *testing.T) {
	var calls sync.Map
	lib := object.NewLibrary("lib", map[string]*object.Builtin{
		"call": {Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
			calls.Store(args[0].Inspect(), true)
			return args[0]
		}},
	}, map[string]object.Object{"inner": object.NewStringDict(map[string]object.Object{"x": object.NewInteger(1)})}, "shared")
	base := scriptling.New()
	stdlib.RegisterAll(base)
	base.RegisterLibrary(lib)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := base.Clone()
			script := fmt.Sprintf("import lib\nimport json\nfor i in range(50):\n    lib.call(%d * 100 + i)\nlib.own = json.dumps([lib.inner.x])\nlib.own", i)
			if v, err := p.Eval(script); err != nil || v.Inspect() != "[1]" {
				t.Errorf("got %v, %v", v, err)
			}
		})
	}
	wg.Wait()
	n := 0
	calls.Range(func(any, any) bool { n++; return true })
	if n != 400 {
		t.Errorf("%d calls, want 400", n)
	}
}

// TestRunBlockingLetsOthersRun has one goroutine wait in a Go function until
// another one has run script code of the same interpreter.
func TestRunBlockingLetsOthersRun(t *testing.T) {
	p := scriptling.New()
	waiting, released := make(chan struct{}), make(chan struct{})
	p.RegisterFunc("wait", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		object.RunBlocking(ctx, func() {
			close(waiting)
			<-released
		})
		return &object.Null{}
	})
	p.RegisterFunc("release", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		close(released)
		return &object.Null{}
	})
	done := make(chan error)
	go func() {
		_, err := p.Eval("order = ['before']\ndef f():\n    wait()\n    order.append('after')\nf()")
		done <- err
	}()
	<-waiting
	if _, err := p.Eval("order.append('between')\nrelease()"); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	check(t, p, "print(order)", "[before, between, after]")
}

func TestRunBlockingTakesTheLockAfterAPanic(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("crash", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		defer func() { _ = recover() }()
		object.RunBlocking(ctx, func() { panic("ouch") })
		return &object.Null{}
	})
	p.RegisterFunc("held", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		env := ctx.Value("scriptling-env").(*object.Environment)
		if env.EnterGIL() {
			env.ExitGIL()
			return object.NewBoolean(false)
		}
		return object.NewBoolean(true)
	})
	check(t, p, "crash()\nprint(held())", "true")
}

// TestRunBlockingOfAnotherGoroutine must not release a lock that its goroutine
// does not hold.
func TestRunBlockingOfAnotherGoroutine(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("held", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		var wg sync.WaitGroup
		wg.Go(func() { object.RunBlocking(ctx, func() {}) })
		wg.Wait()
		env := ctx.Value("scriptling-env").(*object.Environment)
		return object.NewBoolean(!env.EnterGIL())
	})
	check(t, p, "print(held())", "true")
}

func TestCancelEndlessLoop(t *testing.T) {
	p := scriptling.New()
	started := make(chan struct{})
	p.RegisterFunc("started", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		close(started)
		return &object.Null{}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := p.EvalWithContext(ctx, "started()\nwhile True: pass")
		done <- err
	}()
	<-started
	cancel()
	if err := <-done; errorText(err) != "execution cancelled (line 2)" {
		t.Errorf("got %v", err)
	}
}

func TestCancelSleep(t *testing.T) {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	sleeping := make(chan struct{})
	p.RegisterFunc("sleeping", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		close(sleeping)
		return &object.Null{}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := p.EvalWithContext(ctx, "import time\nsleeping()\ntime.sleep(3600)")
		done <- err
	}()
	<-sleeping
	cancel()
	if err := <-done; errorText(err) != "execution cancelled (line 3)" {
		t.Errorf("got %v", err)
	}
}

// TestYieldNow lets two loops of one interpreter take turns.
func TestYieldNow(t *testing.T) {
	p := define(t, `
turns = {'a': 0, 'b': 0}
def run(me, other):
    for i in range(20):
        while turns[other] < i:
            yield_now()
        turns[me] += 1
`)
	done := make(chan error)
	for _, args := range [][]interface{}{{"a", "b"}, {"b", "a"}} {
		go func() {
			_, err := p.CallFunction("run", args...)
			done <- err
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
}

func TestReentrantCallsFromGo(t *testing.T) {
	p := scriptling.New()
	p.RegisterFunc("again", func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
		v, err := p.EvalWithContext(ctx, "inner()")
		if err != nil {
			return &object.Error{Message: err.Error()}
		}
		return v
	})
	check(t, p, "def inner():\n    return 42\nprint(again())", "42")
}
