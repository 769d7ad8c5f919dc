package kvtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestASeedRepeatsTheChoicesOfItsTest(t *testing.T) {
	a, b := Rand(t, 1), Rand(t, 1)
	for range 10 {
		if x, y := a.Uint64(), b.Uint64(); x != y {
			t.Fatalf("two sources of one seed chose %d and %d", x, y)
		}
	}
	first := Rand(t).Uint64()
	running.Delete(t) // as in another run of the test
	if _, ok := given(); !ok && Rand(t).Uint64() == first {
		t.Error("two runs of a test choose the same")
	}
	first = Rand(t).Uint64()
	if Rand(t, 0).Uint64() == first || Rand(t, 1).Uint64() == Rand(t, 0, 1).Uint64() {
		t.Error("two streams choose the same")
	}
	t.Run("other", func(t *testing.T) {
		if Rand(t).Uint64() == first {
			t.Error("two tests choose the same")
		}
	})
	if ProcessRand("w").Uint64() == ProcessRand("w").Uint64() {
		t.Error("two sources of a process choose the same")
	}
}

// In child processes: the seed that the parent gives is the seed, and no number is refused.
func TestAChildProcessHasTheSeedOfItsParent(t *testing.T) {
	const child = "KV_KVTEST_CHILD"
	if os.Getenv(child) != "" {
		os.Stdout.WriteString("chose " + ChildEnv(nil, ProcessRand("w"))[0] + "\n")
		return
	}
	run := func(env []string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(env, child+"=1")
		out, _ := cmd.CombinedOutput() // a panic is in the output
		line, _, _ := strings.Cut(string(out), "\n")
		return line
	}
	env := ChildEnv(append(os.Environ(), "KV_SEED=1"), Rand(t))
	first := run(env)
	if again := run(env); again != first || !strings.HasPrefix(first, "chose KV_SEED=") {
		t.Errorf("%s chose %q, then %q", env, first, again)
	}
	if other := run(ChildEnv(os.Environ(), Rand(t, 1))); other == first {
		t.Errorf("another seed chose the same: %q", other)
	}
	if line := run(append(os.Environ(), "KV_SEED=x")); strings.HasPrefix(line, "chose") {
		t.Errorf("KV_SEED=x: %q", line)
	}
}

func TestSamplesOfOneTestDiffer(t *testing.T) {
	var cases []int
	for i := range 1000 {
		cases = append(cases, i)
	}
	if !testing.Short() {
		if n := len(Sample(t, cases, 3)); n != len(cases) {
			t.Errorf("a full run tries %d of %d cases", n, len(cases))
		}
		return
	}
	first, second := Sample(t, cases, 3), Sample(t, cases, 3)
	if len(first) != 3 || slices.Equal(first, second) {
		t.Errorf("the samples are %v and %v", first, second)
	}
}

func TestAKeptFolderIsWhereTheVariableSays(t *testing.T) {
	parent := t.TempDir()
	t.Setenv(keepVariable, parent)
	dir, err := Keep(t)
	if err != nil || !strings.HasPrefix(dir, parent) {
		t.Errorf("%s, %v", dir, err)
	}
}
