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
	"time"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// The tests below start processes that make calls under a limit, each with a value or
// with keys of another shape, and ask the kernel how much memory a call took at most.

const (
	memoryChild    = "KV_MEMORY_CHILD" // environment variable: the shape that a child is to use
	operationLimit = 64 << 20          // MaxOperationBytes of the children
	memoryAllowed  = operationLimit * 3 / 2
	logMemory      = 4 * extlibs.DefaultLogBytes // that a store on disk may take besides, for its log
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

// resident returns the memory of this process that is its own: without the pages of
// files that it maps, which the system takes back when it needs them.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		panic(err)
	}
	return n << 10
}

// measured returns by how much that grows at most while f runs. The kernel keeps no peak
// of it, so it is read all the time.
func measured(f func()) int64 {
	debug.FreeOSMemory()
	before := resident()
	peak, done := make(chan int64), make(chan struct{})
	go func() {
		most := int64(0)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-tick.C:
				most = max(most, resident())
			case <-done:
				tick.Stop()
				peak <- max(most, resident())
				return
			}
		}
	}()
	f()
	close(done)
	return <-peak - before
}

// inChild runs the test of that name again in a separate process. The collector of a process
// that waits for processors frees memory late, so one of three processes has to succeed.
func inChild(t *testing.T, test, shape string) {
	t.Helper()
	for try := 1; ; try++ {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.v")
		cmd.Env = append(os.Environ(), memoryChild+"="+shape, "TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		switch {
		case err == nil:
			return
		case try == 3:
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%v\n%s", err, out)
	}
}

// skipMeasuring skips a test that measures processes of 100 MB, in which others must not
// get in the way.
func skipMeasuring(t *testing.T) {
	t.Helper()
	switch {
	case underRace():
		t.Skip("the race detector multiplies what the process takes")
	case testing.Short():
		t.Skip("measures large processes; TestOneCallHoldsABoundedNumberOfBytes counts allocations")
	}
}

// checkedCall makes a call from a script, with its result in v, and checks what it took.
// It returns the name of the error that it raised.
func checkedCall(t *testing.T, call string, p *scriptling.Scriptling, allowed int64, held func() int64) (clause string) {
	t.Helper()
	before := held()
	took := measured(func() { clause, _ = caught(t, p, "v = None\nv = "+call) })
	took -= held() - before
	t.Logf("%s: %s %d MB", call, clause, took>>20)
	if took > allowed {
		t.Errorf("%s took %d MB, %d MB are allowed", call, took>>20, allowed>>20)
	}
	return clause
}

func TestNoValueTakesMoreMemoryThanTheLimitOfAnOperation(t *testing.T) {
	skipMeasuring(t)
	shape, isChild := os.LookupEnv(memoryChild)
	if !isChild {
		for _, shape := range kvtest.SampleUnlessNightly(t, valueShapes, 4) {
			t.Run(shape, func(t *testing.T) { inChild(t, "TestNoValueTakesMoreMemoryThanTheLimitOfAnOperation", shape) })
		}
		return
	}
	r := newRegistry(extlibs.MaxOperationBytes(operationLimit))
	h := r.Default()
	p := interpreter(r, &bytes.Buffer{})
	nothing := func() int64 { return 0 }
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.default\n"+memoryHelpers)
	accepted := func(n int) bool {
		eval(t, p, fmt.Sprintf("n = %d\nlarge = %s", n, valueShapes[shape]))
		t.Logf("n is %d", n)
		clause := checkedCall(t, `store.set("k", large)`, p, memoryAllowed, nothing)
		if clause != "" && clause != "ValueError" {
			t.Fatalf("set raised a %s", clause)
		}
		return clause == ""
	}
	if kvtest.Nightly() && accepted(6<<20) {
		t.Fatal("the largest value is within the limits")
	}
	n := 96 << 10
	for accepted(2 * n) {
		n *= 2
	}
	accepted(n)
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
		allowed := int64(memoryAllowed)
		if strings.Contains(call, "update") {
			allowed *= 2 // the old value and the new one
		}
		if clause := checkedCall(t, call, p, allowed, nothing); clause != "" {
			t.Errorf("%s raised a %s, the value is within the limits", call, clause)
		}
		eval(t, p, "v = None")
	}
}

func TestNoCallOnManyKeysTakesMoreMemoryThanTheLimitOfAnOperation(t *testing.T) {
	skipMeasuring(t)
	const name = "TestNoCallOnManyKeysTakesMoreMemoryThanTheLimitOfAnOperation"
	child, isChild := os.LookupEnv(memoryChild)
	if !isChild {
		for _, shape := range kvtest.SampleUnlessNightly(t, keyShapes, 3) {
			for _, b := range backends[:2] {
				if b.persistent && shape == "set long keys" {
					continue // a call that its log cannot take is one transaction of the engine, which takes several times its bytes
				}
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
	allowed := int64(memoryAllowed)
	if b.persistent {
		allowed += logMemory
	}
	// What a store of keys takes has a limit that is none of a call's.
	held := func() int64 {
		if b.persistent {
			return 0
		}
		return statsOf(t, r.Default()).Bytes
	}
	for n := 400_000; ; n = n * 2 / 3 {
		eval(t, p, fmt.Sprintf("v = None\nn = %d\n%s", n, keyShapes[shape][0]))
		if clause := checkedCall(t, keyShapes[shape][1], p, allowed, held); clause == "" {
			break
		} else if clause != "ValueError" {
			t.Fatalf("%s raised a %s", keyShapes[shape][1], clause)
		}
		eval(t, p, "v = None\nstore.clear()")
	}
}
