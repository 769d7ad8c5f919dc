package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// cli runs commands as a shell would.
type cli struct {
	*testing.T
	dir string
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	return &cli{t, dir}
}

func (c *cli) try(stdin string, args ...string) (stdout, stderr string, status int) {
	c.Helper()
	var out, errs bytes.Buffer
	status = run(c.Context(), args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), status
}

// ok runs a command that must succeed and returns what it printed.
func (c *cli) ok(args ...string) string {
	c.Helper()
	stdout, stderr, status := c.try("", args...)
	if status != 0 {
		c.Fatalf("%q: exit status %d, %s", args, status, stderr)
	}
	return stdout
}

// fails runs a command that must fail so.
func (c *cli) fails(status int, text string, args ...string) {
	c.Helper()
	stdout, stderr, got := c.try("", args...)
	if got != status || !strings.Contains(stderr, text) || stdout != "" {
		c.Errorf("%q: exit status %d, %q, printed %q; want status %d and %q", args, got, stderr, stdout, status, text)
	}
}

func (c *cli) prints(want string, args ...string) {
	c.Helper()
	if got := c.ok(args...); got != want {
		c.Errorf("%q printed %q, want %q", args, got, want)
	}
}

func TestImportStoresWhatStandsBeforeAWrongLine(t *testing.T) {
	kvtest.OnceIn(t, 3)
	c := newCLI(t)
	for i, wrong := range []string{
		`{"key":"","value":1}`, `{"key":"` + strings.Repeat("k", extlibs.MaxKeyBytes+1) + `","value":1}`,
		`{"key":"k","value":"` + strings.Repeat("v", extlibs.DefaultMaxValueBytes) + `"}`, `{"key":"k","value":1,"ttl":-1}`, `{"key":"k"}`, "\xff",
	} {
		store := fmt.Sprint(i, ".db")
		lines := "{\"key\":\"before\",\"value\":1}\n" + wrong + "\n"
		if _, stderr, status := c.try(lines, "import", store); status != exitFailed || !strings.HasPrefix(stderr, "1 entry imported\nscriptling-kv: line 2: ") {
			t.Errorf("%.30s: exit status %d, %q", wrong, status, stderr)
		}
		c.prints("before\n", "keys", store)
	}
}

// full is the store of a file that takes no batch, and counts the batches that it gets.
type full struct{ extlibs.Store }

var batches atomic.Int64

func init() {
	extlibs.RegisterDriver("full", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:full")
		if err != nil {
			return nil, err
		}
		return &full{h.Store()}, nil
	})
}

func (*full) ApplyMany(context.Context, []extlibs.Op) ([]extlibs.Result, error) {
	batches.Add(1)
	return nil, extlibs.ErrFull
}

func TestAMoveToAStoreThatIsFullEndsWithItsFirstError(t *testing.T) {
	c := newCLI(t)
	for i := range 4 {
		c.ok("set", "a.db", fmt.Sprint("k", i), `"`+strings.Repeat("x", batchBytes)+`"`)
	}
	batches.Store(0)
	_, stderr, status := c.try("", "move", "a.db", "full://host/x")
	if status != exitFailed || strings.Count(stderr, "\n") != 1 || batches.Load() != 1 {
		t.Errorf("exit status %d after %d batches, %q", status, batches.Load(), stderr)
	}
}

func TestImportTakesAByteOrderMark(t *testing.T) {
	c := newCLI(t)
	if _, stderr, status := c.try("\xef\xbb\xbf{\"key\":\"a\",\"value\":1}\r\n{\"key\":\"b\",\"value\":2}\r\n", "import", "a.db"); status != 0 || stderr != "2 entries imported\n" {
		t.Errorf("exit status %d, %q", status, stderr)
	}
	if _, stderr, status := c.try("{\"key\":\"a\",\"value\":1}\n\xef\xbb\xbf{\"key\":\"b\",\"value\":2}", "import", "a.db"); status != exitFailed || !strings.Contains(stderr, "line 2") {
		t.Errorf("a mark in the middle: exit status %d, %q", status, stderr)
	}
}

func TestAFileThatAProgramHoldsIsInUse(t *testing.T) {
	c := newCLI(t)
	r := extlibs.NewRegistry()
	defer r.Close()
	if _, err := r.Open(context.Background(), "app.db"); err != nil {
		t.Fatal(err)
	}
	c.fails(exitFailed, "in use", "keys", "app.db")
	c.fails(exitFailed, "in use", "set", "app.db", "a", "1")
}

func TestReadersShareAFile(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "a", "1")
	r := extlibs.NewRegistry(extlibs.ReadOnly())
	defer r.Close()
	if _, err := r.Open(context.Background(), "app.db"); err != nil {
		t.Fatal(err)
	}
	c.prints("1\n", "get", "app.db", "a")
	c.fails(exitFailed, "in use", "set", "app.db", "a", "2")
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	c := newCLI(t)
	for _, cmd := range newRoot().Commands() {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if help := c.ok(cmd.Name(), "--help"); !strings.Contains(help, "Examples:") || !strings.Contains(help, "scriptling-kv "+cmd.Name()) {
			t.Errorf("%s --help prints %s", cmd.Name(), help)
		}
		if cmd.GroupID == "" {
			t.Errorf("%s is in no group of the help", cmd.Name())
		}
	}
	for _, g := range groups {
		row := "| " + strings.ToLower(strings.TrimRight(strings.SplitN(g.title, " (", 2)[0], ":")) + " | "
		if _, cells, ok := strings.Cut(string(page), row); !ok {
			t.Errorf("docs/command.md has no row %q", row)
		} else {
			cells, _, _ = strings.Cut(cells, "\n")
			for name := range strings.FieldsSeq(g.commands) {
				if !strings.Contains(cells, "`"+name+"`") {
					t.Errorf("the row %q of docs/command.md lacks %s", row, name)
				}
			}
		}
	}
	if got := c.ok("completion", "bash"); !strings.Contains(got, "scriptling-kv") {
		t.Error("no completion for bash")
	}
	if got := c.ok("help", "keys"); got != c.ok("keys", "--help") {
		t.Errorf("help keys prints %s", got)
	}
}
