package extlibs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
)

// The tests below start processes that make calls under a limit, each with a value or
// with keys of another shape, and ask the kernel how much memory a call took at most.

const (
	memoryChild    = "KV_MEMORY_CHILD" // environment variable: the shape that a child is to use
	operationLimit = 64 << 20          // MaxOperationBytes of the children
	memoryAllowed  = operationLimit * 3 / 2
)

// valueShapes are values as scripts write them, of about n parts each.
var valueShapes = map[string]string{
	"dicts of None":      `[{None: None}] * n`,
	"dicts of nine":      `[{str(i): i for i in range(9)}] * (n // 9)`,
	"records":            `[{"name": "Ada", "age": 36, "mail": "a@b.c", "on": True, "score": 1.5}] * (n // 5)`,
	"empty dicts":        `[{}] * n`,
	"lists of lists":     `[[[[[1]]]]] * (n // 4)`,
	"deep lists":         `[deep(300)] * (n // 300)`,
	"tuples":             `[(1000, 2000)] * n`,
	"sets of one":        `[set([1])] * n`,
	"sets of nine":       `[set(range(9))] * (n // 9)`,
	"short texts":        `["ab"] * n`,
	"texts of 100":       `["x" * 100] * (n // 8)`,
	"small ints":         `[1] * n`,
	"ints":               `[1000000] * n`,
	"floats":             `[1.5] * n`,
	"one dict of ints":   `{i + 100000: i for i in range(n // 8)}`,
	"one dict of texts":  `{"k:" + str(i): "v" for i in range(n // 8)}`,
	"one dict of tuples": `{(i, "k", i): i for i in range(n // 8)}`,
	"one set of texts":   `set([str(i) for i in range(n // 8)])`,
	"one set of tuples":  `set([(i, i) for i in range(n // 8)])`,
}

const memoryHelpers = `
def deep(n):
    x = {None: None}
    for i in range(n):
        x = [x]
    return x

def fill(n):
    i = 0
    while i < n:
        store.set_many({str(j): 1 for j in range(i, min(n, i + 20000))})
        i += 20000
`

// readCalls read a value that is stored under k. They keep what they get.
var readCalls = []string{
	`store.get("k")`, `store.items()`, `store.get_many(["k"])`, `store.each(lambda k, v: True)`,
	`store.update("k", lambda old: old)`, `store.compare_and_set("k", {1: 2}, 3)`, `store.pop("k")`,
}

// keyShapes are calls on about n keys, and what comes before them.
var keyShapes = map[string][2]string{
	"set ints":        {`d = {"%07d" % i: 1 for i in range(n)}`, `store.set_many(d)`},
	"set dicts":       {`d = {"%07d" % i: {"a": 1} for i in range(n)}`, `store.set_many(d)`},
	"set long keys":   {`d = {"%07d" % i + "k" * 1000: 1 for i in range(n // 10)}`, `store.set_many(d)`},
	"get":             {"d = [str(i) for i in range(n)]\nfill(n)", `store.get_many(d)`},
	"get absent":      {`d = [str(i) for i in range(n)]`, `store.get_many(d)`},
	"delete":          {"d = [str(i) for i in range(n)]\nfill(n)", `store.delete_many(d)`},
	"keys":            {`fill(n)`, `store.keys()`},
	"items":           {`fill(n)`, `store.items()`},
	"each":            {`fill(n)`, `store.each(lambda k, v: True)`},
	"delete matching": {`fill(n)`, `store.delete_matching("*1")`},
}

// resident returns the resident memory of this process, and the most of it since
// resetPeak.
func resident() (now, peak int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	field := func(name string) int64 {
		_, rest, _ := strings.Cut(string(status), name+":")
		n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			panic(err)
		}
		return n << 10
	}
	return field("VmRSS"), field("VmHWM")
}

// measured returns by how much the resident memory grows at most while f runs.
func measured(f func()) int64 {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		panic(err)
	}
	before, _ := resident()
	f()
	_, peak := resident()
	return peak - before
}

// inChild runs the test of that name again in a process of its own.
func inChild(t *testing.T, test, shape string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), memoryChild+"="+shape, "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// checkedCall makes a call from a script, with its result in v, and checks what it took.
// It returns the name of the error that it raised.
func checkedCall(t *testing.T, call string, p *scriptling.Scriptling, held func() int64) (clause string) {
	t.Helper()
	before := held()
	took := measured(func() { clause, _ = caught(t, p, "v = None\nv = "+call) })
	took -= held() - before
	t.Logf("%s: %s %d MB", call, clause, took>>20)
	if took > memoryAllowed {
		t.Errorf("%s took %d MB, the limit is %d MB", call, took>>20, operationLimit>>20)
	}
	return clause
}

func TestNoValueTakesMoreMemoryThanTheLimitOfAnOperation(t *testing.T) {
	shape, isChild := os.LookupEnv(memoryChild)
	if !isChild {
		for shape := range valueShapes {
			if shape != "dicts of None" && testing.Short() {
				continue
			}
			t.Run(shape, func(t *testing.T) { inChild(t, "TestNoValueTakesMoreMemoryThanTheLimitOfAnOperation", shape) })
		}
		return
	}
	r := extlibs.NewRegistry(extlibs.MaxOperationBytes(operationLimit))
	h := r.Default()
	p := interpreter(r, &bytes.Buffer{})
	nothing := func() int64 { return 0 }
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.default\n"+memoryHelpers)
	for n := 6 << 20; ; n /= 2 {
		eval(t, p, fmt.Sprintf("n = %d\nlarge = %s", n, valueShapes[shape]))
		t.Logf("n is %d", n)
		if clause := checkedCall(t, `store.set("k", large)`, p, nothing); clause == "" {
			break
		} else if clause != "ValueError" {
			t.Fatalf("set raised a %s", clause)
		}
	}
	eval(t, p, "large = None")
	took := measured(func() {
		v, err := h.Get(ctx, "k")
		must(t, err)
		runtime.KeepAlive(v)
	})
	if took > memoryAllowed {
		t.Errorf("Get took %d MB", took>>20)
	}
	for _, call := range readCalls {
		if clause := checkedCall(t, call, p, nothing); clause != "" {
			t.Errorf("%s raised a %s, the value is within the limits", call, clause)
		}
		eval(t, p, "v = None")
	}
}

func TestNoCallOnManyKeysTakesMoreMemoryThanTheLimitOfAnOperation(t *testing.T) {
	const name = "TestNoCallOnManyKeysTakesMoreMemoryThanTheLimitOfAnOperation"
	child, isChild := os.LookupEnv(memoryChild)
	if !isChild {
		for shape := range keyShapes {
			if shape != "set ints" && testing.Short() {
				continue
			}
			for _, b := range backends[:2] {
				t.Run(b.name+"/"+shape, func(t *testing.T) { inChild(t, name, b.name+"/"+shape) })
			}
		}
		return
	}
	backendName, shape, _ := strings.Cut(child, "/")
	b := backends[0]
	if backendName == onDisk.name {
		b = onDisk
	}
	r := b.registry(t, extlibs.MaxOperationBytes(operationLimit))
	if b.persistent {
		must(t, r.Init(b.storeName(t)))
	}
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.default\n"+memoryHelpers)
	// What a store of keys takes has a limit that is none of a call's.
	held := func() int64 {
		if b.persistent {
			return 0
		}
		return statsOf(t, r.Default()).Bytes
	}
	for n := 400_000; ; n = n * 2 / 3 {
		eval(t, p, fmt.Sprintf("v = None\nn = %d\n%s", n, keyShapes[shape][0]))
		if clause := checkedCall(t, keyShapes[shape][1], p, held); clause == "" {
			break
		} else if clause != "ValueError" {
			t.Fatalf("%s raised a %s", keyShapes[shape][1], clause)
		}
		eval(t, p, "v = None\nstore.clear()")
	}
}
