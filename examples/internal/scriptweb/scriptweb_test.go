package scriptweb

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

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
	server := httptest.NewUnstartedServer(New(r, script).Function("respond"))
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
	server := httptest.NewServer(New(r, script).Function("counts"))
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
