package extlibs_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/access"
)

// maxErrorBytes is more than any error of a script has: a few inputs, at most 128 bytes
// of each, escaped.
const maxErrorBytes = 1500

const secretFolder = "secret-host-folder"

// checkErrorText reports what is wrong with the error of a call for a script.
func checkErrorText(message string) string {
	switch {
	case !strings.HasPrefix(message, "kv."):
		return "does not name its call"
	case len(message) > maxErrorBytes:
		return fmt.Sprintf("has %d bytes", len(message))
	case !utf8.ValidString(message):
		return "is no UTF-8"
	case strings.Contains(message, secretFolder):
		return "names a folder of the host"
	case strings.IndexFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return "has characters that a terminal obeys"
	}
	return ""
}

// hostile are texts that a script can give as a name, a key, a pattern or a keyword.
var hostile = []string{
	`""`, `"x"`, `"\x1b[31m\n"`, `"\x1b]0;title\x07" * 20`, `"\x7f\x9b31m\u202e\u2066" * 30`, `chr(0)`, `"a" * 100000`, `"\x1b" * 100000`,
	`"./" * 500000 + "x.db"`, `"d/" * 50000 + "y"`, `"/outside/" + "y" * 100000`, `"\u202e" * 2000 + ".db"`, `"/outside/\x1b[2J\x9b\u202e"`,
	`":memory:" + "\x1b" * 1024`, `":memory:" + "m" * 1025`, `"memory:\x1b"`, `"no\x1bsuch://h"`, `"s" * 5000 + "://h"`, `"errortest://h/" + "\u202e" * 3000`, `"errortest://h/#\x1b"`,
	`"default"`, `"nosuchfolder/x.db"`, `".kv-new-1"`, `"x.db-log"`, `"."`, `".."`, `"link-out/x.db"`, `"link-in.db"`, `"*" * 2000`, `"[\x1b"`, `"{" * 30`, "None", "5", "-1.5", "[]", "{}", "lambda: 1", "(1, 'a\\x1b')",
}

func init() { // the interpreter knows no such escapes; the characters stand in the program
	escapes := strings.NewReplacer(`\x1b`, "\x1b", `\x07`, "\a", `\x7f`, "\x7f", `\x9b`, "\u009b", `\u202e`, "\u202e", `\u2066`, "\u2066")
	for i := range hostile {
		hostile[i] = escapes.Replace(hostile[i])
	}
}

// storeCalls have every argument of every call once as X.
func storeCalls(x string) []string {
	all := []string{
		"get(X)", "get('k', **{X: 1})", "set(X, 1)", "set('k', X, X)", "set('k', 1, ttl=X)", "set('k', {X: lambda: 1})", "set('k', {(1, X): lambda: 1})", "set('k', [[{X: {X: {X: kv}}}]])",
		"delete(X)", "exists(X)", "ttl(X)", "expire(X, 5)", "expire('k', X)", "keys(X)", "keys('*', X)", "keys('*', 1, X)", "items(X)", "count(X)", "incr(X)", "incr('text', X)", "incr('text')",
		"add(X, 1)", "update(X, lambda old: None)", "update('text', X)", "get_or_set(X, lambda: kv)", "get_or_set('absent', X)", "pop(X)", "pop_first(X)", "pop_first(prefix=X)", "pop_first('*', X, X)", "update_many(X, lambda v: v)", "update_many([X], lambda v: {X: kv})", "update_many(['text'], lambda v: {'text': 1, X: 1})", "update_many(['text'], X)", "get_many(X)", "get_many([X])", "set_many(X)", "set_many({X: kv})",
		"delete_many(X)", "delete_many([X])", "compare_and_set(X, 1, 2)", "compare_and_set('k', 1, X, X)", "compare_and_delete(X, 1)", "delete_matching(X)", "each(X)", "each(lambda k, v: v.x, X)",
		"sub(X).get(X)", "sub(X).incr('text')", "nosuch(X)",
	}
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "X", x)
	}
	return all
}

// errorHost is an interpreter whose scripts may use one folder of the host's secret one,
// which is the current folder.
func errorHost(t *testing.T, opts ...extlibs.Option) (*extlibs.Registry, *scriptling.Scriptling, string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	secret := filepath.Join(base, secretFolder)
	allowed := filepath.Join(secret, "allowed")
	must(t, os.MkdirAll(allowed, 0o700))
	t.Chdir(allowed)
	symlink(t, secret, filepath.Join(allowed, "link-out"))
	symlink(t, filepath.Join(allowed, "f.db"), filepath.Join(allowed, "link-in.db"))
	r := newRegistry(append(opts, extlibs.Logger(slog.New(slog.DiscardHandler)))...)
	t.Cleanup(func() { r.Close() })
	must(t, r.Init(filepath.Join(secret, "default.db")))
	must(t, os.WriteFile("empty.db", nil, 0o600))
	p := scriptling.New()
	r.RegisterWithSecurity(p, []string{allowed})
	first(p)
	eval(t, p, "import scriptling.runtime.kv as kv\nf = kv.open('f.db')\nm = kv.open(':memory:m')\nfor s in [kv.default, f, m]:\n    s.set('text', 'text')\nv = f.sub('t')\n")
	return r, p, secret
}

// Whatever a script gives to a call, the error names the call, shows the script's own
// names, is short and harmless to a terminal.
func TestErrorsForScriptsAreShortAndHarmlessWhateverTheInput(t *testing.T) {
	_, p, _ := errorHost(t)
	failed, calls := 0, 0
	check := func(statement string) {
		calls++
		clause, message := caught(t, p, statement)
		if clause == "" || clause == "Exception" && !strings.HasPrefix(message, "kv.") {
			return // no error, or one of the interpreter
		}
		failed++
		if bad := checkErrorText(message); bad != "" {
			t.Errorf("%s: the error %s: %.300q", statement, bad, message)
		}
	}
	for _, x := range hostile {
		check("kv.open(" + x + ")")
		check("kv.open(" + x + ", 1)")
		for _, s := range []string{"kv.default", "f", "m", "v"} {
			for _, c := range storeCalls(x) {
				check(s + "." + c)
			}
		}
		check("f.close()\nf.get(" + x + ")")
		check("global f, v\nf = kv.open('f.db')\nv = f.sub('t')")
	}
	if failed < calls/4 {
		t.Errorf("only %d of %d calls failed", failed, calls)
	}
}

// Whatever the operating system refuses, in whatever act, no error shows a script a path
// of the host or the name of a temporary file, although those of the system do.
func TestErrorsForScriptsShowNoPathOfTheHostWhateverTheDiskRefuses(t *testing.T) {
	acts := []access.Act{access.ActWriteMetaPage, access.ActOpenDir, access.ActOpen, access.ActCreate, access.ActLink, access.ActRename, access.ActRemove, access.ActSync, access.ActSyncLog, access.ActSyncDir, access.ActAllocateLog, access.ActCommit, access.ActSyncMetaPage}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EACCES, syscall.EMFILE} {
		for _, act := range acts {
			t.Run(fmt.Sprintf("%s %v", act, errno), func(t *testing.T) {
				var mu sync.Mutex
				armed, refused, secret := false, 0, ""
				r, p, dir := errorHost(t, extlibs.LogBytes(1), extlibs.DiskHook(func(a access.Act, name string) error {
					mu.Lock()
					defer mu.Unlock()
					if !armed || a != act {
						return nil
					}
					refused++
					path := filepath.Join(secret, ".", filepath.Base(name))
					switch refused % 3 {
					case 0:
						return &os.LinkError{Op: string(a), Old: path, New: path + "/./.kv-new-1", Err: errno}
					case 1:
						return fmt.Errorf("file stat error: %w", &fs.PathError{Op: string(a), Path: path, Err: errno})
					}
					return &fs.PathError{Op: string(a), Path: path, Err: errno}
				}))
				mu.Lock()
				secret, armed = dir, true
				mu.Unlock()
				for i, statement := range []string{
					"f.set('k', 1)", "kv.default.set('k', 1)", "kv.default.set('k', 'x' * 40000)", "f.set('k', 'x' * 40000)", "f.clear()", "kv.default.clear()", "f.incr('text')", "f.get('k')",
					"kv.open('new.db')", "kv.open('empty.db')", "kv.open('./new2.db').set('k', 1)", "f.close()", "f.get('k')", "global f\nf = kv.open('f.db')", "f.set('k', 1)", "kv.open('link-in.db').set('k', 1)", "kv.open('link-out/x.db')",
				} {
					_, message := caught(t, p, statement)
					bad := checkErrorText(message)
					if strings.Contains(message, ".kv-") || strings.Contains(message, "/./") {
						bad = "names a temporary file"
					}
					if message != "" && bad != "" {
						t.Errorf("%d, %s: the error %s: %q", i, statement, bad, message)
					}
				}
				mu.Lock()
				if armed = false; refused == 0 {
					t.Error("nothing was refused")
				}
				mu.Unlock()
				r.Close()
			})
		}
	}
}

// An error does not tell a script whether a key, or a name, is a path of the host.
func TestAnErrorConfirmsNoGuessOfAPath(t *testing.T) {
	_, p, secret := errorHost(t)
	eval(t, p, "def error(s, key):\n    s.set(key, 'text')\n    try:\n        s.incr(key)\n    except Exception as e:\n        return str(e)\n")
	for name, path := range map[string]string{"f": secret + "/allowed/f.db", "kv.default": secret + "/default.db", "v": secret + "/allowed/f.db", "kv.open('./f.db')": secret + "/allowed/f.db"} {
		for from := range path {
			guess := path[from:]
			if len(guess) > 39 { // longer ones are cut
				continue
			}
			must(t, p.SetVar("guess", guess))
			eval(t, p, "told = error("+name+", guess)\n")
			v, err := p.GetVarAsString("told")
			if err != nil || !strings.Contains(v, fmt.Sprintf("key %q:", guess)) {
				t.Fatalf("%s, key %q: %s (%v)", name, guess, v, err)
			}
		}
	}
}
