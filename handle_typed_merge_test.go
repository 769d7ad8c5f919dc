package extlibs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

type part struct {
	ID   int            `cbor:"id"`
	Name string         `cbor:"name"`
	More map[string]any `cbor:"more,omitempty"`
}

type base struct {
	Owner string `cbor:"owner"`
}

type whole struct {
	base
	*Pointed
	Count   int             `cbor:"count"`
	Ratio   float32         `cbor:"ratio"`
	Tags    []string        `cbor:"tags"`
	Pair    [2]int          `cbor:"pair"`
	Main    part            `cbor:"main"`
	Parts   []part          `cbor:"parts"`
	ByName  map[string]part `cbor:"by_name"`
	Data    any             `cbor:"data"`
	Next    *whole          `cbor:"next"`
	Seen    time.Time       `cbor:"seen"`
	Skipped any             `cbor:"-"`
	Spelled string
}

type Pointed struct {
	Extra any `cbor:"extra"`
}

// dictOf returns a dict with all that whole names, and a member in each of its dicts that it does not.
func dictOf() map[string]any {
	newPart := func(id int64) map[string]any {
		return map[string]any{"id": id, "name": fmt.Sprint("part ", id), "hidden": extlibs.Tuple{id}}
	}
	return map[string]any{
		"owner": "ann", "extra": extlibs.Set{int64(1)}, "count": int64(1), "ratio": 0.1, "tags": extlibs.Set{"a", "b"}, "pair": extlibs.Tuple{int64(1), int64(2), "third"},
		"main": newPart(0), "parts": []any{newPart(1), newPart(2), newPart(3)}, "by_name": map[string]any{"x": newPart(4), "y": newPart(5)},
		"data": extlibs.Dict{{Key: extlibs.Tuple{int64(1)}, Value: extlibs.Tuple{}}, {Key: []byte("b"), Value: nil}}, "seen": "2026-01-02T03:04:05.100Z",
		"next": map[string]any{"hidden": "\xff", "count": int64(7)}, "spelled": "as scripts do", "hidden": []byte{1},
	}
}

// mustEqual compares values as compare_and_set does.
func mustEqual(t *testing.T, h *extlibs.Handle, key string, want any) {
	t.Helper()
	if ok, err := h.CompareAndSwap(ctx, key, want, want, extlibs.KeepTTL); !ok || err != nil {
		got, _ := h.Get(ctx, key)
		t.Errorf("%s is\n%#v (%v), want\n%#v", key, got, err, want)
	}
}

func TestUpdateKeepsWhatTheTypeDoesNotSee(t *testing.T) {
	t.Parallel()
	partOf := func(d map[string]any, at int) map[string]any { return d["parts"].([]any)[at].(map[string]any) }
	for name, tt := range map[string]struct {
		change func(*whole)
		want   func(map[string]any)
	}{
		"nothing":           {func(*whole) {}, func(map[string]any) {}},
		"a number":          {func(w *whole) { w.Count = 2 }, func(d map[string]any) { d["count"] = int64(2) }},
		"an embedded one":   {func(w *whole) { w.Owner = "bob" }, func(d map[string]any) { d["owner"] = "bob" }},
		"an any":            {func(w *whole) { w.Data = []any{1} }, func(d map[string]any) { d["data"] = []any{int64(1)} }},
		"an embedded any":   {func(w *whole) { w.Extra = "x" }, func(d map[string]any) { d["extra"] = "x" }},
		"another spelling":  {func(w *whole) { w.Spelled = "new" }, func(d map[string]any) { d["spelled"] = "new" }},
		"a set":             {func(w *whole) { w.Tags = append(w.Tags, "c", "a") }, func(d map[string]any) { d["tags"] = extlibs.Set{"a", "b", "c"} }},
		"a tuple":           {func(w *whole) { w.Pair[0] = 9 }, func(d map[string]any) { d["pair"] = extlibs.Tuple{int64(9), int64(2), "third"} }},
		"a nested dict":     {func(w *whole) { w.Main.Name = "m" }, func(d map[string]any) { d["main"].(map[string]any)["name"] = "m" }},
		"through a pointer": {func(w *whole) { w.Next.Count++ }, func(d map[string]any) { d["next"].(map[string]any)["count"] = int64(8) }},
		"a dict of a dict": {func(w *whole) { w.ByName["x"] = part{ID: 4, Name: "X"}; delete(w.ByName, "y") }, func(d map[string]any) {
			delete(d["by_name"].(map[string]any), "y")
			d["by_name"].(map[string]any)["x"].(map[string]any)["name"] = "X"
		}},
		"an element": {func(w *whole) { w.Parts[1].Name = "p" }, func(d map[string]any) { partOf(d, 1)["name"] = "p" }},
		"all elements": {func(w *whole) {
			for i := range w.Parts {
				w.Parts[i].ID *= 10
			}
		}, func(d map[string]any) {
			for i := range 3 {
				partOf(d, i)["id"] = int64(10 * (i + 1))
			}
		}},
		"the order":           {func(w *whole) { w.Parts[0], w.Parts[2] = w.Parts[2], w.Parts[0] }, func(d map[string]any) { l := d["parts"].([]any); l[0], l[2] = l[2], l[0] }},
		"a removed element":   {func(w *whole) { w.Parts = w.Parts[1:] }, func(d map[string]any) { d["parts"] = d["parts"].([]any)[1:] }},
		"removed and changed": {func(w *whole) { w.Parts = w.Parts[1:]; w.Parts[0].Name = "p" }, func(d map[string]any) { d["parts"] = d["parts"].([]any)[1:]; partOf(d, 0)["name"] = "p" }},
		"an inserted element": {func(w *whole) { w.Parts = append([]part{{ID: 9}}, w.Parts...) }, func(d map[string]any) {
			d["parts"] = append([]any{map[string]any{"id": int64(9), "name": ""}}, d["parts"].([]any)...)
		}},
		"a removed dict":            {func(w *whole) { w.Next = nil }, func(d map[string]any) { d["next"] = nil }},
		"elements that are no more": {func(w *whole) { w.Parts = nil }, func(d map[string]any) { d["parts"] = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			h := backends[0].open(t)
			must(t, h.Set(ctx, "k", dictOf(), time.Hour))
			_, err := extlibs.Update(ctx, h, "k", func(w whole, ok bool) (whole, error) {
				tt.change(&w)
				return w, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := dictOf()
			tt.want(want)
			mustEqual(t, h, "k", want)
		})
	}
}

func TestUpdateOfAScalarListOrDictKeepsItsType(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	must(t, h.SetMany(ctx, map[string]any{"tuple": extlibs.Tuple{1, 2}, "set": extlibs.Set{1, 2}, "dict": extlibs.Dict{{Key: 1, Value: extlibs.Tuple{1}}}, "text": "\xff", "float": 1}, 0))
	add := func(l []int, _ bool) ([]int, error) { return append(l, 3), nil }
	for _, key := range []string{"tuple", "set"} {
		if _, err := extlibs.Update(ctx, h, key, add); err != nil {
			t.Fatal(err)
		}
	}
	mustEqual(t, h, "tuple", extlibs.Tuple{1, 2, 3})
	mustEqual(t, h, "set", extlibs.Set{3, 2, 1})
	if _, err := extlibs.Update(ctx, h, "dict", func(d map[int][]int, _ bool) (map[int][]int, error) {
		d[2], d[1] = []int{2}, append(d[1], 5)
		return d, nil
	}); err != nil {
		t.Fatal(err)
	}
	mustEqual(t, h, "dict", extlibs.Dict{{Key: 1, Value: extlibs.Tuple{1, 5}}, {Key: 2, Value: []any{2}}})
	if _, err := extlibs.Update(ctx, h, "text", func(s string, _ bool) (string, error) { return s + "!", nil }); err != nil {
		t.Fatal(err)
	}
	mustEqual(t, h, "text", "\xff!")
	if _, err := extlibs.Update(ctx, h, "float", func(f float64, _ bool) (float64, error) { return f, nil }); err != nil {
		t.Fatal(err)
	}
	mustEqual(t, h, "float", 1) // as it was
}

// randomValue returns a value of any shape.
func randomValue(r *rand.Rand, depth int) any {
	n := 12
	if depth == 0 {
		n = 7
	}
	list := func() []any {
		l := make([]any, r.IntN(4))
		for i := range l {
			l[i] = randomValue(r, depth-1)
		}
		return l
	}
	switch r.IntN(n) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return r.Int64() >> r.IntN(63)
	case 3:
		return r.NormFloat64()
	case 4:
		return fmt.Sprint("text ", r.IntN(10))
	case 5:
		return "\xff" + fmt.Sprint(r.IntN(10))
	case 6:
		return []byte(fmt.Sprint(r.IntN(10)))
	case 7:
		return list()
	case 8:
		return extlibs.Tuple(list())
	case 9:
		return extlibs.Set{r.Int64(), "member", extlibs.Tuple{1, "x"}}
	case 10:
		d := extlibs.Dict{{Key: r.Int64(), Value: randomValue(r, depth-1)}}
		for _, key := range []any{[]byte("key"), extlibs.Tuple{1, 2.5}, "text", true, nil} {
			d = append(d, extlibs.Pair{Key: key, Value: randomValue(r, depth-1)})
		}
		return d
	}
	m := map[string]any{}
	for _, key := range []string{"a", "B", "c", "\xff", "e"} {
		if r.IntN(2) == 0 {
			m[key] = randomValue(r, depth-1)
		}
	}
	return m
}

type holder struct {
	A any
	B struct {
		A any `json:"a"`
		C []any
	} `cbor:"b,omitempty"`
	C map[string]any `cbor:"c"`
}

func TestNothingIsLostByTypesThatHoldAny(t *testing.T) {
	t.Parallel()
	r := kvtest.Rand(t)
	h := backends[0].open(t)
	for i := range kvtest.Sized(500, 3000, 30000) {
		value := randomValue(r, 4)
		must(t, h.Set(ctx, "k", value, 0))
		want, err := h.Get(ctx, "k")
		must(t, err)
		checkAs[any](t, h, want)
		checkAs[map[string]any](t, h, want)
		checkAs[[]any](t, h, want)
		checkAs[extlibs.Dict](t, h, want)
		checkAs[extlibs.Tuple](t, h, want)
		checkAs[*map[string]*any](t, h, want)
		checkAs[holder](t, h, want)
		checkAs[[]map[string]any](t, h, want)
		checkAs[struct{ Next *holder }](t, h, map[string]any{})
		if t.Failed() {
			t.Fatalf("value %d: %#v", i, value)
		}
	}
}

// checkAs reads and updates the value of k as a T. It may not fit.
func checkAs[T any](t *testing.T, h *extlibs.Handle, want any) {
	t.Helper()
	got, err := extlibs.Get[T](ctx, h, "k")
	if err != nil && !errors.Is(err, extlibs.ErrType) {
		t.Errorf("Get[%T]: %v", got, err)
	}
	if reflect.TypeOf(want) == reflect.TypeFor[T]() {
		if err != nil || fmt.Sprintf("%#v", sortedDict(got)) != fmt.Sprintf("%#v", sortedDict(want)) {
			t.Errorf("Get[%T] is %#v, %v, want %#v", got, got, err, want)
		}
	}
	before, err := h.Get(ctx, "k")
	must(t, err)
	_, err = extlibs.Update(ctx, h, "k", func(v T, ok bool) (T, error) { return v, nil })
	if err != nil && !errors.Is(err, extlibs.ErrType) {
		t.Errorf("Update[%T]: %v", got, err)
	}
	mustEqual(t, h, "k", before)
}

// sortedDict is v, or the text of a Dict, whose order is none.
func sortedDict(v any) any {
	if d, ok := v.(extlibs.Dict); ok {
		return len(d)
	}
	return v
}

func TestADictAsAMapIsGoodForJSON(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	must(t, h.Set(ctx, "k", map[string]any{"a": map[string]any{"b": []any{map[string]any{"c": nil}}}, "t": extlibs.Tuple{1, map[string]any{"d": 2}}}, 0))
	v, err := extlibs.Get[map[string]any](ctx, h, "k")
	must(t, err)
	b, err := json.Marshal(v)
	if want := `{"a":{"b":[{"c":null}]},"t":[1,{"d":2}]}`; err != nil || string(b) != want {
		t.Errorf("%s, %v; want %s", b, err, want)
	}
}

func TestAStructWithATextOfOtherBytesComesBackAndScriptsSeeIt(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	type texts struct {
		S string
		M map[string]string
		P *texts
	}
	want := texts{"\xff", map[string]string{"\xfe": "\xfd", "good": "text"}, &texts{S: strings.Repeat("\x80", 300)}}
	must(t, extlibs.SetAs(ctx, h, "k", want, 0))
	got, err := extlibs.Get[texts](ctx, h, "k")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
	e, err := h.Store().Load(ctx, "k", extlibs.NeedValue)
	must(t, err)
	v, err := e.Value.Decode()
	must(t, err)
	if again := mustEncode(t, v); again.Len() != e.Value.Len() { // marked, as all others of its kind
		t.Errorf("it takes %d bytes, want %d", e.Value.Len(), again.Len())
	}
}
