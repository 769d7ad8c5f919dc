package extlibs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

func TestABareNameThatIsRefusedHintsAtWhatItMayHaveBeenMeantAs(t *testing.T) {
	const inMemory, ofHost = `":memory:NAME"`, "kv.default"
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := errors.Join(os.Mkdir("folder", 0o700), os.WriteFile("note", []byte("no store, a text"), 0o600)); err != nil {
				t.Fatal(err)
			}
			r := b.registry(t, extlibs.MaxCreatedFiles(0))
			for _, c := range []struct {
				name    string
				allowed []string
				clause  string
				hints   string // of both, the hints in the error
			}{
				{"sessions", []string{}, "PermissionError", inMemory},
				{"default", []string{}, "PermissionError", inMemory + ofHost},
				{"sessions", nil, "OSError", inMemory}, // scripts may make no file
				{"folder", nil, "OSError", inMemory},
				{"note", nil, "OSError", inMemory},
				{"sessions.db", []string{}, "PermissionError", ""},
				{"./sessions", []string{}, "PermissionError", ""},
				{"none/sessions", []string{}, "PermissionError", ""},
			} {
				clause, message := opens(t, r, registrations["RegisterWithSecurity"], c.allowed, c.name)
				if clause != c.clause {
					t.Errorf("%q: %s %s, want %s", c.name, clause, message, c.clause)
				}
				for _, hint := range []string{inMemory, ofHost} {
					if strings.Contains(message, hint) != strings.Contains(c.hints, hint) {
						t.Errorf("%q, hint %s: %s", c.name, hint, message)
					}
				}
			}
			_, err := r.Open(ctx, "folder")
			if !errors.Is(err, extlibs.ErrFormat) || !strings.Contains(err.Error(), inMemory) {
				t.Errorf("Go gets %v", err)
			}
		})
	}
}

func TestScriptsSeeTheNamesThatTheyUsedAndNoPathOfTheHost(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	r := backends[0].registry(t)
	if err := r.Init(filepath.Join(dir, "held.db")); err != nil {
		t.Fatal(err)
	}
	printed := output(t, r, `
import scriptling.runtime.kv as kv
def attempt(fn):
    try:
        fn()
    except Exception as e:
        print(str(e))
kv.default.set("s", "text")
attempt(lambda: kv.default.incr("s"))
attempt(lambda: kv.open("./held.db").incr("s"))
other = kv.open("other.db")
other.set("s", "text")
attempt(lambda: other.incr("s"))
attempt(lambda: other.sub("s").sub("x").incr("y", "z"))
other.set("sub", "text")
attempt(lambda: other.sub("s").incr("ub"))
other.close()
attempt(lambda: other.get("s"))
attempt(lambda: kv.open("none/x.db"))
attempt(lambda: kv.open("."))
`)
	if strings.Contains(printed, dir) || strings.Contains(printed, "RESULT ERROR") {
		t.Errorf("a script sees the host's folder, or an error:\n%s", printed)
	}
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	for i, want := range []string{`"default"`, `"./held.db"`, `"other.db"`, `delta`, `"other.db"`, `"other.db"`, `"none/x.db"`, `"."`} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Fatalf("line %d of these does not name %s:\n%s", i, want, printed)
		}
	}
}
