package extlibs_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

var randomTime = flag.Duration("randomcalls", 0, "how long random calls run on each backend, 0 for a fixed number")

const randomCalls = 400 // on each backend and thread, without the flag

// randomPool defines the arguments of the calls: valid ones, nearly valid ones, and
// clearly invalid ones. It leaves out what the interpreter itself is busy with
// without an end: the text, or the key in a dict, of a small graph that is a large
// tree.
const randomPool = `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
store = kv.open(name)
class Thing:
    def __init__(self):
        self.n = 1
    def __iter__(self):
        return iter([1, 2])
    def __len__(self):
        return 5
    def __eq__(self, other):
        return True
    def method(self, *args):
        return store.get("a")
class Raises:
    def __init__(self):
        self.n = 1
    def __len__(self):
        raise ValueError("no length")
    def __hash__(self):
        return 5
def raises(*args):
    raise KeyError("random")
def nests(*args):
    return store.update("b", nests)
def clears(*args):
    store.clear()
    return 1
def closes(*args):
    store.close()
    return 1
def grows(*args):
    store.set_many({"g" + str(i): i for i in range(20)})
    return list(args)
def things(v):
    return Thing()
def rings(v):
    return ring
def sets_other(*args):
    return store.get_or_set("b", lambda: 5)
def starts(*args):
    return runtime.background("t", "raises")
ring = []
ring.append(ring)
dictring = {}
dictring["self"] = [dictring]
tower = 1
for i in range(600):
    tower = [tower]
tree = "x"
for i in range(40):
    tree = (tree, tree)
pool = [
    lambda: "a", lambda: "b", lambda: "*", lambda: {"a": 1, "b": [2]}, lambda: ["a", "b"], lambda: (lambda *a: list(a)), lambda: (lambda *a: len(a)), lambda: 1, lambda: 60,
    lambda: None, lambda: True, lambda: 0, lambda: 1, lambda: -1, lambda: 9223372036854775807, lambda: 0.5, lambda: 1e-9, lambda: 1e300, lambda: float("nan"), lambda: float("inf"),
    lambda: "", lambda: "a", lambda: "b", lambda: "a:*", lambda: "*", lambda: "[", lambda: "{a,b}*", lambda: "k" * 40000, lambda: "x" * 300000, lambda: bytes([255]).decode(), lambda: "\0",
    lambda: bytes([0, 255]), lambda: [], lambda: ["a", "b", "a"], lambda: ["a", 5], lambda: ("a", "b"), lambda: {}, lambda: {"a": 1, "b": [2]}, lambda: {1: 2}, lambda: {"": 1}, lambda: set(["a", "b"]), lambda: set([1, (2, "x")]),
    lambda: {"a": 1}.keys(), lambda: {"a": 1}.values(), lambda: {"a": 1}.items(), lambda: range(5), lambda: iter(["a", "b"]), lambda: map(str, [1, 2]), lambda: reversed(["a", "b"]),
    lambda: Thing, lambda: Thing(), lambda: Thing().method, lambda: Raises(), lambda: {Raises(): 1}, lambda: [Thing()], lambda: kv, lambda: store, lambda: store.get, lambda: kv.default,
    lambda: type, lambda: len, lambda: ring, lambda: dictring, lambda: tower, lambda: tree, lambda: ring * 3,
    lambda: (lambda: 1), lambda: (lambda v: v), lambda: (lambda k, v: False), lambda: (lambda *a: list(a)), lambda: raises, lambda: nests, lambda: clears, lambda: closes, lambda: grows, lambda: things, lambda: rings,
    lambda: sets_other, lambda: starts, lambda: raises(), lambda: (lambda v: v), lambda: (lambda v: {"a": 2}), lambda: (lambda v: {}),
]
keywords = ["key", "value", "ttl", "default", "pattern", "limit", "after", "before", "reverse", "keep_ttl", "fn", "keys", "dict", "old", "new", "prefix", "delta", "ex", "nonsense"]
def attempt(call, picks, named, view):
    args = [pool[i]() for i in picks]
    kwargs = {}
    for name, i in named:
        kwargs[keywords[name]] = pool[i]()
    target = store.sub("v:") if view else store
    try:
        getattr_call(target, call, args, kwargs)
    except Exception as e:
        text = str(e)
        if len(text) == 0:
            return "no text"
        return "raised " + text[:200]
    return "done"
`

// fits are the entries of the pool that fit a parameter.
var fits = map[string][]int{
	"key": {0, 1}, "value": {3, 4, 7}, "old": {3, 4, 7}, "new": {3, 4, 7}, "default": {7}, "ttl": {7, 8}, "delta": {7}, "prefix": {0, 1},
	"fn": {5, 6}, "pattern": {0, 2}, "limit": {7}, "after": {0}, "before": {1}, "reverse": {10}, "keep_ttl": {10}, "keys": {4}, "dict": {3}, "timeout": {11, 16}, "wait": {11, 16},
}

func TestRandomArgumentsNeitherKillNorHangNorDamageAStore(t *testing.T) {
	const threads = 2
	calls := slices.DeleteFunc(slices.Clone(contractCalls), func(c contractCall) bool { return c.name == "open" })
	forEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		r := b.registry(t, extlibs.MaxKeys(1000), extlibs.MaxMemoryBytes(16<<20), extlibs.MaxOperationBytes(4<<20), extlibs.MaxValueBytes(256<<10), extlibs.MaxTasks(8))
		store := b.storeName(t)
		end := time.Now().Add(*randomTime)
		var wg sync.WaitGroup
		for thread := range threads {
			wg.Go(func() {
				rng := kvtest.Rand(t, uint64(thread))
				p := interpreter(r, &bytes.Buffer{})
				if err := p.SetVar("name", store); err != nil {
					t.Error(err)
					return
				}
				var dispatch strings.Builder
				dispatch.WriteString("def getattr_call(target, call, args, kwargs):\n")
				for _, c := range calls {
					fmt.Fprintf(&dispatch, "    if call == %q:\n        x = target.%s(*args, **kwargs)\n        return 1\n", c.name, c.name)
				}
				if _, err := p.Eval(dispatch.String() + randomPool); err != nil {
					t.Error(err)
					return
				}
				n, err := p.GetVarAsList("pool")
				if err != nil {
					t.Error("no pool")
					return
				}
				pick := func() int { return rng.IntN(len(n)) }
				done, made := 0, 0
				for i := 0; i < randomCalls || time.Now().Before(end); i++ {
					c := calls[rng.IntN(len(calls))]
					picks, named := []any{}, []any{}
					for _, p := range c.params {
						switch {
						case rng.IntN(3) > 0:
							picks = append(picks, fits[p.name][rng.IntN(len(fits[p.name]))])
						case p.fallback == "" || rng.IntN(2) == 0:
							picks = append(picks, pick())
						}
					}
					if rng.IntN(8) == 0 {
						picks = append(picks, pick())
					}
					if rng.IntN(6) == 0 {
						named = append(named, []any{rng.IntN(16), pick()})
					}
					deadline := time.Minute
					if strings.HasPrefix(c.name, "wa") || c.name == "pop_first" { // calls that wait
						deadline = 20 * time.Millisecond
					}
					limited, cancel := context.WithTimeout(ctx, deadline)
					start := time.Now()
					result, err := p.CallFunctionWithContext(limited, "attempt", c.name, picks, named, rng.IntN(4) == 0)
					cancel()
					if made++; err == nil && result.Inspect() == "done" {
						done++
					}
					what := fmt.Sprintf("call %d: %s of %v and %v", i, c.name, picks, named)
					if took := time.Since(start); took > 20*time.Second {
						t.Errorf("%s took %v", what, took)
					}
					switch {
					case err != nil && strings.Contains(err.Error(), "panic"):
						t.Errorf("%s: %v", what, err)
					case err == nil && result.Inspect() == "no text":
						t.Errorf("%s raised an error without a text", what)
					case err != nil && !strings.Contains(err.Error(), "random") && !strings.Contains(err.Error(), "raise"):
						t.Logf("%s: %v", what, err)
					}
					if _, err := p.Eval("store = kv.open(name)"); err != nil { // another thread may close it
						t.Errorf("%s: the store cannot be opened: %v", what, err)
						return
					}
				}
				if done < made/10 || done == made {
					t.Errorf("%d of %d calls were done, the others raised: the arguments do not try much", done, made)
				}
			})
		}
		wg.Wait()
		h := mustOpen(t, r, store)
		items, err := h.Items(ctx, extlibs.ListOptions{})
		n, err2 := h.Count(ctx, "*")
		if err != nil || err2 != nil || n != len(items) {
			t.Errorf("the store counts %d keys (%v) and holds %d (%v)", n, err2, len(items), err)
		}
		if b.persistent {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if m, err := mustOpen(t, r, store).Count(ctx, "*"); m != n || err != nil {
				t.Errorf("opened again it holds %d keys (%v), want %d", m, err, n)
			}
		}
	})
}
