package runtimelib

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
)

func list(elems ...object.Object) *object.List { return &object.List{Elements: elems} }

func nested(levels int) object.Object {
	lists, elements := make([]object.List, levels), make([]object.Object, levels)
	var o object.Object = object.NewInteger(1)
	for i := range lists {
		elements[i] = o
		lists[i].Elements = elements[i : i+1]
		o = &lists[i]
	}
	return o
}

// graph has 2 to the power of levels leaves, in few objects.
func graph(levels int) object.Object {
	var o object.Object = object.NewInteger(1)
	for range levels {
		o = list(o, o)
	}
	return o
}

func TestArgumentsAreJudgedBeforeAnythingElseSeesThem(t *testing.T) {
	ring := list()
	ring.Elements = append(ring.Elements, list(ring))
	inDict := object.NewStringDict(map[string]object.Object{"big": graph(60)})
	inDict.SetByString("k", inDict)
	byKey := &object.Dict{Pairs: map[string]object.DictPair{}}
	byKey.Pairs["x"] = object.DictPair{Key: graph(60), Value: object.NewInteger(1)}
	deepRing := list()
	deepRing.Elements = append(deepRing.Elements, nestedAround(deepRing, maxArgDepth+5))

	for name, c := range map[string]struct {
		arg  object.Object
		want string // "": it is copied
	}{
		"a scalar":                        {object.NewInteger(1), ""},
		"the deepest nesting":             {nested(maxArgDepth), ""},
		"a list in two places":            {graph(10), ""},
		"one level more":                  {nested(maxArgDepth + 1), "is nested more than 500 levels"},
		"six million levels":              {nested(6_000_000), "is nested more than 500 levels"},
		"a graph of 2^25 leaves":          {graph(25), "more than 1048576 parts"},
		"a graph of 2^60 leaves":          {graph(60), "more than 1048576 parts"},
		"such a graph as a dict's key":    {byKey, "more than 1048576 parts"},
		"such a graph in a tuple":         {&object.Tuple{Elements: []object.Object{graph(60)}}, "more than 1048576 parts"},
		"a list that contains itself":     {ring, "arg 0: list[0]: list[0]: circular reference in list"},
		"a ring longer than the limit":    {deepRing, "is nested more than 500 levels"},
		"a ring beside a graph":           {inDict, ""}, // either error, depending on the order of the dict
		"what no task can have":           {&object.Builtin{}, "arg 0: BUILTIN is not transferable to background tasks"},
		"such a thing beside a large one": {list(&object.Builtin{}, graph(60)), "more than 1048576 parts"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := transfer([]object.Object{c.arg}, nil)
			runtime.ReadMemStats(&after)
			text := ""
			if err != nil {
				text = err.(*object.Error).Message
			}
			if c.arg == inDict {
				if !strings.Contains(text, "circular reference in dict") && !strings.Contains(text, "parts") {
					t.Errorf("error %q", text)
				}
			} else if (c.want == "") != (err == nil) || !strings.Contains(text, c.want) {
				t.Errorf("error %q, want %q", text, c.want)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
				t.Errorf("took %d bytes", took)
			}
			if len(text) > 400 {
				t.Errorf("the error has %d bytes: %s", len(text), text)
			}
		})
	}
}

func nestedAround(o object.Object, levels int) object.Object {
	for range levels {
		o = list(o)
	}
	return o
}

func TestTheArgumentsOfOneTaskAreBoundedTogether(t *testing.T) {
	args := make([]object.Object, 3)
	keywords := map[string]object.Object{}
	for i := range args {
		args[i] = graph(18)
		keywords[string(rune('a'+i))] = graph(18)
	}
	if err := transfer(args[:1], nil); err != nil {
		t.Error(err)
	}
	if err := transfer(args, keywords); err == nil || !strings.Contains(err.(*object.Error).Message, "parts") {
		t.Errorf("error %v", err)
	}
}

func TestTheCopyOfAnArgumentSharesNothing(t *testing.T) {
	inner := list(object.NewInteger(1))
	args := []object.Object{list(inner, inner)}
	if err := transfer(args, nil); err != nil {
		t.Fatal(err)
	}
	inner.Elements[0] = object.NewInteger(2)
	if got := args[0].Inspect(); got != "[[1], [1]]" {
		t.Errorf("the copy is %s", got)
	}
}
