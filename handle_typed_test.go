package extlibs_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/scriptling-kv/extlibs"
)

type typedUser struct {
	Name   string            `cbor:"name"`
	Age    int               `cbor:"age"`
	Score  float32           `cbor:"score"`
	Seen   time.Time         `cbor:"seen"`
	Tags   []string          `cbor:"tags"`
	Nested map[string][]byte `cbor:"nested"`
	Next   *typedUser        `cbor:"next"`
	Secret string            `cbor:"-"`
}

func TestAStructComesBackAsItWasAndScriptsSeeADict(t *testing.T) {
	t.Parallel()
	forEachBackend(t, func(t *testing.T, b backend) {
		h := b.open(t)
		want := typedUser{"Ann", 7, 0.5, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), []string{"a"},
			map[string][]byte{"k": {0, 255}}, &typedUser{Name: "Bob"}, ""}
		if err := extlibs.SetAs(ctx, h, "u", want, 0); err != nil {
			t.Fatal(err)
		}
		got, err := extlibs.Get[typedUser](ctx, h, "u")
		if err != nil || got.Name != want.Name || got.Age != 7 || got.Score != 0.5 || !got.Seen.Equal(want.Seen) ||
			got.Tags[0] != "a" || string(got.Nested["k"]) != "\x00\xff" || got.Next.Name != "Bob" {
			t.Fatalf("Get is %+v, %v", got, err)
		}
		v, err := h.Get(ctx, "u")
		dict, ok := v.(map[string]any)
		if err != nil || !ok || dict["age"] != int64(7) || dict["score"] != 0.5 || dict["name"] != "Ann" || len(dict) != 7 {
			t.Errorf("a script sees %v, %v", v, err)
		}
		updated, err := extlibs.Update(ctx, h, "u", func(u typedUser, ok bool) (typedUser, error) {
			if u.Age++; !ok {
				t.Error("the key is absent")
			}
			return u, nil
		})
		if stored, _ := extlibs.Get[typedUser](ctx, h, "u"); err != nil || updated.Age != 8 || stored.Age != 8 {
			t.Errorf("Update is %+v, %v; stored is %+v", updated, err, stored)
		}
	})
}

func TestWhatScriptsStoredFitsIntoTypes(t *testing.T) {
	h := backends[0].open(t)
	for key, v := range map[string]any{"tuple": extlibs.Tuple{1, 2}, "set": extlibs.Set{1, 2}, "list": []any{1, 2}} {
		if err := h.Set(ctx, key, v, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := extlibs.Get[[]int](ctx, h, key); err != nil || len(got) != 2 || got[0]+got[1] != 3 {
			t.Errorf("a %s is %v, %v", key, got, err)
		}
	}
	if err := extlibs.SetAs(ctx, h, "t", extlibs.Tuple{1}, 0); err != nil {
		t.Fatal(err)
	}
	if v, err := extlibs.Get[any](ctx, h, "t"); err != nil || len(v.(extlibs.Tuple)) != 1 {
		t.Errorf("a Tuple is %v, %v", v, err)
	}
}

func TestATypedCallThatCannotSucceedSaysWhyAndChangesNothing(t *testing.T) {
	t.Parallel()
	h := backends[0].open(t)
	if err := h.Set(ctx, "k", "hush-hush", 0); err != nil {
		t.Fatal(err)
	}
	_, errType := extlibs.Get[typedUser](ctx, h, "k")
	_, errInt := extlibs.Get[int](ctx, h, "k")
	failure := errors.New("fn failed")
	_, errFn := extlibs.Update(ctx, h, "k", func(string, bool) (string, error) { return "", failure })
	_, errAbsent := extlibs.Get[string](ctx, h, "absent")
	large := struct{ S string }{strings.Repeat("x", extlibs.DefaultMaxValueBytes)}
	for name, tt := range map[string]struct{ got, want error }{
		"a struct of a str":  {errType, extlibs.ErrType},
		"an int of a str":    {errInt, extlibs.ErrType},
		"a failing fn":       {errFn, failure},
		"an absent key":      {errAbsent, extlibs.ErrNotFound},
		"a channel":          {extlibs.SetAs(ctx, h, "k", make(chan int), 0), extlibs.ErrType},
		"a uint64 too large": {extlibs.SetAs(ctx, h, "k", struct{ N uint64 }{math.MaxUint64}, 0), extlibs.ErrType},
		"a large struct":     {extlibs.SetAs(ctx, h, "k", large, 0), extlibs.ErrTooLarge},
	} {
		if !errors.Is(tt.got, tt.want) || strings.Contains(tt.got.Error(), "hush") {
			t.Errorf("%s: %v, want an error that is %q", name, tt.got, tt.want)
		}
	}
	if v, err := h.Get(ctx, "k"); v != "hush-hush" {
		t.Errorf("the key holds %v, %v", v, err)
	}
	if !strings.Contains(errAbsent.Error(), `"absent"`) || !strings.Contains(errAbsent.Error(), ":memory:store") {
		t.Errorf("the error of an absent key names neither store nor key: %v", errAbsent)
	}
}
