// Command runscript runs script files with a key-value store at hand:
//
//	go run ./examples/runscript [-store PATH] [-allow DIR]... FILE...
//
// Each file runs in an interpreter of its own; all share the stores. The
// default store is in memory, or the file that -store names. -allow restricts
// kv.open to a folder; it may be given several times. A script that fails adds
// the line "RESULT ERROR: ..." to the output and makes the exit status 1.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/paularlott/scriptling"
	"github.com/paularlott/scriptling/stdlib"
	"github.com/scriptling-kv/extlibs"
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
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: runscript [-store PATH] [-allow DIR]... FILE...")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() == 0:
		flags.Usage()
		return 2
	}
	if err := extlibs.InitKVStore(*store); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	status := 0
	for _, file := range flags.Args() {
		p := scriptling.New()
		stdlib.RegisterAll(p)
		extlibs.RegisterRuntimeLibraryAll(p, allowed)
		p.SetOutputWriter(stdout)
		if _, err := p.EvalFile(file); err != nil {
			fmt.Fprintln(stdout, "RESULT ERROR:", err)
			status = 1
		}
	}
	if err := extlibs.CloseKVStore(); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return status
}
