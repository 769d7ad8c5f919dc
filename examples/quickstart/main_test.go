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

func TestASecondRunShowsTheDataOfTheFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	quickstart := func() string {
		t.Helper()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), dirVariable+"="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
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
	contains(quickstart(), "this store has seen 1 round(s); keys at the start: 0\n", "this is the first run\n",
		"this store has seen 2 round(s)", "an earlier run stored: python async\n")
	second := quickstart()
	contains(second, "this store has seen 3 round(s)", "an earlier run stored: python async\n",
		"this store has seen 4 round(s)", "an earlier run stored: python async\n")
	if strings.Contains(second, "keys at the start: 0\n") {
		t.Errorf("the second run began with an empty store:\n%s", second)
	}
}
