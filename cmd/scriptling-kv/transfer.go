package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/scriptling-kv/extlibs"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/spf13/cobra"
)

func transferCommands() []*cobra.Command {
	return []*cobra.Command{exportCommand(), importCommand(), moveCommand()}
}

func exportCommand() *cobra.Command {
	var s selection
	var output string
	var fromDamaged bool
	cmd := &cobra.Command{
		Use:   "export STORE",
		Short: "Write keys, values and ttls as JSON Lines",
		Long: `Writes one entry per line, sorted by key, with its type and remaining ttl:

  {"key":"session:abc","value":{"user":"bob"},"ttl":3599.5}

A value whose type JSON does not have is an object with one member: $float, $bytes, $text, $tuple, $set or $dict.
Each page of keys shows one moment. import reads this format.

With --salvage the command reads a damaged file that cannot be opened otherwise, and writes every record whose checksum
is right, in no particular order. It reports on standard error how many records are lost, if that is known. Exit
status 5 if records are lost, or may be.

The file given with -o gets its name when it is complete: an interrupted export leaves no file.`,
		Example: `  scriptling-kv export app.db > app.jsonl
  scriptling-kv export app.db --prefix user: -o users.jsonl
  scriptling-kv export damaged.db --salvage -o saved.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if fromDamaged {
				if wantsLive(cmd) {
					return usageError("use --salvage or --live, not both: --salvage needs a file that no program has open")
				}
				if s != (selection{}) {
					return usageError("--salvage saves every readable record; omit the flags that select keys")
				}
				return withDamaged(args[0], func(d *boltfile.Damaged) error {
					complete := false
					err := toOutput(cmd, output, func(w io.Writer) (err error) {
						if complete, err = salvage(cmd, d, w); err != nil {
							err = fmt.Errorf("%q: %w", args[0], err)
						}
						return err
					})
					if err == nil && !complete {
						err = &exitError{exitIncomplete, fmt.Errorf("%q: records are lost, or may be; keep the file", args[0])}
					}
					return err
				})
			}
			return withStore(cmd, args[0], reads, func(h *extlibs.Handle) error {
				return toOutput(cmd, output, func(w io.Writer) error { return export(cmd, h, s.options(), w) })
			})
		},
	}
	s.flags(cmd, true)
	addLiveFlag(cmd)
	cmd.Flags().BoolVar(&fromDamaged, "salvage", false, "save the readable records of a damaged file")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this file, which must not exist, instead of standard output")
	return cmd
}

func export(cmd *cobra.Command, h *extlibs.Handle, o extlibs.ListOptions, w io.Writer) (err error) {
	total, err := countKeys(cmd, h, o)
	if err != nil {
		return err
	}
	if o.Limit > 0 {
		total = min(total, o.Limit)
	}
	bar := keysMeter(cmd, total, "export")
	defer func() { bar.end(err) }()
	_, err = h.Export(cmd.Context(), w, extlibs.ExportOnly(o), extlibs.ExportProgress(bar.add))
	return err
}

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import STORE [FILE]",
		Short: "Load an export",
		Long: `Reads the lines of an export from a file or standard input and stores their entries, replacing existing keys. It
writes in batches. If a line is invalid, the error names it and the lines before it are stored; it is safe to import
the corrected file again.`,
		Example: `  scriptling-kv import new.db app.jsonl
  scriptling-kv export old.db | scriptling-kv import new.db`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, size := cmd.InOrStdin(), int64(-1)
			if len(args) == 2 && args[1] != "-" {
				f, err := openInput(cmd.Context(), args[1])
				if err != nil {
					return err
				}
				defer f.Close()
				if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
					size = info.Size()
				}
				in = f
			}
			return withStore(cmd, args[0], creates, func(h *extlibs.Handle) error {
				n, err := importFrom(cmd, h, in, size)
				if wantsJSON(cmd) {
					return errors.Join(err, json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]int{"imported": n}))
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s imported\n", plural(n, "entry", "entries"))
				return err
			})
		},
	}
	return cmd
}

// importFrom stores the entries of an export and returns their number.
func importFrom(cmd *cobra.Command, h *extlibs.Handle, in io.Reader, size int64) (stored int, err error) {
	bar := bytesMeter(cmd, size, "import")
	defer func() { bar.end(err) }()
	stored, err = h.Import(cmd.Context(), io.TeeReader(&interruptible{ctx: cmd.Context(), r: in}, bar))
	if err == nil {
		return stored, nil
	}
	err = errors.Unwrap(err) // without the name of the call, which is that of the command
	switch {
	case errors.Is(err, extlibs.ErrTooLarge):
		err = fmt.Errorf("%w; set --%s if the host sets MaxValueBytes", err, maxValueFlag)
	case errors.Is(err, extlibs.ErrInvalid): // the input is wrong, not the command line
		err = &exitError{exitFailed, err}
	}
	return stored, err
}
