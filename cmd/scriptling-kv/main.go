// Command scriptling-kv is for people who look after stores: it reads and writes
// keys, exports and imports, backs up, checks, repairs and moves. It works on
// the file of a store or on the URL of a server.
//
//	scriptling-kv keys app.db --prefix user:
//	scriptling-kv get app.db user:1
//	scriptling-kv export app.db > app.jsonl
//
// scriptling-kv help lists the commands, and COMMAND --help shows examples.
//
// The exit status is 0 if all went well, 1 if the command failed, 2 if it was
// given wrong arguments, 3 if the key is not there, 4 if check found damage or
// no log of use where the file needs one, 5 if export --salvage may not have saved all,
// and 130 if it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"

	"github.com/scriptling-kv/extlibs"
	_ "github.com/scriptling-kv/extlibs/redisstore" // redis:// and its sisters
	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitNoKey   = 3
	exitDamaged = 4

	exitIncomplete  = 5
	exitInterrupted = 130 // as shells have it
)

// exitError is an error with an exit status. A silent one has been
// told already.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endingSignals()...)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// userinfo is what a URL says of its user. The library never repeats it; a URL
// that stands where a path should is repeated as one, perhaps with one slash.
var userinfo = regexp.MustCompile(`:/+[^\s"]*@`)

// run is the program, for tests too.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	addDefaults(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	text := printable(userinfo.ReplaceAllString(err.Error(), "://***@"))
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		fmt.Fprintln(stderr, "scriptling-kv: interrupted:", text)
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "scriptling-kv:", text)
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.status
	}
	if errors.Is(err, extlibs.ErrInvalid) {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:     "scriptling-kv",
		Version: version(),
		Short:   "Looks after key-value stores of scripts",
		Long: `Looks after key-value stores of scripts: the file of a store, or the URL of a server.

A file that a program has open is in use: end the program first, or use backup from within it.
Commands that only read open the file read-only, so that several may read at once.

Exit status: 0 done, 1 failed, 2 wrong arguments, 3 no such key, 4 check found damage or no log of
use, 5 export --salvage may not have saved all, 130 interrupted. A command that is interrupted ends
in order; a second Ctrl-C ends it at once.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (isURL(args[0]) || exists(args[0])) {
				return usageError("a command comes before the store; scriptling-kv help lists the commands")
			}
			if len(args) > 0 {
				return usageError("unknown command %.40q; scriptling-kv help lists the commands", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().Bool("json", false, "write JSON, for programs, instead of what a script would write")
	root.PersistentFlags().Int(maxValueFlag, extlibs.DefaultMaxValueBytes, "largest value, in bytes, of a store whose host sets MaxValueBytes")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		hint := ""
		if strings.HasPrefix(err.Error(), "unknown ") {
			hint = "; -- goes before a key or a value that begins with a dash"
		}
		return usageError("%w; %s --help shows how it is used%s", err, cmd.CommandPath(), hint)
	})
	root.AddCommand(readCommands()...)
	root.AddCommand(writeCommands()...)
	root.AddCommand(transferCommands()...)
	root.AddCommand(fileCommands()...)
	root.AddCommand(rescueCommands()...)
	root.AddCommand(watchCommand(), webCommand())
	for _, cmd := range root.Commands() {
		wrapArgs(cmd)
	}
	return root
}

// addDefaults adds the commands that cobra makes, which write to the output that root
// has now, and lets them refuse what they do not know.
func addDefaults(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if topic, _, err := root.Find(args); len(args) > 0 && (err != nil || topic == root) {
					return usageError("unknown command %.40q; scriptling-kv help lists the commands", args[0])
				}
				return nil
			}
		case "completion":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usageError("unknown shell %.40q; scriptling-kv completion --help lists the shells", args[0])
				}
				return nil
			}
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// wrapArgs gives wrong arguments their exit status, and says what is right.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError("%s cannot take %s; it is: %s", cmd.Name(), plural(len(args), "argument", "arguments"), cmd.UseLine())
		}
		return nil
	}
}
