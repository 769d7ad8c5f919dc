package extlibs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// crowd lets many interpreters and threads call get_or_set at once. Its function
// make waits until release is closed.
type crowd struct {
	hosts            []*scriptling.Scriptling
	runs             atomic.Int32
	started, release chan struct{}
}

func newCrowd(t *testing.T, r *extlibs.Registry, name, source string) *crowd {
	c := &crowd{started: make(chan struct{}, 100), release: make(chan struct{})}
	for range 2 {
		p := interpreter(r, &bytes.Buffer{})
		p.RegisterFunc("make", func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
			n := c.runs.Add(1)
			c.started <- struct{}{}
			object.RunBlocking(ctx, func() { <-c.release })
			return object.NewInteger(int64(n))
		})
		if err := p.SetVar("name", name); err != nil {
			t.Fatal(err)
		}
		eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.open(name)\n"+source)
		c.hosts = append(c.hosts, p)
	}
	return c
}

func TestOfManyCallersOfGetOrSetOneRunsTheFunction(t *testing.T) {
	t.Parallel()
	const callers = 20
	forEachBackend(t, func(t *testing.T, b backend) {
		r, name := b.registry(t), b.storeName(t)
		h := mustOpen(t, r, name)
		c := newCrowd(t, r, name, "def call():\n    return store.get_or_set(\"k\", make)\ndef other():\n    return store.sub(\"k\").get_or_set(\"\" + \"x\", lambda: 7)\n")
		var wg sync.WaitGroup
		var returned atomic.Int32
		for i := range callers {
			wg.Go(func() {
				v, err := c.hosts[i%2].CallFunction("call")
				if err != nil || v.Inspect() != "1" {
					t.Errorf("a caller got %v (%v)", v, err)
				}
				returned.Add(1)
			})
		}
		<-c.started
		kvtest.Within(t, 20*time.Second, func() { // the others wait without the lock of their interpreters
			for _, p := range c.hosts {
				if v, err := p.CallFunction("other"); err != nil || v.Inspect() != "7" {
					t.Errorf("another key gave %v (%v)", v, err)
				}
			}
		})
		waiting(t, h, callers-1)
		if n := returned.Load(); n != 0 {
			t.Errorf("%d callers returned before the value was there", n)
		}
		close(c.release)
		wg.Wait()
		if n := c.runs.Load(); n != 1 {
			t.Errorf("the function ran %d times", n)
		}
	})
}

func TestWhereTheFunctionOfGetOrSetRaisesTheOthersTryThemselves(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r, name := b.registry(t), b.storeName(t)
		h := mustOpen(t, r, name)
		c := newCrowd(t, r, name, `
def fn():
    n = make()
    if n < 3:
        raise ValueError("run " + str(n))
    return n
def call():
    try:
        return store.get_or_set("k", fn)
    except ValueError as e:
        return str(e)
`)
		results := make(chan string, 6)
		for i := range cap(results) {
			go func() {
				v, err := c.hosts[i%2].CallFunction("call")
				results <- fmt.Sprint(v.Inspect(), err)
			}()
		}
		<-c.started
		waiting(t, h, cap(results)-1)
		close(c.release)
		got := map[string]int{}
		for range cap(results) {
			got[<-results]++
		}
		if got["run 1<nil>"] != 1 || got["run 2<nil>"] != 1 || got["3<nil>"] != 4 || c.runs.Load() != 3 {
			t.Errorf("results %v after %d runs", got, c.runs.Load())
		}
	})
}

func TestAWaitForTheFunctionOfGetOrSetEndsWithItsContext(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r, name := b.registry(t), b.storeName(t)
		h := mustOpen(t, r, name)
		c := newCrowd(t, r, name, "def call():\n    return store.get_or_set(\"k\", make)\n")
		leader := make(chan error)
		go func() {
			_, err := c.hosts[0].CallFunction("call")
			leader <- err
		}()
		<-c.started
		cancelled, cancel := context.WithCancel(ctx)
		ended := make(chan error)
		go func() {
			_, err := c.hosts[1].CallFunctionWithContext(cancelled, "call")
			ended <- err
		}()
		waiting(t, h, 1)
		cancel()
		kvtest.Within(t, 20*time.Second, func() {
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "cancel") {
				t.Errorf("the wait ended with %v", err)
			}
		})
		close(c.release)
		if err := <-leader; err != nil {
			t.Error(err)
		}
	})
}

func TestTheEndOfTheStoreEndsAWaitForTheFunctionOfGetOrSet(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		r, name := b.registry(t), b.storeName(t)
		h := mustOpen(t, r, name)
		c := newCrowd(t, r, name, "def call():\n    return store.get_or_set(\"k\", make)\n")
		first := calls(c.hosts[0], "call")
		<-c.started
		others := []<-chan answer{calls(c.hosts[1], "call"), calls(c.hosts[1], "call"), calls(c.hosts[0], "call")}
		waiting(t, h, len(others))
		must(t, h.Close())
		kvtest.Within(t, 20*time.Second, func() {
			for _, a := range others {
				if a := <-a; a.err == nil || !strings.Contains(a.err.Error(), "closed") {
					t.Errorf("the wait ended with %v, %v", a.value, a.err)
				}
			}
		})
		leavesNothing(t, h)
		close(c.release)
		if a := <-first; a.err == nil {
			t.Error("the value was stored in a closed store")
		}
	})
}

func TestCallsOfGetOrSetInsideEachOtherNeverWaitForThemselves(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, _ := scripted(t, b)
		kvtest.Within(t, 20*time.Second, func() {
			eval(t, p, `
result = str([
    store.get_or_set("same", lambda: [store.get_or_set("same", lambda: "inner")]),
    store.get("same"),
    store.get_or_set("a", lambda: store.get_or_set("b", lambda: store.get_or_set("a", lambda: 5) + 1)),
    store.get("a"), store.get("b"),
])
`)
		})
		if got := text(t, p, "result"); got != "[inner, inner, 5, 5, 6]" {
			t.Errorf("result is %s", got)
		}
		// Two that want each other's key.
		eval(t, p, `
import time
def one():
    return store.get_or_set("x", lambda: [time.sleep(0.05), store.get_or_set("y", lambda: "y of one")])
def two():
    return store.get_or_set("y", lambda: [time.sleep(0.05), store.get_or_set("x", lambda: "x of two")])
`)
		kvtest.Within(t, 20*time.Second, func() {
			var wg sync.WaitGroup
			for _, name := range []string{"one", "two"} {
				wg.Go(func() {
					if _, err := p.CallFunction(name); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	})
}

// A function that panics must not leave the others waiting.
func TestAPanicInTheFunctionOfGetOrSetLetsTheOthersGo(t *testing.T) {
	p, _ := scripted(t, backends[0])
	fails := true
	p.RegisterFunc("fails", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		if fails {
			panic("host bug")
		}
		return object.NewInteger(1)
	})
	if _, err := p.Eval("store.get_or_set(\"k\", fails)"); err == nil || !strings.Contains(err.Error(), "host bug") {
		t.Errorf("the panic is %v", err)
	}
	fails = false
	kvtest.Within(t, 20*time.Second, func() { eval(t, p, "store.get_or_set(\"k\", fails)") })
}
