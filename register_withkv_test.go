package extlibs_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
)

// upstream represents Scriptling's own runtime: it registers another kv
// and a parent with that kv as a constant, in the given order.
func upstream(p object.LibraryRegistrar, parentFirst, withConstants bool) {
	theirs := object.NewLibrary(extlibs.RuntimeKVLibraryName, nil, map[string]object.Object{
		"default": object.NewString("upstream's"),
	}, "upstream's kv")
	sync := object.NewLibrary("scriptling.runtime.sync", nil, map[string]object.Object{"kind": object.NewString("sync")}, "")
	var constants map[string]object.Object
	if withConstants {
		constants = map[string]object.Object{"kv": theirs.GetDict(), "sync": sync.GetDict()}
	}
	parent := object.NewLibrary(extlibs.RuntimeLibraryName, map[string]*object.Builtin{
		"start_server": {Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return object.NewString("served")
		}},
	}, constants, "upstream's runtime")
	if parentFirst {
		p.RegisterLibrary(parent)
	}
	p.RegisterLibrary(sync)
	p.RegisterLibrary(theirs)
	if !parentFirst {
		p.RegisterLibrary(parent)
	}
}

func TestWithKVReplacesScriptlingsOwn(t *testing.T) {
	for _, c := range []struct {
		name                       string
		parentFirst, withConstants bool
	}{
		{"the parent last", false, true},
		{"the parent first", true, true},
		{"a parent without constants", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, imports := range []string{
				"import scriptling.runtime.kv as kv\nimport scriptling.runtime as runtime\n",
				"import scriptling.runtime as runtime\nimport scriptling.runtime.kv as kv\n",
			} {
				r := backends[0].registry(t)
				p := first(scriptling.New())
				upstream(r.WithKV(p, []string{}), c.parentFirst, c.withConstants)
				var out bytes.Buffer
				p.SetOutputWriter(&out)
				eval(t, p, imports+`
print(kv.default.incr("n"), runtime.kv.default.incr("n"), kv.default is runtime.kv.default)
print(runtime.start_server())
try:
    kv.open("file.db")
except PermissionError as e:
    print("PermissionError")
`)
				if want := "1 2 true\nserved\nPermissionError\n"; out.String() != want {
					t.Errorf("%sprinted %q, want %q", imports, out.String(), want)
				}
			}
		})
	}
}

func TestWithKVLeavesOtherLibrariesAlone(t *testing.T) {
	p := first(scriptling.New())
	upstream(backends[0].registry(t).WithKV(p, nil), false, true)
	var out bytes.Buffer
	p.SetOutputWriter(&out)
	eval(t, p, "import scriptling.runtime as runtime\nimport scriptling.runtime.sync as sync\nprint(sync.kind, runtime.sync.kind)\n")
	if out.String() != "sync sync\n" {
		t.Errorf("printed %q", out.String())
	}
}

// Scriptling uses the registrar as a key of a map.
func TestTheRegistrarOfWithKVIsComparable(t *testing.T) {
	p := first(scriptling.New())
	if m := map[object.LibraryRegistrar]bool{extlibs.WithKV(p): true}; len(m) != 1 {
		t.Error("it is no key")
	}
}

func TestThePackagesWithKVUsesTheDefaultRegistry(t *testing.T) {
	must(t, extlibs.InitKVStore("")) // another test may have closed it
	p := first(scriptling.New())
	upstream(extlibs.WithKV(p), false, true)
	eval(t, p, "import scriptling.runtime.kv as kv\nkv.default.set(\"withkv\", 1)\n")
	ok, err := extlibs.DefaultRegistry().Default().Delete(ctx, "withkv")
	if !ok || err != nil {
		t.Errorf("the key is not there (%v)", err)
	}
}

// around is a host's registrar around another one.
type around struct{ object.LibraryRegistrar }

// refusing is Scriptling's kv library with allowed paths: its open refuses.
func refusing() *object.Library {
	return object.NewLibrary(extlibs.RuntimeKVLibraryName, map[string]*object.Builtin{
		"open": {Fn: func(context.Context, object.Kwargs, ...object.Object) object.Object {
			return &object.Error{Message: "kv.open: access denied: path '...' is outside allowed directories", ExceptionType: object.ExceptionTypePermissionError}
		}},
	}, nil, "")
}

// Every restriction holds: of WithKV, of the functions of this package, and of
// Scriptling's functions, in any order and through any number of registrars. Of two
// restrictions, both hold.
func TestWithKVIsNeverMoreOpenThanAnyoneAskedFor(t *testing.T) {
	type reg = object.LibraryRegistrar
	base := t.TempDir()
	a, b := filepath.Join(base, "a"), filepath.Join(base, "a", "b")
	if err := os.MkdirAll(b, 0o700); err != nil {
		t.Fatal(err)
	}
	inA, inB, outside := filepath.Join(a, "x.db"), filepath.Join(b, "x.db"), filepath.Join(base, "x.db")
	for name, c := range map[string]struct {
		register func(r *extlibs.Registry, p reg)
		opens    []string
	}{
		"WithKV alone is open":                 {func(r *extlibs.Registry, p reg) { upstream(r.WithKV(p, nil), false, true) }, []string{inA, inB, outside}},
		"WithKV restricts Scriptling's":        {func(r *extlibs.Registry, p reg) { upstream(r.WithKV(p, []string{a}), false, true) }, []string{inA, inB}},
		"WithKV restricts Scriptling's parent": {func(r *extlibs.Registry, p reg) { upstream(r.WithKV(p, []string{a}), true, true) }, []string{inA, inB}},
		"WithKV restricts Scriptling's kv alone": {func(r *extlibs.Registry, p reg) {
			r.WithKV(p, []string{a}).RegisterLibrary(refusing())
		}, []string{inA, inB}},
		"Scriptling restricts": {func(r *extlibs.Registry, p reg) { r.WithKV(p, nil).RegisterLibrary(refusing()) }, nil},
		"Scriptling restricts after its parent": {func(r *extlibs.Registry, p reg) {
			k := r.WithKV(p, nil)
			upstream(k, false, true)
			k.RegisterLibrary(refusing())
		}, nil},
		"RegisterWithSecurity":         {func(r *extlibs.Registry, p reg) { r.RegisterWithSecurity(r.WithKV(p, nil), []string{a}) }, []string{inA, inB}},
		"RegisterRuntimeLibraryAll":    {func(r *extlibs.Registry, p reg) { r.RegisterRuntimeLibraryAll(r.WithKV(p, nil), []string{a}) }, []string{inA, inB}},
		"All, none":                    {func(r *extlibs.Registry, p reg) { r.RegisterRuntimeLibraryAll(r.WithKV(p, nil), []string{}) }, nil},
		"Register in a restricted one": {func(r *extlibs.Registry, p reg) { r.Register(r.WithKV(p, []string{b})) }, []string{inB}},
		"both, the inner is narrower":  {func(r *extlibs.Registry, p reg) { r.RegisterWithSecurity(r.WithKV(p, []string{b}), []string{a}) }, []string{inB}},
		"both, the outer is narrower":  {func(r *extlibs.Registry, p reg) { r.RegisterRuntimeLibraryAll(r.WithKV(p, []string{a}), []string{b}) }, []string{inB}},
		"both, apart": {func(r *extlibs.Registry, p reg) {
			r.RegisterWithSecurity(r.WithKV(p, []string{b}), []string{t.TempDir()})
		}, nil},
		"two of WithKV": {func(r *extlibs.Registry, p reg) { r.Register(r.WithKV(r.WithKV(p, []string{b}), []string{a})) }, []string{inB}},
		"a host's registrar around WithKV": {func(r *extlibs.Registry, p reg) {
			r.RegisterRuntimeLibraryAll(around{r.WithKV(p, nil)}, []string{a})
		}, []string{inA, inB}},
		"a host's registrar between two of WithKV": {func(r *extlibs.Registry, p reg) {
			r.RegisterWithSecurity(around{r.WithKV(around{r.WithKV(p, []string{b})}, nil)}, []string{a})
		}, []string{inB}},
		"the package's functions": {func(_ *extlibs.Registry, p reg) {
			extlibs.RegisterRuntimeKVLibraryWithSecurity(extlibs.WithKV(p), []string{b})
		}, []string{inB}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, module := range []string{"import scriptling.runtime.kv as kv", "import scriptling.runtime as runtime\nkv = runtime.kv"} {
				must(t, extlibs.InitKVStore("")) // it was closed
				r := backends[0].registry(t)
				p := scriptling.New()
				c.register(r, p)
				first(p)
				if _, err := p.Eval(module + "\nkv.default"); err != nil {
					continue // there is no parent
				}
				for _, path := range []string{inA, inB, outside} {
					must(t, p.SetVar("path", path))
					clause, message := caught(t, p, "kv.open(path).close()")
					if want := slices.Contains(c.opens, path); want != (clause == "") || !want && clause != "PermissionError" {
						t.Errorf("%s: %s: raised %q (%s)", module, path, clause, message)
					}
				}
				if clause, message := caught(t, p, "kv.open(':memory:m')"); clause != "" {
					t.Errorf("in memory: %s", message)
				}
				must(t, extlibs.CloseKVStore())
			}
		})
	}
}
