package scriptling_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
)

// TestConformance runs the scripts that come with the specification.
func TestConformance(t *testing.T) { runScripts(t, "testdata/conformance") }

// runScripts compares what each script of a directory prints with the file
// beside it.
func runScripts(t *testing.T, dir string) {
	scripts, err := filepath.Glob(filepath.Join(dir, "*.py"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".py"), func(t *testing.T) {
			t.Parallel()
			source := readFile(t, script)
			if strings.Contains(source, "import scriptling.runtime") {
				t.Skip("needs scriptling.runtime, which belongs to another module")
			}
			want := readFile(t, strings.TrimSuffix(script, ".py")+".out")
			got := runScript(source)
			if strings.Contains(script, "parse_error") {
				want, got = firstMessage(want), firstMessage(got)
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// runScript returns what a script prints, followed by its error if it fails.
func runScript(source string) string {
	p := scriptling.New()
	stdlib.RegisterAll(p)
	var out bytes.Buffer
	p.SetOutputWriter(&out)
	if _, err := p.Eval(source); err != nil {
		out.WriteString("RESULT ERROR: " + err.Error() + "\n")
	}
	return out.String()
}

var lineNumber = regexp.MustCompile(`line \d+:`)

// firstMessage cuts the list of parse errors after the first line number; the
// messages depend on the parser.
func firstMessage(out string) string {
	if loc := lineNumber.FindStringIndex(out); loc != nil {
		return out[:loc[1]]
	}
	return out
}
