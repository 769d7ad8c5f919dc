package object_test

import (
	"context"
	"math"
	"slices"
	"strings"
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

func TestErrorHelpers(t *testing.T) {
	err, exc := &object.Error{Message: "m"}, &object.Exception{Message: "x"}
	if !object.IsError(err) || object.IsError(exc) || object.AsError(err) != "m" || object.AsError(exc) != "" {
		t.Error("errors are told wrongly")
	}
	if e, ok := object.AsErrorObj(err); !ok || e != err {
		t.Error("AsErrorObj is wrong")
	}
	if e, ok := object.AsException(exc); !ok || e != exc {
		t.Error("AsException is wrong")
	}
	exit := object.NewSystemExit(3, "")
	if !exit.IsSystemExit() || exit.GetExitCode() != 3 || exit.Message != "SystemExit: 3" || exit.IsPermissionError() {
		t.Errorf("exit is %+v", exit)
	}
	if object.NewSystemExit(0, "bye").Message != "bye" {
		t.Error("the message is lost")
	}
}

func TestValidateTransferable(t *testing.T) {
	list := func(elements ...object.Object) *object.List { return &object.List{Elements: elements} }
	cyclic := list()
	cyclic.Elements = []object.Object{cyclic}
	fn := &object.Function{}
	const reason = "FUNCTION is not transferable to background tasks (allowed: None, bool, int, float, str, list, dict, set, tuple)"
	tests := []struct {
		obj  object.Object
		want string
	}{
		{&object.Null{}, ""},
		{list(object.NewInteger(1), object.NewFloat(math.NaN()), &object.Tuple{Elements: []object.Object{object.NewString("x")}}, set(1)), ""},
		{object.NewStringDict(map[string]object.Object{"k": object.NewBoolean(true)}), ""},
		{fn, reason},
		{object.NewBytes(nil), strings.Replace(reason, "FUNCTION", "BYTES", 1)},
		{list(object.NewInteger(1), fn), "list[1]: " + reason},
		{&object.Tuple{Elements: []object.Object{fn}}, "tuple[0]: " + reason},
		{object.NewStringDict(map[string]object.Object{"k": list(fn)}), `dict["k"]: list[0]: ` + reason},
		{cyclic, "list[0]: circular reference in list"},
	}
	for _, tt := range tests {
		got := ""
		if err := object.ValidateTransferable(tt.obj); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	twice := list(object.NewInteger(1))
	if err := object.ValidateTransferable(list(twice, twice)); err != nil {
		t.Errorf("a list used twice is no cycle: %v", err)
	}
}

func TestCloneObject(t *testing.T) {
	inner := &object.List{Elements: []object.Object{object.NewInteger(1)}}
	inst := object.NewInstanceWithData(&object.Class{Name: "C"}, map[string]object.Object{"f": inner}, "data")
	original := &object.Tuple{Elements: []object.Object{inner, object.NewStringDict(map[string]object.Object{"k": inner}), set(1), inst}}
	clone := object.CloneObject(original).(*object.Tuple)
	inner.Elements = append(inner.Elements, object.NewInteger(2))
	if got := clone.Elements[0].Inspect(); got != "[1]" {
		t.Errorf("list: %s", got)
	}
	if got := clone.Elements[1].Inspect(); got != "{k: [1]}" {
		t.Errorf("dict: %s", got)
	}
	if got := clone.Elements[2].Inspect(); got != "{1}" {
		t.Errorf("set: %s", got)
	}
	copied := clone.Elements[3].(*object.Instance)
	if copied == inst || copied.Field("f").Inspect() != "[1]" {
		t.Errorf("instance: %v", copied.Field("f").Inspect())
	}
	fn := &object.Function{}
	if object.CloneObject(fn) != object.Object(fn) {
		t.Error("functions must not be copied")
	}
}

func TestClientWrapper(t *testing.T) {
	inst := object.NewInstance(&object.Class{Name: "C"})
	inst.SetField("c", &object.ClientWrapper{TypeName: "DB", Client: 5})
	c, ok := object.GetClientField(inst, "c")
	if !ok || c.Client != 5 || c.Inspect() != "<DB>" || c.Type() != object.INSTANCE_OBJ {
		t.Errorf("got %v", c)
	}
	if (&object.ClientWrapper{}).Inspect() != "<client>" {
		t.Error("wrong text without a type name")
	}
}
