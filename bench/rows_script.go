package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

func scriptRows() []row {
	calls := []struct {
		name, title, call, value string
		limit                    float64 // nanoseconds above a no-op; 0: no goal
	}{
		{"scalar/set", "set of a 16-byte string", `store.set("key:00000001", value)`, `"value-0000000001"`, 130},
		{"scalar/ttl", "set of a 16-byte string with a ttl", `store.set("key:00000001", value, ttl=60)`, `"value-0000000001"`, 0},
		{"scalar/get", "get of a 16-byte string", `store.get("key:00000001")`, `"value-0000000001"`, 40},
		{"scalar/absent", "get of an absent key", `store.get("key:absent")`, `"value-0000000001"`, 0},
		{"scalar/exists", "exists", `store.exists("key:00000001")`, `"value-0000000001"`, 0},
		{"int/set", "set of an int", `store.set("key:00000001", value)`, `1234567`, 0},
		{"int/get", "get of an int", `store.get("key:00000001")`, `1234567`, 0},
		{"dict/set", "set of a dict of five fields", `store.set("key:00000001", value)`, scriptDict, 330},
		{"dict/get", "get of a dict of five fields", `store.get("key:00000001")`, scriptDict, 350},
	}
	var rows []row
	for _, c := range calls {
		rows = append(rows, row{
			name:  "script/" + c.name,
			title: c.title + " from a script, against a builtin that does nothing",
			run:   func(s *suite) { scriptCall(s, c.title, c.call, c.value, c.limit) },
		})
	}
	return rows
}

const (
	scriptDict  = `{"id": 1234567, "name": "Ada Lovelace", "email": "ada@example.org", "active": True, "score": 2.5}`
	unrolled    = 10 // calls in one turn of the script's loop, so that the loop itself counts little
	noopLibrary = "bench_noop"
	noopName    = "no-op builtin"
	literalName = "a literal of the value in the script"
)

// noop is a library of the shape of ours whose calls do nothing. Its store has as
// many of them, so that the interpreter takes as long to find one.
func noop() *object.Library {
	none := &object.Null{}
	nothing := func(context.Context, object.Kwargs, ...object.Object) object.Object { return none }
	methods := map[string]object.Object{}
	for name := range scriptStore().Attributes {
		methods[name] = &object.Builtin{Fn: nothing}
	}
	store := &object.Builtin{Fn: nothing, Attributes: methods}
	return object.NewLibrary(noopLibrary, nil, map[string]object.Object{"default": store}, "")
}

func scriptCall(s *suite, title, call, value string, limit float64) {
	interpreter := func(library, statement string) func(n int) {
		p := scriptling.New()
		stdlib.RegisterAll(p)
		r := extlibs.NewRegistry()
		r.Register(p)
		p.RegisterLibrary(noop())
		must1(p.Eval(fmt.Sprintf("import %s as kv\nstore = kv.default\nvalue = %s\n", library, value) +
			"store.set(\"key:00000001\", value)\n" +
			"def run(n, store, value):\n    for i in range(n):\n" + strings.Repeat("        "+statement+"\n", unrolled)))
		must1(p.Eval("def go(n):\n    run(n, store, value)\n"))
		return func(n int) { must1(p.CallFunction("go", (n+unrolled-1)/unrolled)) }
	}
	lines := s.turns(noopName, s.slice,
		subject{name: ours, run: interpreter(extlibs.RuntimeKVLibraryName, call)},
		subject{name: noopName, run: interpreter(noopLibrary, call)},
		subject{name: literalName, run: interpreter(noopLibrary, "value = "+value)},
		subject{name: ours + ", builtin called from Go", run: builtinCall(call, value)},
	)
	if limit > 0 {
		above := max(1, lines[ours].stat.median-lines[noopName].stat.median) // noise can be larger than it
		if lines[ours].ratio == 0 {
			above = 0 // one of the two was left out
		}
		s.atMost(title+" from a script, above a no-op builtin", limit, above, duration)
	}
}

// registrar takes a library from us in place of an interpreter.
type registrar struct{ library *object.Library }

func (r *registrar) RegisterLibrary(l *object.Library) { r.library = l }

// scriptStore is a new default store, as scripts see it.
func scriptStore() *object.Builtin {
	var reg registrar
	extlibs.NewRegistry().Register(&reg)
	return reg.library.Constants()["default"].(*object.Builtin)
}

// builtinCall is the call without the interpreter around it: what this library
// itself takes, and allocates.
func builtinCall(call, value string) func(n int) {
	store := scriptStore()
	set := store.Attributes["set"].(*object.Builtin).Fn
	get := store.Attributes["get"].(*object.Builtin).Fn
	v := must1(scriptling.New().Eval(value))
	key := object.NewString("key:00000001")
	args := []object.Object{key, v}
	kwargs := object.Kwargs{}
	if strings.Contains(call, "ttl=60") {
		kwargs = object.NewKwargs(map[string]object.Object{"ttl": object.NewInteger(60)})
	}
	check := func(o object.Object) {
		if e, ok := o.(*object.Error); ok {
			panic(e.Message)
		}
	}
	check(set(background, object.Kwargs{}, args...))
	switch {
	case strings.Contains(call, "absent"):
		args[0] = object.NewString("key:absent")
	case strings.Contains(call, "exists"):
		get = store.Attributes["exists"].(*object.Builtin).Fn
	}
	if strings.HasPrefix(call, "store.set") {
		return func(n int) {
			for range n {
				check(set(background, kwargs, args...))
			}
		}
	}
	return func(n int) {
		for range n {
			check(get(background, object.Kwargs{}, args[:1]...))
		}
	}
}
