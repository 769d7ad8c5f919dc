package extlibs_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDuplicatesInGetManyCostOnce(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		p, _ := scripted(t, b)
		eval(t, p, `store.set("k", "x" * 1000000)`)
		took := allocated(func() { eval(t, p, `n = len(store.get_many(["k"] * 10000)["k"])`) })
		if took > 16<<20 {
			t.Errorf("10,000 times the same key of 1 MB took %d MB", took>>20)
		}
		eval(t, p, `
some = store.get_many(["k", "k", "nope", "k", "nope"])
result = str([len(some), len(some["k"]), store.delete_many(["k", "k"])])
`)
		if got := text(t, p, "result"); got != "[1, 1000000, 1]" {
			t.Errorf("result is %s", got)
		}
	})
}

const tooMuch = "it would hold more than 8388608 bytes of keys and values at once; take fewer keys at a time, or let the host raise MaxOperationBytes"

func TestOneCallHoldsABoundedNumberOfBytes(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b, extlibs.MaxOperationBytes(8<<20))
		eval(t, p, `
big = "x" * 1000000
for i in range(12):
    store.set("key" + str(i), big)
for i in range(0, 30000, 1000):
    store.set_many({("k" * 250) + str(i + j): 1 for j in range(1000)})
all = ["key" + str(i) for i in range(12)]
shared = {"new" + str(i): big for i in range(2500)}
names = ["n" * 1000 + str(i) for i in range(9000)]
`)
		for _, statement := range []string{
			`store.get_many(all)`, `store.items("key*")`, `store.items()`, `store.keys()`,
			`store.set_many(shared)`, `store.get_many(names)`, `store.delete_many(names)`,
		} {
			var clause, message string
			took := allocated(func() { clause, message = caught(t, p, statement) })
			if clause != "ValueError" || !strings.HasPrefix(message, "kv.") || !strings.HasSuffix(message, tooMuch) {
				t.Errorf("%s raised %s %q", statement, clause, message)
			}
			if took > 200<<20 {
				t.Errorf("%s took %d MB", statement, took>>20)
			}
		}
		eval(t, p, `
result = str([len(store.get_many(all[:7])), len(store.items("key*", limit=7)), len(store.keys("key*")), store.count(), len(store.keys(limit=1000))])
`)
		if got := text(t, p, "result"); got != "[7, 7, 12, 30012, 1000]" {
			t.Errorf("within the limit: %s", got)
		}
		if n, err := h.Count(ctx, "new*"); n != 0 || err != nil {
			t.Errorf("%d keys of the refused set_many are there (%v)", n, err)
		}
	})
}

func TestCallsOfManyKeysLookAtTheirContext(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		p, _ := scripted(t, b, extlibs.MaxOperationBytes(1<<30))
		eval(t, p, `
for i in range(0, 20000, 1000):
    store.set_many({"key" + str(i + j): "x" * 100 for j in range(1000)})
keys = store.keys()
dict = {k: "y" * 100 for k in keys}
`)
		for _, statement := range []string{
			"store.get_many(keys)", "store.set_many(dict)", "store.delete_many(keys)", "store.items()", "store.keys()", `store.count("*5*")`,
		} {
			name := strings.Split(statement, "(")[0]
			eval(t, p, fmt.Sprintf("def call():\n    return %s\n", statement))
			cancelled, cancel := context.WithDeadline(ctx, time.Now())
			result, err := p.CallFunctionWithContext(cancelled, "call")
			cancel()
			if err == nil {
				t.Errorf("%s returned %.40s with a context that was over", name, result.Inspect())
			}
		}
		eval(t, p, "result = str([store.count(), store.get(\"key7\") == \"x\" * 100])")
		if got := text(t, p, "result"); got != "[20000, true]" {
			t.Errorf("after the calls that were refused: %s", got)
		}
	})
}
