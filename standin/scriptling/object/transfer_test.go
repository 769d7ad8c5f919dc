package object_test

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/paularlott/scriptling/object"
)

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

// TestTransferReasons checks the prefixes that tell where a value is.
func TestTransferReasons(t *testing.T) {
	const reason = "FUNCTION is not transferable to background tasks (allowed: None, bool, int, float, str, list, dict, set, tuple)"
	fn := &object.Function{}
	keyed := &object.Dict{Pairs: map[string]object.DictPair{"k": {Key: fn, Value: &object.Null{}}}}
	elements := object.NewSet()
	elements.AddKeyed("k", fn)
	dict := object.NewStringDict(nil)
	dict.SetByString("k", dict)
	list := &object.List{}
	list.Elements = []object.Object{&object.Tuple{Elements: []object.Object{list}}}
	for _, tt := range []struct {
		obj            object.Object
		prefix, suffix string
	}{
		{keyed, `dict key "`, `": ` + reason},
		{elements, `set element "`, `": ` + reason},
		{&object.List{Elements: []object.Object{elements}}, `list[0]: set element "`, `": ` + reason},
		{dict, `dict["k"]: `, "circular reference in dict"},
		{list, "list[0]: tuple[0]: ", "circular reference in list"},
	} {
		err := object.ValidateTransferable(tt.obj)
		if err == nil || !strings.HasPrefix(err.Error(), tt.prefix) || !strings.HasSuffix(err.Error(), tt.suffix) {
			t.Errorf("got %v, want %s…%s", err, tt.prefix, tt.suffix)
		}
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

func TestReleaseHook(t *testing.T) {
	released := make(chan struct{})
	inst := object.NewInstance(&object.Class{Name: "C"})
	if err := object.SetGCReleaseHook(inst, func() { close(released) }); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(inst)
	for range 100 {
		runtime.GC()
		select {
		case <-released:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the hook was not called")
}
