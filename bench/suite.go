package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// size scales the whole run.
type size struct {
	quick     bool
	points    int           // keys of the point rows; a power of two
	million   int           // what the report calls a million
	steps     []int         // sizes at which growth is measured
	rounds    int           // turns of each store
	fewRounds int           // rounds if each needs a new store
	slice     time.Duration // one turn of one store in memory
	diskSlice time.Duration // one turn of one store that waits for the disk
}

var (
	fullSize = size{
		points:    1 << 17,
		million:   1_000_000,
		steps:     []int{1_000, 10_000, 100_000, 1_000_000},
		rounds:    5,
		fewRounds: 2,
		slice:     30 * time.Millisecond,
		diskSlice: 100 * time.Millisecond,
	}
	quickSize = size{
		quick:     true,
		points:    1 << 10,
		million:   4_000,
		steps:     []int{1_000, 4_000},
		rounds:    2,
		fewRounds: 1,
		slice:     200 * time.Microsecond,
		diskSlice: time.Millisecond,
	}
)

// suite carries out rows and keeps what they found.
type suite struct {
	size
	tmp      string
	progress io.Writer
	only     *regexp.Regexp

	row   row
	lines []line
	goals []goal

	// What rows share:
	files  millionFiles // nil: no row has made them
	scans  scanStores   // of the last scan row
	server string       // the program of the http rows; "": not built
}

func newSuite(sz size, tmp string, progress io.Writer) *suite {
	return &suite{size: sz, tmp: tmp, progress: progress, only: regexp.MustCompile("")}
}

// end closes what rows have left for other rows.
func (s *suite) end() { s.scans.end() }

func (s *suite) run(r row) {
	began, used := time.Now(), processorTime()
	s.row = r
	r.run(s)
	fmt.Fprintf(s.progress, "%-22s %6.1fs, %6.1fs of processor time\n", r.name, time.Since(began).Seconds(), (processorTime() - used).Seconds())
}

// wants reports whether a store takes part.
func (s *suite) wants(store string) bool { return s.only.MatchString(store) }

// path makes an empty folder for one store and returns the path of a file in it.
func (s *suite) path(name string) string {
	dir, err := os.MkdirTemp(s.tmp, "store")
	must(err)
	return filepath.Join(dir, name)
}

// line is one store's result in one row.
type line struct {
	row    string
	store  string
	unit   unit
	stat   stat
	ratio  float64 // to the row's baseline, 1 for that itself; 0: none
	allocs float64 // per operation; less than 0: not counted
	note   string
}

func (s *suite) add(l line) {
	l.row = s.row.name
	s.lines = append(s.lines, l)
}

// goal is one of the figures that the project set itself.
type goal struct {
	row     string
	what    string
	bound   string
	got     string
	met     bool
	missing bool // the stores it compares did not all run
}

// atMost states a goal that is met by a value up to limit.
func (s *suite) atMost(what string, limit, got float64, u unit) {
	s.goals = append(s.goals, goal{
		row: s.row.name, what: what, bound: "at most " + u.format(limit), got: u.format(got),
		met: got <= limit, missing: got <= 0 && u != count,
	})
}

// atLeast states a goal that is met by a value from limit up.
func (s *suite) atLeast(what string, limit, got float64, u unit) {
	s.goals = append(s.goals, goal{
		row: s.row.name, what: what, bound: "at least " + u.format(limit), got: u.format(got),
		met: got >= limit, missing: got <= 0,
	})
}

// must ends the run: a store that fails makes the comparison worthless.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}
