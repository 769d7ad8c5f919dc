package object_test

import (
	"context"
	"slices"
	"testing"

	"github.com/paularlott/scriptling/object"
)

func TestKwargs(t *testing.T) {
	k := object.NewKwargs(map[string]object.Object{
		"s": object.NewString("x"), "n": object.NewInteger(5), "f": object.NewFloat(1.5),
		"b": object.NewBoolean(true), "l": &object.List{Elements: []object.Object{object.NewInteger(1)}},
		"fn": &object.Function{},
	})
	if !k.Has("s") || k.Has("z") || k.Get("z") != nil || k.Len() != 6 || !slices.Contains(k.Keys(), "f") {
		t.Error("the basics are wrong")
	}
	if k.MustGetString("s", "d") != "x" || k.MustGetInt("n", 0) != 5 || k.MustGetFloat("f", 0) != 1.5 || !k.MustGetBool("b", false) || len(k.MustGetList("l", nil)) != 1 {
		t.Error("a value is wrong")
	}
	if k.MustGetString("z", "d") != "d" || k.MustGetInt("z", 9) != 9 || k.MustGetInt("s", 9) != 9 {
		t.Error("a default is wrong")
	}
	failures := map[string]func() object.Object{
		"n: must be a string":   func() object.Object { _, e := k.GetString("n", ""); return e },
		"s: must be a number":   func() object.Object { _, e := k.GetInt("s", 0); return e },
		"l: must be a number":   func() object.Object { _, e := k.GetFloat("l", 0); return e },
		"fn: must be a boolean": func() object.Object { _, e := k.GetBool("fn", false); return e },
		"s: must be a list":     func() object.Object { _, e := k.GetList("s", nil); return e },
	}
	for want, get := range failures {
		if got := object.AsError(get()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var none object.Kwargs
	if none.Has("x") || none.Len() != 0 || none.MustGetInt("x", 3) != 3 {
		t.Error("kwargs without a map are wrong")
	}
}

func TestLibrary(t *testing.T) {
	fn := &object.Builtin{HelpText: "help", Fn: func(ctx context.Context, _ object.Kwargs, _ ...object.Object) object.Object {
		data, _ := object.InstanceDataFromContext(ctx).(string)
		return object.NewString("data:" + data)
	}}
	lib := object.NewLibrary("lib", map[string]*object.Builtin{"f": fn, "c": fn}, map[string]object.Object{"c": object.NewInteger(1)}, "about")
	if lib.Name() != "lib" || lib.Description() != "about" || lib.Functions()["f"] != fn {
		t.Error("the basics are wrong")
	}
	lib.Constants()["added"] = object.NewInteger(2)
	d := lib.GetDict()
	for name, want := range map[string]string{"f": "<builtin function>", "c": "1", "added": "2", "__doc__": "about"} {
		if pair, ok := d.GetByString(name); !ok || pair.Value.Inspect() != want {
			t.Errorf("%s is %v", name, pair.Value)
		}
	}
	if lib.GetDict() == d {
		t.Error("GetDict must make a new dict")
	}
	if object.NewLibrary("l", nil, nil, "").Constants() != nil {
		t.Error("constants must stay nil")
	}
	for _, data := range []string{"one", "two"} {
		inst := lib.Instantiate(data)
		got := inst.Functions()["f"].Fn(context.Background(), object.Kwargs{})
		if got.Inspect() != "data:"+data || inst.InstanceData() != data {
			t.Errorf("got %s", got.Inspect())
		}
	}
	if got := fn.Fn(context.Background(), object.Kwargs{}); got.Inspect() != "data:" {
		t.Errorf("got %s", got.Inspect())
	}
}
