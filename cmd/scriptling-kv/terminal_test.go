package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// Whatever the names of files, keys and values are, what the command prints moves no
// cursor and turns no letters around.
func TestTheCommandPrintsNothingThatATerminalObeys(t *testing.T) {
	t.Chdir(t.TempDir())
	const odd = "a\x1b[31m\x7f\u009b2J\u202e\u2066\r\nb"
	name := odd + ".db"
	failed := 0
	check := func(args ...string) {
		t.Helper()
		for _, args := range [][]string{args, append([]string{"--json"}, args...)} {
			var out, errs bytes.Buffer
			if run(context.Background(), args, strings.NewReader(""), &out, &errs) != 0 {
				failed++
			}
			text := strings.ReplaceAll(out.String()+errs.String(), "\n", "")
			if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q prints %q", args, text[max(i-20, 0):min(i+20, len(text))])
			}
		}
	}
	check("set", name, odd, `"`+strings.ReplaceAll(strings.ReplaceAll(odd, "\r", `\r`), "\n", `\n`)+`"`)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("no file can have such a name here: %v", err)
	}
	if err := os.WriteFile(odd+".txt", []byte("no store"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"stat", name}, {"keys", name}, {"get", name, odd}, {"ttl", name, odd}, {"count", name}, {"export", name}, {"check", name}, {"compact", name},
		{"get", name, odd + "2"}, {"stat", odd}, {"stat", odd + ".txt"}, {"check", odd + ".txt"}, {"check", odd}, {"get", odd + ".txt", "k"}, {"export", name, "-o", name}, {"backup", name, name},
		{"backup", name, filepath.Join(odd, "x.db")}, {"export", name, "-o", filepath.Join(odd, "x")}, {"restore", odd, "x.db"}, {"import", name, odd}, {"stat", "no" + odd + "://x"}, {odd}, {"get", name, odd, odd},
		{"stat", name + "-log"}, {"set", ".kv-backup-" + odd, "k", "1"}, {"--" + odd, name}, {"keys", name, "--pattern", "[" + odd},
	} {
		check(args...)
	}
	if failed < 20 {
		t.Errorf("only %d commands failed", failed)
	}
}
