package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

func TestImportReadsWhatTheScriptOfTheMovingPagePrints(t *testing.T) {
	script := movingScript(t)
	c := newCLI(t)
	r := extlibs.NewRegistry()
	defer r.Close()
	h := r.Default()
	for key, value := range map[string]any{"a<&>": map[string]any{"n": 1, "list": []any{nil, true, "é\n"}}, "pi": 3.5} {
		if err := h.Set(t.Context(), key, value, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Set(t.Context(), "mortal", "x", time.Hour); err != nil {
		t.Fatal(err)
	}
	p := scriptling.New()
	stdlib.RegisterAll(p)
	r.Register(p)
	p.EnableOutputCapture()
	if _, err := p.Eval(script); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := c.try(p.GetOutput(), "import", "new.db"); status != 0 || stderr != "3 entries imported\n" {
		t.Fatalf("exit status %d, %q", status, stderr)
	}
	c.prints(`{"list": [None, True, "é\n"], "n": 1}`+"\n", "get", "new.db", "a<&>")
	c.prints("3.5\n", "get", "new.db", "pi")
	c.prints("none\n", "ttl", "new.db", "pi")
	if got := c.ok("ttl", "new.db", "mortal"); !strings.HasPrefix(got, "59m") && got != "1h0m0s\n" {
		t.Errorf("ttl printed %q", got)
	}
}

// builtinKV imitates the library of Scriptling's own kv as far as the page's script uses it: ttl
// is in whole seconds, 0 for less than one, -1 for none and -2 for a key that has expired.
func builtinKV(entries map[string]builtinEntry) *object.Library {
	method := func(call func(e builtinEntry) object.Object) *object.Builtin {
		return &object.Builtin{Fn: func(_ context.Context, _ object.Kwargs, args ...object.Object) object.Object {
			return call(entries[args[0].Inspect()])
		}}
	}
	store := &object.Builtin{Attributes: map[string]object.Object{
		"keys": &object.Builtin{Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			keys := &object.List{}
			for key := range entries {
				keys.Elements = append(keys.Elements, object.NewString(key))
			}
			return keys
		}},
		"get": method(func(e builtinEntry) object.Object { return e.value }),
		"ttl": method(func(e builtinEntry) object.Object { return object.NewInteger(e.ttl) }),
	}}
	return object.NewLibrary(extlibs.RuntimeKVLibraryName, nil, map[string]object.Object{"default": store}, "")
}

type builtinEntry struct {
	value object.Object
	ttl   int64
}

// movingScript is the script of the page.
func movingScript(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```python\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		t.Fatal("the page has no script")
	}
	return script
}

func TestTheScriptOfTheMovingPageKeepsTypesAndTheTimeLeft(t *testing.T) {
	set := object.NewSet()
	set.AddKeyed("a", object.NewString("a"))
	dict := object.NewStringDict(map[string]object.Object{"$set": object.NewInteger(1)})
	numbers := &object.Dict{Pairs: map[string]object.DictPair{"n:1": {Key: object.NewInteger(1), Value: object.NewBytes([]byte{0, 255})}}}
	entries := map[string]builtinEntry{
		"nan":    {object.NewFloat(math.NaN()), -1},
		"inf":    {object.NewFloat(math.Inf(-1)), -1},
		"two":    {object.NewFloat(2), -1},
		"large":  {object.NewFloat(1e300), -1},
		"int":    {object.NewInteger(math.MaxInt64), -1},
		"bytes":  {object.NewBytes([]byte{0, 255}), -1},
		"tuple":  {&object.Tuple{Elements: []object.Object{object.NewInteger(1), object.NewFloat(0.5)}}, -1},
		"set":    {set, -1},
		"dict":   {&object.List{Elements: []object.Object{dict, numbers, &object.Null{}, object.NewBoolean(true)}}, -1},
		"text":   {object.NewString("a\"<&>\n\u2028é"), -1},
		"second": {object.NewInteger(1), 0},
		"hour":   {object.NewInteger(1), 3600},
		"gone":   {&object.Null{}, -2},
	}
	p := scriptling.New()
	stdlib.RegisterAll(p)
	p.RegisterLibrary(builtinKV(entries))
	p.EnableOutputCapture()
	if _, err := p.Eval(movingScript(t)); err != nil {
		t.Fatal(err)
	}
	c := newCLI(t)
	if _, stderr, status := c.try(p.GetOutput(), "import", "new.db"); status != 0 || stderr != "12 entries imported\n" {
		t.Fatalf("exit status %d, %q", status, stderr)
	}
	r := extlibs.NewRegistry()
	defer r.Close()
	h, err := r.Open(t.Context(), "new.db")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"nan": math.NaN(), "inf": math.Inf(-1), "two": 2.0, "large": 1e300, "int": int64(math.MaxInt64), "bytes": []byte{0, 255},
		"tuple": extlibs.Tuple{int64(1), 0.5}, "set": extlibs.Set{"a"}, "text": "a\"<&>\n\u2028é",
		"dict": []any{map[string]any{"$set": int64(1)}, extlibs.Dict{{Key: int64(1), Value: []byte{0, 255}}}, nil, true},
	} {
		got, err := h.Get(t.Context(), key)
		if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s is %#v, %v; want %#v", key, got, err, want)
		}
		if ttl, err := h.TTL(t.Context(), key); err != nil || ttl != 0 {
			t.Errorf("%s has %v left, %v", key, ttl, err)
		}
	}
	for key, most := range map[string]time.Duration{"second": time.Second, "hour": time.Hour} {
		ttl, err := h.TTL(t.Context(), key)
		if key == "hour" && (err != nil || ttl <= most-time.Minute) || err == nil && (ttl <= 0 || ttl > most) {
			t.Errorf("%s has %v left, %v", key, ttl, err)
		}
	}
}

func TestTheScriptOfTheMovingPageNamesTheKeysThatItCannotExport(t *testing.T) {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	ring := &object.List{}
	ring.Elements = []object.Object{ring}
	p.RegisterLibrary(builtinKV(map[string]builtinEntry{"bad": {ring, -1}, "good": {object.NewInteger(1), -1}}))
	p.EnableOutputCapture()
	_, err := p.Eval("# names\n" + movingScript(t))
	if err == nil || !strings.Contains(err.Error(), "not exported: [bad: ") {
		t.Errorf("it ended with %v", err)
	}
	if got := p.GetOutput(); got != `{"key":"good","value":1}`+"\n" {
		t.Errorf("it printed %q", got)
	}
}
