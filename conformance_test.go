package extlibs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
)

// interpreter returns an interpreter with the libraries of r that writes to out.
func interpreter(r *extlibs.Registry, out *bytes.Buffer) *scriptling.Scriptling {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	r.RegisterRuntimeLibraryAll(p, nil)
	p.SetOutputWriter(out)
	return first(p)
}

// output runs a script and returns what it printed, with a line for the error
// that ended it.
func output(t *testing.T, r *extlibs.Registry, source string) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := interpreter(r, &out).Eval(source); err != nil {
		out.WriteString("RESULT ERROR: " + err.Error() + "\n")
	}
	return out.String()
}

// vectors returns the scripts of a folder with the output that each must have.
func vectors(t *testing.T, dir string) map[string][2]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.py"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s (%v)", dir, err)
	}
	vectors := map[string][2]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".py") + ".out")
		if err != nil {
			t.Fatal(err)
		}
		vectors[strings.TrimSuffix(filepath.Base(file), ".py")] = [2]string{string(source), string(want)}
	}
	return vectors
}

func TestScriptsPrintWhatThePublishedInterpreterPrints(t *testing.T) {
	for name, v := range vectors(t, "testdata/kv-conformance") {
		for backend, init := range map[string]func(t *testing.T, r *extlibs.Registry) error{
			"memory": func(_ *testing.T, r *extlibs.Registry) error { return r.Init("") },
			"bolt":   func(t *testing.T, r *extlibs.Registry) error { return r.Init(filepath.Join(t.TempDir(), "kv.db")) },
			"interval": func(t *testing.T, r *extlibs.Registry) error {
				return r.Init(filepath.Join(t.TempDir(), "kv.db"), extlibs.Durability(extlibs.Interval(20e6)))
			},
		} {
			t.Run(name+"/"+backend, func(t *testing.T) {
				t.Parallel()
				r := newRegistry()
				if err := init(t, r); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				})
				if got := output(t, r, v[0]); got != v[1] {
					t.Errorf("printed:\n%s\nwant:\n%s", got, v[1])
				}
			})
		}
	}
}

// programs counts the interpreters that tests have made.
var programs atomic.Int64

// first gives an interpreter a first program that no other one has. Interpreters whose
// first program has the same text share the table of the names of their variables, and
// then the values of one take the places of another's.
func first(p *scriptling.Scriptling) *scriptling.Scriptling {
	if _, err := p.Eval(fmt.Sprintf("interpreter_%d = None", programs.Add(1))); err != nil {
		panic(err)
	}
	return p
}
