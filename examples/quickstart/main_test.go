package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dirVariable makes the test binary be the program, on that folder.
const dirVariable = "QUICKSTART_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVariable); dir != "" {
		os.Args = []string{"quickstart", "-dir", dir}
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// screen is the most lines that fit on one.
const screen = 40

func TestASecondRunGoesOnWithTheDataOfTheFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	quickstart := func() string {
		t.Helper()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), dirVariable+"="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := strings.Count(string(out), "\n"); n > screen {
			t.Errorf("it prints %d lines, more than a screen", n)
		}
		return string(out)
	}
	contains := func(out string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			i := strings.Index(out, part)
			if i < 0 {
				t.Errorf("lacks, or has too early, %q:\n%s", part, out)
				return
			}
			out = out[i+len(part):]
		}
	}
	contains(quickstart(), `incr("runs")`, "\n    1\n", `get("session:abc", default={})`, "bob", "\n    3600\n", "\n    [hello]\n",
		"opened again", `get("runs")`, "\n    1\n", "\n    [hello]\n", "\n    None\n")
	contains(quickstart(), `incr("runs")`, "\n    2\n", "\n    [hello, hello]\n", "opened again", "\n    2\n", "\n    [hello, hello]\n")
}
