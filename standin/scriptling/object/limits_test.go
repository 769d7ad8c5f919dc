package object

import (
	"math"
	"testing"
)

func TestTupleKeysDoNotCollide(t *testing.T) {
	tuple := func(texts ...string) Object {
		elements := make([]Object, len(texts))
		for i, s := range texts {
			elements[i] = NewString(s)
		}
		return &Tuple{Elements: elements}
	}
	groups := [][]Object{
		{tuple("a,b"), tuple("a", "b")},
		{tuple(`"a`, `b"`), tuple("a,b"), tuple(`"a,b"`)},
		{tuple("a)"), tuple("a", ")"), tuple("a,)")},
	}
	for _, group := range groups {
		seen := map[string]string{}
		for _, obj := range group {
			key := DictKey(obj)
			if other, ok := seen[key]; ok {
				t.Errorf("%s and %s have the key %s", other, obj.Inspect(), key)
			}
			seen[key] = obj.Inspect()
		}
	}
}

func TestSelfReferenceIsCutOff(t *testing.T) {
	list := &List{}
	list.Elements = []Object{NewInteger(1), list}
	if got := list.Inspect(); got != "[1, [...]]" {
		t.Errorf("got %s", got)
	}
	dict := NewStringDict(nil)
	dict.SetByString("d", dict)
	if got := dict.Inspect(); got != "{d: {...}}" {
		t.Errorf("got %s", got)
	}
	set := NewSet()
	set.AddKeyed("k", set)
	if got := set.Inspect(); got != "{{...}}" {
		t.Errorf("got %s", got)
	}
	if err := ValidateTransferable(set); err == nil || err.Error() != `set element "{{...}}": circular reference in set` {
		t.Errorf("got %v", err)
	}
}

func TestDeepNestingIsCutOff(t *testing.T) {
	list := &List{}
	for range 10 * maxInspectDepth {
		list = &List{Elements: []Object{list}}
	}
	if got, want := len(list.Inspect()), 2*maxInspectDepth+len("[...]"); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	var tuple Object = &Tuple{}
	for range 10 * maxKeyDepth {
		tuple = &Tuple{Elements: []Object{tuple}}
	}
	if key := DictKey(tuple); key != DictKey(tuple) || IsHashable(tuple) {
		t.Error("a deep tuple is keyed wrongly")
	}
}

func TestCyclesEnd(t *testing.T) {
	list := &List{}
	list.Elements = []Object{list, NewStringDict(map[string]Object{"l": list})}
	clone := CloneObject(list).(*List)
	if clone == list || clone.Elements[0] != Object(clone) {
		t.Error("the copy of a cycle must be a cycle of copies")
	}
}

func TestRangeIteratorLimits(t *testing.T) {
	tests := []struct {
		start, stop, step int64
		want              string
	}{
		{math.MaxInt64 - 1, math.MaxInt64, 5, "[9223372036854775806]"},
		{math.MinInt64, math.MaxInt64, math.MaxInt64, "[-9223372036854775808, -1, 9223372036854775806]"},
		{math.MaxInt64, math.MinInt64, math.MinInt64, "[9223372036854775807, -1]"},
		{0, 5, 0, "[]"},
	}
	for _, tt := range tests {
		elements, _ := IterableToSlice(NewRangeIterator(tt.start, tt.stop, tt.step))
		if got := (&List{Elements: elements}).Inspect(); got != tt.want {
			t.Errorf("range(%d, %d, %d): got %s, want %s", tt.start, tt.stop, tt.step, got, tt.want)
		}
	}
}
