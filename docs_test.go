package extlibs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scriptling-kv/extlibs"
)

// block is a fenced block of a page.
type block struct {
	language, text string
	line           int
}

func blocks(t *testing.T, file string) []block {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	var open *block
	for i, line := range strings.Split(string(page), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{language: fence, line: i + 1}
		case isFence:
			found = append(found, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return found
}

func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages", err)
	}
	return append(files, "README.md", "bench/README.md")
}

// A Python block runs in a fresh interpreter on a fresh store and prints what the
// text block behind it shows, if there is one.
func TestScriptsInTheDocsRun(t *testing.T) {
	for _, file := range pages(t) {
		found := blocks(t, file)
		for i, b := range found {
			if b.language != "python" {
				continue
			}
			r := extlibs.NewRegistry()
			t.Chdir(t.TempDir()) // for scripts that open a file by a relative name
			var out bytes.Buffer
			if _, err := interpreter(r, &out).Eval(b.text); err != nil {
				t.Errorf("%s:%d: %v", file, b.line, err)
			}
			if i+1 < len(found) && found[i+1].language == "text" && out.String() != found[i+1].text {
				t.Errorf("%s:%d: printed\n%s\nwant\n%s", file, b.line, out.String(), found[i+1].text)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			t.Chdir(top)
		}
	}
}

var top, _ = os.Getwd()

// A Go block stands, up to its indentation, in a test that compiles and runs it.
func TestGoCodeInTheDocsIsTested(t *testing.T) {
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "storetest/*_test.go", "redisstore/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.WriteString(flat(string(source)))
		}
	}
	for _, file := range pages(t) {
		for _, b := range blocks(t, file) {
			if b.language == "go" && !strings.HasPrefix(b.text, "package main") && !strings.Contains(tests.String(), flat(b.text)) {
				t.Errorf("%s:%d: no test holds this code", file, b.line)
			}
		}
	}
}

// The list of bugs names the test that pins down each.
func TestTheTestsThatTheDocsNameExist(t *testing.T) {
	page, err := os.ReadFile("docs/bugs-we-had.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	if len(names) == 0 {
		t.Fatal("no tests are named")
	}
	var files []string
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "tests/*/*_test.go", "tests/*/*/*_test.go", "redisstore/*_test.go", "cmd/*/*_test.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	var tests strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(source)
	}
	for _, name := range names {
		if !strings.Contains(tests.String(), "func "+name[1]+"(") {
			t.Errorf("there is no %s", name[1])
		}
	}
}

// flat drops what formatting may change.
func flat(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
