package parser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scripts returns the conformance scripts by file name.
func scripts(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/conformance/*.py")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no conformance scripts: %v", err)
	}
	sources := make(map[string]string)
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources[path] = string(src)
	}
	return sources
}

// TestConformanceScripts checks that every script parses, or fails on the line
// its expected output names.
func TestConformanceScripts(t *testing.T) {
	for path, src := range scripts(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			out, err := os.ReadFile(strings.TrimSuffix(path, ".py") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			_, want, wantError := strings.Cut(string(out), "parser errors: [")
			_, messages := Parse(src)
			if !wantError {
				if len(messages) > 0 {
					t.Fatalf("does not parse: %v", messages)
				}
				return
			}
			prefix := want[:strings.Index(want, ":")+1]
			if len(messages) == 0 || !strings.HasPrefix(messages[0], prefix) {
				t.Errorf("got %v, want an error that starts with %q", messages, prefix)
			}
		})
	}
}
