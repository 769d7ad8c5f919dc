package runtimelib

import (
	"bytes"
	"strings"
	"testing"
)

func TestTheResultOfATaskIsACopyAndHoldsNothingOfItsInterpreter(t *testing.T) {
	p := interpreter(t, &bytes.Buffer{})
	eval(t, p, `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import scriptling.runtime.http as http
def same(what):
    class Local:
        def m(self):
            return 1
    def inner():
        return 1
    ring = [1]
    ring.append(ring)
    results = {"ring": ring, "dict": {"a": [1, (2, None)], 1.5: set([1])}, "store": kv.default, "response": http.json([1]), "bytes": bytes("a"),
        "function": [inner], "lambda": lambda: 1, "class": {"c": Local}, "instance": Local(), "method": Local().m, "iterator": iter([1]), "view": {"a": 1}.items(),
        "promise": runtime.background("t", "nothing", shared=True), "key": {(1, (2,)): 1}, "none": None}
    return results[what]
def nothing():
    return 1
def got(what):
    return runtime.background("t", "same", what).get()
`)
	for _, what := range []string{"ring", "dict", "store", "response", "bytes", "key", "none"} {
		if clause, message := caught(t, p, `x = got("`+what+`")`); clause != "" {
			t.Errorf("%s raised %s %q", what, clause, message)
		}
	}
	for _, what := range []string{"function", "lambda", "class", "instance", "method", "iterator", "view", "promise"} {
		clause, message := caught(t, p, `x = got("`+what+`")`)
		if clause != "Exception" || !strings.Contains(message, "belongs to the interpreter that made it; return values") {
			t.Errorf("%s raised %s %q", what, clause, message)
		}
	}
	var out bytes.Buffer
	p.SetOutputWriter(&out)
	eval(t, p, `
d = got("dict")
print(d["a"], d[1.5], got("ring")[0], got("store").incr())
p = runtime.background("t", "same", "dict")
first = p.get()
first["a"].append(3)
print(p.get()["a"])
ring = got("ring")
print(ring[1] is ring, ring[1][1][0])
`)
	if want := "[1, (2, None)] {1} 1 1\n[1, (2, None)]\ntrue 1\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

// An instance of a class of a script library is copied with its fields; a list that two fields
// hold stays one list. A field that belongs to the interpreter is refused.
func TestTheResultOfATaskCanBeAnInstanceOfALibrary(t *testing.T) {
	var out bytes.Buffer
	p := interpreter(t, &out)
	if err := p.RegisterScriptLibrary("shapes", `
class Shape:
    def __init__(self, points):
        self.points = points
    def size(self):
        return len(self.points)
`); err != nil {
		t.Fatal(err)
	}
	eval(t, p, `
import scriptling.runtime as runtime
import shapes
def shape():
    s = shapes.Shape([1, [2]])
    s.again = s.points
    s.itself = s
    return s
def outer():
    return {"list": [shapes.Shape([3])], "more": shapes.Shape([shapes.Shape([])])}
def bad():
    return [shapes.Shape([lambda: 1])]
p = runtime.background("t", "shape")
first = p.get()
first.points.append(3)
first.points[1].append(4)
first.name = "changed"
second = p.get()
print(first.points, first.size(), first.again is first.points, first.itself is first)
print(second.points, second.size(), second.again is second.points, second.itself is second, hasattr(second, "name"))
r = runtime.background("t", "outer").get()
print(r["list"][0].points, r["more"].points[0].size())
`)
	const want = `[1, [2, 4], 3] 3 true true
[1, [2]] 2 true true false
[3] 0
`
	if out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", out.String(), want)
	}
	clause, message := caught(t, p, `runtime.background("t", "bad").get()`)
	if clause != "Exception" || !strings.Contains(message, "belongs to the interpreter that made it; return values") {
		t.Errorf("a function in a field raised %s %q", clause, message)
	}
}
