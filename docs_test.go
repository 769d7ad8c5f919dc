package extlibs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
	return append(files, "README.md", "bench/README.md", "kvadmin/README.md")
}

// A Python block runs in a fresh interpreter on a fresh store and prints what the
// following text block shows, if there is one.
func TestScriptsInTheDocsRun(t *testing.T) {
	for _, file := range pages(t) {
		found := blocks(t, file)
		for i, b := range found {
			if b.language != "python" || file == "docs/host-from-nothing.md" { // whose script needs its host: docs_host_test.go
				continue
			}
			r := newRegistry()
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
	for _, pattern := range []string{"*_test.go", "storetest/*_test.go", "redisstore/*_test.go", "kvprom/*_test.go", "kvadmin/*_test.go"} {
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
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "tests/*/*_test.go", "tests/*/*/*_test.go", "redisstore/*_test.go", "redisstore/internal/*/*_test.go", "cmd/*/*_test.go", "cmd/*/internal/*/*_test.go", "kvprom/*_test.go", "kvadmin/*_test.go", "scripthost/*_test.go", "scriptweb/*_test.go", "examples/*/*_test.go", "examples/*/*/*_test.go"} {
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

// tableCode returns the code of a column of the tables of a page, a row each.
func tableCode(t *testing.T, file string, column int) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) <= column {
			continue
		}
		var row []string
		for _, code := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[column], -1) {
			row = append(row, code[1])
		}
		if len(row) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// What the phrase book says instead of others' words are calls that succeed.
func TestThePhrasesOfThePhraseBookRun(t *testing.T) {
	const prelude = `
import scriptling.runtime.kv as kv
def fn(*args):
    return 1
s = kv.default
k = "k"
v = [1]
x = 2
id = "7"
a = "a"
old = 1
new = 2
token = "t"
ttl = 60
ks = ["a", "b"]
keys = ks
f = m = key = "f"
job = {}
cart = s.sub("cart:ann:")
tags = s.sub("tags:")
jobs = s.sub("job:")
`
	run := 0
	for _, row := range append(tableCode(t, "docs/phrasebook.md", 1), tableCode(t, "docs/coming-from.md", 1)...) {
		for _, code := range row {
			if !strings.Contains(code, "(") || strings.Contains(code, "://") { // a call by name, or on a server
				continue
			}
			prepared := prelude
			if strings.Contains(code, "l + [v]") {
				prepared += "s.set(k, [])\n"
			} else if strings.Contains(code, "update(k, fn)") || strings.Contains(code, "incr") {
				prepared += "s.set(k, 1)\n"
			} else if strings.Contains(code, "update_many(") {
				prepared += "s.set('a', 1)\ndef fn(values):\n    return values\n"
			}
			if strings.HasPrefix(code, "for ") {
				code += ":\n    pass"
			}
			// Nothing changes here.
			code = strings.NewReplacer("wait=5", "wait=0.01", "timeout=5", "timeout=0.01", "{...}", "{}", "[...]", "[]").Replace(code)
			if strings.Contains(code, ".watch(") || strings.Contains(code, ".wait_change(") {
				code = strings.TrimSuffix(code, ")") + ", timeout=0.01)"
			}
			run++
			t.Run(code, func(t *testing.T) {
				t.Chdir(t.TempDir())
				eval(t, interpreter(backends[0].registry(t), &bytes.Buffer{}), prepared+code)
			})
		}
	}
	if run < 50 {
		t.Errorf("only %d phrases", run)
	}
}

// A store is no dict, and what the page says to write instead works.
func TestWhatToWriteWhereAStoreIsTakenForADict(t *testing.T) {
	const prelude = `
import scriptling.runtime.kv as kv
def fn(key, value):
    return True
store = kv.default
key = "k"
value = 1
store.set("k", 1)
`
	loops := func(code string) string {
		if strings.HasPrefix(code, "for ") {
			return code + ":\n    pass"
		}
		return code
	}
	page, err := os.ReadFile("docs/calls.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| instead of | write |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		code := regexp.MustCompile("`([^`]+)`")
		instead, write := code.FindStringSubmatch(cells[0])[1], code.FindAllStringSubmatch(cells[1], -1)
		t.Run(instead, func(t *testing.T) {
			r := backends[0].registry(t)
			got, err := interpreter(r, &bytes.Buffer{}).Eval(prelude + loops(instead))
			switch {
			case strings.Contains(cells[0], "always None") && (err != nil || got.Inspect() != "None"):
				t.Errorf("gives %v, %v", got, err)
			case strings.Contains(cells[0], "False or") && err == nil && got.Inspect() != "false" && got.Inspect() != "False":
				t.Errorf("gives %s", got.Inspect())
			case strings.Contains(cells[0], "(an error") && err == nil:
				t.Errorf("gives %s", got.Inspect())
			}
			for _, w := range write {
				eval(t, interpreter(r, &bytes.Buffer{}), prelude+loops(w[1]))
			}
		})
	}
}

// A link leads to a file of the repository, and to a heading where it names one.
func TestLinksInTheDocsLeadSomewhere(t *testing.T) {
	files := append(pages(t), "CONTRIBUTING.md", "CHANGELOG.md", "RELEASING.md", "SECURITY.md")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	notInAnchor := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(file), path)
			if path == "" {
				target = file
			}
			content, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: %s leads nowhere", file, m[1])
				continue
			}
			found := anchor == ""
			for line := range strings.Lines(string(content)) {
				title := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
				found = found || strings.HasPrefix(line, "#") && strings.ReplaceAll(notInAnchor.ReplaceAllString(title, ""), " ", "-") == anchor
			}
			if !found {
				t.Errorf("%s: %s has no such heading", file, m[1])
			}
		}
	}
}

// Each page is reached from the README, and begins with the question that it
// answers.
func TestTheREADMELeadsToEachPage(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pages(t) {
		if file != "README.md" && !strings.Contains(string(readme), "("+file) {
			t.Errorf("README.md has no link to %s", file)
		}
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title, _, _ := strings.Cut(string(page), "\n")
		if strings.HasPrefix(file, "docs") && file != "docs/bugs-we-had.md" && !strings.HasSuffix(title, "?") {
			t.Errorf("%s has the title %q, which is no question", file, title)
		}
	}
}

// Every Go file that a page or a list in a package comment names exists, and each
// file of the root begins with a prefix that the package comment lists.
func TestTheFilesThatTheDocsNameExist(t *testing.T) {
	goFile := regexp.MustCompile(`[\w/]+\.go\b`)
	exist := func(where, dir, text string) {
		for _, name := range goFile.FindAllString(text, -1) {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("%s: there is no %s", where, name)
			}
		}
	}
	for _, page := range []string{"CONTRIBUTING.md", "docs/architecture.md", "docs/backends.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		exist(page, ".", string(text))
	}

	list := regexp.MustCompile(`^//\t((?:\w+\.go,? )+)`)
	lists := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		comment, _, _ := strings.Cut(string(source), "\npackage ")
		for line := range strings.Lines(comment) {
			if names := list.FindStringSubmatch(line); names != nil {
				lists++
				exist(path, filepath.Dir(path), names[1])
			}
		}
		return err
	})
	if err != nil || lists < 50 {
		t.Errorf("package comments list %d files: %v", lists, err)
	}

	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, parts, _ := strings.Cut(string(source), "// # Files\n")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		part, _, _ := strings.Cut(strings.TrimSuffix(file, ".go"), "_")
		if file != "doc.go" && !strings.HasSuffix(file, "_test.go") && !regexp.MustCompile(`\t`+part+`[_*]* `).MatchString(parts) {
			t.Errorf("doc.go does not say which part %s belongs to", file)
		}
	}
}
