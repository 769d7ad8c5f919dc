package scriptling_test

import (
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/internal/parser"
)

// Interpreters whose first programs are equal share a table of names, by which a
// later program of one moves values between the variables of another.
func TestInterpretersWithEqualFirstProgramsShareTheTableOfTheirNames(t *testing.T) {
	for _, c := range []struct {
		name, firstA, firstB string
		wantZ                int64
	}{
		{"equal", "x = 1 # of names_test", "x = 1 # of names_test", 4},
		{"different", "x = 1 # of names_test, a", "x = 1 # of names_test, b", 3},
	} {
		a, b := scriptling.New(), scriptling.New()
		for _, step := range []struct {
			p      *scriptling.Scriptling
			source string
		}{{a, c.firstA}, {b, c.firstB}, {a, "y = 2"}, {b, "z = 3\ny = 4"}} {
			if _, err := step.p.Eval(step.source); err != nil {
				t.Fatal(err)
			}
		}
		if z, errObj := b.GetVarAsInt("z"); errObj != nil || z != c.wantZ {
			t.Errorf("%s first programs: z is %d, want %d", c.name, z, c.wantZ)
		}
		if y, errObj := b.GetVarAsInt("y"); errObj != nil || y != 4 {
			t.Errorf("%s first programs: y is %d", c.name, y)
		}
		a.Reset()
		if _, err := a.Eval("v = 1\nw = 2\nx = 3\ny = 4\n"); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int64{"v": 1, "w": 2, "x": 3, "y": 4} {
			if got, errObj := a.GetVarAsInt(name); errObj != nil || got != want {
				t.Errorf("%s first programs: after a reset %s is %d", c.name, name, got)
			}
		}
	}
}

func TestSomeSyntaxErrorsInFunctionsArePanicsThatLeaveEval(t *testing.T) {
	for source, crashes := range map[string]bool{
		"def f():\n    import )\n":                      true,
		"def f():\n    if 1:\n        def )\n":          true,
		"class C:\n    def m(self):\n        class )\n": true,
		"import )\n":                  false,
		"def f():\n    import (\n":    false,
		"def f():\n    pass\ndef )\n": false,
	} {
		func() {
			defer func() {
				r := recover()
				if _, ok := r.(*parser.Crash); ok != crashes {
					t.Errorf("%q: recovered %v", source, r)
				}
			}()
			if _, err := scriptling.New().Eval(source); err == nil {
				t.Errorf("%q was accepted", source)
			}
		}()
	}
}
