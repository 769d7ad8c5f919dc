//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	files "github.com/scriptling-kv/extlibs/internal/access"
)

// stalledExport starts a process whose export stops in the middle, and waits until it
// does.
func (c *cli) stalledExport(store, output string) (end func(os.Signal) (status int)) {
	c.Helper()
	cmd, _, stderr := c.process("export", "stalls://file/"+store+"?after=2", "-o", output)
	for {
		line, err := stderr.ReadString('\n')
		if err != nil {
			c.Fatal(line, err)
		}
		if line == "stalled\n" {
			break
		}
	}
	return func(s os.Signal) int {
		if err := cmd.Process.Signal(s); err != nil {
			c.Fatal(err)
		}
		for { // Wait closes the pipe that the process still writes to
			if _, err := stderr.ReadString('\n'); err != nil {
				break
			}
		}
		cmd.Wait() // its status is what matters
		return cmd.ProcessState.ExitCode()
	}
}

func (c *cli) temporaryNames() []string {
	return slices.DeleteFunc(c.names(), func(name string) bool { return !strings.HasPrefix(name, ".kv-export-") })
}

func TestNoEndingSignalLeavesAFileOfAnExport(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 3000)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1} {
		end := c.stalledExport("a.db", "a.jsonl")
		if len(c.temporaryNames()) != 1 {
			t.Errorf("a running export has the files %q", c.temporaryNames())
		}
		if status := end(s); status != exitInterrupted || len(c.temporaryNames()) > 0 {
			t.Errorf("%v: exit status %d, left %q", s, status, c.temporaryNames())
		}
	}
}

func TestTheNextExportRemovesWhatAKilledOneLeftAndNothingElse(t *testing.T) {
	if !files.CanLock {
		t.Skip("no locks that tell a dead export from a living one")
	}
	c := newCLI(t)
	c.fill("a.db", 3000)
	c.fill("b.db", 3000)
	// Files of others, whatever their names look like.
	number := strings.Repeat("00", 8)
	mine := []string{".kv-export-notes", ".kv-export-1234567", ".kv-export-" + number + "-00000000", ".kv-export-", ".kv-export-" + number, "x" + files.TempName(files.TempExport)}
	for _, name := range mine {
		if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder, link := files.TempName(files.TempExport), files.TempName(files.TempExport)
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Symlink("a.db", link)); err != nil {
		t.Fatal(err)
	}
	mine = append(mine, folder, link)
	running := c.stalledExport("a.db", "running.jsonl")
	alive := c.newTemporary(mine)
	killed := c.stalledExport("b.db", "killed.jsonl")
	dead := c.newTemporary(append(mine, alive))
	if status := killed(syscall.SIGKILL); status != -1 || len(dead) == 0 {
		t.Fatalf("a killed export has exit status %d and left %q", status, dead)
	}
	c.ok("export", "b.db", "-o", "a.jsonl")
	if _, err := os.Lstat(dead); err == nil {
		t.Error("the file of a killed export stays")
	}
	for _, name := range append(mine, alive) {
		if _, err := os.Lstat(name); err != nil {
			t.Errorf("an export removed a file that is not its own: %v", err)
		}
	}
	running(syscall.SIGTERM)
	if _, err := os.Stat("a.jsonl"); err != nil {
		t.Error(err)
	}
}

// newTemporary returns the name of an export's file that is none of known.
func (c *cli) newTemporary(known []string) string {
	c.Helper()
	for _, name := range c.temporaryNames() {
		if !slices.Contains(known, name) {
			return name
		}
	}
	c.Fatal("an export that runs has no file")
	return ""
}

func TestAnInterruptedImportEndsWhereNobodyWritesToItsInput(t *testing.T) {
	c := newCLI(t)
	fifo := filepath.Join(c.dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(c.Context())
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"import", "b.db", fifo}, strings.NewReader(""), &strings.Builder{}, &strings.Builder{})
	}()
	cancel()
	if status := <-ended; status != exitInterrupted { // the test's own deadline is the other way to end
		t.Errorf("exit status %d", status)
	}
	if fmt.Sprint(c.names()) != "[fifo]" {
		t.Errorf("there are %s", c.names())
	}
	// A value on standard input that never ends.
	ctx, cancel = context.WithCancel(c.Context())
	go func() {
		ended <- run(ctx, []string{"set", "b.db", "k", "-"}, endless{ctx}, &strings.Builder{}, &strings.Builder{})
	}()
	cancel()
	if status := <-ended; status != exitInterrupted {
		t.Errorf("exit status %d", status)
	}
}

// endless is an input from which nothing comes, whatever happens.
type endless struct{ context.Context }

func (endless) Read([]byte) (int, error) { select {} }
