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
