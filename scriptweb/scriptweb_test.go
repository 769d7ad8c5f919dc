package scriptweb

import (
	"bytes"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

const script = `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
def respond(request):
    cases = {
        "status": lambda: {"status": 99999, "headers": {}, "body": ""},
        "low status": lambda: {"status": 99, "headers": {}, "body": ""},
        "informational": lambda: {"status": 100, "headers": {}, "body": ""},
        "switching": lambda: {"status": 101, "headers": {}, "body": ""},
        "negative": lambda: {"status": -200, "body": ""},
        "huge": lambda: {"status": 4611686018427387904 + 200, "body": ""},
        "status text": lambda: {"status": "200", "body": ""},
        "headers list": lambda: {"status": 200, "headers": [1], "body": ""},
        "many headers": lambda: {"status": 200, "headers": {"X-" + str(i): "v" for i in range(1000)}, "body": ""},
        "long value": lambda: {"status": 200, "headers": {"X": "v" * 100000}, "body": ""},
        "long name": lambda: {"status": 200, "headers": {"X" * 100000: "v"}, "body": ""},
        "split value": lambda: {"status": 200, "headers": {"X": "v\r\nSet-Cookie: a=b"}, "body": ""},
        "zero value": lambda: {"status": 200, "headers": {"X": "v\0"}, "body": ""},
        "split name": lambda: {"status": 200, "headers": {"X\r\nY": "v"}, "body": ""},
        "space in name": lambda: {"status": 200, "headers": {"X Y": "v"}, "body": ""},
        "no name": lambda: {"status": 200, "headers": {"": "v"}, "body": ""},
        "number": lambda: {"status": 200, "headers": {"X": 5}, "body": ""},
        "none": lambda: None,
        "cycle": lambda: deep(0),
        "good": lambda: runtime.http.json(201, {"a": 1}),
        "length": lambda: {"status": 200, "headers": {"Content-Length": "1", "X-Kept": "yes"}, "body": "longer"},
    }
    return cases[request.query["case"]]()
def deep(n):
    return deep(n + 1)
def counts(request):
    n = kv.default.incr("n")
    m = n
    return runtime.http.json([n, m])
`

func newHandlers(t *testing.T, r *extlibs.Registry) *Handlers {
	t.Helper()
	h, err := New(r, script, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestAResponseThatIsNoneIsAnErrorOfItsRequestAlone(t *testing.T) {
	r := extlibs.NewRegistry()
	defer r.Close()
	var logged strings.Builder // of the server, which recovers from panics
	server := httptest.NewUnstartedServer(newHandlers(t, r).Function("respond"))
	server.Config.ErrorLog = log.New(&logged, "", 0)
	server.Start()
	for _, c := range []string{"status", "low status", "informational", "switching", "negative", "huge", "status text", "headers list", "many headers", "long value", "long name",
		"split value", "zero value", "split name", "space in name", "no name", "number", "none", "cycle"} {
		resp, body := get(t, server.URL+"/?case="+strings.ReplaceAll(c, " ", "+"))
		if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Set-Cookie") != "" || len(body) > 500 {
			t.Errorf("%s: status %d, headers %v, body %.200s", c, resp.StatusCode, resp.Header, body)
		}
	}
	if resp, body := get(t, server.URL+"/?case=good"); resp.StatusCode != 201 || body != `{"a":1}` {
		t.Errorf("good: status %d, %s", resp.StatusCode, body)
	}
	if resp, body := get(t, server.URL+"/?case=length"); resp.StatusCode != 200 || body != "longer" || resp.Header.Get("X-Kept") != "yes" {
		t.Errorf("length: status %d, %s", resp.StatusCode, body)
	}
	server.Close()
	if logged.Len() > 0 {
		t.Errorf("the server logged %s", logged.String())
	}
}

// The interpreters of the pool run the same script at once.
func TestInterpretersOfThePoolDoNotMeet(t *testing.T) {
	r := extlibs.NewRegistry()
	defer r.Close()
	server := httptest.NewServer(newHandlers(t, r).Function("counts"))
	defer server.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if resp, body := get(t, server.URL); resp.StatusCode != 200 {
					t.Errorf("status %d, %s", resp.StatusCode, body)
				}
			}
		})
	}
	wg.Wait()
	if n, err := r.Default().Get(t.Context(), "n"); err != nil || n != int64(80) {
		t.Errorf("counted %v, %v", n, err)
	}
}

func TestAScriptThatFailsIsAnErrorOfNew(t *testing.T) {
	r := extlibs.NewRegistry()
	defer r.Close()
	for _, script := range []string{"def f(:", "raise ValueError('no')", "def f():\n    import )\n"} {
		if _, err := New(r, script, Options{}); err == nil {
			t.Errorf("%q: no error", script)
		}
	}
}

// A client learns nothing of an error; the log says everything.
func TestTheErrorsOfFunctionsAreLogged(t *testing.T) {
	r := extlibs.NewRegistry()
	defer r.Close()
	var logged bytes.Buffer
	h, err := New(r, "def f(request):\n    raise ValueError('secret')\ndef slow(request):\n    while True:\n        pass\n",
		Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)), Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "slow", "missing"} {
		logged.Reset()
		w := httptest.NewRecorder()
		h.Function(name).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: status %d, %s", name, w.Code, w.Body)
		}
		if want := map[string]string{"f": "secret", "slow": "timeout", "missing": "missing"}[name]; !strings.Contains(logged.String(), want) {
			t.Errorf("%s: the log says %q, and not %q", name, logged.String(), want)
		}
	}
}

// By default a script opens no file; Allow names the folders in which it can.
func TestAScriptOpensOnlyWhatAllowNames(t *testing.T) {
	r := extlibs.NewRegistry()
	defer r.Close()
	dir := t.TempDir()
	script := "import scriptling.runtime.kv as kv\ndef f(path):\n    kv.open(path).set('k', 1)\n"
	for _, allow := range [][]string{nil, {dir}} {
		h, err := New(r, script, Options{Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Call(t.Context(), "f", filepath.Join(dir, "a.db"))
		if (err == nil) != (allow != nil) {
			t.Errorf("allowed %v: %v", allow, err)
		}
	}
}
