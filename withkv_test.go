package extlibs_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
)

// upstream stands for Scriptling's own runtime: it registers a kv of its own
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
