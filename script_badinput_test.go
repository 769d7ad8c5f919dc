package extlibs_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
)

// caught runs a statement and returns the name of the except clause that caught
// what it raised, and the message; "" for a statement that raised nothing. The
// attempt is in a function and returns its outcome, because the published
// interpreter can mix up variables of programs that catch errors at the top.
func caught(t *testing.T, p *scriptling.Scriptling, statement string) (clause, message string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("def attempt():\n    try:\n        " + strings.ReplaceAll(statement, "\n", "\n        ") + "\n")
	for _, name := range []string{"TypeError", "ValueError", "PermissionError", "OSError", "RuntimeError", "KeyError", "Exception"} {
		fmt.Fprintf(&b, "    except %s as e:\n        return [%q, str(e)]\n", name, name)
	}
	b.WriteString("    return [\"\", \"\"]\noutcome = attempt()\n")
	eval(t, p, b.String())
	outcome, errObj := p.GetVarAsList("outcome")
	if errObj != nil || len(outcome) != 2 {
		t.Fatalf("%s\nhas the outcome %v", statement, outcome)
	}
	return outcome[0].Inspect(), outcome[1].Inspect()
}

func eval(t *testing.T, p *scriptling.Scriptling, source string) {
	t.Helper()
	if _, err := p.Eval(source); err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
}

func text(t *testing.T, p *scriptling.Scriptling, name string) string {
	t.Helper()
	s, errObj := p.GetVarAsString(name)
	if errObj != nil {
		t.Fatalf("%s is no str: %s", name, errObj.Inspect())
	}
	return s
}

// contents describes all that a store holds, values with their types and the
// remaining ttl.
func contents(t *testing.T, h *extlibs.Handle) string {
	t.Helper()
	items, err := h.Items(ctx, extlibs.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, it := range items {
		left, err := h.TTL(ctx, it.Key)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%q = %#v, %v left\n", it.Key, it.Value, left)
	}
	return b.String()
}

// scripted returns an interpreter in which store is an empty store of a backend.
func scripted(t *testing.T, b backend, opts ...extlibs.Option) (*scriptling.Scriptling, *extlibs.Handle) {
	t.Helper()
	r := b.registry(t, opts...)
	name := b.storeName(t)
	h := mustOpen(t, r, name)
	p := interpreter(r, &bytes.Buffer{})
	if err := p.SetVar("name", name); err != nil {
		t.Fatal(err)
	}
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.open(name)")
	return p, h
}

// badValues are definitions that the calls below try to store.
const badValues = `
class Thing:
    def method(self, old=None):
        return old

thing = Thing()

def raises(old=None):
    raise KeyError("mine")

direct = []
direct.append(direct)

inner = []
deep = {"a": [1, {"b": inner}]}
inner.append(deep)

ring = []
tuple_ring = (0, ring)
ring.append(tuple_ring)

levels = 1
for i in range(501):
    levels = [levels]

long_ring = []
loop = long_ring
for i in range(700):
    loop = [loop]
long_ring.append(loop)

# The first way to this ring is too long to see all of it, the second is not.
near = []
loop = near
for i in range(150):
    loop = [loop]
near.append(loop)
far = near
for i in range(400):
    far = [far]
far_and_near = [far, near]

buried = print
for i in range(400):
    buried = [buried]

dag = "x"
for i in range(64):
    dag = [dag, dag]
`

var badCalls = []struct {
	statement string
	clause    string
	want      []string // parts of the message
}{
	// Keys.
	{`store.set(1, 2)`, "TypeError", []string{"kv.set: key must be a str, not INTEGER; write str(key)"}},
	{`store.get(None)`, "TypeError", []string{"kv.get: key must be a str, not NULL"}},
	{`store.delete(["a"])`, "TypeError", []string{"kv.delete: key must be a str, not LIST; get_many, set_many and delete_many take several keys"}},
	{`store.set("", 1)`, "ValueError", []string{"kv.set: key is empty; use 1 to 32768 bytes"}},
	{`store.get("")`, "ValueError", []string{"kv.get: key is empty"}},
	{`store.set("k" * 32769, 1)`, "ValueError", []string{"kv.set: key has 32769 bytes; use 1 to 32768"}},
	{`store.pop("k" * 32769)`, "ValueError", []string{"kv.pop: key has 32769 bytes"}},
	{`store.set(bytes([255]).decode(), 1)`, "ValueError", []string{"kv.set: key is not valid UTF-8"}},
	{`store.update("", lambda v: 1)`, "ValueError", []string{"kv.update: key is empty"}},
	{`store.get_or_set("", lambda: 1)`, "ValueError", []string{"kv.get_or_set: key is empty"}},
	{`store.update_many(["int", ""], lambda v: v)`, "ValueError", []string{"kv.update_many: key is empty"}},
	{`store.update_many(["int", 5], lambda v: v)`, "TypeError", []string{"kv.update_many: keys[1] must be a str, not INTEGER"}},
	{`store.update_many("int", lambda v: v)`, "TypeError", []string{"kv.update_many: keys must be a list of str, not STRING"}},
	{`store.get_many(["int", ""])`, "ValueError", []string{"kv.get_many: key is empty"}},
	{`store.get_many(["int", 5])`, "TypeError", []string{"kv.get_many: keys[1] must be a str, not INTEGER"}},
	{`store.get_many("int")`, "TypeError", []string{"kv.get_many: keys must be a list of str, not STRING; write [key] for one key"}},
	{`store.delete_many(["int", ""])`, "ValueError", []string{"kv.delete_many: key is empty"}},
	{`store.delete_many(["int", None])`, "TypeError", []string{"kv.delete_many: keys[1] must be a str, not NULL"}},
	{`store.set_many({"a": 1, "": 2})`, "ValueError", []string{"kv.set_many: key is empty"}},
	{`store.set_many({"a": 1, 2: 2})`, "TypeError", []string{"kv.set_many: key must be a str, not INTEGER"}},
	{`store.set_many([1])`, "TypeError", []string{"kv.set_many: dict must be a dict, not LIST; write {key: value}"}},

	// What lasts how long.
	{`store.set("int", 1, -1)`, "ValueError", []string{"kv.set: ttl is -1; use a number of seconds from 0"}},
	{`store.set("int", 1, ttl=-0.001)`, "ValueError", []string{"kv.set: ttl is -0.001"}},
	{`store.set("int", 1, ttl="60")`, "TypeError", []string{"kv.set: ttl must be a number of seconds, not STRING"}},
	{`store.set("int", 1, ttl=True)`, "TypeError", []string{"kv.set: ttl must be a number of seconds, not BOOLEAN"}},
	{`store.set("int", 1, ttl=[60])`, "TypeError", []string{"kv.set: ttl must be a number of seconds, not LIST"}},
	{`store.set("int", 1, ttl=float("nan"))`, "ValueError", []string{"kv.set: ttl is NaN"}},
	{`store.set("int", 1, ttl=float("inf"))`, "ValueError", []string{"kv.set: ttl is +Inf"}},
	{`store.set("int", 1, ttl=float("-inf"))`, "ValueError", []string{"kv.set: ttl is -Inf"}},
	{`store.set("int", 1, ttl=100 * 366 * 86400)`, "ValueError", []string{"kv.set: ttl is ", "to 100 years"}},
	{`store.set("int", 1, ttl=9223372036854775807)`, "ValueError", []string{"to 100 years"}},
	{`store.set("int", 1, ttl=1e300)`, "ValueError", []string{"to 100 years"}},
	{`store.add("new", 1, ttl=-1)`, "ValueError", []string{"kv.add: ttl is -1"}},
	{`store.incr("new", ttl=-1)`, "ValueError", []string{"kv.incr: ttl is -1"}},
	{`store.incr("new", ttl="1")`, "TypeError", []string{"kv.incr: ttl must be"}},
	{`store.expire("int", -1)`, "ValueError", []string{"kv.expire: ttl is -1"}},
	{`store.expire("int", "1")`, "TypeError", []string{"kv.expire: ttl must be"}},
	{`store.get_or_set("new", lambda: 1, ttl=-1)`, "ValueError", []string{"kv.get_or_set: ttl is -1"}},
	{`store.set_many({"new": 1}, ttl=-1)`, "ValueError", []string{"kv.set_many: ttl is -1"}},

	// What cannot be stored.
	{`store.set("k", print)`, "TypeError", []string{"kv.set: cannot store a BUILTIN at value"}},
	{`store.set("k", raises)`, "TypeError", []string{"kv.set: cannot store a FUNCTION at value"}},
	{`store.set("k", lambda: 1)`, "TypeError", []string{"kv.set: cannot store a LAMBDA at value"}},
	{`store.set("k", Thing)`, "TypeError", []string{"kv.set: cannot store a CLASS at value"}},
	{`store.set("k", thing)`, "TypeError", []string{"kv.set: cannot store a INSTANCE at value", "; store its fields as a dict"}},
	{`store.set("k", thing.method)`, "TypeError", []string{"kv.set: cannot store a FUNCTION at value"}},
	{`store.set("k", kv.default)`, "TypeError", []string{"kv.set: cannot store a BUILTIN at value"}},
	{`store.set("k", range(3))`, "TypeError", []string{"kv.set: cannot store a ITERATOR at value"}},
	{`store.set("k", {"a": 1}.keys())`, "TypeError", []string{"kv.set: cannot store a DICT_KEYS at value"}},
	{`store.set("k", {"handlers": [1, 2, raises]})`, "TypeError", []string{`kv.set: cannot store a FUNCTION at value["handlers"][2]`}},
	{`store.set("k", [(1, {"t": thing})])`, "TypeError", []string{`kv.set: cannot store a INSTANCE at value[0][1]["t"]`}},
	{`store.set("k", {1: print})`, "TypeError", []string{`kv.set: cannot store a BUILTIN at value[1]`}},
	{`store.set("k", {thing: 1})`, "TypeError", []string{`kv.set: cannot store a dict with a INSTANCE as key at value`}},
	{`store.add("new", [print])`, "TypeError", []string{"kv.add: cannot store a BUILTIN at value[0]"}},
	{`store.set_many({"a": 1, "b": [1, print]})`, "TypeError", []string{`kv.set_many: cannot store a BUILTIN at value["b"][1]`}},
	{`store.update("int", lambda v: print)`, "TypeError", []string{"kv.update: cannot store a BUILTIN at value"}},
	{`store.update_many(["int", "new"], lambda v: {"int": 2, "new": [1, print]})`, "TypeError", []string{`kv.update_many: cannot store a BUILTIN at value["new"][1]`}},
	{`store.update_many(["int"], lambda v: {"int": "x" * 5000})`, "ValueError", []string{"kv.update_many: value is larger than 4096 bytes"}},
	{`store.get_or_set("new", lambda: [print])`, "TypeError", []string{"kv.get_or_set: cannot store a BUILTIN at value[0]"}},
	{`store.set("k", direct)`, "TypeError", []string{"kv.set: cannot store a structure that contains itself at value[0]"}},
	{`store.set("k", deep)`, "TypeError", []string{`kv.set: cannot store a structure that contains itself at value["a"][1]["b"][0]`}},
	{`store.set("k", ring)`, "TypeError", []string{"kv.set: cannot store a structure that contains itself at value[0][1]"}},
	{`store.set("k", tuple_ring)`, "TypeError", []string{"kv.set: cannot store a structure that contains itself at value[1][0]"}},
	{`store.set("k", long_ring)`, "TypeError", []string{"kv.set: cannot store a structure that contains itself at value[0][0]", "..."}},
	{`store.set("k", far_and_near)`, "TypeError", []string{"kv.set: cannot store a structure that contains itself at value[0]"}},
	{`store.set("k", {"a": 1, "b": far_and_near})`, "TypeError", []string{`kv.set: cannot store a structure that contains itself at value["b"]`}},
	{`store.set("k", buried)`, "TypeError", []string{"kv.set: cannot store a BUILTIN at value...[0][0]"}},
	{`store.compare_and_set("int", print, 1)`, "TypeError", []string{"kv.compare_and_set: cannot store a BUILTIN at old"}},
	{`store.compare_and_set("int", 1, [print])`, "TypeError", []string{"kv.compare_and_set: cannot store a BUILTIN at new[0]"}},
	{`store.compare_and_set("int", 1, direct)`, "TypeError", []string{"kv.compare_and_set: cannot store a structure that contains itself at new[0]"}},
	{`store.compare_and_delete("int", {"a": print})`, "TypeError", []string{`kv.compare_and_delete: cannot store a BUILTIN at old["a"]`}},
	{`store.wait_change("int", print, 0)`, "TypeError", []string{"kv.wait_change: cannot store a BUILTIN at old"}},
	{`store.wait_change("int", levels, 0)`, "ValueError", []string{"is nested more than 500 levels", "at old"}},
	{`store.update("int", lambda v: direct)`, "TypeError", []string{"kv.update: cannot store a structure that contains itself"}},
	{`store.set("k", levels)`, "ValueError", []string{"kv.set: value is nested more than 500 levels; store its parts under several keys"}},
	{`store.set("k", dag)`, "ValueError", []string{"kv.set: value is larger than 4096 bytes; split it over several keys"}},
	{`store.set("k", "x" * 5000)`, "ValueError", []string{"kv.set: value is larger than 4096 bytes"}},

	// Patterns and pages.
	{`store.keys("[")`, "ValueError", []string{`kv.keys: pattern "[" is invalid`}},
	{`store.keys("{a")`, "ValueError", []string{`kv.keys: pattern "{a"`}},
	{`store.keys("a\\")`, "ValueError", []string{`kv.keys: pattern`}},
	{`store.items("[")`, "ValueError", []string{`kv.items: pattern "["`}},
	{`store.count("[")`, "ValueError", []string{`kv.count: pattern "["`}},
	{`store.keys("{" + ",".join([str(i) for i in range(65)]) + "}")`, "ValueError", []string{"kv.keys: pattern ", "more than 64 alternatives"}},
	{`store.keys("{a,b}" * 7)`, "ValueError", []string{"more than 64 alternatives"}},
	{`store.keys("a" * 1025)`, "ValueError", []string{"kv.keys: pattern ", "longer than 1024 bytes"}},
	{`store.keys(5)`, "TypeError", []string{"kv.keys: pattern must be a str, not INTEGER"}},
	{`store.pop_first("[")`, "ValueError", []string{`kv.pop_first: pattern "[" is invalid`}},
	{`store.pop_first(5)`, "TypeError", []string{"kv.pop_first: pattern must be a str, not INTEGER"}},
	{`store.pop_first(prefix=5)`, "TypeError", []string{"kv.pop_first: prefix must be a str, not INTEGER"}},
	{`store.pop_first(reverse=1)`, "TypeError", []string{"kv.pop_first: reverse must be a bool, not INTEGER"}},
	{`store.keys(limit=-1)`, "ValueError", []string{"kv.keys: limit is -1; use 0 (all) or more"}},
	{`store.keys(limit="1")`, "TypeError", []string{"kv.keys: limit must be an int, not STRING"}},
	{`store.keys(limit=1.0)`, "TypeError", []string{"kv.keys: limit must be an int, not FLOAT"}},
	{`store.items(limit=True)`, "TypeError", []string{"kv.items: limit must be an int, not BOOLEAN"}},
	{`store.keys(after=1)`, "TypeError", []string{"kv.keys: after must be a str, not INTEGER"}},

	// Numbers.
	{`store.incr("str")`, "TypeError", []string{"kv.incr: ", "not a number", "unchanged; set a number first, or use another key"}},
	{`store.incr("bool")`, "TypeError", []string{"kv.incr: ", "not a number"}},
	{`store.incr("list", 2.5)`, "TypeError", []string{"kv.incr: ", "not a number"}},
	{`store.incr("none")`, "TypeError", []string{"kv.incr: ", "not a number"}},
	{`store.incr("int", "1")`, "TypeError", []string{"kv.incr: delta must be an int or a float, not STRING"}},
	{`store.incr("int", True)`, "TypeError", []string{"kv.incr: delta must be an int or a float, not BOOLEAN"}},
	{`store.incr("most")`, "ValueError", []string{"kv.incr: ", "outside the range of a 64-bit int"}},
	{`store.incr("least", -1)`, "ValueError", []string{"kv.incr: ", "outside the range of a 64-bit int"}},

	// Functions.
	{`store.update("int", thing.method)`, "TypeError", []string{"kv.update: fn cannot be a bound method; wrap it in a lambda"}},
	{`store.update_many(["int"], thing.method)`, "TypeError", []string{"kv.update_many: fn cannot be a bound method; wrap it in a lambda"}},
	{`store.update_many(["int"], {"int": 2})`, "TypeError", []string{"kv.update_many: fn must be a function, not DICT"}},
	{`store.update_many(["int", "list"], raises)`, "KeyError", []string{"mine"}},
	{`store.update_many(["int", "list"], lambda v: None)`, "ValueError", []string{"kv.update_many: fn returned None, so nothing was changed; return a dict of the new values"}},
	{`store.update_many(["int", "list"], lambda v: v.clear())`, "ValueError", []string{"kv.update_many: fn returned None"}},
	{`store.update_many(["int", "list"], lambda v: [v])`, "ValueError", []string{"kv.update_many: fn returned LIST, so nothing was changed; return a dict"}},
	{`store.update_many(["int", "list"], lambda v: {"int": 2, "new": 3})`, "ValueError", []string{`kv.update_many: fn returned a value for the key "new", which is not one of keys`}},
	{`store.update_many(["int"], lambda v: {"int": 2, "new": 3})`, "ValueError", []string{`kv.update_many: fn returned a value for the key "new", which is not one of keys`}},
	{`store.update_many(["int"], lambda v: {1: 2})`, "TypeError", []string{"kv.update_many: key must be a str, not INTEGER"}},
	{`store.update_many(["int"], lambda: {})`, "TypeError", []string{"kv.update_many: fn is called with one argument, a dict of the values; write it as lambda values: {...}"}},
	{`store.get_or_set("new", thing.method)`, "TypeError", []string{"kv.get_or_set: fn cannot be a bound method; wrap it in a lambda"}},
	{`store.update("int", 5)`, "TypeError", []string{"kv.update: fn must be a function, not INTEGER"}},
	{`store.get_or_set("new", "value")`, "TypeError", []string{"kv.get_or_set: fn must be a function, not STRING"}},
	{`store.update("int", raises)`, "KeyError", []string{"mine"}},
	{`x = store.update("int", raises)`, "KeyError", []string{"mine"}},
	{`store.update("new", raises, default=1)`, "KeyError", []string{"mine"}},
	{`store.get_or_set("new", raises)`, "KeyError", []string{"mine"}},
	{`store.update("int", lambda v: v + "text")`, "TypeError", []string{"type error"}},

	{`store.update("int", lambda v: None)`, "ValueError", []string{"kv.update: fn returned None, so nothing was stored; return the new value"}},
	{`store.update("list", lambda l: l.append(2))`, "ValueError", []string{"kv.update: fn returned None"}},
	{`store.update("new", lambda v: v)`, "ValueError", []string{"kv.update: fn returned None"}},
	{`store.update("int", lambda: 1)`, "TypeError", []string{"kv.update: fn is called with one argument, the value; write it as lambda old: new"}},
	{`store.update("int", lambda a, b: 1)`, "TypeError", []string{"kv.update: fn is called with one argument"}},
	{`store.get_or_set("new", lambda v: 1)`, "TypeError", []string{"kv.get_or_set: fn is called with no argument; write it as lambda: value"}},

	// Words of other stores.
	{`store.set("int", 2, ex=60)`, "TypeError", []string{"kv.set: unexpected keyword argument 'ex' (use ttl=, in seconds); usage: set("}},
	{`store.set("int", 2, nx=True)`, "TypeError", []string{"unexpected keyword argument 'nx' (use add(key, value))"}},
	{`store.set_many({"int": 2}, timeout=60)`, "TypeError", []string{"kv.set_many: unexpected keyword argument 'timeout' (use ttl="}},
	{`store.pop_first(timeout=60)`, "TypeError", []string{"kv.pop_first: unexpected keyword argument 'timeout' (use wait="}},
	{`store.wait("int", wait=60)`, "TypeError", []string{"kv.wait: unexpected keyword argument 'wait' (use timeout="}},
	{`store.ttl("int", "text")`, "TypeError", []string{"kv.ttl: takes at most 1 argument, got 2; usage: ttl("}},
	{`store.get("int", ex=60)`, "TypeError", []string{"kv.get: unexpected keyword argument 'ex'; usage: get("}},
	{`store.keys(match="*")`, "TypeError", []string{"(use pattern=)"}},
	{`store.incr("int", amount=2)`, "TypeError", []string{"(use delta=)"}},

	// Calls on the module instead of a store.
	{`kv.clear()`, "TypeError", []string{"kv.clear: call it on a store, such as kv.default.clear()"}},
	{`kv.get("int")`, "TypeError", []string{"kv.get: call it on a store, such as kv.default.get()"}},
	{`kv.pop("default")`, "TypeError", []string{"kv.pop: call it on a store"}},
	{`kv.setdefault("a", 1)`, "TypeError", []string{"kv.setdefault: call get_or_set on a store, such as kv.default.get_or_set()"}},

	// An exception that arrives as an argument is raised again.
	{`store.set("k", raises())`, "KeyError", []string{"mine"}},
	{`x = store.set("k", raises())`, "KeyError", []string{"mine"}},
	{`store.set(raises(), 1)`, "KeyError", []string{"mine"}},
	{`store.set("k", 1, ttl=raises())`, "KeyError", []string{"mine"}},
	{`store.set("k", value=raises())`, "KeyError", []string{"mine"}},
	{`store.incr("int", raises())`, "KeyError", []string{"mine"}},
	{`store.update("int", lambda v: v, raises())`, "KeyError", []string{"mine"}},
	{`store.set_many(raises())`, "KeyError", []string{"mine"}},
	{`kv.open(raises())`, "KeyError", []string{"mine"}},
	{`store.set("k", [raises()])`, "TypeError", []string{"kv.set: cannot store a EXCEPTION at value[0]"}},

	// Stores and their names.
	{`kv.open("")`, "ValueError", []string{"kv.open: ", `":memory:NAME"`}},
	{`kv.open(":cache:")`, "ValueError", []string{"kv.open: ", `":cache:NAME"`}},
	{`kv.open(":Cache:c")`, "ValueError", []string{`kv.open: store name ":Cache:c" is not complete; use ":cache:NAME"`}},
	{`kv.open(":CACHE")`, "ValueError", []string{"kv.open: ", `":cache:NAME"`}},
	{`kv.open("cache:c")`, "ValueError", []string{"kv.open: ", `":cache:NAME"`}},
	{`kv.open(":Memory:c")`, "ValueError", []string{"kv.open: ", `":memory:NAME"`}},
	{`kv.open(":memory:")`, "ValueError", []string{"kv.open: ", `":memory:NAME"`}},
	{`kv.open(5)`, "TypeError", []string{"kv.open: name must be a str, not INTEGER"}},
	{`kv.open("nosuch://host/db")`, "ValueError", []string{`kv.open: no driver for scheme "nosuch"`}},
	{"kv.open(\"a\\0b\")", "ValueError", []string{"kv.open: ", "NUL"}},
	{`store()`, "TypeError", []string{"kv.store: a store is not a function; call its methods"}},
	{`store("int")`, "TypeError", []string{"a store is not a function"}},
	{`kv.default()`, "TypeError", []string{"a store is not a function"}},
}

func TestABadCallIsRefusedByNameAndChangesNothing(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b, newClock().option(), extlibs.MaxValueBytes(4096))
		eval(t, p, badValues+`
store.set("int", 1)
store.set("str", "5", ttl=60)
store.set("bool", True)
store.set("list", [1])
store.set("none", None)
store.set("most", 9223372036854775807)
store.set("least", 0 - 9223372036854775807 - 1)
store.set("k", "kept", ttl=30)
`)
		before := contents(t, h)
		for _, c := range badCalls {
			t.Run(c.statement, func(t *testing.T) {
				clause, message := caught(t, p, c.statement)
				if clause != c.clause {
					t.Errorf("raised %q (%s), want %q", clause, message, c.clause)
				}
				for _, part := range c.want {
					if !strings.Contains(message, part) {
						t.Errorf("message %q\nlacks %q", message, part)
					}
				}
				if strings.HasPrefix(c.want[0], "kv.") && !strings.HasPrefix(message, c.want[0]) {
					t.Errorf("message %q\ndoes not begin with %q", message, c.want[0])
				}
				if after := contents(t, h); after != before {
					t.Errorf("the store was\n%s\nand is\n%s", before, after)
				}
			})
		}
	})
}

// A call that is bad twice over must not get past the first fault.
func TestArgumentsThatDoNotFitASignatureAreTypeErrors(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b)
		eval(t, p, `store.set("key", 1)`)
		before := contents(t, h)
		for _, c := range contractCalls {
			object, prefix := "store.", "kv."+c.name+": "
			if c.name == "open" {
				object = "kv."
			}
			good := make([]string, len(c.params))
			required := 0
			for i, p := range c.params {
				good[i] = p.example
				if p.fallback == "" {
					required = i + 1
				}
			}
			refused := func(arguments, part string) {
				t.Helper()
				statement := object + c.name + "(" + arguments + ")"
				clause, message := caught(t, p, statement)
				if clause != "TypeError" || !strings.HasPrefix(message, prefix) || !strings.Contains(message, part) {
					t.Errorf("%s raised %s %q, want TypeError %s...%s", statement, clause, message, prefix, part)
				}
				if !strings.Contains(message, c.signature()) {
					t.Errorf("%s raised %q, which does not show %s", statement, message, c.signature())
				}
			}
			all := strings.Join(good, ", ")
			refused(strings.Join(append(append([]string{}, good...), "tll=5"), ", "), "unexpected keyword argument 'tll'")
			refused(strings.Join(append(append([]string{}, good...), "5"), ", "), fmt.Sprintf("got %d", len(good)+1))
			for i := range required {
				refused(strings.Join(good[:i], ", "), "missing argument '"+c.params[i].name+"'")
			}
			for _, param := range c.params {
				refused(all+", "+param.name+"="+param.example, "got argument '"+param.name+"' twice")
			}
		}
		if after := contents(t, h); after != before {
			t.Errorf("the store was\n%s\nand is\n%s", before, after)
		}
	})
}

func TestAnUnknownKeywordIsNamed(t *testing.T) {
	p, _ := scripted(t, backends[0])
	clause, message := caught(t, p, `kv.default.set("k", 1, tll=5)`)
	if want := "kv.set: unexpected keyword argument 'tll'"; clause != "TypeError" || !strings.HasPrefix(message, want) {
		t.Errorf("raised %s %q, want TypeError %q", clause, message, want)
	}
}

func TestAnUncaughtExceptionArgumentEndsTheScriptAsTheLanguageDoes(t *testing.T) {
	for _, statement := range []string{`x = kv.default.set("k", f())`, `kv.default.set("k", f())`} {
		r := backends[0].registry(t)
		got := output(t, r, "import scriptling.runtime.kv as kv\ndef f():\n    raise ValueError(\"boom\")\n"+statement+"\nprint(\"not reached\")\n")
		want := output(t, r, "import scriptling.runtime.kv as kv\ndef f():\n    raise ValueError(\"boom\")\nx = f()\n")
		if got != want || !strings.Contains(got, "Uncaught exception: boom") {
			t.Errorf("%s ended with %q, a raise with %q", statement, got, want)
		}
		if n, err := r.Default().Count(ctx, "*"); n != 0 || err != nil {
			t.Errorf("%s left %d keys (%v)", statement, n, err)
		}
	}
}

func TestAnErrorIsANewObjectEachTime(t *testing.T) {
	p, _ := scripted(t, backends[0])
	for _, blank := range []int{0, 3} {
		_, err := p.Eval(strings.Repeat("\n", blank) + `store.get("")`)
		if want := fmt.Sprintf("(line %d)", blank+1); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want one that ends in %s", err, want)
		}
	}
}

// waitTooLong is far more than the second in which a locked file must be
// refused, and far less than a hang.
const waitTooLong = 20 * time.Second

func TestFilesThatAreNotStoresAreRefusedAndLeftAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	textFile := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(textFile, []byte("these are notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken.db")
	holdInAnotherProcess(t, taken)

	for _, c := range []struct {
		name, path, want string
	}{
		{"a directory", dir, "directory"},
		{"a text file", textFile, "not a kv file"},
		{"a folder that does not exist", filepath.Join(dir, "nosuch", "kv.db"), "directory does not exist"},
		{"a path through a file", filepath.Join(textFile, "kv.db"), "directory"},
		{"a file in use by another process", taken, "in use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := backends[0].registry(t, extlibs.LockTimeout(10*time.Millisecond))
			p := interpreter(r, &bytes.Buffer{})
			if err := p.SetVar("path", c.path); err != nil {
				t.Fatal(err)
			}
			eval(t, p, "import scriptling.runtime.kv as kv")
			start := time.Now()
			clause, message := caught(t, p, "kv.open(path)")
			if clause != "OSError" || !strings.HasPrefix(message, "kv.open: ") || !strings.Contains(message, c.want) {
				t.Errorf("raised %s %q, want an OSError about %q", clause, message, c.want)
			}
			if took := time.Since(start); took > waitTooLong {
				t.Errorf("was refused after %v", took)
			}
			if n := len(r.Stores()); n != 0 {
				t.Errorf("%d stores are open", n)
			}
		})
	}
	if after, err := os.ReadFile(textFile); err != nil || string(after) != "these are notes\n" {
		t.Errorf("the text file now holds %q (%v)", after, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nosuch")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was created: %v", err)
	}
}

const holdVariable = "EXTLIBS_TEST_HOLD"

// holdInAnotherProcess opens a store in a child process for as long as the test
// runs.
func holdInAnotherProcess(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldAFileForAnotherTest$")
	cmd.Env = append(os.Environ(), holdVariable+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process said %q (%v)", line, err)
	}
}

// TestHoldAFileForAnotherTest is the other process, and nothing elsewhere.
func TestHoldAFileForAnotherTest(t *testing.T) {
	path := os.Getenv(holdVariable)
	if path == "" {
		t.Skip("runs in a child process of other tests")
	}
	r := newRegistry()
	defer r.Close()
	mustOpen(t, r, path)
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
}

func TestAClosedStoreSaysSoInEveryCall(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, _ := scripted(t, b)
		eval(t, p, "store.close()\nstore.close()")
		for _, c := range contractCalls {
			if c.name == "open" || c.name == "close" || c.name == "sub" { // a view has no state to close
				continue
			}
			clause, message := caught(t, p, "store."+c.name+"("+strings.Join(c.examples(), ", ")+")")
			if clause != "RuntimeError" || !strings.HasPrefix(message, "kv."+c.name+": store ") || !strings.HasSuffix(message, " is closed; call kv.open again") {
				t.Errorf("%s raised %s %q", c.name, clause, message)
			}
		}
		eval(t, p, "store = kv.open(name)\nstore.set(\"a\", 1)\nstore.close()")
	})
}

func TestTheMessageOfAClosedStoreNamesIt(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.open(\":memory:x\")\nstore.close()")
	clause, message := caught(t, p, `store.get("k")`)
	if want := `kv.get: store ":memory:x" is closed; call kv.open again`; clause != "RuntimeError" || message != want {
		t.Errorf("raised %s %q, want RuntimeError %q", clause, message, want)
	}
}

func TestClosingTheDefaultStoreDoesNothingByAnyName(t *testing.T) {
	r := newRegistry()
	t.Cleanup(func() { r.Close() })
	path := filepath.Join(t.TempDir(), "default.db")
	if err := r.Init(path); err != nil {
		t.Fatal(err)
	}
	p := interpreter(r, &bytes.Buffer{})
	if err := p.SetVar("path", path); err != nil {
		t.Fatal(err)
	}
	eval(t, p, `
import scriptling.runtime.kv as kv
kv.default.set("k", 1)
kv.default.close()
kv.default.close()
other = kv.open(path)
other.close()
other.close()
kv.open(path).close()
results = str([kv.default.get("k"), other.get("k")])
`)
	if got := text(t, p, "results"); got != "[1, 1]" {
		t.Errorf("results are %s", got)
	}
}

func TestATinyTTLExpiresAndIsNotForever(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		p, h := scripted(t, b, clock.option())
		for _, ttl := range []string{"1e-300", "5e-324", "1e-9", "0.4e-9"} {
			eval(t, p, `store.set("k", 1, ttl=float("`+ttl+`"))`)
			if left, err := h.TTL(ctx, "k"); left != time.Millisecond || err != nil {
				t.Errorf("ttl=%s: %v left (%v), want a millisecond", ttl, left, err)
			}
			clock.Advance(time.Millisecond)
			if there, err := h.Exists(ctx, "k"); there || err != nil {
				t.Errorf("ttl=%s: exists is %v (%v) a millisecond later", ttl, there, err)
			}
		}
	})
}
