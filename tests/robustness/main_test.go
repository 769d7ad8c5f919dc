package robustness

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

var ctx = context.Background()

// programs are what a test runs as separate processes, because these are to
// be traced, killed or limited, or may die. Each works in a folder.
var programs = map[string]func(dir string, args ...string){}

const programVariable = "KV_ROBUSTNESS_PROGRAM"

func TestMain(m *testing.M) {
	if words := os.Getenv(programVariable); words != "" {
		kvtest.Quiet()
		args := strings.Split(words, "\x01")
		programs[args[0]](args[1], args[2:]...)
		os.Exit(0)
	}
	os.Exit(kvtest.Run(m))
}

// program returns what runs a program.
func program(name, dir string, args ...string) (argv, env []string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	words := strings.Join(append([]string{name, dir}, args...), "\x01")
	return []string{self}, append(os.Environ(), programVariable+"="+words)
}

func command(name, dir string, args ...string) *exec.Cmd {
	argv, env := program(name, dir, args...)
	cmd := exec.Command(argv[0])
	cmd.Env, cmd.Stderr = env, os.Stderr
	return cmd
}

// linesFrom runs a process to its end and returns what it printed. It has to exit with status 0, and to print
// something within each limit. If
// it does not, the lines that it printed last say what it was doing.
func linesFrom(t *testing.T, limit time.Duration, cmd *exec.Cmd) []string {
	t.Helper()
	out := &progress{limit: limit}
	out.hung = time.AfterFunc(limit, func() { cmd.Process.Kill() })
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	lines := linesOf(out.text.String())
	if !out.hung.Stop() {
		t.Fatalf("the process hung; its last lines:\n%s", strings.Join(lines[max(0, len(lines)-3):], "\n"))
	}
	if err != nil {
		t.Fatalf("the process died: %v; its last lines:\n%s", err, strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
	return lines
}

// progress keeps what a process prints. hung fires after limit without any output.
type progress struct {
	text  bytes.Buffer
	limit time.Duration
	hung  *time.Timer
}

func (p *progress) Write(b []byte) (int, error) {
	if p.hung.Stop() {
		p.hung.Reset(p.limit)
	}
	return p.text.Write(b)
}

func linesOf(s string) (lines []string) {
	for line := range strings.Lines(s) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// stores are the kinds of stores that tests use.
var stores = map[string]struct {
	options []extlibs.Option
	inFile  bool
}{
	"memory":                {},
	"bolt":                  {inFile: true},
	"interval":              {[]extlibs.Option{extlibs.Durability(extlibs.Interval(3 * time.Millisecond))}, true},
	"interval, all pending": {[]extlibs.Option{extlibs.Durability(extlibs.Interval(time.Hour))}, true},
}

// newStore returns a registry of a test's own and the name of a store that does
// not exist yet.
func newStore(t testing.TB, kind string) (r *extlibs.Registry, name string) {
	name = ":memory:store"
	if stores[kind].inFile {
		name = filepath.Join(t.TempDir(), "kv.db") // which is there until r is closed
	}
	r = extlibs.NewRegistry(stores[kind].options...)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, name
}

// memoryDir is a folder that is not on disk, where the system has one.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "kv-robustness-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// quick is whether tests have to make do with a part of what they could try. The
// race detector finds nothing in what one goroutine does.
func quick() bool { return testing.Short() || raceDetector }

func mustOpen(t testing.TB, r *extlibs.Registry, name string) *extlibs.Handle {
	t.Helper()
	h, err := r.Open(ctx, name)
	if err != nil {
		t.Fatalf("Open(%q): %v", name, err)
	}
	return h
}
