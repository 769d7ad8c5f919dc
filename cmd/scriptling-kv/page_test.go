package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

const page = "../../docs/command.md"

// The sessions of the page run in one folder, one after the other. "..." stands
// for any text in a line, and for any lines where it is alone.
func TestTheSessionsOfThePageShowWhatHappens(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a Unix shell")
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.RunT(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "scriptling-kv")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(asCommand, "1")
	t.Chdir(t.TempDir())
	for i, block := range strings.Split(string(text), "```console\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		var want, got strings.Builder
		for line := range strings.Lines(block) {
			want.WriteString(line)
			command, is := strings.CutPrefix(line, "$ ")
			if !is {
				continue
			}
			out, _ := exec.Command("sh", "-c", strings.ReplaceAll(command, "localhost:6379", server.Addr())).CombinedOutput() // the text says how it ended
			fmt.Fprint(&got, line, string(out))
		}
		pattern := regexp.QuoteMeta(want.String())
		pattern = strings.ReplaceAll(pattern, "\n\\.\\.\\.\n", "\n(?s:.*)\n")
		pattern = strings.ReplaceAll(pattern, `\.\.\.`, ".*")
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got.String()) {
			t.Errorf("session %d is\n%s\nand not\n%s", i+1, got.String(), want.String())
		}
	}
}

func TestThePageHasEachCommandInASessionAndEachStatus(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range newRoot().Commands() {
		if name := cmd.Name(); name != "help" && name != "completion" && !strings.Contains(string(text), "$ scriptling-kv "+name+" ") {
			t.Errorf("there is no session with %s", name)
		}
	}
	for _, status := range []int{0, exitFailed, exitUsage, exitNoKey, exitDamaged, exitIncomplete, exitInterrupted} {
		if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", status)) {
			t.Errorf("status %d is not in the table", status)
		}
	}
}
