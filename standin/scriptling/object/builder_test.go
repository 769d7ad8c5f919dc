package object_test

import (
	"context"
	"errors"
	"testing"

	"github.com/paularlott/scriptling/object"
)

func TestLibraryBuilder(t *testing.T) {
	lib := object.NewLibraryBuilder("lib", "about").
		Function("add", func(a, b int) int { return a + b }).
		Function("join", func(_ context.Context, kw object.Kwargs, parts ...string) string {
			out := kw.MustGetString("sep", "")
			for _, p := range parts {
				out += p
			}
			return out
		}).
		FunctionWithHelp("fails", func(s string) (string, error) { return s, errors.New("no " + s) }, "fails(s)").
		Function("crash", func() { panic("ouch") }).
		Function("total", func(l []float64, m map[string]int) float64 { return l[0] + float64(m["k"]) }).
		Constant("pi", 3.5).
		SubLibrary("sub", object.NewLibrary("sub", nil, map[string]object.Object{"x": object.NewInteger(1)}, "")).
		Build()
	call := func(name string, kwargs map[string]object.Object, args ...object.Object) string {
		return lib.Functions()[name].Fn(context.Background(), object.NewKwargs(kwargs), args...).Inspect()
	}
	one, text := object.NewInteger(1), object.NewString("x")
	dict := object.NewStringDict(map[string]object.Object{"k": one})
	for got, want := range map[string]string{
		call("add", nil, one, one): "2",
		call("add", nil, one):      "ERROR: argument error: got 1 arguments, want 2",
		call("join", map[string]object.Object{"sep": object.NewString("-")}, text, text): "-xx",
		call("fails", nil, text): "ERROR: no x",
		call("crash", nil):       "ERROR: panic in builtin: ouch",
		call("total", nil, &object.List{Elements: []object.Object{one}}, dict): "2",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if lib.Functions()["fails"].HelpText != "fails(s)" || lib.Constants()["pi"].Inspect() != "3.5" || lib.Constants()["sub"].Inspect() != "{x: 1}" {
		t.Error("help or constants are wrong")
	}
}
