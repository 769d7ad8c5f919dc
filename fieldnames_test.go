package extlibs

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/paularlott/scriptling/object"
)

func TestANameThatComesTwiceIsKept(t *testing.T) {
	for _, text := range []string{"name", "a:b", "é", "", "x", strings.Repeat("x", maxFieldNameBytes)} {
		names := newFieldNames()
		if name := names.find(text); name != nil {
			t.Errorf("%q is kept before it came", text)
		}
		name := names.find(text)
		if name == nil || names.find(text) != name {
			t.Fatalf("%q is not kept", text)
		}
		if name.text != text || name.object.StringValue() != text || name.key != object.DictKey(name.object) {
			t.Errorf("%q is kept as %+v", text, name)
		}
	}
	names := newFieldNames()
	for range 3 {
		if text := strings.Repeat("x", maxFieldNameBytes+1); names.find(text) != nil {
			t.Error("a long name is kept")
		}
	}
}

func TestNamesThatComeOnceDoNotDriveOutOthers(t *testing.T) {
	names := newFieldNames()
	names.find("name")
	kept := names.find("name")
	for i := range 10 * keptFieldNames {
		if name := names.find(fmt.Sprintf("user-%d", i)); name != nil {
			t.Errorf("user-%d is found as %q", i, name.text)
		}
	}
	if names.find("name") != kept {
		t.Error("the name is not kept")
	}
	for i := range names.kept {
		if name := names.kept[i].Load(); name != nil && name != kept {
			t.Errorf("%q is kept", name.text)
		}
	}
}

func TestNamesThatComeInTurnsAreKeptWhateverWasBefore(t *testing.T) {
	for range 20 {
		names := newFieldNames()
		for i := range 4 * keptFieldNames {
			for range 4 {
				names.find(fmt.Sprintf("old-%d", i))
			}
		}
		const fields, rounds = 32, 200
		for range rounds {
			for i := range fields {
				names.find(fmt.Sprintf("field-%d", i))
			}
		}
		for i := range fields {
			if text := fmt.Sprintf("field-%d", i); names.find(text) == nil {
				t.Errorf("%s is not kept", text)
			}
		}
	}
}

// The keys of a dict are the same however large it is and whatever is kept, and a
// dict is the caller's own.
func TestDictsWithNamesThatAreKeptAreTheCallersOwn(t *testing.T) {
	for _, n := range []int{1, maxFieldsOfNames, maxFieldsOfNames + 1} {
		stored := map[string]any{"a:b": int64(0), "bad \xff": int64(1), "": int64(2)}
		for i := range n {
			stored[fmt.Sprintf("field %d", i)] = int64(i)
		}
		v := encodeGoMust(t, stored)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 4 {
					o, err := decodeObject(v)
					if err != nil {
						t.Error(err)
						return
					}
					d := o.(*object.Dict)
					if len(d.Pairs) != len(stored) {
						t.Errorf("%d of %d entries", len(d.Pairs), len(stored))
					}
					for text, want := range stored {
						p, ok := d.GetByString(text)
						if !ok || p.StringKey() != text || p.Value.Inspect() != fmt.Sprint(want) {
							t.Errorf("entry %q is %v, %v", text, p, ok)
						}
						d.SetByString(text, object.NewString("changed"))
					}
				}
			})
		}
		wg.Wait()
	}
}

// A list of dicts takes no memory for the names of their fields.
func TestNamesInALargeValueAreNotCopied(t *testing.T) {
	list := make([]any, 100)
	for i := range list {
		list[i] = map[string]any{"first name": true, "second name": nil}
	}
	v := encodeGoMust(t, list)
	decode := func() {
		if _, err := decodeObject(v); err != nil {
			t.Fatal(err)
		}
	}
	const perDict = 3 // the dict, and the map, which is two
	if n := testing.AllocsPerRun(100, decode); n > float64(len(list)*perDict+10) {
		t.Errorf("%v allocations for %d dicts", n, len(list))
	}
}
