package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/literal"
	"github.com/spf13/cobra"
)

func watchCommand() *cobra.Command {
	var s selection
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "watch STORE",
		Short: "Print changes of keys until interrupted",
		Long: `Prints a line for each key that changes: the time, the key, and its value or "deleted". Several changes of a key can
be merged into one line. "lost" means that changes were missed: read the keys again. The exit status is 130 after an
interrupt, and 0 after --timeout.

A server and a running host report changes at once. A file can be watched while no program has it open; it is polled,
every 10 milliseconds at first and every second later.`,
		Example: `  scriptling-kv watch http://localhost:8080/debug/kv/default --prefix session:
  scriptling-kv watch redis://localhost:6379/0/app --json
  scriptling-kv watch app.db --timeout 1m`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return usageError("--timeout is %v; use 0 (none) or more", timeout)
			}
			return withStore(cmd, args[0], reads, func(h *extlibs.Handle) error {
				return watch(cmd, h, extlibs.WatchOptions{Pattern: s.pattern, Prefix: s.prefix}, timeout)
			})
		},
	}
	s.flags(cmd, false)
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "stop after this time; 0 means only when interrupted")
	return cmd
}

func watch(cmd *cobra.Command, h *extlibs.Handle, o extlibs.WatchOptions, timeout time.Duration) error {
	ctx := cmd.Context()
	if timeout > 0 {
		timer, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = timer
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	changes := h.Watch(ctx, o)
	fmt.Fprintln(cmd.ErrOrStderr(), "watching")
	for c, err := range changes {
		if err != nil {
			if cmd.Context().Err() == nil && ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := printChange(out, wantsJSON(cmd), c); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// printChange prints a change on a line.
func printChange(w io.Writer, asJSON bool, c extlibs.Change) error {
	now := time.Now()
	if asJSON {
		return printChangeJSON(w, c, now)
	}
	text := "lost"
	switch {
	case c.Lost:
	case c.Deleted:
		text = shownKey(c.Key) + " deleted"
	default:
		text = shownKey(c.Key) + " = " + literal.Format(c.Value)
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", now.Format("15:04:05.000"), text)
	return err
}

// changed is a change in the JSON output of watch.
type changed struct {
	Time    time.Time       `json:"time"`
	Key     *string         `json:"key,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Deleted bool            `json:"deleted,omitempty"`
	Lost    bool            `json:"lost,omitempty"`
}

func printChangeJSON(w io.Writer, c extlibs.Change, now time.Time) error {
	line := changed{Time: now.UTC().Truncate(time.Millisecond), Deleted: c.Deleted, Lost: c.Lost}
	if !c.Lost {
		line.Key = &c.Key
		if !c.Deleted {
			v, err := asJSON(c.Value)
			if err != nil {
				return err
			}
			line.Value = v
		}
	}
	return printJSON(w, line)
}
