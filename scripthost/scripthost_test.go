package scripthost

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

func newInterpreter(t *testing.T) *scriptling.Scriptling {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPanicIsAnErrorOfEvalAndOfCall(t *testing.T) {
	// Each is a syntax error that the published parser panics over.
	for _, source := range []string{"def f():\n    import )\n", "def f():\n    def )\n", "def f():\n    class )\n"} {
		_, err := Eval(context.Background(), newInterpreter(t), source)
		if !errors.As(err, new(*Panic)) {
			t.Errorf("%q: %v", source, err)
		}
	}
	p := newInterpreter(t)
	p.RegisterFunc("fails", func(context.Context, object.Kwargs, ...object.Object) object.Object { panic("bug") })
	if _, err := Call(context.Background(), p, "fails"); !errors.As(err, new(*Panic)) || !strings.Contains(err.Error(), "bug") {
		t.Errorf("a call of what panics: %v", err)
	}
}

func TestACallHasALimitOfDepth(t *testing.T) {
	p := newInterpreter(t)
	if _, err := Eval(context.Background(), p, "def deep():\n    return deep()\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := Call(context.Background(), p, "deep"); err == nil || !strings.Contains(err.Error(), "maximum depth is 1000") {
		t.Errorf("endless recursion: %v", err)
	}
}

func TestInterpretersWithEqualScriptsShareNoNames(t *testing.T) {
	a, b := newInterpreter(t), newInterpreter(t)
	for _, step := range []struct {
		p      *scriptling.Scriptling
		source string
	}{{a, "x = 1"}, {b, "x = 1"}, {a, "y = 2"}, {b, "z = 3\ny = 4"}} {
		if _, err := Eval(context.Background(), step.p, step.source); err != nil {
			t.Fatal(err)
		}
	}
	if z, errObj := b.GetVarAsInt("z"); errObj != nil || z != 3 {
		t.Errorf("z is %d", z)
	}
}
