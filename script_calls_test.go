package extlibs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
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

// contractCalls are the calls that the contract promises. The tests must not
// take them from the code, which could lose one of them unnoticed.
var contractCalls = []contractCall{
	{"open", []contractParam{{"name", "", `":memory:y"`}}},
	{"set", []contractParam{{"key", "", `"key"`}, {"value", "", "1"}, {"ttl", "0", "60"}, {"keep_ttl", "False", "False"}}},
	{"get", []contractParam{{"key", "", `"key"`}, {"default", "None", "5"}}},
	{"delete", []contractParam{{"key", "", `"key"`}}},
	{"exists", []contractParam{{"key", "", `"key"`}}},
	{"ttl", []contractParam{{"key", "", `"key"`}}},
	{"keys", []contractParam{{"pattern", `"*"`, `"k*"`}, {"limit", "0", "1"}, {"after", `""`, `"a"`}, {"before", `""`, `"z"`}, {"prefix", `""`, `"k"`}, {"reverse", "False", "True"}}},
	{"clear", nil},
	{"close", nil},
	{"incr", []contractParam{{"key", "", `"key"`}, {"delta", "1", "2"}, {"ttl", "0", "60"}}},
	{"add", []contractParam{{"key", "", `"key"`}, {"value", "", "1"}, {"ttl", "0", "60"}}},
	{"update", []contractParam{{"key", "", `"key"`}, {"fn", "", "lambda v: v"}, {"default", "None", "5"}}},
	{"update_many", []contractParam{{"keys", "", `["key"]`}, {"fn", "", "lambda values: values"}}},
	{"get_or_set", []contractParam{{"key", "", `"key"`}, {"fn", "", "lambda: 1"}, {"ttl", "0", "60"}}},
	{"pop", []contractParam{{"key", "", `"key"`}, {"default", "None", "5"}}},
	{"pop_first", []contractParam{{"pattern", `"*"`, `"k*"`}, {"wait", "0", "0"}, {"prefix", `""`, `"k"`}, {"reverse", "False", "True"}, {"default", "None", "5"}}},
	{"expire", []contractParam{{"key", "", `"key"`}, {"ttl", "", "60"}}},
	{"items", []contractParam{{"pattern", `"*"`, `"k*"`}, {"limit", "0", "1"}, {"after", `""`, `"a"`}, {"before", `""`, `"z"`}, {"prefix", `""`, `"k"`}, {"reverse", "False", "True"}}},
	{"count", []contractParam{{"pattern", `"*"`, `"k*"`}, {"prefix", `""`, `"k"`}}},
	{"get_many", []contractParam{{"keys", "", `["key"]`}}},
	{"set_many", []contractParam{{"dict", "", `{"key": 1}`}, {"ttl", "0", "60"}}},
	{"delete_many", []contractParam{{"keys", "", `["key"]`}}},
	{"compare_and_set", []contractParam{{"key", "", `"key"`}, {"old", "", "1"}, {"new", "", "2"}, {"ttl", "None", "60"}}},
	{"compare_and_delete", []contractParam{{"key", "", `"key"`}, {"old", "", "1"}}},
	{"delete_matching", []contractParam{{"pattern", `"*"`, `"k*"`}, {"prefix", `""`, `"k"`}}},
	{"each", []contractParam{{"fn", "", "lambda k, v: None"}, {"pattern", `"*"`, `"k*"`}, {"limit", "0", "1"}, {"after", `""`, `"a"`}, {"before", `""`, `"z"`}, {"prefix", `""`, `"k"`}, {"reverse", "False", "True"}}},
	{"wait", []contractParam{{"key", "", `"key"`}, {"timeout", "None", "0"}, {"default", "None", "5"}}},
	{"wait_change", []contractParam{{"key", "", `"key"`}, {"old", "", `"other"`}, {"timeout", "None", "0"}}},
	{"watch", []contractParam{{"fn", "", "lambda k, v: False"}, {"pattern", `"*"`, `"k*"`}, {"timeout", "None", "0"}, {"prefix", `""`, `"k"`}}},
	{"sub", []contractParam{{"prefix", "", `"k"`}}},
}

type contractCall struct {
	name   string
	params []contractParam
}

type contractParam struct {
	name     string
	fallback string // "": required
	example  string // an argument that fits
}

func (c contractCall) signature() string {
	parts := make([]string, len(c.params))
	for i, p := range c.params {
		parts[i] = p.name
		if p.fallback != "" {
			parts[i] += "=" + p.fallback
		}
	}
	return c.name + "(" + strings.Join(parts, ", ") + ")"
}

func (c contractCall) examples() []string {
	examples := make([]string, len(c.params))
	for i, p := range c.params {
		examples[i] = p.example
	}
	return examples
}

func TestTheDefaultStoreIsThereBeforeAnyInit(t *testing.T) {
	got := output(t, backends[0].registry(t), "import scriptling.runtime.kv as kv\nkv.default.set(\"k\", 1)\nprint(kv.default.get(\"k\"))\n")
	if got != "1\n" {
		t.Errorf("printed %q", got)
	}
}

func TestAHeldDefaultStoreFollowsALaterInit(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nd = kv.default\nput = d.set\nd.set(\"k\", \"first\")")
	path := filepath.Join(t.TempDir(), "kv.db")
	if err := r.Init(path); err != nil {
		t.Fatal(err)
	}
	eval(t, p, "before = str(d.get(\"k\"))\nput(\"k\", \"second\")\nafter = kv.default.get(\"k\")")
	if before, after := text(t, p, "before"), text(t, p, "after"); before != "None" || after != "second" {
		t.Errorf("d.get returned %s, then %s", before, after)
	}
	if v, err := r.Default().Get(ctx, "k"); v != "second" || err != nil {
		t.Errorf("the new store holds %v (%v)", v, err)
	}
}

// A call that holds the store of before an Init must not fail because that one
// is closed under it.
func TestAnInitInTheMiddleOfACallIsNotSeenByTheScript(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	inits := 0
	p.RegisterFunc("init", func(context.Context, object.Kwargs, ...object.Object) object.Object {
		inits++
		if inits == 1 {
			if err := r.Init(""); err != nil {
				t.Error(err)
			}
		}
		return &object.Null{}
	})
	eval(t, p, `
import scriptling.runtime.kv as kv
def fn(old=None):
    init()
    return "made"
result = kv.default.update("k", fn)
`)
	if v, err := r.Default().Get(ctx, "k"); v != "made" || err != nil || text(t, p, "result") != "made" || inits != 2 {
		t.Errorf("the new store holds %v (%v) after %d runs of fn", v, err, inits)
	}
}

func TestInterpretersAndGoShareStores(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		r := b.registry(t)
		name := b.storeName(t)
		one, two := interpreter(r, &bytes.Buffer{}), interpreter(r, &bytes.Buffer{})
		for _, p := range []*scriptling.Scriptling{one, two} {
			if err := p.SetVar("name", name); err != nil {
				t.Fatal(err)
			}
			eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.open(name)")
		}
		eval(t, one, "store.set(\"k\", \"from one\")\nkv.default.set(\"k\", \"default\")")
		eval(t, two, "got = store.get(\"k\")\ndefault = kv.default.get(\"k\")\nstore.set(\"k\", (1, 2))")
		if got, def := text(t, two, "got"), text(t, two, "default"); got != "from one" || def != "default" {
			t.Errorf("the other interpreter got %q and %q", got, def)
		}
		v, err := mustOpen(t, r, name).Get(ctx, "k")
		if fmt.Sprintf("%#v", v) != "extlibs.Tuple{1, 2}" || err != nil {
			t.Errorf("Go got %#v (%v)", v, err)
		}
	})
}

func TestTwoRegistriesShareNothing(t *testing.T) {
	source := "import scriptling.runtime.kv as kv\nprint(kv.default.add(\"k\", 1), kv.open(\":memory:x\").add(\"k\", 1))\n"
	for range 2 {
		if got := output(t, backends[0].registry(t), source); got != "true true\n" {
			t.Errorf("printed %q", got)
		}
	}
}

func TestGoroutinesOfOneInterpreterCountExactly(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 8, 25
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b)
		eval(t, p, `
def work(n):
    store.incr("incr")
    store.update("update", lambda v: v + [n], default=[])
    store.update_many(["update", "many"], lambda values: {"update": values["update"], "many": values.get("many", 0) + 1})
    store.add("claim:" + str(n), 1)
    store.get_or_set("made", lambda: n)
    return store.get("made")
`)
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for n := range rounds {
					if _, err := p.CallFunction("work", n); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		list, err := h.Get(ctx, "update")
		if err != nil {
			t.Fatal(err)
		}
		n, err := h.Incr(ctx, "incr", 0, 0)
		if n != goroutines*rounds || len(list.([]any)) != goroutines*rounds || err != nil {
			t.Errorf("counted %d (%v), listed %d, want %d", n, err, len(list.([]any)), goroutines*rounds)
		}
		if n, err := h.Get(ctx, "many"); n != int64(goroutines*rounds) || err != nil {
			t.Errorf("update_many counted %v (%v), want %d", n, err, goroutines*rounds)
		}
		if n, err := h.Count(ctx, "claim:*"); n != rounds || err != nil {
			t.Errorf("%d claims (%v), want %d", n, err, rounds)
		}
	})
}

// meeting blocks the first of two callers until the second one arrives, and no later caller.
type meeting struct {
	arrived atomic.Int32
	both    chan struct{}
}

func (m *meeting) wait(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
	switch m.arrived.Add(1) {
	case 1:
		object.RunBlocking(ctx, func() { <-m.both })
	case 2:
		close(m.both)
	}
	return &object.Null{}
}

// handlers append to a list as the requests of a server do. meet is where two
// requests that overlap are forced to be at once: both have read, neither has
// written.
const handlers = `
def careless(user):
    users = store.get("users", default=[])
    meet()
    users.append(user)
    store.set("users", users)

def careful(user):
    def add(users):
        meet()
        return users + [user]
    store.update("users", add, default=[])

def counting(user):
    n = store.get("users", default=0)
    meet()
    store.set("users", n + 1)

def counting_well(user):
    meet()
    store.incr("users")
`

func TestOverlappingHandlersLoseAnUpdateUnlessTheyUseUpdate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		handler string
		meets   int32 // how often meet is reached
		want    string
	}{
		{"careless", 2, "1 of the users"},
		{"careful", 3, "2 of the users"}, // the one that lost runs fn again
		{"counting", 2, "1"},
		{"counting_well", 2, "2"},
	} {
		for _, interpreters := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d interpreters", c.handler, interpreters), func(t *testing.T) {
				forEachBackend(t, func(t *testing.T, b backend) {
					m := &meeting{both: make(chan struct{})}
					r, name := b.registry(t), b.storeName(t)
					hosts := make([]*scriptling.Scriptling, interpreters)
					for i := range hosts {
						hosts[i] = interpreter(r, &bytes.Buffer{})
						hosts[i].RegisterFunc("meet", m.wait)
						if err := hosts[i].SetVar("name", name); err != nil {
							t.Fatal(err)
						}
						eval(t, hosts[i], "import scriptling.runtime.kv as kv\nstore = kv.open(name)\n"+handlers)
					}
					var wg sync.WaitGroup
					for i := range 2 {
						wg.Go(func() {
							if _, err := hosts[i%interpreters].CallFunction(c.handler, fmt.Sprint("user ", i)); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
					v, err := mustOpen(t, r, name).Get(ctx, "users")
					if err != nil {
						t.Fatal(err)
					}
					got := fmt.Sprint(v)
					if list, ok := v.([]any); ok {
						got = fmt.Sprint(len(list), " of the users")
					}
					if got != c.want || m.arrived.Load() != c.meets {
						t.Errorf("kept %s after %d meets, want %s after %d", got, m.arrived.Load(), c.want, c.meets)
					}
				})
			})
		}
	}
}

// Others must not wait while one call of the same interpreter does.
func TestACallThatWaitsLetsOtherThreadsOfItsInterpreterRun(t *testing.T) {
	h := &slowStore{entered: make(chan struct{}), leave: make(chan struct{})}
	slowStores.Store("slowtest://x", h)
	r := backends[0].registry(t)
	h.Store = backends[0].open(t).Store()
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nslow = kv.open(\"slowtest://x\")\ndef waits():\n    return slow.set(\"k\", 1)\ndef other():\n    return 5\n")
	done := make(chan error)
	go func() {
		_, err := p.CallFunction("waits")
		done <- err
	}()
	<-h.entered
	if v, err := p.CallFunction("other"); err != nil || v.Inspect() != "5" {
		t.Errorf("the other function returned %v (%v)", v, err)
	}
	close(h.leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// slowStores are the stores of the driver slowtest, by URL. A driver can only be
// registered once in a process.
var slowStores sync.Map

func init() {
	extlibs.RegisterDriver("slowtest", func(_ context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		s, ok := slowStores.Load(c.URL.String())
		if !ok {
			return nil, errors.New("no such store")
		}
		return s.(extlibs.Store), nil
	})
}

// slowStore holds each Apply until the test lets it go.
type slowStore struct {
	extlibs.Store
	entered, leave chan struct{}
}

func (s *slowStore) Apply(ctx context.Context, op extlibs.Op) (extlibs.Result, error) {
	close(s.entered)
	<-s.leave
	return s.Store.Apply(ctx, op)
}

// For the interpreter a library is a dict, whose methods would change it for all
// that share it.
func TestACallOnTheModuleIsRefusedAndTheLibraryStaysWhole(t *testing.T) {
	names := []string{"keys", "values", "items", "get", "pop", "setdefault", "update", "clear", "copy", "fromkeys"}
	for _, c := range contractCalls {
		if c.name != "open" {
			names = append(names, c.name)
		}
	}
	r := backends[0].registry(t)
	p, other := interpreter(r, &bytes.Buffer{}), interpreter(r, &bytes.Buffer{})
	const imports = "import scriptling.runtime as runtime\nimport scriptling.runtime.kv as kv\n"
	eval(t, p, imports)
	for _, module := range []string{"kv", "runtime.kv"} {
		for _, name := range names {
			for _, arguments := range []string{"", `"default"`, `"default", 1`, `{"default": 1}, x=2`} {
				clause, message := caught(t, p, module+"."+name+"("+arguments+")")
				if clause != "TypeError" || !strings.HasPrefix(message, "kv."+name+": call ") || !strings.Contains(message, " on a store, such as kv.default.") {
					t.Errorf("%s.%s(%s) raised %s %q", module, name, arguments, clause, message)
				}
			}
		}
	}
	for _, p := range []*scriptling.Scriptling{p, other, p.Clone()} {
		eval(t, p, imports+`kv.default.incr("n")
runtime.kv.open(":memory:x").incr("n")
`)
	}
	if n, err := r.Default().Get(ctx, "n"); n != int64(3) || err != nil {
		t.Errorf("the default store was counted in %v times (%v)", n, err)
	}
}

// The functions of calls run inside each other to a depth that the host's stack
// bears, and no further.
func TestFunctionsOfCallsAreNestedToALimit(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b)
		eval(t, p, `
def deeper(n):
    if n == 0:
        return "bottom"
    if n % 4 == 0:
        return store.update_many(["many" + str(n)], lambda values: {"many" + str(n): deeper(n - 1)})["many" + str(n)]
    if n % 2 == 0:
        return store.update("update" + str(n), lambda old: deeper(n - 1))
    return store.get_or_set("made" + str(n), lambda: deeper(n - 1))
def endless(old=None):
    return store.update("k", endless)
`)
		eval(t, p, "bottom = deeper(32)")
		if got := text(t, p, "bottom"); got != "bottom" {
			t.Errorf("32 deep: %q", got)
		}
		before := contents(t, h)
		kvtest.Within(t, 20*time.Second, func() {
			eval(t, p, "store.clear()")
			clause, message := caught(t, p, "deeper(33)")
			if want := "kv.get_or_set: callbacks are nested more than 32 deep; check whether fn makes the call that runs it"; clause != "RuntimeError" || message != want {
				t.Errorf("33 deep raised %s %q", clause, message)
			}
			if clause, message = caught(t, p, "endless()"); clause != "RuntimeError" || !strings.HasPrefix(message, "kv.update: callbacks are nested") {
				t.Errorf("without an end it raised %s %q", clause, message)
			}
		})
		if after := contents(t, h); after != "" {
			t.Errorf("the store was\n%s\nand is\n%s", before, after)
		}
		eval(t, p, "bottom = deeper(32)") // the count goes back
	})
}

func TestCallsWithKeywordsInsideEachOtherKeepTheirArgumentsApart(t *testing.T) {
	p := first(scriptling.New())
	newRegistry().Register(p)
	got, err := p.Eval(`
import scriptling.runtime.kv as kv
s = kv.default
def again(old):
    s.set(key="inner", value="other", ttl=60)
    s.incr(key="n", delta=5)
    return [old, s.get(key="absent", default="inner default"), s.update(key="m", fn=lambda v: [v], default="m default")]
first = s.update(key="outer", fn=again, default="outer default")
bad = 0
for i in range(3):
    try:
        s.set(key="outer", value="lost", wrong=1)
    except Exception:
        bad += 1
[first, s.get("outer"), s.get(key="gone"), s.pop("inner"), s.get("n"), s.ttl("outer"), bad]
`)
	if err != nil {
		t.Fatal(err)
	}
	outer := "[outer default, inner default, [m default]]"
	if want := "[" + outer + ", " + outer + ", None, other, 5, -1, 3]"; got.Inspect() != want {
		t.Errorf("got %s, want %s", got.Inspect(), want)
	}
}

func TestAViewOfTheDefaultStoreFollowsALaterInit(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nusers = kv.default.sub(\"user:\")\nold = users.sub(\"old:\")\nusers.set(\"k\", 1)")
	if err := r.Init(filepath.Join(t.TempDir(), "kv.db")); err != nil {
		t.Fatal(err)
	}
	eval(t, p, "before = str(users.get(\"k\"))\nusers.set(\"k\", 2)\nold.set(\"k\", 3)")
	v, err := r.Default().Get(ctx, "user:k")
	w, err2 := r.Default().Get(ctx, "user:old:k")
	if text(t, p, "before") != "None" || v != int64(2) || w != int64(3) || err != nil || err2 != nil {
		t.Errorf("the view saw %s; the new store holds %v and %v (%v, %v)", text(t, p, "before"), v, w, err, err2)
	}
}

func TestAPrefixThatLeavesNoRoomForAKeyIsRefused(t *testing.T) {
	p, _ := scripted(t, backends[0])
	for statement, want := range map[string]string{
		`store.sub("x" * 40000)`:                  "kv.sub: the prefix of the view has 40000 bytes",
		`store.sub("x" * 20000).sub("y" * 20000)`: "kv.sub: the prefix of the view has 40000 bytes",
		`store.sub(bytes([255]).decode())`:        "kv.sub: the prefix of the view is not valid UTF-8",
	} {
		if clause, message := caught(t, p, statement); clause != "ValueError" || !strings.HasPrefix(message, want) {
			t.Errorf("%s raised %s %q", statement, clause, message)
		}
	}
}
