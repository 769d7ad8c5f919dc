package object_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
)

func TestScopes(t *testing.T) {
	root := object.NewEnvironment()
	inner := object.NewEnclosedEnvironment(root)
	root.Set("x", object.NewInteger(1))
	if v, ok := inner.Get("x"); !ok || v.Inspect() != "1" {
		t.Error("the outer variable is not found")
	}
	inner.Set("x", object.NewInteger(2))
	inner.SetGlobal("y", object.NewInteger(3))
	if v, _ := root.Get("x"); v.Inspect() != "1" {
		t.Error("assigning in a scope changed the outer one")
	}
	if v, ok := root.Get("y"); !ok || v.Inspect() != "3" {
		t.Error("SetGlobal did not reach the root")
	}
	if inner.GetGlobal() != root || inner.Root() != root {
		t.Error("wrong root")
	}
	inner.Delete("x")
	if v, _ := inner.Get("x"); v.Inspect() != "1" {
		t.Error("Delete must only affect its scope")
	}
	store := root.GetStore()
	store["z"] = &object.Null{}
	if _, ok := root.Get("z"); ok || len(store) != 3 {
		t.Error("GetStore must copy")
	}
	root.ResetStore(map[string]bool{"y": true})
	if _, ok := root.Get("x"); ok {
		t.Error("x survived the reset")
	}
	if _, ok := root.Get("y"); !ok {
		t.Error("y did not survive the reset")
	}
}

// TestManyVariables passes the size at which a scope changes its layout.
func TestManyVariables(t *testing.T) {
	env := object.NewEnvironment()
	name := func(i int) string { return fmt.Sprint("v", i) }
	const n = 40
	for i := range n {
		env.Set(name(i), object.NewInteger(int64(i)))
	}
	for i := 0; i < n; i += 2 {
		env.Delete(name(i))
	}
	for i := range n {
		v, ok := env.Get(name(i))
		if ok != (i%2 == 1) || ok && v.Inspect() != fmt.Sprint(i) {
			t.Errorf("%s is %v, %v", name(i), v, ok)
		}
	}
	if got := len(env.GetStore()); got != n/2 {
		t.Errorf("%d variables, want %d", got, n/2)
	}
}

func TestOutput(t *testing.T) {
	env := object.NewEnvironment()
	if env.GetWriter() != os.Stdout || env.GetReader() != os.Stdin {
		t.Error("wrong default output or input")
	}
	var out bytes.Buffer
	env.SetOutputWriter(&out)
	inner := object.NewEnclosedEnvironment(env)
	fmt.Fprint(inner.GetWriter(), "a")
	if out.String() != "a" {
		t.Errorf("wrote %q", out.String())
	}
	env.EnableOutputCapture()
	fmt.Fprint(env.GetWriter(), "b")
	if got := env.GetOutput(); got != "b" || env.GetOutput() != "" {
		t.Errorf("captured %q", got)
	}
	env.SetInputReader(&out)
	if inner.GetReader() != &out {
		t.Error("wrong input")
	}
}

func TestCallbacks(t *testing.T) {
	env := object.NewEnvironment()
	inner := object.NewEnclosedEnvironment(env)
	if env.GetImportCallback() != nil || env.GetAvailableLibrariesCallback() != nil {
		t.Error("a new environment has callbacks")
	}
	env.SetImportCallback(func(name string) error { return fmt.Errorf("no %s", name) })
	if err := inner.GetImportCallback()("x"); err.Error() != "no x" {
		t.Errorf("got %v", err)
	}
	env.SetAvailableLibrariesCallback(func() []object.LibraryInfo { return []object.LibraryInfo{{Name: "x", IsImported: true}} })
	if got := inner.GetAvailableLibrariesCallback()(); len(got) != 1 || got[0].Name != "x" {
		t.Errorf("got %v", got)
	}
}

func TestSnapshotCallables(t *testing.T) {
	env := object.NewEnvironment()
	env.Set("f", &object.Function{Name: "f", Env: env})
	env.Set("l", &object.LambdaFunction{Env: object.NewEnclosedEnvironment(env)})
	env.Set("n", object.NewInteger(1))
	env.Set("C", &object.Class{Name: "C"})
	env.Set("d", object.NewStringDict(nil))
	shared := &object.List{}
	nested := object.NewStringDict(map[string]object.Object{"shared": shared})
	env.Set("lib", object.NewStringDict(map[string]object.Object{"nested": nested}))
	env.MarkImportedBinding("lib")

	snapshot := env.SnapshotCallables()
	nested.SetByString("later", &object.Null{})
	for range 2 {
		target := object.NewEnvironment()
		snapshot.ApplySnapshot(target)
		store := target.GetStore()
		if len(store) != 3 {
			t.Fatalf("%d bindings: %v", len(store), store)
		}
		if store["f"].(*object.Function).Env != target || store["l"].(*object.LambdaFunction).Env != target {
			t.Error("functions are not bound to the target")
		}
		if !target.IsImportedBinding("lib") || target.IsImportedBinding("f") {
			t.Error("imported bindings are not known in the target")
		}
		pair, _ := store["lib"].(*object.Dict).GetByString("nested")
		inner := pair.Value.(*object.Dict)
		if inner != nested {
			t.Error("nested dicts must be shared, as in the published interpreter")
		}
		if pair, _ := inner.GetByString("shared"); pair.Value != shared {
			t.Error("other values must be shared")
		}
		inner.SetByString("own", &object.Null{})
	}
	target := object.NewEnvironment()
	env.CopyCallableBindingsTo(target)
	if _, ok := target.Get("f"); !ok {
		t.Error("CopyCallableBindingsTo did not copy")
	}
}

func TestInterpreterLock(t *testing.T) {
	env := object.NewEnvironment()
	inner := object.NewEnclosedEnvironment(env)
	if !env.EnterGIL() {
		t.Fatal("the lock was not free")
	}
	if inner.EnterGIL() {
		t.Error("the goroutine did not know that it holds the lock")
	}
	if object.NewEnvironment().EnterGIL() == false {
		t.Error("another tree must have another lock")
	}
	entered := make(chan bool)
	go func() {
		entered <- env.EnterGIL()
		env.ExitGIL()
		close(entered)
	}()
	env.RunUnlocked(func() {
		if !<-entered {
			t.Error("the other goroutine did not take the lock")
		}
		<-entered
	})
	if env.EnterGIL() {
		t.Error("RunUnlocked did not take the lock again")
	}
	env.ExitGIL()
	ran := false
	env.RunUnlocked(func() { ran = true })
	if !ran || !env.EnterGIL() {
		t.Error("RunUnlocked without the lock must just run the function")
	}
	env.ExitGIL()
}

func TestRunBlocking(t *testing.T) {
	ran := 0
	object.RunBlocking(context.Background(), func() { ran++ })
	env := object.NewEnvironment()
	ctx := evaluator.SetEnvInContext(context.Background(), env)
	env.EnterGIL()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		object.RunBlocking(ctx, func() {
			ran++
			if !env.EnterGIL() {
				t.Error("the lock was not released")
			}
			env.ExitGIL()
			panic("ouch")
		})
	}()
	if env.EnterGIL() {
		t.Error("the lock was not taken again after a panic")
	}
	env.ExitGIL()
	if ran != 2 {
		t.Errorf("ran %d functions, want 2", ran)
	}
}

func TestLockExcludes(t *testing.T) {
	env := object.NewEnvironment()
	count := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				env.EnterGIL()
				count++
				env.ExitGIL()
			}
		})
	}
	wg.Wait()
	if count != 800 {
		t.Errorf("count is %d", count)
	}
}
