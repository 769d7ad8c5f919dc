package extlibs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// calls calls a function of an interpreter in the background, and returns its result as a
// script would print it.
func calls(p *scriptling.Scriptling, name string, args ...any) <-chan answer {
	return inBackground(func() (any, error) {
		v, err := p.CallFunction(name, args...)
		if err != nil {
			return nil, err
		}
		return v.Inspect(), nil
	})
}

const waitingScript = `
def wait(key):
    return store.wait(key)
def change(key, old):
    return store.wait_change(key, old, timeout=60)
def watch(count):
    seen = []
    def fn(key, value):
        seen.append([key, value])
        store.incr("seen")
        return len(seen) < count
    return str([store.sub("w:").watch(fn, "*[a-z]", prefix="k:"), seen])
def set(key, value):
    store.set(key, value)
def clear():
    store.clear()
`

func TestAScriptThatWaitsLetsOthersOfItsInterpreterRun(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b)
		eval(t, p, waitingScript)
		h.Set(ctx, "b", 0, 0)
		h.Set(ctx, "w:k:a", 0, 0)
		all := map[string]<-chan answer{
			"found":  calls(p, "wait", "a"),
			"{x: 1}": calls(p, "change", "b", 0),
			"[3, [[k:a, None], [k:b, 2], [None, None]]]": calls(p, "watch", 3),
		}
		waiting(t, h, 3)
		first := calls(p, "watch", 1)
		waiting(t, h, 4)
		seen := func(n int64) {
			for v := any(nil); v != n; {
				v, _ = h.WaitChange(ctx, "seen", v)
			}
		}
		kvtest.Within(t, 20*time.Second, func() {
			for _, statement := range []string{
				`set("a", "found")`, `set("b", {"x": 1})`, `set("w:k:1", 1)`, `set("w:j:b", 1)`, `set("k:b", 1)`, `store.delete("w:k:a")`,
			} {
				eval(t, p, statement)
			}
			wantAnswer(t, first, "[1, [[k:a, None]]]")
			seen(2)
			eval(t, p, `set("w:k:b", 2)`)
			seen(3)
			for _, want := range []string{"found", "{x: 1}"} { // which would wait again after clear
				wantAnswer(t, all[want], want)
				delete(all, want)
			}
			eval(t, p, "clear()")
		})
		for want, c := range all {
			wantAnswer(t, c, want)
		}
		leavesNothing(t, h)
	})
}

// fn runs outside all locks: it can write to the store that it watches, wait, and fail.
func TestTheFunctionOfAWatchCanUseTheStore(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b)
		eval(t, p, `
def follow():
    def fn(key, value):
        if value == 20:
            return False
        store.set(key, value + 1)
        return store.wait(key, timeout=1) > 0
    return store.watch(fn)
def fails():
    def fn(key, value):
        raise KeyError("no " + key)
    try:
        return store.watch(fn)
    except KeyError as e:
        return "KeyError " + str(e)
def wrong():
    try:
        return store.watch(lambda: 1)
    except TypeError as e:
        return str(e)
`)
		c := calls(p, "follow")
		waiting(t, h, 1)
		h.Set(ctx, "n", 1, 0)
		wantAnswer(t, c, "20")
		c = calls(p, "fails")
		waiting(t, h, 1)
		h.Set(ctx, "n", 1, 0)
		wantAnswer(t, c, "KeyError no n")
		c = calls(p, "wrong")
		waiting(t, h, 1)
		h.Set(ctx, "n", 1, 0)
		a := <-c
		if s, _ := a.value.(string); !strings.HasPrefix(s, "kv.watch: fn is called with two arguments") {
			t.Error(a)
		}
		leavesNothing(t, h)
	})
}

func TestAScriptsDeadlineAndItsTimeoutEndAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := extlibs.NewRegistry()
		p := interpreter(r, &bytes.Buffer{})
		eval(t, p, `
import scriptling.runtime.kv as kv
store = kv.default
store.set("k", 1)
def times():
    return str([store.wait("x", 2.5, "nothing"), store.wait_change("k", 1, timeout=3), store.watch(lambda k, v: True, timeout=4)])
def forever():
    return store.wait("x")
def changes():
    return store.wait_change("k", 1)
def watches():
    return store.watch(lambda k, v: True)
`)
		began := time.Now()
		v, err := p.CallFunction("times")
		if err != nil || v.Inspect() != "[nothing, 1, 0]" || time.Since(began) != 9500*time.Millisecond {
			t.Errorf("%v (%v) after %v", v, err, time.Since(began))
		}
		for _, name := range []string{"forever", "changes", "watches"} {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			began := time.Now()
			_, err := p.CallFunctionWithContext(ctx, name)
			cancel()
			if err == nil || !strings.Contains(err.Error(), "kv.wa") || !strings.Contains(err.Error(), "deadline exceeded") || time.Since(began) != time.Hour {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
		}
		leavesNothing(t, r.Default())
		r.Close()
	})
}

func TestScriptsThatWaitFollowTheDefaultStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := extlibs.NewRegistry()
		p := interpreter(r, &bytes.Buffer{})
		eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.default\n"+waitingScript+`
def late():
    return store.sub("s:").wait("late", timeout=100, default="timeout")
`)
		began := time.Now()
		first := r.Default()
		found, changed, late, watched := calls(p, "wait", "a"), calls(p, "change", "b", nil), calls(p, "late"), calls(p, "watch", 2)
		time.Sleep(10 * time.Second)
		for i := range 3 {
			if err := r.Init(""); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := extlibs.Waiting(r.Default()); i == 0 && n != 4 {
				t.Errorf("%d callers continued with the new store", n)
			}
		}
		h := r.Default()
		h.Set(ctx, "a", "new", 0)
		h.Set(ctx, "b", 1, 0)
		wantAnswer(t, found, "new")
		wantAnswer(t, changed, "1")
		wantAnswer(t, watched, "[2, [[None, None], [None, None]]]")
		if a := <-late; a.value != "timeout" {
			t.Error(a)
		}
		if took := time.Since(began); took != 100*time.Second {
			t.Errorf("the timeout began again: %v", took)
		}
		leavesNothing(t, first)
		leavesNothing(t, h)
		closing := calls(p, "wait", "never")
		synctest.Wait()
		r.Close()
		if a := <-closing; a.err == nil || !strings.Contains(a.err.Error(), "the default store is closed") {
			t.Error(a)
		}
	})
}

// Thousands of scripts wait for one key, or each for another one.
func TestThousandsOfCallersWait(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	n := kvtest.Sized(1000, 5000, 10_000)
	var all []<-chan answer
	for i := range n {
		key := "one"
		if i%2 == 0 {
			key = fmt.Sprint(i)
		}
		all = append(all, inBackground(func() (any, error) { return h.Wait(ctx, key) }))
	}
	waiting(t, h, n)
	for i := range n {
		h.Set(ctx, fmt.Sprint(i), true, 0)
	}
	h.Set(ctx, "one", true, 0)
	for _, c := range all {
		wantAnswer(t, c, true)
	}
	leavesNothing(t, h)
}
