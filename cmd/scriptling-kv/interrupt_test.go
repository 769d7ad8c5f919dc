package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// asCommand makes the test's binary the command.
const asCommand = "SCRIPTLING_KV_AS_COMMAND"

// stalls is the store of a file that stops answering after some batches, until
// the context of the call ends:
//
//	stalls://file/a.db?after=2
type stalls struct {
	extlibs.Store
	left atomic.Int64
}

// stalled is told of each call that stops.
var stalled = func() { fmt.Fprintln(os.Stderr, "stalled") }

func openStalls(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
	r := extlibs.NewRegistry()
	h, err := r.Open(ctx, strings.TrimPrefix(c.URL.Path, "/"))
	if err != nil {
		return nil, err
	}
	s := &stalls{Store: h.Store()}
	var after int64
	_, err = fmt.Sscan(c.URL.Query().Get("after"), &after)
	s.left.Store(after)
	return s, err
}

func (s *stalls) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	if s.left.Add(-1) < 0 {
		stalled()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.LoadMany(ctx, keys, need)
}

// Scan stops answering as LoadMany does, for pages with values.
func (s *stalls) Scan(ctx context.Context, r extlibs.Range) (extlibs.Page, error) {
	if r.Need != 0 && s.left.Add(-1) < 0 {
		stalled()
		<-ctx.Done()
		return extlibs.Page{}, ctx.Err()
	}
	return s.Store.Scan(ctx, r)
}

// interrupted runs a command whose store stalls, and interrupts it then.
func (c *cli) interrupted(args ...string) (stdout, stderr string) {
	c.Helper()
	ctx, cancel := context.WithCancel(c.Context())
	defer func(f func()) { stalled = f }(stalled)
	stalled = cancel
	var out, errs strings.Builder
	if status := run(ctx, args, strings.NewReader(""), &out, &errs); status != exitInterrupted || !strings.Contains(errs.String(), "interrupted") {
		c.Errorf("%q: exit status %d, %q", args, status, errs.String())
	}
	return out.String(), errs.String()
}

// names are the files of the current folder.
func (c *cli) names() (names []string) {
	c.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		c.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAnInterruptedExportLeavesNoFile(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	before := fmt.Sprint(c.names())
	c.interrupted("export", "stalls://file/a.db?after=2", "-o", "a.jsonl")
	if after := fmt.Sprint(c.names()); after != before {
		t.Errorf("there are %s, and were %s", after, before)
	}
	stdout, _ := c.interrupted("export", "stalls://file/a.db?after=2")
	if n := strings.Count(stdout, "\n"); n != 2*1024 || !strings.HasSuffix(stdout, "\n") { // two pages
		t.Errorf("%d lines of an interrupted export to standard output", n)
	}
}

func TestAnInterruptedMoveGoesOnWhereItStopped(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	_, stderr := c.interrupted("move", "stalls://file/a.db?after=2", "b.db")
	if !strings.Contains(stderr, "continue where it stopped") {
		t.Errorf("%q", stderr)
	}
	c.prints("2000\n", "count", "b.db")
	c.prints("3001 keys are the same in both stores, 1001 of them copied now\n", "move", "a.db", "b.db")
}

func TestACommandThatIsInterruptedBeforeItBeginsDoesNothing(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	c.fill("full.db", 10)
	c.change("a.db", "damaged.db", func(b []byte) []byte { b[20]++; return b })
	c.ok("export", "a.db", "-o", "a.jsonl")
	before := fmt.Sprint(c.names())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"keys", "a.db"}, {"get", "a.db", "last"}, {"set", "full.db", "x", "1"}, {"del", "full.db", "last"}, {"ttl", "a.db", "last"},
		{"expire", "full.db", "last", "1"}, {"count", "a.db", "--prefix", "k"}, {"check", "a.db"}, {"export", "a.db"}, {"export", "a.db", "-o", "b.jsonl"},
		{"export", "damaged.db", "--salvage", "-o", "b.jsonl"}, {"import", "full.db", "a.jsonl"}, {"backup", "a.db", "b.db"}, {"restore", "a.db", "b.db"},
		{"compact", "a.db"}, {"move", "a.db", "full.db"}, {"repair", "damaged.db", "b.db"},
	} {
		var out, errs strings.Builder
		if status := run(ctx, args, strings.NewReader(""), &out, &errs); status != exitInterrupted || out.Len() > 0 {
			t.Errorf("%q: exit status %d, %q %q", args, status, out.String(), errs.String())
		}
	}
	if after := fmt.Sprint(c.names()); after != before {
		t.Errorf("there are %s, and were %s", after, before)
	}
	c.prints("11\n", "count", "full.db")
}

// process runs the command as a separate process.
func (c *cli) process(args ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stderr *bufio.Reader) {
	c.Helper()
	self, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	stdin, err = cmd.StdinPipe()
	if err != nil {
		c.Fatal(err)
	}
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { cmd.Process.Kill() })
	return cmd, stdin, bufio.NewReader(pipe)
}

// running is a command with its standard output.
type running struct {
	*exec.Cmd
	stdout *bufio.Reader
}

// processWithOutput is process for a command whose output the test reads.
func (c *cli) processWithOutput(args ...string) (cmd running, stderr *bufio.Reader) {
	c.Helper()
	self, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	started := exec.Command(self, args...)
	started.Env = append(os.Environ(), asCommand+"=1")
	out, err := started.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	errs, err := started.StderrPipe()
	if err == nil {
		err = started.Start()
	}
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { started.Process.Kill() })
	return running{started, bufio.NewReader(out)}, bufio.NewReader(errs)
}

func TestASignalEndsAnImportInOrder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	c := newCLI(t)
	c.fill("a.db", 3000)
	export := c.ok("export", "a.db")
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		store := fmt.Sprintf("%d.db", signal)
		cmd, stdin, stderr := c.process("import", store)
		if _, err := io.WriteString(stdin, export); err != nil { // and the command waits for more
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		told, err := io.ReadAll(stderr)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted || !strings.Contains(string(told), "interrupted") {
			t.Errorf("%v: %v, %q", signal, err, told)
		}
		var imported int
		if _, err := fmt.Sscanf(string(told), "%d entries imported", &imported); err != nil {
			t.Fatalf("%v: %v, %q", signal, err, told)
		}
		if _, err := os.Stat(store); err == nil {
			c.prints(fmt.Sprintln(imported), "count", store)
		}
		if _, stderr, status := c.try(export, "import", store); status != 0 {
			t.Errorf("exit status %d, %s", status, stderr)
		}
		c.prints("3001\n", "count", store)
	}
}

func TestASecondSignalEndsACommandThatDoesNotListen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	c := newCLI(t)
	c.fill("a.db", 10_000)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe() // which no process reads, so that the command waits where no context reaches
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(self, "export", "a.db")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is at work
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-ended:
			return
		case <-time.After(50 * time.Millisecond): // between signals, or two could be one
		}
	}
}

func TestAMoveThatIsKilledGoesOnWhereItStopped(t *testing.T) {
	destinations := map[string]string{"file": "b.db"}
	if url := realServer(t); url != "" {
		destinations["server"] = url
	}
	for name, dst := range destinations {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t)
			c.fill("a.db", 3000)
			cmd, _, stderr := c.process("move", "stalls://file/a.db?after=2", dst)
			if line, err := stderr.ReadString('\n'); line != "stalled\n" {
				t.Fatal(line, err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			cmd.Wait() // it was killed
			c.prints("2000\n", "count", dst)
			c.prints("3001 keys are the same in both stores, 1001 of them copied now\n", "move", "a.db", dst)
			if dst != "b.db" {
				c.prints("3001 keys are the same in both stores, 3001 of them copied now\n", "move", dst, "back.db")
				c.prints(c.ok("export", "a.db"), "export", "back.db")
			}
		})
	}
}

// realServer starts a server of the machine, if it has one, and returns the URL
// of a store on it.
func realServer(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		program, err = exec.LookPath("valkey-server")
	}
	if err != nil {
		return ""
	}
	dir, err := os.MkdirTemp("", "kv") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return "redis+unix://" + socket + "?name=app"
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
