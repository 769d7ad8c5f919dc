package redisstore_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// hostURL makes the test binary be a host that runs a script: background tasks
// print to the process's own output.
const hostURL = "REDISSTORE_TEST_HOST_URL"

func TestMain(m *testing.M) {
	url := os.Getenv(hostURL)
	if url == "" {
		os.Exit(kvtest.Run(m))
	}
	if err := runFile(url, os.Args[1]); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

func runFile(url, file string) error {
	if err := extlibs.InitKVStore(url); err != nil {
		return err
	}
	p := scriptling.New()
	stdlib.RegisterAll(p)
	extlibs.RegisterRuntimeLibraryAll(p, nil)
	p.SetOutputWriter(os.Stdout)
	if _, err := p.EvalFile(file); err != nil {
		return err
	}
	return extlibs.CloseKVStore()
}

func TestEachExampleScriptPrintsTheSameOnAServer(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/scripts/*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example scripts (%v)", err)
	}
	s := startServer(t)
	s.runClock(t) // some scripts wait until a key has expired
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".py")
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("../examples/runscript/testdata", name+".out"))
			if err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], path)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), hostURL+"="+s.url("script-"+name))
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil || string(out) != string(want) {
				t.Errorf("%v %s, printed:\n%s\nwant:\n%s", err, errs.String(), out, want)
			}
		})
	}
}
