package extlibs_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// children are programs that tests run as processes of their own, because these
// are to be killed, limited, or may die. Each gets its arguments in args.
var children = map[string]func(args []string){}

const childVariable = "KV_TEST_CHILD"

// TestMainOfChildProcesses is where such a process begins.
func TestMainOfChildProcesses(t *testing.T) {
	name := os.Getenv(childVariable)
	if name == "" {
		return // the tests themselves
	}
	run := children[name]
	if run == nil {
		t.Fatalf("no child %q", name)
	}
	run(strings.Split(os.Getenv(childVariable+"_ARGS"), "\x01"))
	os.Exit(0) // without the words of package testing
}

// child prepares a process that runs children[name].
func child(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestMainOfChildProcesses$")
	cmd.Env = append(os.Environ(), childVariable+"="+name, childVariable+"_ARGS="+strings.Join(args, "\x01"), "GOTRACEBACK=single")
	return cmd
}

// runChild runs a child to its end. It has to exit with status 0 and not hang;
// where it does, the lines that it printed last say what it was at.
func runChild(t *testing.T, limit time.Duration, cmd *exec.Cmd) []string {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(limit, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	lines := linesOf(out.String())
	if !hung.Stop() {
		t.Fatalf("the child hung; its last lines:\n%s", strings.Join(lines[max(0, len(lines)-3):], "\n"))
	}
	if err != nil {
		t.Fatalf("the child died: %v; its last lines:\n%s", err, strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
	return lines
}

func linesOf(s string) (lines []string) {
	for line := range strings.Lines(s) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}
