package evaluator_test

import (
	"context"
	"sync"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaliface"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

func TestCallDepth(t *testing.T) {
	cd := evaluator.NewCallDepth(2)
	for want := 1; want <= 2; want++ {
		if entered := cd.Enter(); !entered || cd.Depth() != want {
			t.Errorf("entered: %v, depth is %d, want %d", entered, cd.Depth(), want)
		}
	}
	cd.Exit()
	if cd.Depth() != 1 || !cd.Enter() || cd.Enter() {
		t.Errorf("the limit is wrong at depth %d", cd.Depth())
	}
	ctx := context.Background()
	if evaluator.GetCallDepthFromContext(ctx) != nil {
		t.Error("an empty context has a call depth")
	}
	if got := evaluator.GetCallDepthFromContext(evaluator.SetCallDepthInContext(ctx, cd)); got != cd {
		t.Error("the call depth is lost")
	}
	if evaluator.GetCallDepthFromContext(evaluator.ContextWithCallDepth(ctx, 3)) == nil {
		t.Error("ContextWithCallDepth adds nothing")
	}
}

func TestContexts(t *testing.T) {
	ctx := context.Background()
	if evaluator.GetEnvFromContext(ctx) == nil || evaluator.GetSourceFileFromContext(ctx) != "" || evaliface.FromContext(ctx) != nil {
		t.Error("an empty context has something")
	}
	env := object.NewEnvironment()
	withEnv := evaluator.SetEnvInContext(ctx, env)
	if evaluator.GetEnvFromContext(withEnv) != env || withEnv.Value("scriptling-env") != any(env) {
		t.Error("the environment is lost")
	}
	if evaluator.GetSourceFileFromContext(evaluator.ContextWithSourceFile(ctx, "f.py")) != "f.py" {
		t.Error("the source file is lost")
	}
	if evaliface.FromContext(evaluator.WithEvaluator(ctx)) == nil {
		t.Error("the evaluator is lost")
	}
}

// TestContextOfGoFunctions checks what a Go function finds on its context.
func TestContextOfGoFunctions(t *testing.T) {
	type key struct{}
	p := scriptling.New()
	p.RegisterFunc("probe", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		env := evaluator.GetEnvFromContext(ctx)
		if _, ok := env.GetGlobal().Get("marker"); !ok {
			return object.NewString("wrong environment")
		}
		if evaliface.FromContext(ctx) == nil || evaluator.GetCallDepthFromContext(ctx) == nil {
			return object.NewString("no evaluator or call depth")
		}
		if ctx.Value(key{}) != "mine" || ctx.Done() == nil {
			return object.NewString("not the context of the caller")
		}
		return object.NewString("ok")
	})
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "mine"))
	defer cancel()
	v, err := p.EvalWithContext(ctx, "marker = 1\ndef f():\n    return [probe() for i in range(2)]\nstr(f()) + probe()")
	if err != nil || v.Inspect() != "[ok, ok]ok" {
		t.Errorf("got %v, %v", v, err)
	}
}

// function evaluates a script whose value is a function.
func function(t *testing.T, script string) (object.Object, *object.Environment) {
	t.Helper()
	v, err := scriptling.New().Eval(script)
	if err != nil {
		t.Fatal(err)
	}
	fn, ok := v.(*object.Function)
	if !ok {
		t.Fatalf("the script evaluates to %s", v.Type())
	}
	return fn, fn.Env
}

func TestApplyFunction(t *testing.T) {
	fn, env := function(t, "total = 10\ndef f(a, b=2):\n    global total\n    total += a * b\n    return total")
	ctx := evaluator.WithEvaluator(evaluator.SetEnvInContext(context.Background(), env))
	args := []object.Object{object.NewInteger(3)}
	if got := evaluator.ApplyFunctionGIL(ctx, fn, args, nil, env); got.Inspect() != "16" {
		t.Errorf("got %s", got.Inspect())
	}
	keywords := map[string]object.Object{"b": object.NewInteger(10)}
	if got := evaluator.ApplyFunctionGIL(ctx, fn, args, keywords, env); got.Inspect() != "46" {
		t.Errorf("got %s", got.Inspect())
	}
	if got := evaluator.ApplyFunctionGIL(ctx, object.NewInteger(1), nil, nil, env); object.AsError(got) != "not a function or class: INTEGER" {
		t.Errorf("got %s", got.Inspect())
	}
	limited := evaluator.ContextWithCallDepth(ctx, 1)
	nested, nestedEnv := function(t, "def g():\n    return f()\ndef f():\n    return 1\ng")
	if got := evaluator.ApplyFunctionGIL(limited, nested, nil, nil, nestedEnv); object.AsError(got) != "call depth exceeded: maximum depth is 1" {
		t.Errorf("got %s", got.Inspect())
	}
}

func TestApplyFunctionFromManyGoroutines(t *testing.T) {
	fn, env := function(t, "total = 0\ndef f():\n    global total\n    for i in range(50):\n        total = total + 1\n    return total")
	ctx := evaluator.WithEvaluator(evaluator.SetEnvInContext(context.Background(), env))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { evaluator.ApplyFunctionGIL(ctx, fn, nil, nil, env) })
	}
	wg.Wait()
	if v, _ := env.Get("total"); v.Inspect() != "400" {
		t.Errorf("total is %s", v.Inspect())
	}
}

func TestImportBuiltin(t *testing.T) {
	env := object.NewEnvironment()
	var imported []string
	env.SetImportCallback(func(name string) error {
		imported = append(imported, name)
		return nil
	})
	ctx := evaluator.SetEnvInContext(context.Background(), env)
	evaluator.GetImportBuiltin().Fn(ctx, object.Kwargs{}, object.NewString("lib"))
	if len(imported) != 1 || imported[0] != "lib" {
		t.Errorf("imported %v", imported)
	}
}
