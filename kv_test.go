package extlibs_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scriptling-kv/extlibs"
)

// What the library does, told by scripts: each prints what stands below it. The
// other tests say the same again for every backend, limit and mistake.

func TestTheDefaultStore(t *testing.T) {
	prints(t, `
import scriptling.runtime.kv as kv

kv.default.set("api_key", "secret123")
kv.default.set("session:abc", {"user": "bob"}, ttl=3600)
print(kv.default.get("api_key"), kv.default.get("session:abc", default={}))
print(kv.default.get("missing"), kv.default.get("missing", default=0))
print(kv.default.exists("session:abc"), kv.default.exists("missing"))
print(kv.default.ttl("session:abc"), kv.default.ttl("api_key"), kv.default.ttl("missing"))
kv.default.delete("api_key")
kv.default.delete("api_key")
print(kv.default.keys())
kv.default.close()
kv.default.clear()
print(kv.default.keys())
`, `
secret123 {user: bob}
None 0
true false
3600 -1 -2
[session:abc]
[]
`)
}

func TestANamedStoreInMemory(t *testing.T) {
	prints(t, `
import scriptling.runtime.kv as kv

scratch = kv.open(":memory:scratch")
scratch.set("temp", 42)
print(kv.open(":memory:scratch").get("temp"), kv.default.exists("temp"))
scratch.close()
print(kv.open(":memory:scratch").get("temp"))
`, `
42 false
None
`)
}

func TestAPersistentStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.db")
	for _, want := range []string{"before: \nafter: python async\n", "before: python async\nafter: python async\n"} {
		r := newRegistry() // as another process would be
		got := output(t, r, strings.ReplaceAll(`
import scriptling.runtime.kv as kv

db = kv.open("/data/agent.db")
print("before:", db.get("last_topic", default=""))
db.set("last_topic", "python async")
print("after:", db.get("last_topic"))
`, "/data/agent.db", filepath.ToSlash(path)))
		if err := r.Close(); got != want || err != nil {
			t.Errorf("printed:\n%s\nwant:\n%s\n%v", got, want, err)
		}
	}
}

func TestKeysAreMatchedByPatterns(t *testing.T) {
	prints(t, `
import scriptling.runtime.kv as kv

kv.default.set("user:2", {"name": "Bob"})
kv.default.set("user:1", {"name": "Alice"})
kv.default.set("session:abc", {"user_id": 1})
print(kv.default.keys("user:*"))
print(kv.default.keys("user:?"), kv.default.keys("*:abc"), kv.default.keys("nothing*"))
`, `
[user:1, user:2]
[user:1, user:2] [session:abc] []
`)
}

func TestWhatAStoreReturnsIsACopy(t *testing.T) {
	prints(t, `
import scriptling.runtime.kv as kv

users = ["alice"]
kv.default.set("users", users)
users.append("bob")
kv.default.get("users").append("carol")
print(kv.default.get("users"))
`, `
[alice]
`)
}

func TestRequestsShareState(t *testing.T) {
	r := newRegistry()
	defer r.Close()
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

def handler(request):
    users = kv.default.get("users", default=[])
    users.append(request.json())
    kv.default.set("users", users)
    return runtime.http.json(200, {"count": len(users)})
`)
	for range 2 {
		if _, err := p.CallFunction("handler", extlibs.CreateRequestInstance("POST", "/users", `{"name": "bob"}`, nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if got := output(t, r, "import scriptling.runtime.kv as kv\nprint(kv.default.get(\"users\"))\n"); got != "[{name: bob}, {name: bob}]\n" {
		t.Errorf("another interpreter sees %s", got)
	}
}

func TestBackgroundTasksShareANamedStore(t *testing.T) {
	prints(t, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv

def task_a():
    store = kv.open(":memory:shared")
    store.set("result_a", "done")

def task_b():
    store = kv.open(":memory:shared")
    store.set("result_b", "done")

a = runtime.background("a", "task_a")
b = runtime.background("b", "task_b")
a.get()
b.get()
print(kv.open(":memory:shared").items())
`, `
[(result_a, done), (result_b, done)]
`)
}

func TestAKeyExpiresByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		defer r.Close()
		script := "import scriptling.runtime.kv as kv\nprint(kv.default.exists(\"session\"), kv.default.keys())\n"
		if err := r.Default().Set(ctx, "session", "abc", time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if got := output(t, r, script); got != "true [session]\n" {
			t.Errorf("just before it expires: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := output(t, r, script); got != "false []\n" {
			t.Errorf("when it expires: %s", got)
		}
	})
}

func TestAnEmptyNameIsNoStore(t *testing.T) {
	prints(t, `
import scriptling.runtime.kv as kv

try:
    kv.open("")
except ValueError as e:
    print(e)
`, `
kv.open: store name "" is not complete; use ":memory:NAME" or the path of a file
`)
}

// prints runs a script with a new registry. want begins with an empty line.
func prints(t *testing.T, script, want string) {
	t.Helper()
	r := newRegistry()
	defer r.Close()
	if got := output(t, r, script); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("printed:\n%s\nwant:%s", got, want)
	}
}
