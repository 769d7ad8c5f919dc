package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asProgram makes the test binary be the program: background tasks print to the
// process's own output, which a test cannot have.
const asProgram = "RUNSCRIPT_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// program runs runscript in a folder.
func program(t *testing.T, dir string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	// Under the race detector a process sleeps a second before it ends, unless told.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func write(t *testing.T, dir, name, source string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEachExampleScriptPrintsItsGoldenOutput(t *testing.T) {
	scripts, err := filepath.Glob("../scripts/*.py")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no example scripts (%v)", err)
	}
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".py")
		path, err := filepath.Abs(script)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", name+".out"))
			if err != nil {
				t.Fatal(err)
			}
			for _, store := range [][]string{nil, {"-store", "default.db"}} {
				stdout, stderr, status := program(t, t.TempDir(), append(store, path)...)
				if stdout != string(want) || stderr != "" || status != 0 {
					t.Errorf("%v: exit status %d, standard error %q, printed:\n%s\nwant:\n%s", store, status, stderr, stdout, want)
				}
			}
		})
	}
}

func TestTheSecondRunOfAScriptFindsWhatTheFirstStored(t *testing.T) {
	dir := t.TempDir()
	path, err := filepath.Abs("../scripts/persistent.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"this is the first run", "an earlier run stored: python async"} {
		if stdout, stderr, status := program(t, dir, path); status != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit status %d, %q, %q, want %q", status, stdout, stderr, want)
		}
	}
}

func TestFilesRunInOrderOnOneStoreInInterpretersOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	one := write(t, dir, "one.py", "import scriptling.runtime.kv as kv\nx = 1\nkv.default.set(\"k\", x)\nkv.open(\":memory:m\").set(\"k\", 2)\n")
	two := write(t, dir, "two.py", "import scriptling.runtime.kv as kv\nprint(kv.default.get(\"k\"), kv.open(\":memory:m\").get(\"k\"))\nprint(x)\n")
	stdout, stderr, status := program(t, dir, one, two)
	if stdout != "1 2\n" || !strings.Contains(stderr, "identifier not found: x") || status != 1 {
		t.Errorf("exit status %d, standard error %q, printed %q", status, stderr, stdout)
	}
}

func TestAScriptThatFailsIsToldAndTheOthersStillRun(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, dir, "bad.py", "print(\"before\")\nimport scriptling.runtime.kv as kv\nkv.default.set(\"\", 1)\nprint(\"not reached\")\n")
	good := write(t, dir, "good.py", "print(\"good\")\n")
	stdout, stderr, status := program(t, dir, bad, filepath.Join(dir, "nosuch.py"), good)
	lines := strings.Split(stderr, "\n")
	if stdout != "before\ngood\n" || len(lines) != 3 ||
		lines[0] != "runscript: kv.set: key is empty; use 1 to 32768 bytes ("+bad+":3)" ||
		!strings.HasPrefix(lines[1], "runscript: EvalFile: ") || status != 1 {
		t.Errorf("exit status %d, standard error %q, printed:\n%s", status, stderr, stdout)
	}
}

func TestSourcesOnTheCommandLineRunBeforeTheFiles(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "file.py", "import scriptling.runtime.kv as kv\nprint(kv.default.keys())\n")
	const set = "import scriptling.runtime.kv as kv\nkv.default.set('%', 1)"
	stdout, stderr, status := program(t, dir, "-e", strings.Replace(set, "%", "a", 1), "-e", strings.Replace(set, "%", "b", 1), file)
	if stdout != "[a, b]\n" || stderr != "" || status != 0 {
		t.Errorf("exit status %d, standard error %q, printed %q", status, stderr, stdout)
	}
	if stdout, stderr, status := program(t, dir, "-e", "print(1 + 1)"); stdout != "2\n" || stderr != "" || status != 0 {
		t.Errorf("exit status %d, standard error %q, printed %q", status, stderr, stdout)
	}
}

func TestAllowConfinesScriptsToTheFoldersGiven(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script := write(t, dir, "open.py", `
import scriptling.runtime.kv as kv
for folder in ["a", "b", "c"]:
    try:
        kv.open(folder + "/x.db")
        print(folder, "opened")
    except PermissionError as e:
        print(folder, "refused")
`)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "a opened\nb opened\nc opened\n"},
		{[]string{"-allow", "a"}, "a opened\nb refused\nc refused\n"},
		{[]string{"-allow", "a", "-allow", filepath.Join(dir, "c")}, "a opened\nb refused\nc opened\n"},
	} {
		if stdout, stderr, status := program(t, dir, append(c.args, script)...); stdout != c.want || status != 0 {
			t.Errorf("%v: exit status %d, %q, printed %q, want %q", c.args, status, stderr, stdout, c.want)
		}
	}
}

func TestTheDefaultStoreIsTheFileOfTheFlag(t *testing.T) {
	dir := t.TempDir()
	script := write(t, dir, "count.py", "import scriptling.runtime.kv as kv\nprint(kv.default.incr(\"runs\"))\n")
	for _, want := range []string{"1\n", "2\n"} {
		if stdout, _, status := program(t, dir, "-store", "kv.db", script); stdout != want || status != 0 {
			t.Errorf("exit status %d, printed %q, want %q", status, stdout, want)
		}
	}
	if stdout, _, _ := program(t, dir, script); stdout != "1\n" {
		t.Errorf("without the flag it printed %q", stdout)
	}
}

func TestABadCommandLineIsRefused(t *testing.T) {
	dir := t.TempDir()
	script := write(t, dir, "ok.py", "print(1)\n")
	for _, c := range []struct {
		args   []string
		stderr string
		status int
	}{
		{nil, "usage: runscript", 2},
		{[]string{"-nosuch", script}, "flag provided but not defined: -nosuch", 2},
		{[]string{"-h"}, "usage: runscript", 0},
		{[]string{"-store", dir, script}, "directory", 1},
		{[]string{"-store", script, script}, "not a kv file", 1},
	} {
		stdout, stderr, status := program(t, dir, c.args...)
		if stdout != "" || !strings.Contains(stderr, c.stderr) || status != c.status {
			t.Errorf("%v: exit status %d, standard error %q, printed %q, want status %d and %q", c.args, status, stderr, stdout, c.status, c.stderr)
		}
	}
}
