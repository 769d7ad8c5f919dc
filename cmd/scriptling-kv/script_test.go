package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/kvtest"
)

// tests runs the package's tests for testscript.
type tests struct{ *testing.M }

func (m tests) Run() int { return kvtest.Run(m.M) }

func TestMain(m *testing.M) {
	extlibs.RegisterDriver("stalls", openStalls)
	if os.Getenv(asCommand) != "" {
		main()
	}
	testscript.Main(tests{m}, map[string]func(){"scriptling-kv": main})
}

// The sessions of testdata/script. Besides the commands of testscript they have:
//
//	prints TEXT ARGUMENTS...  the command succeeds and prints this line alone
//	exits STATUS ARGUMENTS... the command fails with this status and prints nothing
//	usage ARGUMENTS...        exits 2, with an error of the command's
//	json ARGUMENTS...         the command succeeds and prints JSON when it is asked to
//	fill FILE N               stores N keys k00000..., and in a second commit "last"
//	sized FILE                the last output names the size of the file
func TestScripts(t *testing.T) {
	sessions, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(sessions) == 0 {
		t.Fatal("no sessions", err)
	}
	testscript.Run(t, testscript.Params{
		Files: kvtest.Sample(t, sessions, 3),
		Setup: func(e *testscript.Env) error {
			e.Setenv("NEWLINE_KEY", "new\nline")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"prints": func(ts *testscript.TestScript, neg bool, args []string) {
				needs(ts, neg, args, 2)
				if status := execCommand(ts, args[1:]); status != 0 {
					ts.Fatalf("exit status %d: %s", status, ts.ReadFile("stderr"))
				}
				if got := ts.ReadFile("stdout"); got != args[0]+"\n" {
					ts.Fatalf("it printed %q", got)
				}
			},
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				needs(ts, neg, args, 2)
				fails(ts, args[0], args[1:])
			},
			"usage": func(ts *testscript.TestScript, neg bool, args []string) {
				needs(ts, neg, args, 1)
				fails(ts, strconv.Itoa(exitUsage), args)
			},
			"json": func(ts *testscript.TestScript, neg bool, args []string) {
				needs(ts, neg, args, 1)
				if status := execCommand(ts, append(args, "--json")); status != 0 {
					ts.Fatalf("exit status %d: %s", status, ts.ReadFile("stderr"))
				}
				var v any
				if got := ts.ReadFile("stdout"); json.Unmarshal([]byte(got), &v) != nil {
					ts.Fatalf("it printed %q", got)
				}
			},
			"fill": func(ts *testscript.TestScript, neg bool, args []string) {
				needs(ts, neg, args, 2)
				n, err := strconv.Atoi(args[1])
				ts.Check(err)
				ts.Check(fillStore(ts.MkAbs(args[0]), n))
			},
			"sized": func(ts *testscript.TestScript, neg bool, args []string) {
				needs(ts, neg, args, 1)
				info, err := os.Stat(ts.MkAbs(args[0]))
				ts.Check(err)
				if got := ts.ReadFile("stdout"); !strings.Contains(got, fmt.Sprintf(" %d bytes", info.Size())) {
					ts.Fatalf("the file has %d bytes; %q", info.Size(), got)
				}
			},
		},
	})
}

func needs(ts *testscript.TestScript, neg bool, args []string, n int) {
	if neg || len(args) < n {
		ts.Fatalf("this command takes no ! and at least %d arguments", n)
	}
}

// execCommand runs the command and returns its exit status.
func execCommand(ts *testscript.TestScript, args []string) (status int) {
	err := ts.Exec("scriptling-kv", args...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

func fails(ts *testscript.TestScript, want string, args []string) {
	status := strconv.Itoa(execCommand(ts, args))
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if status != want || stdout != "" || !strings.Contains("\n"+stderr, "\nscriptling-kv: ") {
		ts.Fatalf("exit status %s, want %s; it printed %q, %q", status, want, stdout, stderr)
	}
}
