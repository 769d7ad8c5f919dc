// Command runscript runs scripts with key-value stores:
//
//	go run ./examples/runscript [-store PATH] [-allow DIR]... [-e SCRIPT]... FILE...
//
// Each script runs in a separate interpreter, the scripts of -e first; all share the stores.
// The default store is in memory, or the file that -store names. -allow restricts kv.open to a
// folder. -allow and -e can be given several times. If a script fails, its error is printed to
// standard error, the other scripts still run, and the exit status is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/paularlott/scriptling"
	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/scripthost"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("runscript", flag.ContinueOnError)
	flags.SetOutput(stderr)
	store := flags.String("store", "", "`path` of the default store's file; in memory if empty")
	var allowed []string
	flags.Func("allow", "`folder` that scripts may open stores in; without it any", func(dir string) error {
		allowed = append(allowed, dir)
		return nil
	})
	var sources []string
	flags.Func("e", "`script` to run, as in -e 'print(1 + 1)'", func(source string) error {
		sources = append(sources, source)
		return nil
	})
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: runscript [-store PATH] [-allow DIR]... [-e SCRIPT]... FILE...")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() == 0 && len(sources) == 0:
		flags.Usage()
		return 2
	}
	status := 0
	failed := func(err error) {
		if err != nil {
			fmt.Fprintln(stderr, "runscript:", err)
			status = 1
		}
	}
	logger := extlibs.Logger(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if failed(extlibs.InitKVStore(*store, logger)); status != 0 {
		return status
	}
	interpreter := func() (*scriptling.Scriptling, error) {
		p, err := scripthost.New()
		if err == nil {
			extlibs.RegisterRuntimeLibraryAll(p, allowed)
			p.SetOutputWriter(stdout)
		}
		return p, err
	}
	for _, source := range sources {
		p, err := interpreter()
		if err == nil {
			_, err = scripthost.Eval(context.Background(), p, source)
		}
		failed(err)
	}
	for _, file := range flags.Args() {
		p, err := interpreter()
		if err == nil {
			_, err = scripthost.EvalFile(p, file)
		}
		failed(err)
	}
	failed(extlibs.CloseKVStore())
	return status
}
