package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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

// leastAllocated is the least of up to three runs of f, because what a checkpoint in
// the background allocates counts as well. It ends at one that is within a limit.
func leastAllocated(limit uint64, f func()) uint64 {
	least := allocated(f)
	for n := 1; n < 3 && least > limit; n++ {
		least = min(least, allocated(f))
	}
	return least
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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

const tooMuch = "the call exceeds the limit of 2097152 bytes of keys and values; use fewer keys at a time, or raise MaxOperationBytes in the host"

func TestOneCallHoldsABoundedNumberOfBytes(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		p, h := scripted(t, b, extlibs.MaxOperationBytes(2<<20))
		eval(t, p, `
big = "x" * 250000
for i in range(12):
    store.set("key" + str(i), big)
for i in range(0, 7500, 500):
    store.set_many({("k" * 250) + str(i + j): 1 for j in range(500)})
all = ["key" + str(i) for i in range(12)]
shared = {"new" + str(i): big for i in range(2500)}
names = ["n" * 1000 + str(i) for i in range(2250)]
`)
		for _, statement := range []string{
			`store.get_many(all)`, `store.items("key*")`, `store.items()`, `store.keys()`,
			`store.set_many(shared)`, `store.get_many(names)`, `store.delete_many(names)`,
		} {
			var clause, message string
			const limit = 50 << 20
			took := leastAllocated(limit, func() { clause, message = caught(t, p, statement) })
			if clause != "ValueError" || !strings.HasPrefix(message, "kv.") || !strings.HasSuffix(message, tooMuch) {
				t.Errorf("%s raised %s %q", statement, clause, message)
			}
			if took > limit {
				t.Errorf("%s took %d MB", statement, took>>20)
			}
		}
		eval(t, p, `
result = str([len(store.get_many(all[:7])), len(store.items("key*", limit=7)), len(store.keys("key*")), store.count(), len(store.keys(limit=1000))])
`)
		if got := text(t, p, "result"); got != "[7, 7, 12, 7512, 1000]" {
			t.Errorf("within the limit: %s", got)
		}
		if n, err := h.Count(ctx, "new*"); n != 0 || err != nil {
			t.Errorf("%d keys of the refused set_many are there (%v)", n, err)
		}
	})
}

func TestCallsOfManyKeysLookAtTheirContext(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		p, _ := scripted(t, b, extlibs.MaxOperationBytes(1<<30))
		eval(t, p, `
for i in range(0, 5000, 1000):
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
		if got := text(t, p, "result"); got != "[5000, true]" {
			t.Errorf("after the calls that were refused: %s", got)
		}
	})
}

func TestTheLimitOfAnOperationHoldsForHostsToo(t *testing.T) {
	forEachBackend(t, func(t *testing.T, b backend) {
		_, h := scripted(t, b, extlibs.MaxOperationBytes(2<<20))
		big := strings.Repeat("x", 250_000)
		var keys, names []string
		many, small := map[string]any{}, map[string]any{}
		for i := range 12 {
			keys = append(keys, fmt.Sprint("key", i))
			must(t, h.Set(ctx, keys[i], big, 0))
			many[fmt.Sprint("new", i)] = big
		}
		for i := range 75 {
			names = append(names, fmt.Sprintf("%s%03d", strings.Repeat("n", 32000), i))
			small[names[i]] = 1
			if len(small) == 25 {
				must(t, h.SetMany(ctx, small, 0))
				clear(small)
			}
		}
		encoded := mustEncode(t, big)
		ops := make([]extlibs.Op, 12)
		for i := range ops {
			ops[i] = extlibs.Op{Kind: extlibs.OpAdd, Key: fmt.Sprint("op", i), Value: encoded}
		}
		for name, call := range map[string]func() error{
			"GetMany":    func() error { _, err := h.GetMany(ctx, keys); return err },
			"GetMany2":   func() error { _, err := h.GetMany(ctx, names); return err },
			"SetMany":    func() error { return h.SetMany(ctx, many, 0) },
			"DeleteMany": func() error { _, err := h.DeleteMany(ctx, names); return err },
			"Keys":       func() error { _, err := h.Keys(ctx, extlibs.ListOptions{}); return err },
			"Items":      func() error { _, err := h.Items(ctx, extlibs.ListOptions{Pattern: "key*"}); return err },
			"LoadMany":   func() error { _, err := h.Store().LoadMany(ctx, keys, extlibs.NeedValue); return err },
			"ApplyMany":  func() error { _, err := h.Store().ApplyMany(ctx, ops); return err },
			"view": func() error {
				_, err := h.Sub("k").GetMany(ctx, []string{"ey0", "ey1", "ey2", "ey3", "ey4", "ey5", "ey6", "ey7", "ey8"})
				return err
			},
		} {
			var err error
			const limit = 32 << 20
			took := leastAllocated(limit, func() { err = call() })
			if !errors.Is(err, extlibs.ErrTooLarge) || !strings.HasSuffix(fmt.Sprint(err), tooMuch) {
				t.Errorf("%s: %.200v", name, err)
			}
			if took > limit {
				t.Errorf("%s took %d MB", name, took>>20)
			}
		}
		if n, err := h.Count(ctx, "*"); n != 87 || err != nil {
			t.Errorf("%d keys after the calls that were refused (%v)", n, err)
		}

		values, err := h.GetMany(ctx, append(slices.Repeat(keys[:1], 1000), keys[:6]...))
		if len(values) != 6 || err != nil {
			t.Errorf("GetMany within the limit: %d values (%v)", len(values), err)
		}
		if entries, err := h.Store().LoadMany(ctx, keys, 0); len(entries) != 12 || err != nil {
			t.Errorf("LoadMany of keys alone: %d entries (%v)", len(entries), err)
		}
		n := 0
		for _, err := range h.All(ctx, extlibs.ListOptions{}) {
			must(t, err)
			n++
		}
		if n != 87 {
			t.Errorf("All gave %d items", n)
		}
		if n, err := h.DeleteMatching(ctx, "n*"); n != 75 || err != nil {
			t.Errorf("DeleteMatching removed %d keys (%v)", n, err)
		}
	})
}

func TestACallThatIsTooLargeEndsBeforeTheFilesValuesAreCopied(t *testing.T) {
	name := onDisk.storeName(t)
	before := onDisk.registry(t)
	h := mustOpen(t, before, name)
	big := mustEncode(t, strings.Repeat("x", 250_000))
	remove, read := make([]extlibs.Op, 100), make([]extlibs.Op, 100)
	for i := range remove {
		key := fmt.Sprint("key", i)
		if _, err := h.Store().Apply(ctx, extlibs.Op{Kind: extlibs.OpSet, Key: key, Value: big}); err != nil {
			t.Fatal(err)
		}
		remove[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: key}
		read[i] = extlibs.Op{Kind: extlibs.OpDelete, Key: key, NeedOld: true}
	}
	keys := make([]string, len(remove))
	for i, op := range remove {
		keys[i] = op.Key
	}
	must(t, before.Close()) // a checkpoint in the background allocates, too
	h = mustOpen(t, onDisk.registry(t, extlibs.MaxOperationBytes(2<<20)), name)

	var err error
	took := allocated(func() { _, err = h.GetMany(ctx, keys) })
	if !errors.Is(err, extlibs.ErrTooLarge) || took > 8<<20 {
		t.Errorf("GetMany of 25 MB: %v, after %d MB", err, took>>20)
	}
	took = allocated(func() { _, err = h.Store().ApplyMany(ctx, read) })
	if !errors.Is(err, extlibs.ErrTooLarge) || took > 8<<20 {
		t.Errorf("a batch that reads 25 MB: %v, after %d MB", err, took>>20)
	}
	took = allocated(func() { _, err = h.Store().ApplyMany(ctx, remove) })
	if err != nil || took > 8<<20 {
		t.Errorf("a batch that removes 25 MB: %v, after %d MB", err, took>>20)
	}
	if n, err := h.Count(ctx, "*"); n != 0 || err != nil {
		t.Errorf("%d keys are left (%v)", n, err)
	}
}

func TestAFileIsNotAskedForValuesThatNobodyNeeds(t *testing.T) {
	name := onDisk.storeName(t)
	for call, run := range map[string]func(h *extlibs.Handle) error{
		"Exists": func(h *extlibs.Handle) error { _, err := h.Exists(ctx, "k"); return err },
		"TTL":    func(h *extlibs.Handle) error { _, err := h.TTL(ctx, "k"); return err },
		"LoadMany": func(h *extlibs.Handle) error {
			_, err := h.Store().LoadMany(ctx, []string{"k"}, extlibs.NeedTTL)
			return err
		},
		"Add":    func(h *extlibs.Handle) error { _, err := h.Add(ctx, "k", 1, 0); return err },
		"Set":    func(h *extlibs.Handle) error { return h.Set(ctx, "k", 1, 0) },
		"Delete": func(h *extlibs.Handle) error { _, err := h.Delete(ctx, "k"); return err },
	} {
		r := newRegistry()
		must(t, mustOpen(t, r, name).Set(ctx, "k", strings.Repeat("x", 4_000_000), time.Hour))
		must(t, r.Close()) // a checkpoint in the background allocates, too

		r = newRegistry()
		h := mustOpen(t, r, name)
		var err error
		if took := allocated(func() { err = run(h) }); err != nil || took > 2<<20 {
			t.Errorf("%s took %d KB for a value of 4 MB (%v)", call, took>>10, err)
		}
		must(t, r.Close())
	}
}
