package tools

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// release is the version that the modules require of each other.
const release = "v0.1.0"

// published lists what the module proxy will have of this repository after a
// release, by folder. The stand-in takes the place of the published Scriptling,
// which this test does not need from anywhere.
var published = []struct{ path, version, dir string }{
	{"github.com/paularlott/scriptling", "v0.20.1", "standin/scriptling"},
	{"github.com/scriptling-kv/extlibs", release, "."},
	{"github.com/scriptling-kv/extlibs/redisstore", release, "redisstore"},
	{"github.com/scriptling-kv/extlibs/kvprom", release, "kvprom"},
	{"github.com/scriptling-kv/extlibs/kvadmin", release, "kvadmin"},
	{"github.com/scriptling-kv/extlibs/cmd/scriptling-kv", release, "cmd/scriptling-kv"},
}

// publish writes a folder that the go command accepts as a module proxy.
func publish(t *testing.T, root string) (proxy string) {
	t.Helper()
	proxy = t.TempDir()
	for _, p := range published {
		dir := filepath.Join(proxy, filepath.FromSlash(p.path), "@v")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		mod, err := os.ReadFile(filepath.Join(root, p.dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(mod, []byte("\nreplace")) {
			t.Errorf("%s/go.mod has a replace directive: go install refuses such a module", p.dir)
		}
		var archive bytes.Buffer
		if err := zip.CreateFromDir(&archive, module.Version{Path: p.path, Version: p.version}, filepath.Join(root, p.dir)); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			"list":              []byte(p.version + "\n"),
			p.version + ".info": fmt.Appendf(nil, `{"Version":%q}`, p.version),
			p.version + ".mod":  mod,
			p.version + ".zip":  archive.Bytes(),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proxy
}

// TestAUserCanInstallTheReleases does what a user does: it makes a module outside
// the workspace, gets the published modules, runs the program of the README, and
// installs the command.
func TestAUserCanInstallTheReleases(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	output := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	proxy, host, bin := publish(t, root), t.TempDir(), t.TempDir()
	env := append(os.Environ(),
		"GOWORK=off",
		"GOFLAGS=-modcacherw -trimpath", // so that the module cache can be removed, and the build cache be used again
		"GOMODCACHE="+filepath.Join(t.TempDir(), "mod"),
		"GOPROXY=file://"+proxy+",file://"+output("go", "env", "GOMODCACHE")+"/cache/download,"+output("go", "env", "GOPROXY"),
		"GOSUMDB=off", // the stand-in is not what the checksum database knows
		"GOBIN="+bin,
	)
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = host, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}

	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	if program == nil {
		t.Fatal("README.md has no Go program")
	}
	files := map[string]string{
		"main.go": string(program[1]),
		"modules.go": `package main

import (
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/kvadmin"
	"github.com/scriptling-kv/extlibs/kvprom"
	_ "github.com/scriptling-kv/extlibs/redisstore"
)

var (
	_ = kvprom.Collector(extlibs.DefaultRegistry())
	_ = kvadmin.Handler(extlibs.DefaultRegistry(), kvadmin.Options{})
)
`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(host, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("go", "mod", "init", "example.com/host")
	for _, p := range published[:5] {
		run("go", "get", p.path+"@"+p.version)
	}
	for n := 1; n <= 2; n++ {
		if got, want := run("go", "run", "."), fmt.Sprintln("run number", n); got != want {
			t.Errorf("run %d of the README's program printed %q, want %q", n, got, want)
		}
	}

	run("go", "install", "github.com/scriptling-kv/extlibs/cmd/scriptling-kv@"+release)
	command := filepath.Join(bin, "scriptling-kv")
	if got := run(command, "--version"); !strings.Contains(got, release) {
		t.Errorf("scriptling-kv --version printed %q, want %s in it", got, release)
	}
	if got := run(command, "get", "app.db", "runs"); got != "2\n" {
		t.Errorf("scriptling-kv get app.db runs printed %q, want 2", got)
	}
}
