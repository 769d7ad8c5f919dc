package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scriptling-kv/extlibs"
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

func TestValuesAreReadAndWrittenAsAScriptWouldWriteThem(t *testing.T) {
	c := newCLI(t)
	for i, value := range []string{"None", "True", "42", "1.0", `"two\nlines"`, `[1, (2,), {3}]`, `{"user": "bob", 1: None}`, `bytes("raw")`} {
		key := fmt.Sprint("k", i)
		c.prints("", "set", "app.db", key, value)
		c.prints(value+"\n", "get", "app.db", key)
	}
	c.prints("k0\nk1\n", "keys", "app.db", "--limit", "2")
	c.prints("8\n", "count", "app.db")
	c.ok("set", "app.db", "text", "--text", "as it stands: {")
	c.prints(`"as it stands: {"`+"\n", "get", "app.db", "text")
	c.ok("set", "app.db", "json", "--json", `{"a": [1, 1.0, null]}`)
	c.prints(`{"a": [1, 1.0, None]}`+"\n", "get", "app.db", "json")
	c.prints(`{"a":[1,1.0,null]}`+"\n", "get", "app.db", "json", "--json")
	if _, stderr, status := c.try(`"from a pipe"`, "set", "app.db", "piped", "-"); status != 0 {
		t.Fatal(stderr)
	}
	c.prints(`"from a pipe"`+"\n", "get", "app.db", "piped")
}

func TestKeysAreSelectedByPatternOrPrefix(t *testing.T) {
	c := newCLI(t)
	for _, key := range []string{"user:1", "user:2", "[x]{a,b}*", "new\nline", "\"quoted\""} {
		c.ok("set", "app.db", key, "1")
	}
	c.prints("user:1\nuser:2\n", "keys", "app.db", "--pattern", "user:*")
	c.prints("[x]{a,b}*\n", "keys", "app.db", "--prefix", "[x]{a,b}*")
	c.prints("1\n", "count", "app.db", "--prefix", "[x")
	c.prints("user:2\n", "keys", "app.db", "--prefix", "user:", "--after", "user:1")
	c.prints(`"new\nline"`+"\n", "keys", "app.db", "--prefix", "new")
	c.prints(`"\"quoted\""`+"\n", "keys", "app.db", "--prefix", `"`)
	c.prints(`"new\nline"`+"\n", "keys", "app.db", "--prefix", "new", "--json")
	c.fails(exitUsage, "exclude each other", "keys", "app.db", "--prefix", "a", "--pattern", "b")
	c.fails(exitUsage, "--limit is -1", "keys", "app.db", "--limit", "-1")
	c.fails(exitUsage, "-- goes before", "set", "app.db", "minus", "-1")
	c.prints("", "set", "app.db", "minus", "--", "-1")
	c.prints("-1\n", "get", "app.db", "minus")
	c.fails(exitUsage, "pattern", "keys", "app.db", "--pattern", "[")
}

func TestExpiryIsShownAndChanged(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "a", "1", "--ttl", "1h")
	if got := c.ok("ttl", "app.db", "a"); !strings.HasPrefix(got, "59m5") && got != "1h0m0s\n" {
		t.Errorf("ttl printed %q", got)
	}
	if got := c.ok("ttl", "app.db", "a", "--json"); !strings.HasPrefix(got, "3599.") && got != "3600\n" {
		t.Errorf("ttl printed %q", got)
	}
	c.ok("expire", "app.db", "a", "0")
	c.prints("none\n", "ttl", "app.db", "a")
	c.prints("null\n", "ttl", "app.db", "a", "--json")
	c.fails(exitNoKey, "no key", "expire", "app.db", "b", "10")
	for _, ttl := range []string{"-1", "x", "1e99", "NaN"} {
		c.fails(exitUsage, "ttl is", "set", "app.db", "a", "1", "--ttl="+ttl)
	}
}

func TestKeysAreRemoved(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "a", "1")
	c.ok("set", "app.db", "b", "1")
	c.prints("2\n", "del", "app.db", "a", "b", "c")
	c.prints("", "keys", "app.db")
	c.fails(exitNoKey, `no key "a"`, "get", "app.db", "a")
	c.fails(exitNoKey, `no key "a"`, "ttl", "app.db", "a")
}

func TestAnExportIsImportedWithTypesAndTheTimeLeft(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "a.db", "plain", `{"a": 1, "b": (1, 2.0)}`)
	c.ok("set", "a.db", "mortal", "1", "--ttl", "1h")
	c.fill("a.db", 2500) // more than a page
	c.ok("export", "a.db", "-o", "a.jsonl")
	if _, stderr, status := c.try("", "import", "b.db", "a.jsonl"); status != 0 || stderr != "2503 entries imported\n" {
		t.Errorf("exit status %d, %q", status, stderr)
	}
	c.prints(c.ok("get", "a.db", "plain"), "get", "b.db", "plain")
	if got := c.ok("ttl", "b.db", "mortal"); !strings.HasPrefix(got, "59m") && got != "1h0m0s\n" {
		t.Errorf("ttl printed %q", got)
	}
	c.prints(c.ok("keys", "a.db"), "keys", "b.db")
	c.fails(exitFailed, "exists", "export", "a.db", "-o", "a.jsonl")
	if stdout, stderr, status := c.try("{\"key\":\"x\",\"value\":1}\nbroken\n", "import", "b.db"); status != exitFailed || !strings.Contains(stderr, "line 2") {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
	c.prints("1\n", "get", "b.db", "x")
}

func TestImportStoresWhatStandsBeforeAWrongLine(t *testing.T) {
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

func TestAMoveCopiesVerifiesAndGoesOnWhereItStopped(t *testing.T) {
	c := newCLI(t)
	r := extlibs.NewRegistry()
	h, err := r.Open(t.Context(), "a.db")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for i := range 2500 {
		values[fmt.Sprintf("k%04d", i)] = map[string]any{"n": i, "text": "x"}
	}
	if err := h.SetMany(t.Context(), values, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	c.prints("2500 keys are the same in both stores, 2500 of them copied now\n", "move", "a.db", "b.db")
	c.ok("del", "b.db", "k0001", "k2000")
	c.ok("set", "b.db", "k0002", "0")
	c.ok("set", "b.db", "mine", "0")
	c.prints("2500 keys are the same in both stores, 3 of them copied now; the destination has 1 more\n", "move", "a.db", "b.db")
	c.prints("0\n", "get", "b.db", "mine")
}

func TestProgramsGetJSON(t *testing.T) {
	c := newCLI(t)
	stdout, _, status := c.try("{\"key\":\"a\",\"value\":[1]}\n", "import", "a.db", "--json")
	if status != 0 || stdout != "{\"imported\":1}\n" {
		t.Errorf("import: %q, exit status %d", stdout, status)
	}
	c.ok("set", "b.db", "mine", "0")
	c.prints(`{"copied":1,"keys":1,"more":1}`+"\n", "move", "a.db", "b.db", "--json")
	for _, args := range [][]string{
		{"keys", "a.db"}, {"get", "a.db", "a"}, {"ttl", "a.db", "a"}, {"count", "a.db"}, {"stat", "a.db"}, {"check", "a.db"}, {"export", "a.db"},
		{"compact", "a.db"}, {"move", "a.db", "b.db"}, {"del", "b.db", "a"},
	} {
		var v any
		if got := c.ok(append(args, "--json")...); json.Unmarshal([]byte(got), &v) != nil {
			t.Errorf("%q printed %q", args, got)
		}
	}
}

func TestAMoveComparesTheTimesLeft(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "a.db", "k", "1", "--ttl", "1h")
	c.ok("set", "a.db", "same", "1", "--ttl", "1h")
	c.ok("move", "a.db", "b.db")
	c.ok("expire", "b.db", "k", "60")
	c.prints("2 keys are the same in both stores, 1 of them copied now\n", "move", "a.db", "b.db")
	if got := c.ok("ttl", "b.db", "k"); !strings.HasPrefix(got, "59m") && got != "1h0m0s\n" {
		t.Errorf("the copy has %s left", got)
	}
}

// full is the store of a file that takes no batch, and counts those that it was given.
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

func TestNothingToDoIsNoError(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "a.db", "k", "1")
	c.ok("del", "a.db", "k")
	c.prints("", "export", "a.db")
	c.prints("0 keys are the same in both stores, 0 of them copied now\n", "move", "a.db", "b.db")
	for _, input := range []string{os.DevNull, "-"} {
		if _, stderr, status := c.try("", "import", "c.db", input); status != 0 || stderr != "0 entries imported\n" {
			t.Errorf("import of nothing from %s: exit status %d, %q", input, status, stderr)
		}
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

func TestAMoveOfAStoreOntoItselfIsRefused(t *testing.T) {
	c := newCLI(t)
	c.fill("a.db", 1)
	if err := os.Symlink("a.db", "link.db"); err != nil {
		t.Skip(err)
	}
	for _, dst := range []string{"a.db", "./a.db", "link.db"} {
		c.fails(exitUsage, "one store", "move", "a.db", dst)
	}
	c.fails(exitUsage, "one store", "move", "redis://host/0/x", "redis://host/0/x")
}

func TestABackupIsRestored(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "a", "0")
	c.fails(exitUsage, "move copies to a server", "backup", "app.db", "redis://host/0/x")
	c.fails(exitFailed, `the folder of "nosuch/b.db"`, "backup", "app.db", "nosuch/b.db")
	c.ok("set", "a.db", "k", "1")
	c.ok("backup", "a.db", "backup.db")
	c.ok("set", "a.db", "k", "2")
	c.ok("restore", "backup.db", "old.db")
	c.prints("1\n", "get", "old.db", "k")
	c.fails(exitFailed, "exist", "backup", "a.db", "backup.db")
	c.fails(exitFailed, "exist", "restore", "backup.db", "a.db")
	c.prints("2\n", "get", "a.db", "k")
	got := c.ok("compact", "a.db")
	if info, err := os.Stat("a.db"); err != nil || got != fmt.Sprintf("1 key, %d bytes\n", info.Size()) {
		t.Errorf("compact printed %q, the file has %v bytes (%v)", got, info, err)
	}
	if got := c.ok("stat", "a.db"); !strings.Contains(got, "keys   1\n") {
		t.Errorf("stat printed %q", got)
	}
}

func TestWrongCommandsAreRefused(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "app.db", "a", "1")
	for _, args := range [][]string{
		{"nosuch"}, {"get"}, {"get", "app.db"}, {"get", "app.db", "a", "b"}, {"keys", "app.db", "--nosuch"}, {"set", "app.db", "a", "unquoted"},
		{"set", "app.db", "a", "{", "--json"}, {"set", "app.db", "a", "1", "--text", "--json"}, {"get", ":memory:x", "a"}, {"get", "", "a"}, {"del", "app.db"},
		{"set", "app.db", "", "1"}, {"set", "memory:x", "a", "1"}, {"completion", "nosuch"}, {"help", "nosuch"}, {"app.db", "keys"}, {"export", "app.db", "-o", "redis://host/0/x"},
		{"backup", "redis://host/0/x", "b.db"}, {"restore", "redis://host/0/x", "b.db"}, {"compact", "redis://host/0/x"},
	} {
		c.fails(exitUsage, "scriptling-kv: ", args...)
	}
	for _, args := range [][]string{
		{"get", "nosuch.db", "a"}, {"keys", "nosuch.db"}, {"del", "nosuch.db", "a"}, {"compact", "nosuch.db"}, {"backup", "nosuch.db", "x"},
		{"set", "nosuch/x.db", "a", "1"}, {"get", ".", "a"},
	} {
		c.fails(exitFailed, "scriptling-kv: ", args...)
	}
	c.fails(exitUsage, "a command comes before the store", "app.db", "keys")
	c.fails(exitUsage, "-- goes before", "get", "app.db", "-5")
	if _, stderr, _ := c.try("", "keys", "app.db", "--limit", "x"); strings.Contains(stderr, "-- goes before") {
		t.Errorf("a wrong limit: %q", stderr)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "nosuch.db")); err == nil {
		t.Error("a command that reads made a file")
	}
	c.prints("1\n", "get", "app.db", "a")
}

func TestAnErrorSaysWhichFileIsNoneOfAStore(t *testing.T) {
	c := newCLI(t)
	for name, content := range map[string]string{"empty.db": "", "text.db": strings.Repeat("text\n", 2000)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{{"check", "nosuch.db"}, {"repair", "nosuch.db", "new.db"}, {"export", "nosuch.db", "--salvage"}, {"count", "nosuch.db"}} {
		c.fails(exitFailed, `there is no file "nosuch.db"`, command...)
	}
	for _, command := range [][]string{{"check", "text.db"}, {"repair", "text.db", "new.db"}, {"export", "text.db", "--salvage"}, {"count", "text.db"}} {
		c.fails(exitFailed, `"text.db": the file is not a kv file`, command...)
	}
	c.fails(exitFailed, `"empty.db" is an empty file`, "count", "empty.db")
	c.ok("set", "empty.db", "a", "1")
	c.prints("1\n", "count", "empty.db")
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
	c := newCLI(t)
	for _, cmd := range newRoot().Commands() {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if help := c.ok(cmd.Name(), "--help"); !strings.Contains(help, "Examples:") || !strings.Contains(help, "scriptling-kv "+cmd.Name()) {
			t.Errorf("%s --help prints %s", cmd.Name(), help)
		}
	}
	if got := c.ok("completion", "bash"); !strings.Contains(got, "scriptling-kv") {
		t.Error("no completion for bash")
	}
	if got := c.ok("help", "keys"); got != c.ok("keys", "--help") {
		t.Errorf("help keys prints %s", got)
	}
}
