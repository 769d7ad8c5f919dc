// Package kvtest has the helpers that the tests of all packages share: seeds that repeat a
// failure, the tiers of tests, and folders for what a failed test leaves.
//
// Environment variables control it, because child processes inherit them:
//
//	KV_SEED=N        repeats the random choices of a run that printed this seed
//	KV_NIGHTLY=1     also runs what takes hours: all cases instead of a sample
//	KV_KEEP=FOLDER   is where failed states are kept; otherwise the folder for temporary files
package kvtest

import (
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	seedVariable    = "KV_SEED"
	nightlyVariable = "KV_NIGHTLY"
	keepVariable    = "KV_KEEP"
)

// given returns the seed of KV_SEED, if it is set.
var given = sync.OnceValues(func() (seed uint64, ok bool) {
	text := os.Getenv(seedVariable)
	if text == "" {
		return 0, false
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s=%q is not an unsigned integer", seedVariable, text))
	}
	return seed, true
})

// choices are the seed of a running test, and how many samples it has taken.
type choices struct {
	seed    uint64
	samples atomic.Uint64
}

var running sync.Map // testing.TB -> *choices

func choicesOf(t testing.TB) *choices {
	t.Helper()
	n, ok := given()
	if !ok {
		n = rand.Uint64()
	}
	c := &choices{seed: n ^ hash(t.Name())}
	if before, loaded := running.LoadOrStore(t, c); loaded {
		return before.(*choices)
	}
	t.Cleanup(func() { running.Delete(t) })
	t.Logf("to repeat the random choices: %s=%d", seedVariable, n)
	return c
}

// Seed returns the seed of the test's random choices: the same in all calls of one test,
// another one in each run of it, unless KV_SEED is set. It logs how to repeat the choices;
// a failed test shows the log.
func Seed(t testing.TB) uint64 {
	t.Helper()
	return choicesOf(t).seed
}

// Rand returns a source of the test's random choices. Sources of different streams differ;
// each goroutine needs its own.
func Rand(t testing.TB, stream ...uint64) *rand.Rand {
	t.Helper()
	return source(Seed(t), stream)
}

func source(seed uint64, stream []uint64) *rand.Rand {
	n := uint64(0)
	for _, s := range stream {
		n = n*1_000_003 + s + 1
	}
	return rand.New(rand.NewPCG(seed, n))
}

func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

var streams struct {
	sync.Mutex
	made map[string]uint64
}

// ProcessRand returns a source for a process that a test started with ChildEnv. Each call with the same name returns a source with another stream.
func ProcessRand(name string) *rand.Rand {
	streams.Lock()
	defer streams.Unlock()
	if streams.made == nil {
		streams.made = map[string]uint64{}
	}
	streams.made[name]++
	seed, ok := given()
	if !ok {
		seed = rand.Uint64()
	}
	return source(seed^hash(name), []uint64{streams.made[name]})
}

// ChildEnv returns the environment of a child process: env, and a seed that r chooses.
func ChildEnv(env []string, r *rand.Rand) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, seedVariable+"=") })
	return append(env, fmt.Sprintf("%s=%d", seedVariable, r.Uint64()))
}

// Nightly reports whether tests try all cases where they otherwise try a sample.
func Nightly() bool { return os.Getenv(nightlyVariable) != "" }

// Sized returns how many cases a test tries: with -short, in a full run, and with
// KV_NIGHTLY.
func Sized(short, full, nightly int) int {
	switch {
	case testing.Short():
		return short
	case Nightly():
		return nightly
	}
	return full
}

// OnceIn skips a test with -short, but for one run in n: for tests that take seconds, and make
// no concurrent calls that others do not make too.
func OnceIn(t testing.TB, n int) {
	t.Helper()
	const stream = 1 << 33 // no other source has it
	if testing.Short() && Rand(t, stream).IntN(n) > 0 {
		t.Skipf("with -short it runs once in %d times", n)
	}
}

// Sample returns all cases or, with -short, n random ones.
func Sample[T any](t testing.TB, cases []T, n int) []T {
	t.Helper()
	if !testing.Short() {
		return cases
	}
	return choose(t, cases, n)
}

// choose returns n random cases.
func choose[T any](t testing.TB, cases []T, n int) []T {
	if n >= len(cases) {
		return cases
	}
	cases = slices.Clone(cases)
	const stream = 1 << 32 // no other source has it
	Rand(t, stream, choicesOf(t).samples.Add(1)).Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	return cases[:n]
}

// SampleNames is Sample for the keys of a map, in their order.
func SampleNames[T any](t testing.TB, cases map[string]T, n int) []string {
	t.Helper()
	return Sample(t, slices.Sorted(maps.Keys(cases)), n)
}

// SampleUnlessNightly returns n random keys of a map and, with KV_NIGHTLY, all of them: for
// cases that take seconds of a processor each.
func SampleUnlessNightly[T any](t testing.TB, cases map[string]T, n int) []string {
	t.Helper()
	names := slices.Sorted(maps.Keys(cases))
	if Nightly() {
		return names
	}
	return choose(t, names, n)
}

// tempDir is the folder for temporary files before Run changes it.
var tempDir = os.TempDir()

// Keep returns a new folder for the state that made a test fail. It outlives the test.
func Keep(t testing.TB) (dir string, err error) {
	parent := os.Getenv(keepVariable)
	if parent == "" {
		parent = tempDir
	}
	return os.MkdirTemp(parent, "kv-failed-*")
}

// Quiet discards the warnings of stores without a logger. Child processes call it.
func Quiet() { slog.SetDefault(slog.New(slog.DiscardHandler)) }

// Run runs the tests of a package whose stores are in files. Parallel tests wait for
// the disk and not for a processor, so more of them run at once. With -short, files are
// in memory where the system has a folder for that. Warnings of stores are discarded
// without -v: most tests cause them on purpose.
func Run(m *testing.M) (status int) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("16")
	}
	if !testing.Verbose() {
		Quiet()
	}
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0") // child processes with the race detector end a second earlier
	}
	if testing.Short() && os.Getenv("TMPDIR") == "" {
		if dir, err := os.MkdirTemp("/dev/shm", "kv-tests-*"); err == nil {
			defer os.RemoveAll(dir)
			os.Chmod(dir, 0o755) // as the system's folder: some tests start processes of other users
			os.Setenv("TMPDIR", dir)
		}
	}
	return m.Run()
}
