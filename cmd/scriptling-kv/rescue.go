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

// inUseTimeout limits the wait for a file that a program writes.
const inUseTimeout = time.Second

// withDamaged runs fn on a file with any damage.
func withDamaged(path string, fn func(*boltfile.Damaged) error) error {
	if isURL(path) || isInMemory(path) {
		return usageError("check, repair and export --salvage need a file; give its path")
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return noFile(path)
	}
	d, err := boltfile.OpenDamaged(path, inUseTimeout)
	if errors.Is(err, extlibs.ErrInUse) {
		return fmt.Errorf("%q: %w, or read a copy: scriptling-kv backup %q COPY --live", path, err, path)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	defer d.Close() // it was only read
	return fn(d)
}

// report is the JSON output of check.
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
	Log      bool     `json:"log"`                // the file needs its log
	LogLost  string   `json:"log_lost,omitempty"` // why the log cannot be used
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
		Short: "Verify a whole file, and report damage and what can be saved",
		Long: `Reads the whole file of a store that no program has open, and changes nothing. It reports what is damaged,
how many records can be saved (export --salvage), and whether the previous commit is undamaged, so that
repair can go back to it. Exit status 4 if there is damage, or if the log that the file needs is missing or
unreadable.`,
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
				err = printJSON(cmd.OutOrStdout(), forPrograms(args[0], &r, lost))
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

// look verifies a whole file.
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

// logTrouble returns in lost why the log that an undamaged file needs cannot be used.
func logTrouble(ctx context.Context, path string, r *boltfile.Report) (lost, err error) {
	log := path + wal.Suffix
	switch {
	case !r.Log || len(r.Damage) > 0:
		return nil, nil
	case !exists(log):
		return fmt.Errorf("%q does not exist", log), nil
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
		Damage: append([]string{}, r.Damage...), More: r.More, Log: r.Log, Lost: lostOf(r.Lost()),
		Previous: previous{Whole: r.Back.Whole, Only: r.Back.Only, Keys: r.Back.Keys, Why: r.Back.Why},
	}
	if logLost != nil {
		out.LogLost = logLost.Error()
	}
	if r.Keys >= 0 {
		out.Keys = &r.Keys
	}
	return out
}

// tell prints a report as text.
func tell(w io.Writer, path string, r *boltfile.Report, logLost error) error {
	out := bufio.NewWriter(w)
	if len(r.Damage) == 0 {
		fmt.Fprintf(out, "undamaged: %s in %d bytes\n", plural(r.Records, "key", "keys"), r.Bytes)
		if r.Log {
			fmt.Fprintf(out, "the store was not closed; %s\n", logOfWhole(path, logLost))
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
	fmt.Fprintf(out, "previous commit: %s\n", goingBack(r))
	if r.Back.Whole {
		fmt.Fprintf(out, "  scriptling-kv repair %q NEWFILE\n", path)
	}
	switch log := path + wal.Suffix; {
	case !r.Log:
	case !exists(log):
		fmt.Fprintf(out, "the store was not closed: its latest changes were in the log %q, which does not exist\n", log)
	case r.Torn():
		fmt.Fprintf(out, "if a power cut tore the meta page, the log %q has the missing changes: try scriptling-kv compact %q, which writes them to the file\n", log, path)
	default:
		fmt.Fprintf(out, "the store was not closed: its latest changes are in the log %q, which was not checked; keep both\n", log)
	}
	return out.Flush()
}

// logOfWhole describes how to get the changes that are only in the log of an undamaged file.
func logOfWhole(path string, lost error) string {
	log := path + wal.Suffix
	if lost == nil {
		return fmt.Sprintf("the latest changes are in the log %q: scriptling-kv compact %q writes them to the file", log, path)
	}
	return fmt.Sprintf("the latest changes were in its log (%v); restore the log, or continue without them: scriptling-kv export %q --salvage -o saved.jsonl", lost, path)
}

func savable(r *boltfile.Report) string {
	text := plural(r.Records+r.Stray, "record", "records")
	if lost, known := r.Lost(); known {
		text = fmt.Sprintf("%d of %s; %d %s lost", r.Records+r.Stray, plural(r.Keys, "record", "records"), lost, isAre(lost))
	} else if r.Bad > 0 {
		text += fmt.Sprintf("; at least %d %s lost, and the total is unknown", r.Bad, isAre(r.Bad))
	} else {
		text += "; the number of lost records is unknown"
	}
	if r.Stale && r.Stray > 0 {
		text += fmt.Sprintf("; %d of them may be old values or deleted keys", r.Stray)
	}
	return text
}

func goingBack(r *boltfile.Report) string {
	switch {
	case !r.Back.Whole:
		return "damaged too: " + r.Back.Why
	case r.Back.Only:
		return fmt.Sprintf("undamaged, %s; only one meta page is left, so this may be the last commit or the one before it", plural(r.Back.Keys, "key", "keys"))
	}
	return fmt.Sprintf("undamaged, %s", plural(r.Back.Keys, "key", "keys"))
}

func isAre(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// salvage writes the readable records of a damaged file, and reports whether these are
// certainly all records of the store.
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
		return complete, printJSON(cmd.ErrOrStderr(), salvaged{saved, expired, unreadable, lostOf(lost, known), complete, len(r.Damage) == 0, r.Log})
	}
	fmt.Fprint(cmd.ErrOrStderr(), plural(saved, "record", "records"), " saved")
	if expired > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), ", %d had expired", expired)
	}
	if unreadable > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), ", %d have an invalid value", unreadable)
	}
	switch {
	case len(r.Damage) > 0:
		fmt.Fprintf(cmd.ErrOrStderr(), "; readable: %s\n", savable(&r))
	case r.Log:
		fmt.Fprintln(cmd.ErrOrStderr(), "; the file is undamaged, but needs its log: if you have the log, compact writes its changes to the file")
	default:
		fmt.Fprintln(cmd.ErrOrStderr(), "; the file is undamaged")
	}
	return complete, nil
}

// salvaged is the JSON output of a salvage on standard error; the records are on standard
// output.
type salvaged struct {
	Saved      int64  `json:"saved"`
	Expired    int64  `json:"expired"`
	Unreadable int64  `json:"unreadable"`
	Lost       *int64 `json:"lost"` // null: unknown
	Complete   bool   `json:"complete"`
	Whole      bool   `json:"whole"` // the file, without its log
	Log        bool   `json:"log"`   // the file needs its log
}

func lostOf(lost int64, known bool) *int64 {
	if !known {
		return nil
	}
	return &lost
}

func repairCommand() *cobra.Command {
	var drop bool
	cmd := &cobra.Command{
		Use:   "repair FILE NEWFILE",
		Short: "Create a new file from the previous commit, or from the undamaged records",
		Long: `Creates NEWFILE, which must not exist, from the commit before the last one if that is undamaged, and says which
changes are lost. FILE is not changed.

With --drop-damaged, NEWFILE gets every record of the last commit whose checksum is right, and the command names
the keys between which records were dropped. Exit status 5 if records are lost, or may be.`,
		Example: `  scriptling-kv check app.db
  scriptling-kv repair app.db repaired.db
  scriptling-kv repair app.db repaired.db --drop-damaged`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := files.CheckStoreName(args[1]); err != nil || isURL(args[1]) {
				return usageError("NEWFILE %q cannot be the file of a store; choose another name", userinfo.ReplaceAllString(args[1], "://***@"))
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
					text := fmt.Sprintf("%q is undamaged: there is nothing to repair", args[0])
					if r.Log {
						text += fmt.Sprintf("; it needs its log: see scriptling-kv check %q", args[0])
					}
					return errors.New(text)
				}
				if !r.Back.Whole {
					return &exitError{exitDamaged, fmt.Errorf("%q: the commit before the last one is damaged too (%s); use --drop-damaged to keep the readable records", args[0], r.Back.Why)}
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
	cmd.Flags().BoolVar(&drop, "drop-damaged", false, "keep every record that can be read and drop the rest")
	return cmd
}

// repaired is the JSON output of repair.
type repaired struct {
	File   string `json:"file"`
	Keys   int64  `json:"keys"`
	Commit uint64 `json:"commit"`
}

func givenUp(path string, r *boltfile.Report) string {
	text := fmt.Sprintf("%q has the %s of commit %d. ", path, plural(r.Back.Keys, "key", "keys"), r.Back.Number)
	if r.Log {
		text += "The log of the damaged file was not read. "
	}
	switch {
	case r.Back.Only:
		return text + "Lost: the commit after it, if there was one; its meta page is damaged, so this is unknown."
	case r.Keys >= 0:
		return text + fmt.Sprintf("Lost: the changes of commit %d, the last one, which had %s.", r.Commit, plural(r.Keys, "key", "keys"))
	}
	return text + fmt.Sprintf("Lost: the changes of commit %d, the last one.", r.Commit)
}
