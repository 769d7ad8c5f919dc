package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes one whose library says how long its set takes: 100 ns in the first
// commit, 50 in the second, and 200 in the working tree. Its benchmark needs what the first
// commit does not have.
func repository(t *testing.T) (bench string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	root := t.TempDir()
	bench = filepath.Join(root, "bench")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	program := func(figure string) string {
		return `package main

import (
	"example.org/lib/lib"
	"fmt"
	"os"
)

func main() {
	for i, arg := range os.Args {
		if arg == "-json" {
			text := fmt.Sprintf("[{\"Row\":\"set\",\"Store\":\"kv\",\"Unit\":0,\"Min\":%[1]d,\"Median\":%[1]d,\"Max\":%[1]d}]", ` + figure + `)
			os.WriteFile(os.Args[i+1], []byte(text), 0o600)
		}
	}
}
`
	}
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	write("go.mod", "module example.org/lib\n\ngo 1.26\n")
	write("lib/lib.go", "package lib\n\nconst Nanos = 100\n")
	write("bench/main.go", program("lib.Nanos"))
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	write("lib/lib.go", "package lib\n\nfunc Time() int { return 50 }\n")
	write("bench/main.go", program("lib.Time()"))
	git("add", ".")
	git("commit", "-q", "-m", "second")
	write("lib/lib.go", "package lib\n\nfunc Time() int { return 200 }\n")
	return bench
}

func TestAgainstComparesTwoVersions(t *testing.T) {
	bench := repository(t)
	for _, c := range []struct{ versions, want, said string }{
		{"HEAD", "| set | kv | 50.0 ns | 50.0 ns | 200 ns | 200 ns | 4.00x | 4.00x | 4.00x to 4.00x | **slower** |", ", with the changes that are not committed"},
		{"HEAD~1..HEAD", "| set | kv | 100 ns | 100 ns | 50.0 ns | 50.0 ns | 0.50x | 0.50x | 0.50x to 0.50x | faster |", "first"},
		{"HEAD..HEAD", "| 1.00x | 1.00x | 1.00x to 1.00x |  |", "second"},
	} {
		tmp := t.TempDir()
		var said strings.Builder
		text, err := (&against{bench: bench, versions: c.versions, pairs: 2, tmp: tmp, stderr: &said}).run(t.Context())
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.versions, err, &said)
		}
		if !strings.Contains(text, c.want) || !strings.Contains(text, c.said) {
			t.Errorf("%s: got\n%swant %s and %s", c.versions, text, c.want, c.said)
		}
		if older := c.versions == "HEAD~1..HEAD"; older != strings.Contains(said.String(), "that version's benchmark is used") {
			t.Errorf("%s: it said %s", c.versions, &said)
		}
		cmd := exec.Command("git", "worktree", "list")
		cmd.Dir = bench
		if out, err := cmd.Output(); err != nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: worktrees are left: %s%v", c.versions, out, err)
		}
	}
}

func TestAgainstRefusesWhatIsNoCommit(t *testing.T) {
	bench := repository(t)
	for _, versions := range []string{"nothing", "..HEAD", "HEAD..", "HEAD..nothing", "--all"} {
		if text, err := (&against{bench: bench, versions: versions, pairs: 1, tmp: t.TempDir(), stderr: io.Discard}).run(t.Context()); err == nil {
			t.Errorf("%s: %s", versions, text)
		}
	}
}

func TestAVerdictNeedsAllPairs(t *testing.T) {
	of := func(figures ...float64) (r []result) {
		for i, f := range figures {
			r = append(r, result{"row", string(rune('a' + i)), duration, f - 1, f, f + 1})
		}
		return r
	}
	got := compare([]pair{
		{of(100, 100, 100, 0, 7), of(90, 90, 99, 0)},
		{of(100, 100, 100, 0, 7), of(80, 101, 98.5, 0, 7)},
	})
	want := []string{"faster", "", "", ""} // the last one was not measured by all
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, c := range got {
		if c.verdict() != want[i] {
			t.Errorf("figure %d: %q, want %q: %+v", i, c.verdict(), want[i], c)
		}
	}
	if c := got[0]; c.least != 99 || c.leastThen != 79 || c.ratios.min != 0.8 || c.ratios.max != 0.9 {
		t.Errorf("got %+v", c)
	}
}
