package object_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/paularlott/scriptling/object"
)

func TestDictKey(t *testing.T) {
	tests := []struct {
		obj  object.Object
		want string
	}{
		{object.NewInteger(1), "n:1"},
		{object.NewFloat(1), "n:1"},
		{object.NewBoolean(true), "n:1"},
		{object.NewBoolean(false), "n:0"},
		{object.NewFloat(math.Copysign(0, -1)), "n:0"},
		{object.NewFloat(5.5), "f:5.5"},
		{object.NewFloat(1e300), "f:1e+300"},
		{object.NewFloat(math.NaN()), "f:NaN"},
		{object.NewFloat(math.Inf(1)), "f:+Inf"},
		{object.NewString("plain"), "plain"},
		{object.NewString("a:b"), "s:a:b"},
		{object.NewBytesFromString("hi"), "b:6869"},
		{&object.Null{}, "null:"},
		{&object.Tuple{Elements: []object.Object{object.NewInteger(1), object.NewString("x")}}, "t:(n:1,x)"},
		{&object.Tuple{}, "t:()"},
	}
	for _, tt := range tests {
		if got := object.DictKey(tt.obj); got != tt.want {
			t.Errorf("%s: key %s, want %s", tt.obj.Inspect(), got, tt.want)
		}
	}
	a, b := &object.List{}, &object.List{}
	if object.DictKey(a) == object.DictKey(b) || !strings.HasPrefix(object.DictKey(a), "LIST:") {
		t.Error("lists must be keyed by identity")
	}
	if object.DictStringKey("a:b") != object.DictKey(object.NewString("a:b")) {
		t.Error("DictStringKey differs from DictKey")
	}
}

func TestIsHashable(t *testing.T) {
	tuple := func(e object.Object) object.Object { return &object.Tuple{Elements: []object.Object{e}} }
	for _, obj := range []object.Object{object.NewInteger(1), object.NewFloat(1), object.NewBoolean(true), object.NewString(""),
		object.NewBytes(nil), &object.Null{}, tuple(object.NewInteger(1))} {
		if !object.IsHashable(obj) {
			t.Errorf("%s must be hashable", obj.Inspect())
		}
	}
	for _, obj := range []object.Object{&object.List{}, object.NewSet(), object.NewStringDict(nil), tuple(&object.List{}),
		&object.Builtin{}, object.NewInstance(&object.Class{Name: "C"})} {
		if object.IsHashable(obj) {
			t.Errorf("%s must not be hashable", obj.Inspect())
		}
	}
}

func TestDict(t *testing.T) {
	d := object.NewStringDict(map[string]object.Object{"a": object.NewInteger(1)})
	d.SetByString("b:c", object.NewInteger(2))
	if pair, ok := d.GetByString("b:c"); !ok || pair.StringKey() != "b:c" || pair.Value.Inspect() != "2" {
		t.Errorf("b:c is %v", pair)
	}
	if !d.HasByString("a") || d.HasByString("z") {
		t.Error("HasByString is wrong")
	}
	if !d.DeleteByString("a") || d.DeleteByString("a") {
		t.Error("DeleteByString is wrong")
	}
	pair := object.DictPair{Key: object.NewInteger(5)}
	if pair.StringKey() != "5" {
		t.Errorf("string key %s", pair.StringKey())
	}
	if elements, ok := object.IterableToSlice(d.CreateIterator()); !ok || len(elements) != 1 || elements[0].Inspect() != "b:c" {
		t.Errorf("keys %v", elements)
	}
}

func TestDictIteratorSkipsDeleted(t *testing.T) {
	d := object.NewStringDict(map[string]object.Object{"a": &object.Null{}, "b": &object.Null{}, "c": &object.Null{}})
	it := d.CreateIterator()
	first, _ := it.Next()
	for _, key := range []string{"a", "b", "c"} {
		if key != first.Inspect() {
			d.DeleteByString(key)
		}
	}
	if v, ok := it.Next(); ok {
		t.Errorf("iterator gives %s, which was deleted", v.Inspect())
	}
}

func set(numbers ...int64) *object.Set {
	s := object.NewSet()
	for _, n := range numbers {
		o := object.NewInteger(n)
		s.AddKeyed(object.DictKey(o), o)
	}
	return s
}

func TestSet(t *testing.T) {
	a, b := set(1, 2), set(2, 3)
	for want, got := range map[string]*object.Set{
		"{1, 2, 3}": a.Union(b), "{2}": a.Intersection(b), "{1}": a.Difference(b), "{1, 3}": a.SymmetricDifference(b), "{1, 2}": a.Copy(),
	} {
		if got.Inspect() != want {
			t.Errorf("got %s, want %s", got.Inspect(), want)
		}
	}
	if !set(1).IsSubset(a) || a.IsSubset(b) || !a.IsSuperset(set(2)) || !a.ContainsKeyed("n:1") {
		t.Error("a test of sets is wrong")
	}
	a.Copy().AddKeyed("x", object.NewString("x"))
	if a.ContainsKeyed("x") {
		t.Error("Copy aliases the set")
	}
	if elements, _ := object.IterableToSlice(a.CreateIterator()); len(elements) != 2 {
		t.Errorf("%d elements", len(elements))
	}
}

func TestIterableToSlice(t *testing.T) {
	dict := object.NewStringDict(map[string]object.Object{"k": object.NewInteger(1)})
	list := &object.List{Elements: []object.Object{object.NewInteger(1)}}
	tests := []struct {
		obj  object.Object
		want string
	}{
		{list, "[1]"},
		{&object.Tuple{Elements: list.Elements}, "[1]"},
		{object.NewString("aé"), "[a, é]"},
		{object.NewBytesFromString("ab"), "[97, 98]"},
		{object.NewRangeIterator(5, 0, -2), "[5, 3, 1]"},
		{set(7), "[7]"},
		{dict, "[k]"},
		{&object.DictKeys{Dict: dict}, "[k]"},
		{&object.DictValues{Dict: dict}, "[1]"},
		{&object.DictItems{Dict: dict}, "[(k, 1)]"},
	}
	for _, tt := range tests {
		elements, ok := object.IterableToSlice(tt.obj)
		if got := (&object.List{Elements: elements}).Inspect(); !ok || got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.obj.Inspect(), got, tt.want)
		}
	}
	if _, ok := object.IterableToSlice(object.NewInteger(1)); ok {
		t.Error("an integer must not be iterable")
	}
}

func TestIterator(t *testing.T) {
	it := object.NewRangeIterator(0, 2, 1)
	if truth, _ := it.AsBool(); !truth {
		t.Error("a fresh iterator must be true")
	}
	var got []string
	for v, ok := it.Next(); ok; v, ok = it.Next() {
		got = append(got, v.Inspect())
	}
	if !slices.Equal(got, []string{"0", "1"}) {
		t.Errorf("looking at the iterator lost items: %v", got)
	}
	if truth, _ := it.AsBool(); !truth {
		t.Error("an exhausted iterator must be true, as in the published interpreter")
	}
}

func TestInstanceFields(t *testing.T) {
	base := &object.Class{Name: "Base", Methods: map[string]object.Object{"m": object.NewInteger(1)}}
	class := &object.Class{Name: "C", BaseClass: base}
	if m, ok := class.LookupMember("m"); !ok || m.Inspect() != "1" {
		t.Error("a member of the base class is not found")
	}
	inst := object.NewInstanceWithData(class, map[string]object.Object{"a": object.NewInteger(1)}, "data")
	inst.SetField("b", object.NewInteger(2))
	if v, ok := inst.GetField("b"); !ok || v.Inspect() != "2" || inst.Field("zz") != nil || !inst.HasField("a") || inst.FieldCount() != 2 {
		t.Error("fields are wrong")
	}
	snapshot := inst.FieldsSnapshot()
	inst.DeleteField("a")
	if len(snapshot) != 2 || inst.HasField("a") || inst.NativeData != "data" {
		t.Error("the snapshot is not a copy")
	}
	n := 0
	inst.RangeFields(func(string, object.Object) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d fields", n)
	}
	if got := object.NewInstance(class).Inspect(); !strings.HasPrefix(got, "<C object at 0x") {
		t.Errorf("got %s", got)
	}
}
