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
		Short: "Write keys with their values as JSON Lines",
		Long: `Writes an entry a line, sorted by key, with its type and the time that it has left:

  {"key":"session:abc","value":{"user":"bob"},"ttl":3599.5}

What JSON lacks is an object with one name: $float, $bytes, $text, $tuple, $set, $dict. Each page of
keys is of one moment. import reads it again.

With --salvage it reads a damaged file that nothing else opens, and writes every record whose checksum
holds, in no order; it says on standard error how many are lost, as far as one can know. Exit status 5 if
some are, or may be.

A file that -o names is there once it is complete: an export that is interrupted leaves none.`,
		Example: `  scriptling-kv export app.db > app.jsonl
  scriptling-kv export app.db --prefix user: -o users.jsonl
  scriptling-kv export damaged.db --salvage -o saved.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if fromDamaged {
				if wantsLive(cmd) {
					return usageError("--salvage and --live exclude each other: a running program has the file open")
				}
				if s != (selection{}) {
					return usageError("--salvage saves all that can be read; leave out what selects keys")
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
						err = &exitError{exitIncomplete, fmt.Errorf("%q: what is saved is not, or may not be, all that was stored", args[0])}
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
	cmd.Flags().BoolVar(&fromDamaged, "salvage", false, "save what can be read of a damaged file")
	cmd.Flags().StringVarP(&output, "output", "o", "", "a file to write, which must not exist; standard output if empty")
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
		Short: "Store what export wrote",
		Long: `Reads entries, a line each, as export writes them, from a file or standard input, and stores them,
replacing existing keys. It writes them in batches; if a line is wrong, the lines before it are stored, the
error names the line, and importing the corrected file again does no harm.`,
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

// importFrom stores the entries of a reader and returns how many.
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
		err = fmt.Errorf("%w; raise --%s if the store's host raises MaxValueBytes", err, maxValueFlag)
	case errors.Is(err, extlibs.ErrInvalid): // the input is wrong, not the command line
		err = &exitError{exitFailed, err}
	}
	return stored, err
}
