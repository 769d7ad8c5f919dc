package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/scriptling-kv/extlibs"
	"github.com/spf13/cobra"
)

func moveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "move SRC DST",
		Short: "Copy a store to another backend and verify the copy",
		Long: `Copies every key with its value and remaining ttl from one store to another; each can be a file or on a server.
Entries that DST already has are not written again, so an interrupted move continues where it stopped. At the end
both stores are compared, ttls to within 5 seconds. SRC is not changed. Keys that only DST has are kept and counted.`,
		Example: `  scriptling-kv move app.db redis://localhost:6379/0/app
  scriptling-kv move redis://localhost:6379/0/app app.db`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isOneStore(args[0], args[1]) {
				return usageError("SRC and DST are the same store; name two different ones")
			}
			return withStore(cmd, args[0], reads, func(src *extlibs.Handle) error {
				return withStore(cmd, args[1], creates, func(dst *extlibs.Handle) error {
					return move(cmd, src, dst)
				})
			})
		},
	}
	addLiveFlag(cmd)
	return cmd
}

// isOneStore reports whether both are the same file, or the same URL.
func isOneStore(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return a == b
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// move copies src to dst and compares them.
func move(cmd *cobra.Command, src, dst *extlibs.Handle) (err error) {
	ctx := cmd.Context()
	total, err := src.Count(ctx, "*")
	if err != nil {
		return err
	}
	bar := keysMeter(cmd, 2*total, "move")
	defer func() { bar.end(err) }()
	w := writer{h: dst}
	err = eachEntry(ctx, src, extlibs.ListOptions{}, func(entries []extlibs.Entry) error {
		missing, err := differing(ctx, dst, entries)
		if err != nil {
			return err
		}
		for _, e := range missing {
			if err := w.set(ctx, e); err != nil {
				return err
			}
		}
		bar.add(len(entries))
		return nil
	})
	if err == nil {
		err = w.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w; run the same command again to continue where it stopped", err)
	}
	wrong, compared := 0, 0
	err = eachEntry(ctx, src, extlibs.ListOptions{}, func(entries []extlibs.Entry) error {
		missing, err := differing(ctx, dst, entries)
		wrong += len(missing)
		compared += len(entries)
		bar.add(len(entries))
		return err
	})
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d keys differ after the copy; stop programs that write to one of the stores, then run the command again", wrong, compared)
	}
	n, err := dst.Count(ctx, "*")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d keys are the same in both stores, %d of them copied now", compared, w.stored)
	more := max(n-compared, 0)
	if more > 0 {
		text += fmt.Sprintf("; the destination has %d more", more)
	}
	return printResult(cmd, map[string]int{"keys": compared, "copied": w.stored, "more": more}, text)
}

// tolerance is the permitted difference between the remaining times of a key in both stores,
// because time passes while they are read. A key whose remaining ttl is less may have expired in one
// store and not in the other.
const tolerance = 5 * time.Second

// differing returns the entries that are absent from dst or different there.
func differing(ctx context.Context, dst *extlibs.Handle, entries []extlibs.Entry) ([]extlibs.Entry, error) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	found, err := dst.Store().LoadMany(ctx, keys, extlibs.NeedValue|extlibs.NeedTTL)
	if err != nil {
		return nil, err
	}
	have := make(map[string]extlibs.Entry, len(found))
	for _, e := range found {
		have[e.Key] = e
	}
	var missing []extlibs.Entry
	for _, e := range entries {
		d, ok := have[e.Key]
		switch {
		case !ok && e.TTL > 0 && e.TTL < tolerance:
		case !ok || d.Value != e.Value || (d.TTL == 0) != (e.TTL == 0) || (d.TTL-e.TTL).Abs() > tolerance:
			missing = append(missing, e)
		}
	}
	return missing, nil
}
