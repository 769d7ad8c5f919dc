package extlibs_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
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
		if len(lines) < 3 || !strings.HasSuffix(lines[len(lines)-2], ".") {
			t.Errorf("help of %s has no sentence: %q", expression, lines)
		}
		example, ok := strings.CutPrefix(lines[len(lines)-1], "Example: ")
		if !ok || !strings.Contains(example, "."+c.name+"(") {
			t.Errorf("help of %s ends with %q, want an example", expression, lines[len(lines)-1])
		}
		eval(t, interpreter(backends[0].registry(t), &bytes.Buffer{}), `
import scriptling.runtime.kv as kv
kv.default.set_many({"old": 1, "result:7": 42, "config": {}, "job:1": "mail"})
`+strings.Replace(example, "timeout=60", "timeout=0.01", 1))
	}
}

// contractStubs are names that the contract promises to answer with what to write.
var contractStubs = strings.Fields(`setex setnx hset hget lpush rpop mget mset decr rename values setdefault lock transaction
	pipeline flush flushdb scan persist touch has put remove size len`)

// All other attributes of a store raise an error that says what to write. The stores share
// them.
func TestAStoreHasTheCallsOfTheContractAndNoOthers(t *testing.T) {
	r := backends[0].registry(t)
	p := interpreter(r, &bytes.Buffer{})
	eval(t, p, badValues+`
import scriptling.runtime.kv as kv
d = kv.default
m = kv.open(":memory:x")
v = m.sub("view:")
`)
	phrasebook, err := os.ReadFile("docs/phrasebook.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, c := range contractCalls {
		want[c.name] = c.name != "open"
	}
	shared := map[string]object.Object{}
	for _, name := range []string{"d", "m", "v"} {
		store, err := p.GetVarAsObject(name)
		if err != nil {
			t.Fatal(err)
		}
		attributes := store.(*object.Builtin).Attributes
		for call := range want {
			if want[call] && attributes[call] == nil {
				t.Errorf("%s lacks %s", name, call)
			}
		}
		for _, stub := range contractStubs {
			if attributes[stub] == nil || want[stub] {
				t.Errorf("%s has no stub %s", name, stub)
			}
		}
		for stub, attribute := range attributes {
			if want[stub] {
				continue
			}
			if shared[stub] == nil {
				shared[stub] = attribute
			}
			if attribute != shared[stub] {
				t.Errorf("%s has a separate %s", name, stub)
			}
			for _, tt := range [][3]string{
				{name + "." + stub + "()", "TypeError", "kv." + stub + ": write "},
				{name + "." + stub + "('k', 1, [2], ttl=3)", "TypeError", "kv." + stub + ": write "},
				{"kv." + stub + "('k', field=1)", "TypeError", "kv." + stub + ": "},
				{name + "." + stub + "('k', raises())", "KeyError", "mine"},
			} {
				if clause, message := caught(t, p, tt[0]); clause != tt[1] || !strings.HasPrefix(message, tt[2]) {
					t.Errorf("%s raises %s %q", tt[0], clause, message)
				}
			}
			help := helpOf(t, "kv.default."+stub)
			if row := "\n| `" + stub + "` | " + strings.TrimPrefix(help[0], "not a call of a store: write ") + " |\n"; !strings.Contains(string(phrasebook), row) {
				t.Errorf("docs/phrasebook.md lacks the row %s", row)
			}
			if !strings.HasPrefix(help[0], "not a call of a store: write ") {
				t.Errorf("help of %s is %q", stub, help)
			}
			for _, call := range regexp.MustCompile(`(^|[ :.])([a-z_]+)\(`).FindAllStringSubmatch(help[0], -1) {
				if !want[call[2]] {
					t.Errorf("%s says to write %s, which is no call", stub, call[2])
				}
			}
		}
	}
	if len(shared) < 40 {
		t.Errorf("%d stubs", len(shared))
	}
}

// Scripts make many store objects, such as one with sub for each request. One
// allocates for its calls, and for the stubs nothing but their names in its map.
func TestAStoreObjectAllocatesLittle(t *testing.T) {
	p := interpreter(backends[0].registry(t), &bytes.Buffer{})
	eval(t, p, "import scriptling.runtime.kv as kv\nstore = kv.default")
	store, err := p.GetVarAsObject("store")
	must(t, err)
	attributes := store.(*object.Builtin).Attributes
	sub := attributes["sub"].(*object.Builtin)
	make := func() { sub.Fn(ctx, object.Kwargs{}, object.NewString("view:")) }
	if n, limit := testing.AllocsPerRun(100, make), len(contractCalls)+25; n > float64(limit) {
		t.Errorf("a view makes %v allocations, want at most %d", n, limit)
	}
	const views, limit = 100, 8 << 10
	if n := leastAllocated(views*limit, func() {
		for range views {
			make()
		}
	}); n > views*limit {
		t.Errorf("a view with %d attributes allocates %d bytes, want at most %d", len(attributes), n/views, limit)
	}
}

func TestHelpOfAStoreListsItsCalls(t *testing.T) {
	help := strings.Join(helpOf(t, "kv.default"), "\n")
	listed := strings.Fields(help)
	for _, c := range contractCalls {
		if c.name != "open" && !slices.Contains(listed, c.name) {
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
	for _, part := range []string{"  - default\n", "  - open\n", "Key-value stores that share state", "help(kv.default) lists"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("help lacks %q:\n%s", part, out.String())
		}
	}
}

func TestThePageOfCallsHasARowForEachCall(t *testing.T) {
	page, err := os.ReadFile("docs/calls.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | "); len(cells) >= 3 {
			rows[strings.TrimSpace(cells[0])] = cells
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contractCalls {
		if c.name != "open" && !strings.Contains(string(readme), "`"+c.name+"`") {
			t.Errorf("README.md does not name %s", c.name)
		}
		if c.name == "open" {
			if !strings.Contains(string(page), "`kv.open(name)`") {
				t.Error("docs/calls.md lacks `kv.open(name)`")
			}
			continue
		}
		row := rows["`"+c.signature()+"`"]
		if row == nil {
			t.Errorf("docs/calls.md has no row for `%s`", c.signature())
			continue
		}
		// The help says what the call returns, in the same word.
		returns := strings.TrimPrefix(helpOf(t, "kv.default."+c.name)[0], c.signature()+" -> ")
		if got := strings.Trim(strings.TrimSpace(row[1]), "`"); got != returns {
			t.Errorf("docs/calls.md says that %s returns %s, its help says %s", c.name, got, returns)
		}
	}
}
