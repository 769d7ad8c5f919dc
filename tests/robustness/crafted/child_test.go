package crafted

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// children are programs that tests run as separate processes, because these
// are to be killed, limited, or may die.
var children = map[string]func(args []string){}

const childVariable = "KV_ROBUSTNESS_CHILD"

// TestMain runs a child where the environment names one, else the tests.
func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(kvtest.Run(m))
	}
	kvtest.Quiet()
	children[name](strings.Split(os.Getenv(childVariable+"_ARGS"), "\x01"))
}

// child prepares a process that runs children[name].
func child(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+name, childVariable+"_ARGS="+strings.Join(args, "\x01"), "GOTRACEBACK=single")
	return cmd
}

func linesOf(s string) (lines []string) {
	for line := range strings.Lines(s) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}
