package extlibs_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

type typedPlace struct {
	City  string   `cbor:"city"`
	Lines []string `cbor:"lines"`
}

type typedBase struct {
	ID int `cbor:"id"`
}

type typedPerson struct {
	typedBase
	Name  string         `cbor:"name"`
	Small int8           `cbor:"small"`
	Home  *typedPlace    `cbor:"home"`
	Seen  time.Time      `cbor:"seen"`
	Past  []typedPlace   `cbor:"past"`
	Ages  map[string]int `cbor:"ages"`
}

// typedAny has a field that package cbor would decode otherwise.
type typedAny struct {
	typedBase
	Name  string      `cbor:"name"`
	Home  *typedPlace `cbor:"home"`
	Extra any         `cbor:"extra"`
}

func TestTypedCallsOfSeveralKeys(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		clock := newClock()
		h := b.open(t, clock.option()).Sub("people:")
		for i, name := range []string{"ann", "bob", "eve"} {
			p := typedPerson{typedBase: typedBase{i}, Name: name, Home: &typedPlace{City: "Oslo"}}
			if ok, err := extlibs.Add(ctx, h, name, p, time.Duration(i)*time.Minute); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if ok, err := extlibs.Add(ctx, h, name, typedPerson{}, 0); ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		many, err := extlibs.GetMany[typedPerson](ctx, h, []string{"ann", "nobody", "eve", "ann"})
		if err != nil || len(many) != 2 || many["ann"].Name != "ann" || many["eve"].ID != 2 || many["eve"].Home.City != "Oslo" {
			t.Errorf("GetMany: %+v, %v", many, err)
		}
		var all []string
		for item, err := range extlibs.All[typedPerson](ctx, h, extlibs.ListOptions{Reverse: true, Before: "eve"}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(item.Key, item.Value.ID, item.TTL))
		}
		if !slices.Equal(all, []string{"bob 1 1m0s", "ann 0 0s"}) && !slices.Equal(all, []string{"bob1 1m0s", "ann0 0s"}) {
			t.Errorf("All: %q", all)
		}
		for range extlibs.All[typedPerson](ctx, h, extlibs.ListOptions{}) {
			break
		}
		made := 0
		get := func() (typedPerson, error) {
			return extlibs.GetOrSet(ctx, h, "new", func() (typedPerson, error) {
				made++
				return typedPerson{Name: "new", Home: &typedPlace{Lines: []string{"a"}}}, nil
			}, time.Hour)
		}
		for range 2 {
			if p, err := get(); p.Name != "new" || p.Home.Lines[0] != "a" || err != nil {
				t.Errorf("GetOrSet: %+v, %v", p, err)
			}
		}
		if left, err := h.TTL(ctx, "new"); made != 1 || left != time.Hour || err != nil {
			t.Errorf("fn ran %d times, %v left, %v", made, left, err)
		}
		failure := errors.New("fn failed")
		if _, err := extlibs.GetOrSet(ctx, h, "none", func() (int, error) { return 1, failure }, 0); err != failure {
			t.Errorf("GetOrSet: %v", err)
		}
		var wg sync.WaitGroup
		got := make([]int, 16)
		for i := range got {
			wg.Go(func() {
				n, err := extlibs.GetOrSet(ctx, h, "raced", func() (int, error) { return i, nil }, 0)
				if got[i] = n; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if slices.Min(got) != slices.Max(got) {
			t.Errorf("callers got %v", got)
		}
	})
}

// The error of a value that does not fit names the field, the key and the types, and never
// the value.
func TestTypedErrorsNameTheField(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	for i, tt := range []struct {
		value map[string]any
		field string
	}{
		{map[string]any{"name": 17_171}, "field Name: it has an int where the type has string"},
		{map[string]any{"id": "hush"}, "field ID: it has a str where the type has int"},
		{map[string]any{"home": "hush"}, "field Home: it has a str where the type has *extlibs_test.typedPlace"},
		{map[string]any{"home": map[string]any{"city": []any{"hush"}}}, "field Home.City: it has a list where the type has string"},
		{map[string]any{"home": map[string]any{"lines": []any{"x", "y", 17_171}}}, "field Home.Lines[2]: it has an int where the type has string"},
	} {
		key := fmt.Sprint("key", i)
		if err := h.Set(ctx, key, tt.value, 0); err != nil {
			t.Fatal(err)
		}
		_, get := extlibs.Get[typedPerson](ctx, h, key)
		_, getAny := extlibs.Get[typedAny](ctx, h, key)
		_, many := extlibs.GetMany[typedPerson](ctx, h, []string{key})
		_, orSet := extlibs.GetOrSet(ctx, h, key, func() (typedPerson, error) { return typedPerson{}, nil }, 0)
		_, update := extlibs.Update(ctx, h, key, func(p typedPerson, _ bool) (typedPerson, error) { return p, nil })
		var all error
		for _, all = range extlibs.All[typedAny](ctx, h, extlibs.ListOptions{Prefix: key}) {
		}
		for call, err := range map[string]error{"get": get, "get any": getAny, "get_many": many, "get_or_set": orSet, "update": update, "all": all} {
			name, _, _ := strings.Cut(call, " ")
			if !errors.Is(err, extlibs.ErrType) || !strings.HasPrefix(err.Error(), "kv."+name+": ") || !strings.Contains(err.Error(), `"`+key+`"`) ||
				!strings.HasSuffix(err.Error(), tt.field) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "17171") {
				t.Errorf("%s of %v: %v", call, tt.value, err)
			}
		}
	}
	for _, tt := range []struct {
		value map[string]any
		field string
	}{
		{map[string]any{"small": 1000}, "field Small: it has an int where the type has int8"},
		{map[string]any{"seen": "hush"}, "field Seen: it has a str where the type has time.Time"},
		{map[string]any{"past": []any{map[string]any{}, map[string]any{"lines": 5}}}, "field Past[1].Lines: it has an int where the type has []string"},
		{map[string]any{"ages": map[string]any{"secret name": "hush"}}, "field Ages[]: it has a str where the type has int"},
	} {
		if err := h.Set(ctx, "k", tt.value, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := extlibs.Get[typedPerson](ctx, h, "k"); !errors.Is(err, extlibs.ErrType) || !strings.HasSuffix(err.Error(), tt.field) {
			t.Errorf("%v: %v", tt.value, err)
		}
	}

	type inner struct{ Call func() }
	type outer struct {
		typedBase
		Inner []inner
		Wide  any
	}
	for want, value := range map[string]outer{
		"cannot store a extlibs_test.outer: field Inner[0].Call is a func(); change its type":       {Inner: []inner{{}, {func() {}}}},
		"cannot store a extlibs_test.outer: field Wide is a chan int; change its type":              {Wide: make(chan int)},
		"cannot store a extlibs_test.outer: scripts cannot read the value of field Wide; use the":   {Wide: uint64(math.MaxUint64)},
		"cannot store a extlibs_test.outer: scripts cannot read the value of field Wide.N; use the": {Wide: struct{ N uint64 }{math.MaxUint64}},
	} {
		_, add := extlibs.Add(ctx, h, "new", value, 0)
		_, orSet := extlibs.GetOrSet(ctx, h, "new", func() (outer, error) { return value, nil }, 0)
		for call, err := range map[string]error{"add": add, "get_or_set": orSet, "set": extlibs.SetAs(ctx, h, "new", value, 0)} {
			if !errors.Is(err, extlibs.ErrType) || !strings.HasPrefix(err.Error(), "kv."+call+": "+want) {
				t.Errorf("%s: %v, want %s", call, err, want)
			}
		}
	}
	if ok, err := h.Exists(ctx, "new"); ok || err != nil {
		t.Error("a value that cannot be stored was", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := extlibs.GetMany[typedPerson](cancelled, h, []string{"key0"}); err == nil {
		t.Error("a cancelled GetMany has no error")
	}
}
