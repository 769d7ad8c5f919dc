package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/cmd/scriptling-kv/internal/remote"
	"github.com/scriptling-kv/extlibs/internal/sizes"
	"github.com/spf13/cobra"
)

// maxTop is the maximum of -n.
const maxTop = 1000

func topCommand() *cobra.Command {
	var s selection
	n := 20
	cmd := &cobra.Command{
		Use:   "top STORE",
		Short: "Find the biggest keys and prefixes",
		Long: `Reads all keys and prints the biggest keys and the biggest prefixes. A prefix is the part of a key up to a : or /.
A prefix is omitted if all its keys share a longer one. Sizes are the bytes of keys and encoded values. The command
needs little memory, whatever the size of the store.`,
		Example: `  scriptling-kv top app.db
  scriptling-kv top app.db -n 5 --prefix user:
  scriptling-kv top app.db --live --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 1 || n > maxTop {
				return usageError("-n is %d; use 1 to %d", n, maxTop)
			}
			sum, err := topOf(cmd, args[0], &s, n)
			if err != nil {
				return err
			}
			return printResult(cmd, sum, topText(&sum))
		},
	}
	s.flags(cmd, false)
	cmd.Flags().IntVarP(&n, "number", "n", n, "number of keys and number of prefixes")
	return cmd
}

// topOf finds the biggest keys and prefixes of a store. A running host finds them itself and
// sends no values.
func topOf(cmd *cobra.Command, name string, s *selection, n int) (sum remote.Summary, err error) {
	if remote.Is(name) && !wantsLive(cmd) {
		if err := cmd.Context().Err(); err != nil {
			return sum, err
		}
		return remote.Top(cmd.Context(), name, s.pattern, s.prefix, n)
	}
	err = withStore(cmd, name, reads, func(h *extlibs.Handle) (err error) {
		sum, err = biggest(cmd, h, s.options(), n)
		return err
	})
	return sum, err
}

// biggest finds the biggest keys and prefixes of a store.
func biggest(cmd *cobra.Command, h *extlibs.Handle, o extlibs.ListOptions, n int) (sum remote.Summary, err error) {
	total, err := h.Count(cmd.Context(), "*")
	if err != nil {
		return sum, err
	}
	bar := keysMeter(cmd, total, "top")
	defer func() { bar.end(err) }()
	top := sizes.NewTop(n)
	err = eachEntry(cmd.Context(), h, o, func(entries []extlibs.Entry) error {
		for i := range entries {
			top.Add(entries[i].Key, "", entries[i].Value.Len())
		}
		bar.add(len(entries))
		return nil
	})
	if err != nil {
		return sum, err
	}
	sum = remote.Summary{Scanned: top.Keys, Bytes: top.Bytes}
	sum.Keys, sum.Prefixes = top.Biggest()
	return sum, nil
}

// topText returns a summary as text.
func topText(s *remote.Summary) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "bytes\tkey")
	for _, k := range s.Keys {
		fmt.Fprintf(w, "%d\t%s\n", k.Bytes, shownKey(k.Key))
	}
	fmt.Fprintln(w, "\nbytes\tkeys\tprefix")
	for _, p := range s.Prefixes {
		fmt.Fprintf(w, "%d\t%d\t%s\n", p.Bytes, p.Keys, shownKey(p.Prefix))
	}
	w.Flush() // into memory
	fmt.Fprintf(&b, "\n%s, %d bytes", plural(s.Scanned, "key", "keys"), s.Bytes)
	return b.String()
}
