package storetest_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/storetest"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func runOnToy(t *testing.T, fault string) {
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	storetest.Run(t, storetest.Config{
		Open:    func(t *testing.T) extlibs.Store { return newToy(c.Now, fault) },
		Advance: c.Advance,
	})
}

func TestASmallBackendOverAMapPasses(t *testing.T) { runOnToy(t, "") }

func TestABackendWhoseClockCannotBeMovedPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for real ttls")
	}
	t.Parallel()
	storetest.Run(t, storetest.Config{
		Open: func(t *testing.T) extlibs.Store { return newToy(nil, "") },
	})
}

// faultVariable makes this binary run the suite against a faulty toy, for
// TestTheSuiteFindsEachFault.
const faultVariable = "STORETEST_FAULT"

func TestFaulty(t *testing.T) {
	fault := os.Getenv(faultVariable)
	if fault == "" {
		t.Skip("TestTheSuiteFindsEachFault runs this")
	}
	if fault != "none" {
		storetest.Impatient()
	}
	runOnToy(t, fault)
}

// TestTheSuiteFindsEachFault runs the suite against a wrong backend in a child
// process, where it may fail.
func TestTheSuiteFindsEachFault(t *testing.T) {
	for _, tt := range []struct{ fault, found string }{
		{"ignores conditions", "swap leaves another value alone"},
		{"swap drops the ttl", "swap keeps the remaining ttl"},
		{"delete-if ignores the value", "delete-if leaves another value alone"},
		{"swap with a ttl keeps the old one", "swap with a ttl replaces the remaining ttl"},
		{"old value for nothing", "a result has the old value where it is needed, and only there"},
		{"incr takes its ttl each time", "incr of a live key keeps the remaining ttl"},
		{"set keeps the ttl", "set without a ttl makes a key permanent"},
		{"loses the old value", "set replaces a value and returns the old one"},
		{"load loses the ttl", "set stores a ttl"},
		{"lives one moment too long", "a key is live until its deadline and absent from then on"},
		{"len counts expired keys", "all calls agree about an expired key"},
		{"scan shows expired keys", "all calls agree about an expired key"},
		{"scan is in another order", "entries come in the order of their keys' bytes"},
		{"after is included", "prefix, after, before, limit and match select together, in either order"},
		{"before is ignored", "prefix, after, before, limit and match select together, in either order"},
		{"match is ignored", "prefix, after, before, limit and match select together, in either order"},
		{"reverse is ignored", "pages in descending order are complete and without repeats"},
		{"goes beyond the limit", "a page may end before its limit but never goes beyond it"},
		{"pages end early", "pages of thousands of keys are complete and without repeats"},
		{"pops in ascending order", "PopFirst removes and returns the first entry of a range"},
		{"pops expired keys", "PopFirst passes over expired keys"},
		{"pops large values", "PopFirst leaves a value that is too large"},
		{"pop lets others in", "concurrent callers of PopFirst get different keys, and together all of them"},
		{"pop lets others in", "PopFirst returns no key after a smaller one was stored"},
		{"batch is not undone", "a batch that fails in its last operation changes nothing"},
		{"batch does what it can", "transfers with conditions on all of their accounts keep the sum"},
		{"batch does what it can", "random batches with conditions do what a plain map does"},
		{"check of an absent key holds", "check compares and changes nothing"},
		{"batch lets others in", "a batch is never seen half done"},
		{"clear lets others in", "clear is never seen half done"},
		{"clear keeps the epoch", "clear changes the epoch of pages, and nothing else does"},
		{"apply lets others in", "incr loses nothing"},
		{"closed store answers", "a closed store answers every call with ErrClosed"},
		{"closing twice is an error", "closing twice is no error"},
		{"watch misses removals", "a watch reports each change of a key"},
		{"watch misses batches", "a watch reports the keys of batches of any size"},
		{"watch misses a clear", "a watch reports that any key can have changed after a clear"},
		{"watch misses expiry", "a watch reports expired keys"},
		{"watch reports too early", "a change is reported after reads see it, and the last one is not missed"},
		{"watch continues after stop", "a watch reports nothing after stop, and another one can begin"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			// Only the subtest in question runs: a fault may make others hang.
			path := subtestPattern(tt.found)
			out, err := runFaulty(t, tt.fault, path)
			if err == nil {
				t.Errorf("the suite passes")
			}
			name := strings.ReplaceAll(tt.found, " ", "_")
			if !strings.Contains(out, name) || !strings.Contains(out, "--- FAIL") || strings.Contains(out, "panic:") {
				t.Errorf("%q did not find it:\n%s", tt.found, out)
			}
			if out, err := runFaulty(t, "none", path); err != nil {
				t.Errorf("%q fails without the fault as well:\n%s", tt.found, out)
			}
		})
	}
}

func runFaulty(t *testing.T, fault, run string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", run, "-test.v")
	// The race detector would otherwise wait a second at the end.
	cmd.Env = append(os.Environ(), faultVariable+"="+fault, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if !strings.Contains(string(out), "=== RUN   TestFaulty/") {
		t.Fatalf("the child ran no subtest: %v\n%s", err, out)
	}
	return string(out), err
}

// subtestPattern selects a subtest by its name. Those of the table of
// operations are one level deeper.
func subtestPattern(name string) string {
	level := "^TestFaulty$/./^"
	for _, word := range []string{"swap ", "set ", "incr of ", "delete-if "} {
		if strings.HasPrefix(name, word) {
			level += "each operation does what Op.Next says$/^"
		}
	}
	return level + name + "$"
}
