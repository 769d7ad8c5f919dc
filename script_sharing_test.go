package extlibs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/evaluator"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

// A probe collects, for each place that calls its function from a script, the objects
// that are reachable from the modules there.
type probe struct {
	mu     sync.Mutex
	places map[string]map[object.Object]string // place -> mutable object -> the path to it
}

// library has probe(place, *more): the modules of the calling script, and more.
func (p *probe) library() *object.Library {
	p.places = map[string]map[object.Object]string{}
	return object.NewLibrary("host", map[string]*object.Builtin{
		"probe": {Fn: func(ctx context.Context, _ object.Kwargs, args ...object.Object) object.Object {
			found := map[object.Object]string{}
			for name, o := range evaluator.GetEnvFromContext(ctx).GetGlobal().GetStore() {
				if o.Type() == object.DICT_OBJ {
					reach(name, o, found)
				}
			}
			for i, o := range args[1:] {
				reach(fmt.Sprintf("argument %d", i), o, found)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.places[args[0].Inspect()] = found
			return &object.Null{}
		}},
	}, nil, "")
}

// reach adds o, and what is reachable from it, if scripts can write to it.
func reach(path string, o object.Object, found map[object.Object]string) {
	each := func(name string, o object.Object) { reach(path+"."+name, o, found) }
	if b, ok := o.(*object.Builtin); ok { // its attributes can only be read
		for name, attribute := range b.Attributes {
			each(name, attribute)
		}
		return
	}
	switch o.(type) {
	case *object.List, *object.Tuple, *object.Set, *object.Dict, *object.Class, *object.Instance, *object.Function, *object.LambdaFunction, *object.Iterator, *object.DictKeys, *object.DictValues, *object.DictItems:
	default:
		return
	}
	if _, ok := found[o]; ok {
		return
	}
	found[o] = path
	switch o := o.(type) {
	case *object.List:
		for i, element := range o.Elements {
			each(fmt.Sprint(i), element)
		}
	case *object.Tuple:
		for i, element := range o.Elements {
			each(fmt.Sprint(i), element)
		}
	case *object.Dict:
		for _, pair := range o.Pairs {
			each(pair.StringKey(), pair.Value)
		}
	case *object.Class:
		if o.BaseClass != nil {
			each("base", o.BaseClass)
		}
		for name, member := range o.Methods {
			each(name, member)
		}
	case *object.Instance:
		each("class", o.Class)
		for name, field := range o.FieldsSnapshot() {
			each(name, field)
		}
	}
}

// importEverything binds all modules of the library in each way.
const importEverything = `
import scriptling.runtime as runtime
import scriptling.runtime.kv as kv
import scriptling.runtime.http as http
import host
`

// vandal leaves in the modules whatever a script can put there, and writes to all that
// is reachable from them.
const vandal = `
def mine():
    return 1
def plant(mark):
    class Plain:
        def m(self):
            return 1
    class Mine(Plain):
        def m(self):
            return 1
    try:
        class Mine(http.Request):
            def m(self):
                return 1
    except Exception as e:
        pass
    for module in [runtime, kv, http, runtime.kv, runtime.http]:
        module["list" + mark] = [1, [2], {"a": [3]}]
        module["dict" + mark] = {"a": {"b": [4]}}
        module["set" + mark] = set([1, 2])
        module["tuple" + mark] = ([5], {"c": 6})
        module["class" + mark] = Mine
        module["plain" + mark] = Plain
        module["function" + mark] = mine
        module["lambda" + mark] = lambda: 1
        module["method" + mark] = Plain().m
        module["instance" + mark] = Mine()
        module["request" + mark] = Plain() if http.Request is None else http.Request()
        module["iterator" + mark] = iter([1])
        module["view" + mark] = {"a": 1}.items()
        module["ring" + mark] = module
        module["promise" + mark] = runtime.background("p", "mine", shared=True)
def write(o, key, depth):
    if depth > 6:
        return 0
    n = 0
    for i in range(5):
        try:
            if i == 0:
                o[key] = depth
            elif i == 1:
                setattr(o, key, depth)
            elif i == 2:
                o.mark = depth
            elif i == 3:
                o.append(depth)
            else:
                o.add(key)
            n += 1
        except Exception as e:
            pass
    return n
def rage(o, key, depth):
    n = write(o, key, depth)
    parts = []
    try:
        parts = [o[name] for name in o]
    except Exception as e:
        pass
    if depth < 2:
        for part in parts:
            if type(part) in ["DICT", "LIST", "SET", "CLASS", "BUILTIN"]:
                n += rage(part, key, depth + 1)
        for name in ["default", "open", "get", "json", "Request", "background"]:
            if type(o) == "BUILTIN":
                n += write(o[name], key, depth + 1)
    return n
def destroy(key):
    n = 0
    for module in [runtime, kv, http]:
        n += rage(module, key, 0)
        module["default"] = None
        module["json"] = None
        module["background"] = None
    http.Request = None
    return n
`

func sharingInterpreter(r *extlibs.Registry, host *object.Library) *scriptling.Scriptling {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	p.RegisterLibrary(host)
	r.RegisterRuntimeLibraryAll(p, nil)
	p.SetOutputWriter(&bytes.Buffer{})
	return first(p)
}

func TestNothingThatScriptsCanWriteToIsSharedByTwoOfThem(t *testing.T) {
	var pr probe
	host := pr.library()
	r := newRegistry()
	defer r.Close()
	other := newRegistry()
	defer other.Close()
	a, b, c := sharingInterpreter(r, host), sharingInterpreter(r, host), sharingInterpreter(other, host)
	again := sharingInterpreter(r, host)
	r.RegisterRuntimeLibraryAll(again, []string{}) // a second time
	clone := a.Clone()
	r.RegisterRuntimeLibraryAll(clone, nil)
	first(clone)
	for _, p := range []*scriptling.Scriptling{a, b, c, again, clone} {
		if err := p.RegisterScriptLibrary("tasklib", `
import host
def probe(place):
    import scriptling.runtime as runtime
    import scriptling.runtime.http as http
    host.probe(place)
    return 1
`); err != nil {
			t.Fatal(err)
		}
	}
	const tasks = `
def leaf(place):
    import scriptling.runtime.http as late
    host.probe(place, late)
    return 1
def imports(place):
    import scriptling.runtime
    import scriptling.runtime.kv
    import scriptling.runtime.http
    import host
    host.probe(place)
    return 1
def middle(place):
    host.probe(place)
    plant("task")
    for promise in [runtime.background("t", "leaf", place + " child"), runtime.background("t", "imports", place + " imports")]:
        promise.get()
    return 1
`
	for place, p := range map[string]*scriptling.Scriptling{"a": a, "b": b, "other registry": c, "registered twice": again, "clone": clone} {
		eval(t, p, strings.ReplaceAll(importEverything+vandal+tasks+`
host.probe("PLACE")
plant("x")
def local(place):
    import scriptling.runtime as inner
    def here(place):
        host.probe(place)
        return 1
    return inner.background("t", "here", place).get()
for i in range(2):
    runtime.background("t", "middle", "PLACE task " + str(i)).get()
local("PLACE local")
for i in range(2):
    runtime.background("t", "tasklib.probe", "PLACE library " + str(i)).get()
`, "PLACE", place))
		request := extlibs.CreateRequestInstance("GET", "/", "", nil, nil)
		eval(t, p, "def handle(place, request):\n    host.probe(place, request, request.headers, request.query)\n")
		if _, err := p.CallFunction("handle", place+" request", request); err != nil {
			t.Fatal(err)
		}
	}
	if want := 5 * 11; len(pr.places) != want {
		t.Fatalf("%d places were probed, want %d", len(pr.places), want)
	}
	owner := map[object.Object]string{}
	for place, found := range pr.places {
		home, _, _ := strings.Cut(place, " request") // the modules of an interpreter are its own each time
		if len(found) < 5 {
			t.Errorf("%s: only %d objects were found", place, len(found))
		}
		for o, path := range found {
			if before, ok := owner[o]; ok && !strings.HasPrefix(before, home+": ") {
				t.Errorf("%s and %s: %s are one %s", before, place, path, o.Type())
			}
			owner[o] = home + ": " + path
		}
	}
}

func TestNoScriptChangesWhatAnotherOneSees(t *testing.T) {
	r := newRegistry()
	defer r.Close()
	var pr probe
	host := pr.library()
	a, b := sharingInterpreter(r, host), sharingInterpreter(r, host)
	const use = importEverything + `
def works(request):
    return [kv.default.incr("n") > 0, runtime.kv.default.exists("n"), http.json([1]).status, runtime.http.text("x").body, request.json(), type(request), type(http.Request), http.Request().json is not None]
`
	eval(t, b, use)
	works := func() string {
		got, err := b.CallFunction("works", extlibs.CreateRequestInstance("GET", "/", "[1]", nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		return got.Inspect()
	}
	shape := func() map[object.Object]string {
		eval(t, b, `host.probe("b")`)
		return pr.places["b"]
	}
	sizes := func(objects map[object.Object]string) (n int) {
		for o := range objects {
			switch o := o.(type) {
			case *object.Dict:
				n += len(o.Pairs)
			case *object.Class:
				n += len(o.Methods)
			}
		}
		return n
	}
	before, shapeBefore := works(), shape()
	sizesBefore := sizes(shapeBefore)
	eval(t, a, importEverything+vandal+`
def taken(request):
    request.json = lambda: "taken"
    return destroy("in handler")
promises = [runtime.background("t", "destroy", "task " + str(i)) for i in range(3)]
for promise in promises:
    n = promise.get()
m = destroy("here")
`)
	for _, name := range []string{"n", "m"} {
		if n, errObj := a.GetVarAsInt(name); errObj != nil || n < 15 {
			t.Errorf("the vandal could write %d times", n)
		}
	}
	if after := works(); after != before {
		t.Errorf("before: %s, after: %s", before, after)
	}
	after := shape()
	for o, path := range after {
		if _, ok := shapeBefore[o]; !ok {
			t.Errorf("%s is another %s", path, o.Type())
		}
	}
	if n := sizes(after); len(after) != len(shapeBefore) || n != sizesBefore {
		t.Errorf("before: %d objects of %d members, after: %d of %d", len(shapeBefore), sizesBefore, len(after), n)
	}
}

// It is the race detector that fails, or the process that ends.
func TestScriptsThatWriteToAllTheyReachDoNotMeet(t *testing.T) {
	r := newRegistry()
	defer r.Close()
	var pr probe
	host := pr.library()
	var wg sync.WaitGroup
	for i := range 2 {
		p := sharingInterpreter(r, host)
		wg.Go(func() {
			if _, err := p.Eval(importEverything + vandal + fmt.Sprintf(`
def storm(n):
    for i in range(n):
        plant(str(i))
        rage(runtime, "k" + str(i), 0)
    return [runtime.kv, {"http": runtime.http.json(1)}]
def starts(n):
    shared = runtime.background("t", "storm", 2, shared=True)
    result = storm(n)
    shared.wait()
    return [result[1], kv.default]
promises = [runtime.background("t", "starts", 3) for i in range(4)] # %d
storm(3)
for promise in promises:
    for again in range(2):
        result = promise.get()
        result.append(1)
        result[0]["http"].status = again
`, i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
