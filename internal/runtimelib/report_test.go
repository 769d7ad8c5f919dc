package runtimelib

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paularlott/scriptling/object"
)

func TestFailuresAreReportedOneByOneAtFirstAndThenAsASum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // the timer reports in a goroutine
		var got []Failure
		r := reporter{report: func(f Failure) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, f)
		}}
		fail := func(n int) {
			for i := range n {
				r.failed(fmt.Sprint("task ", i), &object.Exception{ExceptionType: fmt.Sprint("Type", i%12)})
			}
		}
		reported := func(what string, reports, tasks int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			sum := 0
			for _, f := range got {
				sum += f.Count
			}
			if len(got) != reports || sum != tasks {
				t.Errorf("%s: %d reports of %d tasks, want %d of %d", what, len(got), sum, reports, tasks)
			}
		}
		fail(100_000)
		reported("at once", failuresAtOnce, failuresAtOnce)
		time.Sleep(failurePeriod)
		synctest.Wait()
		reported("after a period", failuresAtOnce+1, 100_000)
		mu.Lock()
		last := got[len(got)-1]
		mu.Unlock()
		if !strings.Contains(last.Type, "Type1: ") || !strings.Contains(last.Type, "others: ") || len(last.Type) > 300 || last.Task != "task 99999" {
			t.Errorf("the sum is %+v", last)
		}
		time.Sleep(10 * failurePeriod)
		synctest.Wait()
		reported("after a pause", failuresAtOnce+1, 100_000)
		fail(failuresAtOnce + 1)
		r.flush()
		reported("at the end", 2*failuresAtOnce+2, 100_000+failuresAtOnce+1)
		r.flush()
		reported("at a second end", 2*failuresAtOnce+2, 100_000+failuresAtOnce+1)
	})
}

func TestAReportHasNoValueOfAScriptAndNothingThatActsOnATerminal(t *testing.T) {
	const secret = "s3cret"
	for message, want := range map[string]string{
		"identifier not found: nope":                                         "identifier not found: nope",
		"identifier not found: nope in function 'f' at line 6, x: " + secret: "identifier not found: nope",
		"type error: expected NUMBER, got STRING":                            "type error: expected NUMBER, got STRING",
		"argument error: got 3 arguments, want 2":                            "argument error: got 3 arguments, want 2",
		"unknown operator: STRING - STRING":                                  "unknown operator: STRING - STRING",
		"execution timeout":                                                  "execution timeout",
		"kv.set: key is empty; use 1 to 32768 bytes":                         "kv.set: key is empty; use 1 to 32768 bytes",
		"kv.get: \x1b[31m\nlevel=INFO\u202e\u2028x\xff":                      "kv.get: \ufffd[31m\ufffdlevel=INFO\ufffd\ufffdx\ufffd",
		"kv.get: " + strings.Repeat("é", 1000):                               "kv.get: " + strings.Repeat("é", (maxText-len("kv.get: "))/2) + "...",
		`cannot convert "` + secret + `" to int with base 10`:                "cannot convert",
		"AssertionError at line 5: " + secret:                                "AssertionError at line 5",
		"JSONDecodeError: invalid character 's' in " + secret:                "JSONDecodeError",
		"got an unexpected keyword argument '" + secret + "'":                "got an unexpected keyword argument",
		"key '" + secret + "' not found":                                     "",
		"'A' object has no attribute '" + secret + "'":                       "",
		"panic: " + secret:                                                   "panic",
		secret:                                                               "",
		secret + " kv.set: x":                                                "",
		"Uncaught exception: " + secret:                                      "",
	} {
		f, ok := failureOf("name", &object.Error{Message: message, Line: 3})
		if !ok || f.Text != want || f.Line != 3 || f.Type != "Exception" {
			t.Errorf("%q is told as %+v, want %q", message, f, want)
		}
	}
	f, ok := failureOf("a\x1b[31m\n"+strings.Repeat("é", 500), &object.Exception{Message: secret, ExceptionType: "Value\nError" + strings.Repeat("x", 500)})
	if !ok || f.Text != "" || strings.ContainsAny(f.Task+f.Type, "\x1b\n") || len(f.Task) > maxTaskName+10 || len(f.Type) > maxTypeName+10 {
		t.Errorf("an exception is told as %+v", f)
	}
	for _, none := range []object.Object{nil, &object.Null{}, object.NewString(secret), object.NewSystemExit(1, secret)} {
		if f, ok := failureOf("name", none); ok {
			t.Errorf("%v is told as %+v", none, f)
		}
	}
}

// The keys of this package represent the library's and the interpreter's marks of a call.
func TestATaskHasTheHostsValuesAndNoneOfThoseThatMarkACall(t *testing.T) {
	type markOfOurs struct{}
	host := new(int)
	ctx := context.WithValue(t.Context(), host, "host's")
	//lint:ignore SA1029 hosts do so
	ctx = context.WithValue(ctx, "plain text", "host's")
	ctx = context.WithValue(ctx, markOfOurs{}, "of a call")
	ctx = context.WithValue(ctx, object.INTEGER_OBJ, "of a call")
	//lint:ignore SA1029 the interpreter does so
	ctx = context.WithValue(ctx, envKey, object.NewEnvironment())
	life, cancel := context.WithCancel(t.Context())
	defer cancel()
	inherited := func(key any) any {
		if key == (markOfOurs{}) {
			return "inherited"
		}
		return nil
	}
	first, end := newTaskContext(ctx, life, inherited)
	defer end()
	second, end := newTaskContext(context.WithValue(withInterpreter(first, object.NewEnvironment(), "file"), markOfOurs{}, "of a call"), life, nil)
	defer end()
	for name, task := range map[string]*taskContext{"first": first, "second": second} {
		if task.Value(host) != "host's" || task.Value("plain text") != "host's" {
			t.Errorf("%s: the host's values are lost", name)
		}
		if task.Value(object.INTEGER_OBJ) != nil || task.Value(envKey) != nil {
			t.Errorf("%s: it has values of the call that started it", name)
		}
		if task.host != ctx {
			t.Errorf("%s: it looks its values up in another context", name)
		}
	}
	if first.Value(markOfOurs{}) != "inherited" || second.Value(markOfOurs{}) != nil {
		t.Errorf("the mark is %v and %v", first.Value(markOfOurs{}), second.Value(markOfOurs{}))
	}
	cancel()
	<-first.Done()
	<-second.Done()
}

func TestACallWhoseContextHasEndedStartsNoTask(t *testing.T) {
	tasks := limited(5)
	defer tasks.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tasks.start(ended, func(*taskContext) { t.Error("it ran") }); err != context.Canceled {
		t.Errorf("start gave %v", err)
	}
	if n := tasks.Running(); n != 0 {
		t.Errorf("%d run", n)
	}
}
