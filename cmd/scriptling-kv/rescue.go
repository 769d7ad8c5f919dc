package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/scriptling-kv/extlibs"
	files "github.com/scriptling-kv/extlibs/internal/access"
	"github.com/scriptling-kv/extlibs/internal/boltfile"
	"github.com/scriptling-kv/extlibs/internal/jsonl"
	"github.com/scriptling-kv/extlibs/internal/wal"
	"github.com/spf13/cobra"
)

func rescueCommands() []*cobra.Command {
	return []*cobra.Command{checkCommand(), repairCommand()}
}

// inUseTimeout is how long a file that a program writes is waited for.
const inUseTimeout = time.Second

// withDamaged runs fn on a file that may be damaged in any way.
func withDamaged(path string, fn func(*boltfile.Damaged) error) error {
	if isURL(path) || isInMemory(path) {
		return usageError("only the file of a store can be checked, salvaged and repaired; give its path")
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return noFile(path)
	}
	d, err := boltfile.OpenDamaged(path, inUseTimeout)
	if errors.Is(err, extlibs.ErrInUse) {
		return fmt.Errorf("%q: %w; end the program that has it open first", path, err)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	defer d.Close() // it was only read
	return fn(d)
}

// report is what check prints for programs.
type report struct {
	File     string   `json:"file"`
	Whole    bool     `json:"whole"`
	Bytes    int64    `json:"bytes"`
	Keys     *int64   `json:"keys"` // null: unknown
	Readable int64    `json:"readable"`
	Stray    int64    `json:"stray"`
	Lost     *int64   `json:"lost"` // null: unknown
	Damage   []string `json:"damage"`
	More     int      `json:"more"`
	Log      bool     `json:"log"`                // the file lacks what is in its log
	LogLost  string   `json:"log_lost,omitempty"` // why that is of no use
	Previous previous `json:"previous"`
}

type previous struct {
	Whole bool   `json:"whole"`
	Only  bool   `json:"only"`
	Keys  int64  `json:"keys"`
	Why   string `json:"why,omitempty"`
}

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Read all of a file, and say what is damaged and what can be saved",
		Long: `Reads all of the file of a store that no program has open, and changes nothing. It says what is damaged,
how many records can be saved (export --salvage), and whether the commit before the last one is whole, so
that repair can go back to it. Exit status 4 if there is damage, or if the log that the file needs is not there
or cannot be read.`,
		Example: `  scriptling-kv check app.db
  scriptling-kv check app.db --json | jq .lost`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := look(cmd, args[0])
			if err != nil {
				return err
			}
			lost, err := logTrouble(cmd.Context(), args[0], &r)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				err = printJSON(cmd, forPrograms(args[0], &r, lost))
			} else {
				err = tell(cmd.OutOrStdout(), args[0], &r, lost)
			}
			switch {
			case err != nil:
			case len(r.Damage) > 0:
				err = &exitError{exitDamaged, fmt.Errorf("%q is damaged", args[0])}
			case lost != nil:
				err = &exitError{exitDamaged, fmt.Errorf("%q needs a log: %w", args[0], lost)}
			}
			return err
		},
	}
}

// look reads all of a file.
func look(cmd *cobra.Command, path string) (r boltfile.Report, err error) {
	err = withDamaged(path, func(d *boltfile.Damaged) error {
		if r, err = checked(cmd, d, "check", nil); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		return nil
	})
	return r, err
}

// checked is Damaged.Check with a meter.
func checked(cmd *cobra.Command, d *boltfile.Damaged, what string, visit func(boltfile.Record) error) (r boltfile.Report, err error) {
	total := boltfile.CheckPasses * d.Size()
	if visit != nil {
		total += d.Size()
	}
	bar := bytesMeter(cmd, total, what)
	defer func() { bar.end(err) }()
	const shown = 1 << 20
	read := int64(0)
	d.Progress = func(n int64) {
		if read += n; read >= shown {
			bar.add(int(read))
			read = 0
		}
	}
	return d.Check(cmd.Context(), visit)
}

// logTrouble is why the log that a whole file needs is of no use.
func logTrouble(ctx context.Context, path string, r *boltfile.Report) (lost, err error) {
	log := path + wal.Suffix
	switch {
	case !r.Log || len(r.Damage) > 0:
		return nil, nil
	case !exists(log):
		return fmt.Errorf("%q is not there", log), nil
	}
	stores := extlibs.NewRegistry(extlibs.ReadOnly())
	_, err = stores.Open(ctx, path)
	err = errors.Join(err, stores.Close())
	if errors.Is(err, extlibs.ErrCorrupt) || errors.Is(err, extlibs.ErrFormat) {
		return err, nil
	}
	return nil, err
}

func forPrograms(path string, r *boltfile.Report, logLost error) report {
	out := report{
		File: path, Whole: len(r.Damage) == 0, Bytes: r.Bytes, Readable: r.Records, Stray: r.Stray,
		Damage: append([]string{}, r.Damage...), More: r.More, Log: r.Log,
		Previous: previous{Whole: r.Back.Whole, Only: r.Back.Only, Keys: r.Back.Keys, Why: r.Back.Why},
	}
	if logLost != nil {
		out.LogLost = logLost.Error()
	}
	if r.Keys >= 0 {
		out.Keys = &r.Keys
	}
	if lost, known := r.Lost(); known {
		out.Lost = &lost
	}
	return out
}

// tell writes a report for people.
func tell(w io.Writer, path string, r *boltfile.Report, logLost error) error {
	out := bufio.NewWriter(w)
	if len(r.Damage) == 0 {
		fmt.Fprintf(out, "whole: %s in %d bytes\n", plural(r.Records, "key", "keys"), r.Bytes)
		if r.Log {
			fmt.Fprintf(out, "the store was not closed in order; %s\n", logOfWhole(path, logLost))
		}
		return out.Flush()
	}
	fmt.Fprintln(out, "damage:")
	for _, what := range r.Damage {
		fmt.Fprintln(out, "  "+what)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "  and %d more\n", r.More)
	}
	fmt.Fprintf(out, "can be saved: %s\n", savable(r))
	fmt.Fprintf(out, "  scriptling-kv export %q --salvage -o saved.jsonl\n", path)
	fmt.Fprintf(out, "commit to go back to: %s\n", goingBack(r))
	if r.Back.Whole {
		fmt.Fprintf(out, "  scriptling-kv repair %q NEWFILE\n", path)
	}
	switch log := path + wal.Suffix; {
	case !r.Log:
	case !exists(log):
		fmt.Fprintf(out, "the store was not closed in order: its latest changes were in the log %q, which does not exist\n", log)
	case r.Torn():
		fmt.Fprintf(out, "if a power cut tore the header, the log %q has what is missing: scriptling-kv compact %q brings it into the file, or says that it cannot\n", log, path)
	default:
		fmt.Fprintf(out, "the store was not closed in order: its latest changes are in the log %q, which was not checked; keep both\n", log)
	}
	return out.Flush()
}

// logOfWhole says what becomes of what a whole file lacks.
func logOfWhole(path string, lost error) string {
	log := path + wal.Suffix
	if lost == nil {
		return fmt.Sprintf("the latest changes are in the log %q: scriptling-kv compact %q writes them into the file", log, path)
	}
	return fmt.Sprintf("the latest changes were in its log (%v); restore the log, or continue without them: scriptling-kv export %q --salvage -o saved.jsonl", lost, path)
}

func savable(r *boltfile.Report) string {
	text := plural(r.Records+r.Stray, "record", "records")
	if lost, known := r.Lost(); known {
		text += fmt.Sprintf(" of %d, %d are lost", r.Keys, lost)
	} else if r.Bad > 0 {
		text += fmt.Sprintf("; at least %d are lost, and nobody knows how many more", r.Bad)
	} else {
		text += "; nobody knows how many are lost"
	}
	if r.Stale && r.Stray > 0 {
		text += fmt.Sprintf("; %d of them may be old values, or deleted keys", r.Stray)
	}
	return text
}

func goingBack(r *boltfile.Report) string {
	switch {
	case !r.Back.Whole:
		return "none; the one before the last is not whole: " + r.Back.Why
	case r.Back.Only:
		return fmt.Sprintf("whole, %s; its header is the only one left, so it may be the last one, or the one before", plural(r.Back.Keys, "key", "keys"))
	}
	return fmt.Sprintf("the one before the last is whole, %s", plural(r.Back.Keys, "key", "keys"))
}

// salvage writes what can be read of a damaged file, and reports whether that is
// certainly all that was stored.
func salvage(cmd *cobra.Command, d *boltfile.Damaged, w io.Writer) (complete bool, err error) {
	out := bufio.NewWriterSize(w, batchBytes)
	now := time.Now().UnixNano()
	var line []byte
	var saved, expired, unreadable int64
	r, err := checked(cmd, d, "salvage", func(rec boltfile.Record) error {
		e := jsonl.Entry{Key: string(rec.Key)}
		if rec.Deadline != 0 {
			if rec.Deadline <= now {
				expired++
				return nil
			}
			e.TTL = min(time.Duration(rec.Deadline-now), extlibs.MaxTTL)
		}
		e.Value = string(rec.Value)
		if line, err = jsonl.Append(line[:0], e); err != nil {
			unreadable++
			return nil
		}
		saved++
		_, err = out.Write(line)
		return err
	})
	if err = errors.Join(err, out.Flush()); err != nil {
		return false, err
	}
	lost, known := r.Lost()
	if len(r.Damage) == 0 && !r.Log {
		lost, known = 0, true
	}
	complete = unreadable == 0 && known && lost == 0 && !r.Stale && !r.Log
	if wantsJSON(cmd) {
		return complete, tellPrograms(cmd.ErrOrStderr(), salvaged{saved, expired, unreadable, lostOf(lost, known), complete, len(r.Damage) == 0, r.Log})
	}
	fmt.Fprint(cmd.ErrOrStderr(), plural(saved, "record", "records"), " saved")
	if expired > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), ", %d had expired", expired)
	}
	if unreadable > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), ", %d hold what no store takes", unreadable)
	}
	switch {
	case len(r.Damage) > 0:
		fmt.Fprintf(cmd.ErrOrStderr(), "; readable: %s\n", savable(&r))
	case r.Log:
		fmt.Fprintln(cmd.ErrOrStderr(), "; the file is whole, but lacks what is in its log: where you have that, compact brings it into the file")
	default:
		fmt.Fprintln(cmd.ErrOrStderr(), "; the file is whole")
	}
	return complete, nil
}

// salvaged is what a salvage tells programs, on standard error: the records are on
// standard output.
type salvaged struct {
	Saved      int64  `json:"saved"`
	Expired    int64  `json:"expired"`
	Unreadable int64  `json:"unreadable"`
	Lost       *int64 `json:"lost"` // null: unknown
	Complete   bool   `json:"complete"`
	Whole      bool   `json:"whole"` // the file, without its log
	Log        bool   `json:"log"`   // the file lacks what is in its log
}

func lostOf(lost int64, known bool) *int64 {
	if !known {
		return nil
	}
	return &lost
}

func tellPrograms(w io.Writer, v any) error {
	b, err := jsonl.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", b)
	}
	return err
}

func repairCommand() *cobra.Command {
	var drop bool
	cmd := &cobra.Command{
		Use:   "repair FILE NEWFILE",
		Short: "Go back to the commit before the damage, or drop what is damaged, in a new file",
		Long: `Makes NEWFILE, which must not exist, of the commit before the last one if that is whole, and says what is
given up. FILE is not touched.

With --drop-damaged, NEWFILE has every record of the last commit whose checksum holds, and the command names
the keys between which it dropped something. Exit status 5 if records are lost, or may be.`,
		Example: `  scriptling-kv check app.db
  scriptling-kv repair app.db repaired.db
  scriptling-kv repair app.db repaired.db --drop-damaged`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := files.CheckStoreName(args[1]); err != nil || isURL(args[1]) {
				return usageError("NEWFILE %q cannot be a store's file", userinfo.ReplaceAllString(args[1], "://***@"))
			}
			return withDamaged(args[0], func(d *boltfile.Damaged) error {
				r, err := checked(cmd, d, "check", nil)
				if err != nil {
					return fmt.Errorf("%q: %w", args[0], err)
				}
				if drop && len(r.Damage) > 0 {
					return dropDamaged(cmd, d, &r, args[0], args[1])
				}
				if len(r.Damage) == 0 {
					text := fmt.Sprintf("%q is whole: there is nothing to repair", args[0])
					if r.Log {
						text += fmt.Sprintf("; it lacks what is in its log: scriptling-kv check %q says more", args[0])
					}
					return errors.New(text)
				}
				if !r.Back.Whole {
					return &exitError{exitDamaged, fmt.Errorf("%q: the commit before the last one is not whole either (%s); keep what can be read with --drop-damaged", args[0], r.Back.Why)}
				}
				if err := isFreeForStore(args[1]); err != nil {
					return err
				}
				if err := d.Repair(cmd.Context(), args[1]); err != nil {
					return fmt.Errorf("%q: %w", args[1], err)
				}
				return printResult(cmd, repaired{args[1], r.Back.Keys, r.Back.Number}, givenUp(args[1], &r))
			})
		},
	}
	cmd.Flags().BoolVar(&drop, "drop-damaged", false, "keep every record that can be read, and drop the rest")
	return cmd
}

// repaired is what repair prints for programs.
type repaired struct {
	File   string `json:"file"`
	Keys   int64  `json:"keys"`
	Commit uint64 `json:"commit"`
}

func givenUp(path string, r *boltfile.Report) string {
	text := fmt.Sprintf("%q has the %s of commit %d. ", path, plural(r.Back.Keys, "key", "keys"), r.Back.Number)
	if r.Log {
		text += "Nothing of what is in the log of the damaged file. "
	}
	switch {
	case r.Back.Only:
		return text + "Given up: the commit after it, if there was one; its header is damaged, so nobody knows."
	case r.Keys >= 0:
		return text + fmt.Sprintf("Given up: what commit %d, the last one, stored and removed; it had %s.", r.Commit, plural(r.Keys, "key", "keys"))
	}
	return text + fmt.Sprintf("Given up: what commit %d, the last one, stored and removed.", r.Commit)
}
