// Command bench measures this library beside the stores that its users would
// otherwise choose, alternating in one process, and prints the result as
// Markdown. See README.md for how to read it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
)

func main() {
	if loadChild() || shortChild() {
		return
	}
	if err := command(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command is main with its surroundings as arguments.
func command(args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	run := flags.String("run", "", "run only the rows whose name matches this `regexp`")
	only := flags.String("only", "", "measure only the stores whose name matches this `regexp`, for profiles")
	quick := flags.Bool("quick", false, "small stores and short rounds: shows that every row works, measures nothing")
	out := flags.String("out", "", "write the tables to this `file` as well")
	picture := flags.String("picture", "", "draw the rows that README shows to this PNG `file`")
	dir := flags.String("dir", "", "make the files of the disk rows below this `folder` (default: the system's temporary one)")
	profile := flags.String("cpuprofile", "", "write a CPU profile to this `file`")
	list := flags.Bool("list", false, "list the names of the rows")
	jsonOut := flags.String("json", "", "write the figures to this `file` as JSON")
	versions := flags.String("against", "", "compare with the library of this `commit` by alternating runs; OLD..NEW compares two commits")
	scale := flags.Int("scale", 0, "measure stores of this `number` of keys instead of the usual rows, which takes minutes for each million")
	pairs := flags.Int("pairs", 5, "how often -against runs each of the two versions")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *list {
		for _, r := range allRows() {
			fmt.Fprintf(stdout, "%-22s %s\n", r.name, r.title)
		}
		return nil
	}
	rows, err := regexp.Compile(*run)
	if err != nil {
		return err
	}
	stores, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(*dir, "kvbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if tmp, err = filepath.Abs(tmp); err != nil {
		return err
	}
	if *versions != "" {
		if *picture != "" || *profile != "" || *jsonOut != "" || *pairs < 1 {
			return errors.New("-against takes -pairs of at least 1, and neither -picture, -json nor -cpuprofile")
		}
		a := against{bench: ".", versions: *versions, pairs: *pairs, tmp: tmp, stderr: stderr, args: []string{
			"-run", cmp.Or(*run, againstRows), "-only", cmp.Or(*only, againstStores), "-dir", tmp, fmt.Sprintf("-quick=%v", *quick), fmt.Sprintf("-scale=%d", *scale)}}
		text, err := a.run(context.Background())
		if err != nil {
			return err
		}
		return report(text, *out, stdout)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	s := newSuite(fullSize, tmp, stderr)
	if *quick {
		s = newSuite(quickSize, tmp, stderr)
	}
	defer s.end()
	s.only = stores
	all := allRows()
	if *scale > 0 {
		all = scaleRows(*scale)
	}
	for _, r := range all {
		if rows.MatchString(r.name) {
			s.run(r)
		}
	}
	if *jsonOut != "" {
		if err := s.writeResults(*jsonOut); err != nil {
			return err
		}
	}
	if *picture != "" {
		if err := s.picture(*picture); err != nil {
			return err
		}
	}
	return report(s.markdown(), *out, stdout)
}

// report prints a text, and writes it to a file as well if there is one.
func report(text, file string, stdout io.Writer) error {
	if file != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// row is one comparison. Its run function adds lines and goals to the suite.
type row struct {
	name  string
	title string
	run   func(*suite)
}

// allRows lists the rows in the order of the report.
func allRows() []row {
	var rows []row
	rows = append(rows, memoryPointRows()...)
	rows = append(rows, atomicRows()...)
	rows = append(rows, wakeRows()...)
	rows = append(rows, diskPointRows()...)
	rows = append(rows, scanRows()...)
	rows = append(rows, logRows()...)
	rows = append(rows, clearRows()...)
	rows = append(rows, expiryRows()...)
	rows = append(rows, sweepRows()...)
	rows = append(rows, spaceRows()...)
	rows = append(rows, cacheRows()...)
	rows = append(rows, durableRows()...)
	rows = append(rows, besideRows()...)
	rows = append(rows, loadRows()...)
	rows = append(rows, openRows()...)
	rows = append(rows, shortRows()...)
	rows = append(rows, scriptRows()...)
	rows = append(rows, httpRows()...)
	rows = append(rows, redisRows()...)
	return rows
}
