package extlibs_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/object"
	"github.com/scriptling-kv/extlibs"
)

// registrations are the calls that take allowedPaths.
var registrations = map[string]func(r *extlibs.Registry, p object.LibraryRegistrar, allowed []string){
	"RegisterRuntimeLibraryAll": (*extlibs.Registry).RegisterRuntimeLibraryAll,
	"RegisterWithSecurity":      (*extlibs.Registry).RegisterWithSecurity,
	"WithKV": func(r *extlibs.Registry, p object.LibraryRegistrar, allowed []string) {
		upstream(r.WithKV(p, allowed), false, true)
	},
}

// opens reports how kv.open of a name ends in an interpreter restricted to
// allowed: "" or the exception's type.
func opens(t *testing.T, r *extlibs.Registry, register func(*extlibs.Registry, object.LibraryRegistrar, []string), allowed []string, name string) (clause, message string) {
	t.Helper()
	p := first(scriptling.New())
	register(r, p, allowed)
	if err := p.SetVar("name", name); err != nil {
		t.Fatal(err)
	}
	eval(t, p, "import scriptling.runtime.kv as kv")
	return caught(t, p, "s = kv.open(name)\ns.set(\"k\", 1)\ns.close()")
}

func TestScriptsOpenOnlyWhatTheHostAllows(t *testing.T) {
	for kind, register := range registrations {
		t.Run(kind, func(t *testing.T) {
			base, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(base)
			for _, dir := range []string{"allowed/sub", "allowed-evil", "outside"} {
				if err := os.MkdirAll(filepath.Join(base, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			in := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
			symlink(t, in("outside"), in("allowed", "way-out"))
			symlink(t, in("outside", "dangling.db"), in("allowed", "dangling.db"))
			symlink(t, in("allowed", "sub"), in("allowed", "way-in"))
			symlink(t, in("allowed"), in("alias"))
			symlink(t, in("outside", "loop-a"), in("allowed", "loop.db"))
			symlink(t, in("outside", "loop-b"), in("outside", "loop-a"))
			symlink(t, in("allowed", "sub", "a.db"), in("allowed", "inner.db"))
			r := backends[0].registry(t)
			if clause, message := opens(t, r, register, nil, in("outside", "secret.db")); clause != "" {
				t.Fatal(clause, message)
			}
			symlink(t, in("outside", "secret.db"), in("allowed", "secret.db"))

			only := []string{in("allowed")}
			for _, c := range []struct {
				name    string
				allowed []string
				open    string
				want    string
			}{
				{"nil allows any path", nil, in("outside", "any.db"), ""},
				{"an empty list allows no path", []string{}, in("allowed", "a.db"), "PermissionError"},
				{"a list with an empty entry allows no path", []string{""}, in("allowed", "a.db"), "PermissionError"},
				{"an empty list allows memory", []string{}, ":memory:a", ""},
				{"any list allows memory", only, ":memory:b", ""},
				{"a file in an allowed folder", only, in("allowed", "a.db"), ""},
				{"a file in a folder of an allowed one", only, in("allowed", "sub", "a.db"), ""},
				{"a relative path into an allowed folder", only, filepath.Join("allowed", "b.db"), ""},
				{"a relative allowed folder", []string{"allowed"}, in("allowed", "c.db"), ""},
				{"an allowed folder with dots", []string{in("outside") + "/../allowed/."}, in("allowed", "c.db"), ""},
				{"the second of two allowed folders", []string{in("outside"), in("allowed")}, in("allowed", "c.db"), ""},
				{"dots that stay inside", only, in("allowed") + "/sub/../d.db", ""},
				{"a symlink that stays inside", only, in("allowed", "way-in", "e.db"), ""},
				{"a symlink to the allowed folder", only, in("alias", "f.db"), ""},
				{"an allowed folder named by a symlink", []string{in("alias")}, in("allowed", "g.db"), ""},
				{"a file elsewhere", only, in("outside", "a.db"), "PermissionError"},
				{"a file elsewhere that exists", only, in("outside", "secret.db"), "PermissionError"},
				{"a folder whose name begins like the allowed one", only, in("allowed-evil", "a.db"), "PermissionError"},
				{"dots that lead out", only, in("allowed") + "/../outside/a.db", "PermissionError"},
				{"many dots", only, in("allowed") + strings.Repeat("/..", 40) + "/etc/passwd", "PermissionError"},
				{"relative dots", only, "../x.db", "PermissionError"},
				{"a bare name elsewhere", only, "x.db", "PermissionError"},
				{"a symlinked folder that leads out", only, in("allowed", "way-out", "a.db"), "PermissionError"},
				{"a symlinked file that leads out", only, in("allowed", "secret.db"), "PermissionError"},
				{"a dangling symlink that leads out", only, in("allowed", "dangling.db"), "PermissionError"},
				{"dots behind a symlink, which undo it by name", only, in("allowed", "way-out") + "/../outside/x.db", "OSError"},
				{"a symlink to a symlink that leads nowhere", only, in("allowed", "loop.db"), "PermissionError"},
				{"a symlinked file that stays inside", only, in("allowed", "inner.db"), ""},
				{"a system file", only, "/etc/passwd", "PermissionError"},
				{"a URL", only, "securitytest://host/db", "PermissionError"},
				{"a URL with an empty list", []string{}, "securitytest://host/db", "PermissionError"},
				{"an allowed URL", []string{"securitytest://host/db"}, "securitytest://host/db", ""},
				{"a URL below an allowed one", []string{"securitytest://host/"}, "securitytest://host/other", ""},
				{"a URL that begins like an allowed one", []string{"securitytest://host"}, "securitytest://host.evil/db", "PermissionError"},
				{"a URL's user that looks like an allowed host", []string{"securitytest://host"}, "securitytest://host@evil/db", "PermissionError"},
				{"another scheme", []string{"securitytest://host"}, "other://host/db", "PermissionError"},
				{"the allowed folder itself", only, in("allowed"), "OSError"},
			} {
				t.Run(c.name, func(t *testing.T) {
					clause, message := opens(t, r, register, c.allowed, c.open)
					if clause != c.want {
						t.Errorf("raised %q (%s), want %q", clause, message, c.want)
					}
					if clause != "" && !strings.HasPrefix(message, "kv.open: ") {
						t.Errorf("message %q", message)
					}
				})
			}
			for _, never := range []string{"outside/a.db", "outside/dangling.db", "outside/x.db", "allowed-evil/a.db", "x.db"} {
				if _, err := os.Lstat(in(filepath.FromSlash(never))); err == nil {
					t.Errorf("%s was created", never)
				}
			}
		})
	}
}

func init() {
	extlibs.RegisterDriver("securitytest", func(ctx context.Context, _ extlibs.OpenConfig) (extlibs.Store, error) {
		return openMemory(ctx)
	})
}

func symlink(t *testing.T, old, new string) {
	t.Helper()
	if err := os.Symlink(old, new); err != nil {
		t.Skip("no symlinks here: ", err)
	}
}

func TestTheDefaultStoreIsAllowedThoughItsFileIsNot(t *testing.T) {
	r := backends[0].registry(t)
	path := filepath.Join(t.TempDir(), "default.db")
	if err := r.Init(path); err != nil {
		t.Fatal(err)
	}
	for kind, register := range registrations {
		p := first(scriptling.New())
		register(r, p, []string{})
		if err := p.SetVar("path", path); err != nil {
			t.Fatal(err)
		}
		eval(t, p, "import scriptling.runtime.kv as kv\nkv.default.set(\"k\", 1)")
		clause, message := caught(t, p, "kv.open(path)")
		if want := "kv.open: access denied: path '" + path + "' is outside allowed directories; ask the host to allow its directory"; clause != "PermissionError" || message != want {
			t.Errorf("%s: raised %s %q, want PermissionError %q", kind, clause, message, want)
		}
	}
}

// The restriction belongs to the interpreter, not to the store.
func TestAnOpenStoreIsNotAllowedForOthersBecauseItIsOpen(t *testing.T) {
	r := backends[0].registry(t)
	path := filepath.Join(t.TempDir(), "open.db")
	mustOpen(t, r, path)
	if clause, message := opens(t, r, registrations["RegisterWithSecurity"], []string{t.TempDir()}, path); clause != "PermissionError" {
		t.Errorf("raised %q (%s), want PermissionError", clause, message)
	}
}

func TestATaskMayOpenNoMoreThanItsStarter(t *testing.T) {
	r := backends[0].registry(t)
	p := first(scriptling.New())
	r.RegisterRuntimeLibraryAll(p, []string{})
	var out bytes.Buffer
	p.SetOutputWriter(&out)
	if err := p.SetVar("path", filepath.Join(t.TempDir(), "x.db")); err != nil {
		t.Fatal(err)
	}
	eval(t, p, `
import scriptling.runtime as runtime
def work(path):
    import scriptling.runtime.kv as own
    try:
        own.open(path)
    except PermissionError as e:
        return "refused"
    return "opened"
print(runtime.background("t", "work", path).get())
def outer(path):
    import scriptling.runtime as again
    return again.background("t", "work", path).get()
print(runtime.background("t", "outer", path).get())
`)
	if out.String() != "refused\nrefused\n" {
		t.Errorf("printed %q", out.String())
	}
}

func TestThePackagesFunctionsRestrictTheDefaultRegistry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	must(t, extlibs.InitKVStore("")) // another test can have closed it
	for name, c := range map[string]struct {
		register func(p *scriptling.Scriptling)
		want     string
	}{
		"RegisterRuntimeKVLibrary": {func(p *scriptling.Scriptling) { extlibs.RegisterRuntimeKVLibrary(p) }, ""},
		"RegisterRuntimeKVLibraryWithSecurity": {func(p *scriptling.Scriptling) {
			extlibs.RegisterRuntimeKVLibraryWithSecurity(p, []string{})
		}, "PermissionError"},
		"RegisterRuntimeLibraryAll, any": {func(p *scriptling.Scriptling) { extlibs.RegisterRuntimeLibraryAll(p, nil) }, ""},
		"RegisterRuntimeLibraryAll, none": {func(p *scriptling.Scriptling) {
			extlibs.RegisterRuntimeLibraryAll(p, []string{})
		}, "PermissionError"},
	} {
		p := first(scriptling.New())
		c.register(p)
		if err := p.SetVar("path", path); err != nil {
			t.Fatal(err)
		}
		eval(t, p, "import scriptling.runtime.kv as kv")
		if clause, message := caught(t, p, "kv.open(path).close()"); clause != c.want {
			t.Errorf("%s: raised %q (%s), want %q", name, clause, message, c.want)
		}
	}
}
