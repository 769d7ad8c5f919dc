package extlibs_test

import (
	"bytes"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/paularlott/scriptling/object"
)

// helpOf returns what help prints of an expression, without its first line,
// which is the interpreter's.
func helpOf(t *testing.T, expression string) []string {
	t.Helper()
	var out bytes.Buffer
	p := interpreter(backends[0].registry(t), &out)
	eval(t, p, "import scriptling.runtime.kv as kv\nhelp("+expression+")")
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	return lines[1:]
}

func TestHelpShowsEachCallAsTheContractHasIt(t *testing.T) {
	for _, c := range contractCalls {
		expression := "kv.default." + c.name
		if c.name == "open" {
			expression = "kv.open"
		}
		lines := helpOf(t, expression)
		if !strings.HasPrefix(lines[0], c.signature()+" -> ") {
			t.Errorf("help of %s begins with %q, want %s -> ...", expression, lines[0], c.signature())
		}
		if len(lines) < 2 || !strings.HasSuffix(lines[len(lines)-1], ".") {
			t.Errorf("help of %s has no sentence: %q", expression, lines)
		}
	}
}

func TestAStoreHasTheCallsOfTheContractAndNoOthers(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nd = kv.default\nm = kv.open(\":memory:x\")")
	var want []string
	for _, c := range contractCalls {
		if c.name != "open" {
			want = append(want, c.name)
		}
	}
	sort.Strings(want)
	for _, name := range []string{"d", "m"} {
		store, err := p.GetVarAsObject(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for call := range store.(*object.Builtin).Attributes {
			got = append(got, call)
		}
		sort.Strings(got)
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s has the calls\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestHelpOfAStoreListsItsCalls(t *testing.T) {
	help := strings.Join(helpOf(t, "kv.default"), "\n")
	for _, c := range contractCalls {
		if c.name != "open" && !strings.Contains(help, " "+c.name) {
			t.Errorf("help of a store lacks %s: %s", c.name, help)
		}
	}
	if !strings.Contains(help, "not a dict") || !strings.Contains(help, "store.exists(key)") {
		t.Errorf("help of a store does not say what to write instead of a dict's operators: %s", help)
	}
}

func TestHelpOfTheLibraryListsItsMembers(t *testing.T) {
	var out bytes.Buffer
	p := interpreter(backends[0].registry(t), &out)
	eval(t, p, "import scriptling.runtime.kv\nhelp(\"scriptling.runtime.kv\")")
	for _, part := range []string{"  - default\n", "  - open\n", "Key-value stores that share state"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("help lacks %q:\n%s", part, out.String())
		}
	}
}

func TestTheREADMEHasARowForEachCall(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(readme)) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); len(cells) >= 3 {
			rows[strings.TrimSpace(cells[0])] = cells
		}
	}
	for _, c := range contractCalls {
		if c.name == "open" {
			if !strings.Contains(string(readme), "`kv.open(name)`") {
				t.Error("README.md lacks `kv.open(name)`")
			}
			continue
		}
		row := rows["`"+c.signature()+"`"]
		if row == nil {
			t.Errorf("README.md has no row for `%s`", c.signature())
			continue
		}
		// The help says what the call returns, in the same word.
		returns := strings.TrimPrefix(helpOf(t, "kv.default."+c.name)[0], c.signature()+" -> ")
		if got := strings.Trim(strings.TrimSpace(row[1]), "`"); got != returns {
			t.Errorf("README.md says that %s returns %s, its help says %s", c.name, got, returns)
		}
	}
}
