// Command scriptling-kv inspects and manages key-value stores: it reads and writes keys,
// exports, imports, backs up, checks, repairs and moves stores. A store is a file, the URL
// of a server, or the URL of a store in a running host.
//
//	scriptling-kv keys app.db --prefix user:
//	scriptling-kv get app.db user:1
//	scriptling-kv export app.db > app.jsonl
//
// scriptling-kv help lists the commands, and COMMAND --help shows examples.
//
// The exit status is 0 on success, 1 if the command failed, 2 for invalid arguments, 3 if
// the key does not exist, 4 if check found damage or the file needs a log that is missing or
// unreadable, 5 if export --salvage or repair --drop-damaged did not save everything, or may
// not have, and 130 if the command was interrupted.
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
	_ "github.com/scriptling-kv/extlibs/redisstore" // redis://, valkey:// and so on
	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitNoKey   = 3
	exitDamaged = 4

	exitIncomplete  = 5
	exitInterrupted = 130 // 128 + SIGINT, as in shells
)

// exitError is an error with an exit status.
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

// userinfo matches the user and password of a URL. The library never prints them, but a URL
// given in place of a path is printed as a path, possibly with one slash.
var userinfo = regexp.MustCompile(`:/+[^\s"]*@`)

// run executes the command line args and returns the exit status.
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
		Short:   "Inspect and manage key-value stores",
		Long: `Inspects and manages key-value stores. A store is a file, the URL of a server, or the URL of a store in a
running host.

A file that a program has open is in use: stop the program first, read a copy with --live, or use the URL of
the running host. Commands that only read open the file read-only, so several of them can run at once.

Exit status: 0 success, 1 failure, 2 invalid arguments, 3 no such key, 4 check found damage or no usable log,
5 export --salvage or repair --drop-damaged may not have saved everything, 130 interrupted. Ctrl-C stops a
command cleanly; a second Ctrl-C stops it at once.`,
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
	root.PersistentFlags().Bool("json", false, "print JSON instead of script literals")
	root.PersistentFlags().Int(maxValueFlag, extlibs.DefaultMaxValueBytes, "maximum size of a value in bytes; raise it if the host sets MaxValueBytes")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		hint := ""
		if strings.HasPrefix(err.Error(), "unknown ") {
			hint = "; write -- before a key or value that begins with a dash"
		}
		return usageError("%w; see %s --help%s", err, cmd.CommandPath(), hint)
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
	setGroups(root)
	return root
}

// groups are the groups of commands in help, in the order of docs/command.md.
var groups = []struct{ id, title, commands string }{
	{"read", "Read:", "keys get ttl count stat top stores"},
	{"follow", "Follow:", "watch web"},
	{"change", "Change:", "set del expire"},
	{"copy", "Copy:", "export import backup restore move"},
	{"check", "Check and repair (see also export --salvage):", "check repair compact"},
}

func setGroups(root *cobra.Command) {
	group := map[string]string{}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for name := range strings.FieldsSeq(g.commands) {
			group[name] = g.id
		}
	}
	for _, cmd := range root.Commands() {
		cmd.GroupID = group[cmd.Name()]
	}
}

// addDefaults adds cobra's help and completion commands, which capture the output that
// root has at that moment, and makes them refuse unknown arguments.
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

// wrapArgs makes errors about the number of arguments usage errors that show the usage.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError("%s got %s; usage: %s", cmd.Name(), plural(len(args), "argument", "arguments"), cmd.UseLine())
		}
		return nil
	}
}
