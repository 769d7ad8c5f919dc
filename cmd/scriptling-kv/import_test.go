package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// oddTimes is a store in memory whose keys are the times that they have left, which no
// store takes from a caller: clocks differ, and time passes between two calls.
type oddTimes struct{ extlibs.Store }

func init() {
	extlibs.RegisterDriver("oddtimes", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, ":memory:odd")
		if err != nil {
			return nil, err
		}
		s := oddTimes{h.Store()}
		for _, left := range []time.Duration{0, 1, 400 * time.Microsecond, time.Millisecond - 1, time.Millisecond, time.Hour, extlibs.MaxTTL, extlibs.MaxTTL + 1, 2 * extlibs.MaxTTL} {
			if err := h.Set(ctx, left.String(), "x", 0); err != nil {
				return nil, err
			}
		}
		return s, nil
	})
	extlibs.RegisterDriver("picky", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, strings.TrimPrefix(c.URL.Path, "/"))
		if err != nil {
			return nil, err
		}
		return picky{h.Store()}, nil
	})
	extlibs.RegisterDriver("closefails", func(ctx context.Context, c extlibs.OpenConfig) (extlibs.Store, error) {
		h, err := extlibs.NewRegistry().Open(ctx, strings.TrimPrefix(c.URL.Path, "/"))
		if err != nil {
			return nil, err
		}
		return closeFails{h}, nil
	})
}

func (s oddTimes) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	entries, err := s.Store.LoadMany(ctx, keys, need)
	for i := range entries {
		if entries[i].TTL, err = time.ParseDuration(entries[i].Key); err != nil {
			return nil, err
		}
	}
	return entries, err
}

// picky refuses a batch that has a key which ends in "bad".
type picky struct{ extlibs.Store }

func (s picky) ApplyMany(ctx context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	if slices.ContainsFunc(ops, func(op extlibs.Op) bool { return strings.HasSuffix(op.Key, "bad") }) {
		return nil, extlibs.ErrInvalid
	}
	return s.Store.ApplyMany(ctx, ops)
}

// closeFails is the store of a file that is full when it is closed.
type closeFails struct{ *extlibs.Handle }

func (s closeFails) Load(ctx context.Context, key string, need extlibs.Need) (extlibs.Entry, error) {
	return s.Store().Load(ctx, key, need)
}
func (s closeFails) LoadMany(ctx context.Context, keys []string, need extlibs.Need) ([]extlibs.Entry, error) {
	return s.Store().LoadMany(ctx, keys, need)
}
func (s closeFails) Apply(ctx context.Context, op extlibs.Op) (extlibs.Result, error) {
	return s.Store().Apply(ctx, op)
}
func (s closeFails) ApplyMany(ctx context.Context, ops []extlibs.Op) ([]extlibs.Result, error) {
	return s.Store().ApplyMany(ctx, ops)
}
func (s closeFails) Scan(ctx context.Context, r extlibs.Range) (extlibs.Page, error) {
	return s.Store().Scan(ctx, r)
}
func (s closeFails) Len(ctx context.Context) (int, error) { return s.Store().Len(ctx) }
func (s closeFails) Clear(ctx context.Context) error      { return s.Store().Clear(ctx) }
func (s closeFails) Close() error {
	if err := s.Handle.Close(); err != nil {
		return err
	}
	return fmt.Errorf("the log stays: %w", extlibs.ErrFull)
}

func TestWhateverAStoreHasLeftOfATimeIsExportedImportedAndMoved(t *testing.T) {
	c := newCLI(t)
	lines := c.ok("export", "oddtimes://x/y")
	keys := c.ok("keys", "oddtimes://x/y")
	if n := strings.Count(keys, "\n"); n != strings.Count(lines, "\n") || n != 9 {
		t.Fatalf("%d keys, exported as\n%s", n, lines)
	}
	if _, stderr, status := c.try(lines, "import", "a.db"); status != 0 || stderr != "9 entries imported\n" {
		t.Errorf("import: exit status %d, %s", status, stderr)
	}
	if _, stderr, status := c.try("", "move", "oddtimes://x/y", "b.db"); status != 0 && !strings.Contains(stderr, "differ after the copy") {
		t.Errorf("move: exit status %d, %s", status, stderr) // times beyond 100 years cannot be the same
	}
	for _, store := range []string{"a.db", "b.db"} {
		for _, key := range []string{"0s", "1h0m0s", extlibs.MaxTTL.String(), (extlibs.MaxTTL + 1).String()} {
			c.ok("get", store, key)
		}
	}
}

func TestATimeThatIsTooShortIsRoundedUpAsForScripts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0.0": 0, "-0": 0, "0e5": 0, "0s": 0, "0h0m": 0,
		"1e-10": extlibs.MinTTL, "0.0005": extlibs.MinTTL, "1e-400": extlibs.MinTTL, "0.001": extlibs.MinTTL, "0.0010000001": extlibs.MinTTL + 1,
		"1ns": extlibs.MinTTL, "500us": extlibs.MinTTL, "0.0000000001s": extlibs.MinTTL, "90": 90 * time.Second, "1.5h": 90 * time.Minute,
		"3155760000": extlibs.MaxTTL,
	} {
		if d, err := parseTTL(text); d != want || err != nil {
			t.Errorf("--ttl %s is %v, %v; want %v", text, d, err, want)
		}
	}
	for _, text := range []string{"-1", "-1e-400s", "3155760001", "NaN", "inf", "0x10", "1 s", "", "876601h"} {
		if d, err := parseTTL(text); err == nil {
			t.Errorf("--ttl %s is %v", text, d)
		}
	}
}

func TestARefusedEntryTakesNoOtherWithItAndNamesItsLine(t *testing.T) {
	c := newCLI(t)
	var lines strings.Builder
	for i := 1; i <= 2500; i++ {
		suffix := ""
		if i == 1700 {
			suffix = "bad"
		}
		fmt.Fprintf(&lines, "{\"key\":\"%04d%s\",\"value\":%d}\n", i, suffix, i)
	}
	_, stderr, status := c.try(lines.String(), "import", "picky://file/a.db")
	if status != exitFailed || !strings.HasPrefix(stderr, "1699 entries imported\nscriptling-kv: line 1700: ") {
		t.Errorf("exit status %d, %q", status, stderr)
	}
	c.prints("1699\n", "count", "a.db")
	c.ok("set", "small.db", "0", `"`+strings.Repeat("x", 2000)+`"`)
	c.ok("set", "small.db", "1", "1")
	if _, stderr, status := c.try("", "move", "small.db", "picky://file/b.db"); status != 0 {
		t.Errorf("exit status %d, %q", status, stderr)
	}
}

// invalidText are texts of JSON that hold characters which are none.
var invalidText = []string{`"\ud800"`, `"\udc00"`, `"a\ud83d"`, `"\ud83dx\ude00"`, `"\ude00\ud83d"`, `"\ud83d\\ude00"`, `"\uD800\uD800"`, `"\\\ud800"`, "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\""}

func TestInvalidTextIsRefusedWhereverItComesIn(t *testing.T) {
	c := newCLI(t)
	c.ok("set", "a.db", "k", "1")
	before := c.ok("export", "a.db")
	for _, text := range invalidText {
		for _, line := range []string{
			`{"key":` + text + `,"value":1}`, `{"key":"v","value":` + text + `}`, `{"key":"v","value":{` + text + `:1}}`, `{"key":"v","value":[{"a":[` + text + `]}]}`,
			`{"key":"v","value":{"$dict":[[` + text + `,1]]}}`, `{"key":"v","value":{"$set":[` + text + `]}}`, `{"key":"v",` + text + `:2,"value":1}`,
		} {
			if _, stderr, status := c.try(line+"\n", "import", "a.db"); status != exitFailed || !strings.HasPrefix(stderr, "0 entries imported\nscriptling-kv: line 1: ") {
				t.Errorf("import of %q: exit status %d, %s", line, status, stderr)
			}
		}
		c.fails(exitUsage, "VALUE", "set", "a.db", "v", text, "--json")
		if _, stderr, status := c.try(text, "set", "a.db", "v", "-", "--json"); status != exitUsage {
			t.Errorf("set --json of %q: exit status %d, %s", text, status, stderr)
		}
	}
	for _, args := range [][]string{
		{"set", "a.db", "v", "--text", "\xff"}, {"set", "a.db", "v", "\"\xff\""}, {"set", "a.db", "v", `"\ud800"`}, {"set", "a.db", "v", `{"\uDFFF": 1}`}, {"set", "a.db", "v", `"\U0000d800"`},
		{"set", "a.db", "\xff", "1"}, {"get", "a.db", "\xff"}, {"ttl", "a.db", "\xff"}, {"expire", "a.db", "\xff", "1"}, {"del", "a.db", "k", "\xff"},
		{"keys", "a.db", "--prefix", "\xff"}, {"keys", "a.db", "--pattern", "\xff"}, {"keys", "a.db", "--after", "\xff"}, {"count", "a.db", "--prefix", "\xff"}, {"export", "a.db", "--prefix", "\xff"},
	} {
		c.fails(exitUsage, "", args...)
	}
	c.prints(before, "export", "a.db")
	// What is valid stays what it is.
	c.ok("set", "a.db", "v", `"\ud83d\ude00 \\ud800 \u00e9"`, "--json")
	c.prints("\"😀 \\\\ud800 é\"\n", "get", "a.db", "v")
	c.ok("set", "a.db", "v", `"\xff"`)
	c.prints("{\"$text\":\"/w==\"}\n", "get", "a.db", "v", "--json")
}

func TestAChangeThatIsStoredSucceedsThoughTheFileCannotBeClosed(t *testing.T) {
	c := newCLI(t)
	for _, step := range []struct {
		args   []string
		stdout string
	}{
		{[]string{"set", "closefails://file/a.db", "a", "1"}, ""},
		{[]string{"set", "closefails://file/a.db", "b", "2"}, ""},
		{[]string{"expire", "closefails://file/a.db", "b", "1h"}, ""},
		{[]string{"del", "closefails://file/a.db", "a"}, "1\n"},
	} {
		stdout, stderr, status := c.try("", step.args...)
		if status != 0 || stdout != step.stdout || !strings.HasPrefix(stderr, "scriptling-kv: warning: the change is stored") || !strings.Contains(stderr, "the log stays") {
			t.Errorf("%q: exit status %d, %q, %q", step.args, status, stdout, stderr)
		}
	}
	c.prints("b\n", "keys", "a.db")
	c.fails(exitUsage, "", "set", "closefails://file/a.db", "", "1") // stores nothing: no word of a change
	if _, stderr, _ := c.try("", "set", "closefails://file/a.db", "", "1"); strings.Contains(stderr, "is stored") {
		t.Errorf("a failed set says %q", stderr)
	}
}

func TestAStoreOfLargeValuesIsCopiedWhereItsLimitIsGiven(t *testing.T) {
	if testing.Short() {
		t.Skip("large values")
	}
	c := newCLI(t)
	const limit = extlibs.DefaultMaxValueBytes + 1<<20
	r := extlibs.NewRegistry(extlibs.MaxValueBytes(limit))
	h, err := r.Open(t.Context(), "a.db")
	if err == nil {
		err = h.Set(t.Context(), "large", strings.Repeat("\x01", extlibs.DefaultMaxValueBytes+1), 0)
	}
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	flag := fmt.Sprint("--max-value-bytes=", limit)
	c.ok("export", "a.db", "-o", "a.jsonl", flag)
	c.ok("move", "a.db", "b.db", flag)
	c.ok("import", "c.db", "a.jsonl", flag)
	c.prints("1\n", "count", "b.db")
	c.prints("1\n", "count", "c.db")
	if _, stderr, status := c.try("", "import", "d.db", "a.jsonl"); status != exitFailed || !strings.Contains(stderr, "line 1: ") || !strings.Contains(stderr, "--max-value-bytes") {
		t.Errorf("exit status %d, %q", status, stderr)
	}
	c.fails(exitUsage, "max-value-bytes", "count", "a.db", "--max-value-bytes=0")
}
