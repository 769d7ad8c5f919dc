package runtimelib

import (
	"bytes"
	"strings"
	"testing"
)

func TestResponses(t *testing.T) {
	got := output(t, `
import scriptling.runtime as runtime
http = runtime.http
def show(r):
    print(r.status, sorted([k + ": " + v for k, v in r.headers.items()]), r.body)
show(http.json([1]))
show(http.json(404, None))
show(http.json({"a": 1}, status=201))
show(http.json("bad", "still sent"))
show(http.html("<p>", status=500))
show(http.text(418, "short and stout"))
show(http.redirect("/a"))
show(http.redirect("/a", 301))
show(http.redirect("/a", status=307))
q = http.parse_query("?a=1&b=&c=x+y&c=%26")
print(q["a"], [q["b"]], q["c"], q["nope"], http.parse_query(""))
for call in [lambda: http.json(), lambda: http.redirect(), lambda: http.parse_query(), lambda: http.parse_query(5), lambda: http.parse_query("%zz")]:
    try:
        call()
        print("not reached")
    except Exception as e:
        print("error", len(str(e)) > 0)
`)
	const want = `200 [Content-Type: application/json] [1]
404 [Content-Type: application/json] None
201 [Content-Type: application/json] {a: 1}
200 [Content-Type: application/json] still sent
500 [Content-Type: text/html; charset=utf-8] <p>
418 [Content-Type: text/plain; charset=utf-8] short and stout
302 [Location: /a] 
301 [Location: /a] 
307 [Location: /a] 
1 [] [x y, &] None {}
error true
error true
error true
error true
error true
`
	if got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
}

func TestARequestHasWhatTheHandlerNeeds(t *testing.T) {
	const handler = `
def handle(request):
    return [request.method, request.path, request.body, request.headers["content-type"], request.query["q"], request.headers["nope"], type(request)]

def parsed(request):
    return request.json()
`
	p := interpreter(t, &bytes.Buffer{})
	eval(t, p, handler)
	request := NewRequest(RequestClass(), "POST", "/users", `{"n": 1}`,
		map[string]string{"Content-Type": "application/json"}, map[string]string{"q": "x"})
	got, err := p.CallFunction("handle", request)
	if want := `[POST, /users, {"n": 1}, application/json, x, None, Request]`; err != nil || got.Inspect() != want {
		t.Errorf("handle returned %v (%v), want %s", got, err, want)
	}
	for _, c := range []struct{ body, want string }{
		{`{"n": 1}`, "{n: 1}"},
		{`[1, 2.5, null, true]`, "[1, 2.5, None, true]"},
		{`"text"`, "text"},
		{"", "None"},
	} {
		got, err := p.CallFunction("parsed", NewRequest(RequestClass(), "POST", "/", c.body, nil, nil))
		if err != nil || got.Inspect() != c.want {
			t.Errorf("json() of %q returned %v (%v), want %s", c.body, got, err, c.want)
		}
	}
	_, err = p.CallFunction("parsed", NewRequest(RequestClass(), "POST", "/", "{", nil, nil))
	if err == nil || !strings.Contains(err.Error(), "JSONDecodeError") {
		t.Errorf("json() of a broken body: %v", err)
	}
	for _, call := range []string{"runtime.http.Request.json()", "runtime.http.Request.json(5)"} {
		if clause, message := caught(t, p, call); clause == "" {
			t.Errorf("%s raised %s %q", call, clause, message)
		}
	}
}
