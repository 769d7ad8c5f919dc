package extlibs_test

import (
	"path/filepath"
	"strings"
	"testing"
)

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
