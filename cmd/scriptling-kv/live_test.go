package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// busyHost has a store open, and writes to it until the test ends: each call stores one
// number under two keys, so a copy that is not of one moment shows two numbers.
type busyHost struct {
	acknowledged [4]atomic.Int64
	failed       atomic.Pointer[error]
}

// newBusyHost makes the log small: a checkpoint every few calls is what disturbs copies.
func newBusyHost(t *testing.T, path string, opts ...extlibs.Option) *busyHost {
	t.Helper()
	r := extlibs.NewRegistry(append(opts, extlibs.LogBytes(256<<10))...)
	h, err := r.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	b := &busyHost{}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for g := range b.acknowledged {
		writers.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				batch := map[string]any{fmt.Sprint("a", g): n, fmt.Sprint("z", g): n}
				keys := int64(1)
				if g == 0 && n%20 == 0 { // too large for the log, which gets a segment
					keys = 500
				}
				for i := range keys {
					batch[fmt.Sprintf("k%d-%d", g, (n+i)%500)] = strings.Repeat("x", 500)
				}
				if err := h.SetMany(context.Background(), batch, 0); err != nil {
					b.failed.Store(&err)
					return
				}
				b.acknowledged[g].Store(n)
			}
		})
	}
	t.Cleanup(func() {
		close(stop)
		writers.Wait()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := b.failed.Load(); err != nil {
			t.Error(*err)
		}
	})
	return b
}

// now returns the last number that each writer had acknowledged.
func (b *busyHost) now() (numbers [4]int64) {
	for g := range numbers {
		numbers[g] = b.acknowledged[g].Load()
	}
	return numbers
}

func TestCopiesOfAFileUnderLoadAreWhole(t *testing.T) {
	kvtest.OnceIn(t, 3)
	for _, load := range []struct {
		name  string
		tries int
		opts  []extlibs.Option
	}{
		{"each write durable", 25, nil},
		{"interval", 10, []extlibs.Option{extlibs.Durability(extlibs.Interval(time.Hour))}},
	} {
		t.Run(load.name, func(t *testing.T) {
			c := newCLI(t)
			t.Setenv("TMPDIR", t.TempDir())
			host := newBusyHost(t, "app.db", load.opts...)
			if testing.Short() {
				load.tries /= 3
			}
			for range load.tries {
				before := host.now()
				out, stderr, status := c.try("", "export", "app.db", "--live")
				if status != 0 || !strings.HasPrefix(stderr, "app.db as of 2") {
					t.Fatalf("exit status %d, %s", status, stderr)
				}
				numbers := map[string]int64{}
				for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
					var e struct {
						Key   string
						Value any
					}
					if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
						t.Fatal(err)
					}
					if n, ok := e.Value.(float64); ok {
						numbers[e.Key] = int64(n)
					}
				}
				for g, least := range before {
					a, z := numbers[fmt.Sprint("a", g)], numbers[fmt.Sprint("z", g)]
					if a != z || a < least {
						t.Fatalf("writer %d stored %d under both keys before the copy, which has %d and %d", g, least, a, z)
					}
				}
			}
			c.noTemporaries()
		})
	}
}

// noTemporaries fails the test if copies are left.
func (c *cli) noTemporaries() {
	c.Helper()
	for _, dir := range []string{".", os.TempDir()} {
		left, err := filepath.Glob(filepath.Join(dir, ".kv-*"))
		if err != nil || len(left) > 0 {
			c.Errorf("%q are left (%v)", left, err)
		}
	}
}

func TestEachCommandThatReadsTakesACopy(t *testing.T) {
	kvtest.OnceIn(t, 3)
	c := newCLI(t)
	t.Setenv("TMPDIR", t.TempDir())
	r := extlibs.NewRegistry()
	defer r.Close()
	h, err := r.Open(t.Context(), "app.db")
	if err == nil {
		err = h.SetMany(t.Context(), map[string]any{"a": 1, "b": 2}, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.fails(exitFailed, "--live", "keys", "app.db")
	c.prints("a\nb\n", "keys", "app.db", "--live")
	c.prints("2\n", "get", "app.db", "b", "--live")
	c.prints("none\n", "ttl", "app.db", "b", "--live")
	c.prints("2\n", "count", "app.db", "--live")
	if got := c.ok("stat", "app.db", "--live"); !strings.Contains(got, "app.db\nkeys   2\n") || strings.Contains(got, ".kv-live") {
		t.Errorf("stat printed %q", got)
	}
	c.ok("backup", "app.db", "backup.db", "--live")
	c.prints("2\n", "count", "backup.db")
	c.prints("2 keys are the same in both stores, 2 of them copied now\n", "move", "app.db", "moved.db", "--live")
	c.fails(exitNoKey, "no key", "get", "app.db", "nosuch", "--live")
	c.fails(exitUsage, "unknown flag", "set", "app.db", "a", "1", "--live")
	c.fails(exitUsage, "omit it", "keys", "redis://localhost/0/x", "--live")
	c.fails(exitFailed, "unreachable", "move", "app.db", "redis://127.0.0.1:1/0/x", "--live") // the flag is for the source
	c.fails(exitUsage, "omit it", "move", "redis://127.0.0.1:1/0/x", "moved.db", "--live")
	c.fails(exitFailed, "backup \"app.db\" COPY --live", "check", "app.db")
	c.fails(exitFailed, "no file", "keys", "nosuch.db", "--live")
	c.fails(exitUsage, "not both", "export", "app.db", "--live", "--salvage")
	if err := os.Symlink("app.db", "link.db"); err == nil { // the log is beside the file
		c.prints("2\n", "count", "link.db", "--live")
	}
	c.noTemporaries()
}

func TestACopyOfADamagedFileIsRefused(t *testing.T) {
	c := newCLI(t)
	t.Setenv("TMPDIR", t.TempDir())
	c.fill("a.db", 3000)
	size, leaves, _ := c.pagesOf("a.db")
	c.change("a.db", "damaged.db", func(b []byte) []byte { clear(b[leaves[3]*size:][:size]); return b })
	c.fails(exitFailed, "damaged.db", "count", "damaged.db", "--live")
	if _, stderr, _ := c.try("", "count", "damaged.db", "--live"); strings.Contains(stderr, ".kv-live") {
		t.Errorf("the error names the copy: %s", stderr)
	}
	if err := os.WriteFile("text.db", []byte(strings.Repeat("no store", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.fails(exitFailed, "not a kv file", "count", "text.db", "--live")
	c.noTemporaries()
}

// The file is so large that no signal comes too late, and so small that it does not fill the
// disk if the test is killed.
func TestNoSignalLeavesACopy(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	c := newCLI(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	f, err := os.Create("large.db")
	if err == nil {
		err = errors.Join(f.Truncate(4<<30), f.Close())
	}
	if err != nil {
		t.Skip(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGKILL} {
		cmd, _, stderr := c.process("count", "large.db", "--live")
		var told strings.Builder
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			stderr.WriteTo(&told)
			cmd.Wait() // its status is what matters
		}()
		for {
			if left, _ := filepath.Glob(filepath.Join(temp, ".kv-live-*", "large.db")); len(left) > 0 {
				break
			}
			select {
			case <-ended:
				t.Fatalf("the command ended: %s", &told)
			default:
			}
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		<-ended
		if got := cmd.ProcessState.ExitCode(); s != syscall.SIGKILL && got != exitInterrupted {
			t.Errorf("%v: exit status %d", s, got)
		}
		if s != syscall.SIGKILL {
			c.noTemporaries()
		}
	}
	// What SIGKILL left, the next copy removes.
	if left, _ := filepath.Glob(filepath.Join(temp, ".kv-live-*")); len(left) != 1 {
		t.Errorf("a killed copy left %q", left)
	}
	c.fill("a.db", 10)
	c.prints("11\n", "count", "a.db", "--live")
	c.noTemporaries()
}
