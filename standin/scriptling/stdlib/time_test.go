package stdlib_test

import (
	"context"
	"testing"
	"time"

	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
)

func TestClock(t *testing.T) {
	before := time.Now()
	now, _ := call(t, stdlib.TimeLibrary, "time").AsFloat()
	if d := now - float64(before.UnixNano())/1e9; d < -0.001 || d > 60 {
		t.Errorf("time() differs by %v seconds", d)
	}
	a, _ := call(t, stdlib.TimeLibrary, "perf_counter").AsFloat()
	expect(t, "sleep", call(t, stdlib.TimeLibrary, "sleep", number(0.01)), object.NULL_OBJ, "None")
	b, _ := call(t, stdlib.TimeLibrary, "perf_counter").AsFloat()
	if b-a < 0.01 {
		t.Errorf("sleep(0.01) took %v seconds", b-a)
	}
	if kind := call(t, stdlib.TimeLibrary, "now").Type(); kind != object.STRING_OBJ {
		t.Errorf("now() is %s", kind)
	}
}

func TestSleepErrors(t *testing.T) {
	sleep := stdlib.TimeLibrary.Functions()["sleep"].Fn
	expectError(t, "type", call(t, stdlib.TimeLibrary, "sleep", text("x")), "seconds: must be a number", "")

	cancelled, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	start := time.Now()
	expectError(t, "cancel", sleep(cancelled, object.Kwargs{}, integer(60)), "execution cancelled", "")

	timeout, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	expectError(t, "timeout", sleep(timeout, object.Kwargs{}, integer(60)), "execution timeout", "")
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("sleep continued for %v", d)
	}
}

// TestSleepReleasesLock checks that another goroutine can take the interpreter
// lock while one sleeps.
func TestSleepReleasesLock(t *testing.T) {
	env := object.NewEnvironment()
	ctx, cancel := context.WithCancel(evaluator.SetEnvInContext(context.Background(), env))
	defer cancel()
	env.EnterGIL()
	defer env.ExitGIL()
	go func() {
		if env.EnterGIL() {
			cancel()
			env.ExitGIL()
		}
	}()
	got := stdlib.TimeLibrary.Functions()["sleep"].Fn(ctx, object.Kwargs{}, integer(60))
	expectError(t, "sleep", got, "execution cancelled", "")
}

func TestTimeLists(t *testing.T) {
	lib := stdlib.TimeLibrary
	moment := list(integer(2026), integer(3), integer(1), integer(9), integer(5), integer(7), integer(6), integer(60), integer(0))
	seconds := call(t, lib, "mktime", moment)
	for _, name := range []string{"localtime", "gmtime"} {
		got := call(t, lib, name, seconds).(*object.List)
		if len(got.Elements) != 9 {
			t.Fatalf("%s has %d elements", name, len(got.Elements))
		}
		expect(t, name, list(got.Elements[:8]...), object.LIST_OBJ, "[2026, 3, 1, 9, 5, 7, 0, 60]")
	}
	expect(t, "asctime", call(t, lib, "asctime", moment), object.STRING_OBJ, "Sun Mar 1 09:05:07 2026")
	expect(t, "ctime", call(t, lib, "ctime", seconds), object.STRING_OBJ, "Sun Mar 1 09:05:07 2026")
	expect(t, "strftime", call(t, lib, "strftime", text("%Y-%m-%d %H:%M:%S"), moment), object.STRING_OBJ,
		"2026-03-01 09:05:07")
	got := call(t, lib, "strptime", text("2026-03-01 09:05"), text("%Y-%m-%d %H:%M")).(*object.List)
	expect(t, "strptime", list(got.Elements[:8]...), object.LIST_OBJ, "[2026, 3, 1, 9, 5, 0, 0, 60]")
}
