package scriptling_test

import (
	"slices"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
)

// withParent returns an interpreter with a parent library whose constant kv
// hides the library a.b.kv.
func withParent() *scriptling.Scriptling {
	p := scriptling.New()
	p.RegisterLibrary(constants("a.b", map[string]object.Object{"kv": marked("x", "parent").GetDict()}))
	p.RegisterLibrary(marked("a.b.kv", "child"))
	return p
}

// TestLookupOrder has the same name in several places.
func TestLookupOrder(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("both", "go"))
	p.RegisterLibrary(marked("golib", "go"))
	_ = p.RegisterScriptLibrary("both", "id = 'script'\n")
	p.SetLibraryLoader(mapLoader{"both": "id = 'loader'\n", "golib": "id = 'loader'\n", "only": "id = 'loader'\n"})
	check(t, p, "import both, golib, only\nprint(both.id, golib.id, only.id)", "script go loader")
}

// TestWalkingThroughDicts imports names that are entries of something bound.
func TestWalkingThroughDicts(t *testing.T) {
	p := scriptling.New()
	sub := object.NewStringDict(map[string]object.Object{"id": object.NewString("entry")})
	p.RegisterLibrary(constants("top", map[string]object.Object{"sub": sub}))
	check(t, p, "import top\nimport top.sub\nimport top.sub as s\nfrom top import sub as x\nprint(top.sub.id, s.id, x.id)", "entry entry entry")
	if names := p.ListVars(); !slices.Contains(names, "top.sub") {
		t.Errorf("the full name is not bound: %v", names)
	}
	check(t, p, "mine = {'inner': {'id': 'dict'}}\nimport mine.inner as i\nprint(i.id)", "dict")
}

func TestHiddenNamesAreVariables(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("a.b.c", "abc"))
	check(t, p, "import a.b.c as x", "")
	if got := p.ListVars(); !slices.Equal(got, []string{"__name__", "a", "a.b.c", "x"}) {
		t.Errorf("variables: %v", got)
	}
}

// TestNamesOfFromAreLocal imports inside a function.
func TestNamesOfFromAreLocal(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("one", "1"))
	check(t, p, "def f():\n    from one import id\n    return id\nprint(f())\nprint(id == '1')", "1\nfalse")
	check(t, p, "def g():\n    import one\n    return one.id\nprint(g(), one.id)", "1 1")
}

func TestImportSyntax(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("one", "1"))
	for _, script := range []string{"from one import *", "from one import (id)"} {
		if obj, err := p.Eval(script); obj != nil || err == nil {
			t.Errorf("%s: got %v, %v, want a parse error", script, obj, err)
		}
	}
	check(t, p, "import a.b.c.d.e.f", "RESULT ERROR: import error at line 1: unknown library: a.b.c.d.e.f (line 1)")
	for _, statement := range []string{"import nope", "from nope import x", "from one import nope", "import a.b.c.d.e.f.g"} {
		check(t, p, "try:\n    "+statement+"\nexcept ImportError:\n    print('caught')", "caught")
	}
}

// TestScriptLibraryIgnoresParents imports, inside a script library, a child
// whose parent has a constant of the same name.
func TestScriptLibraryIgnoresParents(t *testing.T) {
	p := withParent()
	_ = p.RegisterScriptLibrary("child", "import a.b.kv as kv\nid = kv.id\n")
	_ = p.RegisterScriptLibrary("parent", "import a.b as b\nid = b.kv.id\n")
	check(t, p, "import child, parent\nimport a.b.kv as kv\nprint(child.id, parent.id, kv.id)", "child parent parent")
}

// TestReplacingAChild replaces a library that its parent carries as a constant.
func TestReplacingAChild(t *testing.T) {
	p := withParent()
	if err := p.Import("a.b"); err != nil {
		t.Fatal(err)
	}
	p.UnregisterLibrary("a.b.kv")
	p.RegisterLibrary(marked("a.b.kv", "replacement"))
	const script = "import a.b.kv as kv\nimport a.b as b\nprint(kv.id, b.kv.id)"
	check(t, p, script, "replacement replacement")
	p.Reset()
	check(t, p, script, "parent parent")
}

// TestLiveMaps changes a library between its registration and its import.
func TestLiveMaps(t *testing.T) {
	p := scriptling.New()
	lib := constants("lib", map[string]object.Object{})
	p.RegisterLibrary(lib)
	lib.Constants()["kv"] = marked("x", "added").GetDict()
	check(t, p, "import lib\nprint(lib.kv.id)", "added")
	check(t, p.Clone(), "import lib\nprint(lib.kv.id)", "added")
}

func TestModulesCanBeChanged(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("lib", "shared"))
	other := p.Clone()
	check(t, p, "import lib\nlib.id = 'mine'\nimport lib\nprint(lib.id)", "mine")
	check(t, other, "import lib\nprint(lib.id)", "shared")
}

func TestUnregisterScriptLibrary(t *testing.T) {
	p := scriptling.New()
	_ = p.RegisterScriptLibrary("lib", "id = 1\n")
	check(t, p, "import lib\nimport lib as alias\nprint(lib.id)", "1")
	p.UnregisterScriptLibrary("lib")
	check(t, p, "print(alias.id)\nlib", "1\nRESULT ERROR: identifier not found: lib (line 2)")
	check(t, p, "import lib", "RESULT ERROR: import error at line 1: unknown library: lib (line 1)")
	_ = p.RegisterScriptLibrary("lib", "id = 2\n")
	check(t, p, "import lib\nprint(lib.id)", "2")
}

func TestUnregisteredLibraryIsUnknown(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("lib", "1"))
	p.UnregisterLibrary("lib")
	if err := p.Import("lib"); errorText(err) != "unknown library: lib" {
		t.Errorf("got %v", err)
	}
}

func TestImportArguments(t *testing.T) {
	p := scriptling.New()
	p.RegisterLibrary(marked("one", "1"))
	tests := []struct {
		names interface{}
		want  string
	}{
		{[]string{}, ""},
		{[]string{"one", "nope"}, "unknown library: nope"},
		{&object.List{Elements: []object.Object{object.NewString("nope")}}, "unknown library: nope"},
		{&object.List{Elements: []object.Object{object.NewInteger(1)}}, "Import: all elements must be strings, got *object.Integer"},
		{map[string]int{}, "Import: expected string, []string, or list of strings, got map[string]int"},
		{nil, "Import: expected string, []string, or list of strings, got <nil>"},
	}
	for _, tt := range tests {
		if err := p.Import(tt.names); errorText(err) != tt.want {
			t.Errorf("Import(%v): got %v, want %s", tt.names, err, tt.want)
		}
	}
	p.SetLibraryLoader(mapLoader{})
	for name, got := range map[string]error{
		"import": p.Import("fails"), "load": p.LoadLibraryIntoEnv("fails", object.NewEnvironment()),
	} {
		if errorText(got) != "loader error for fails: no disk" {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
