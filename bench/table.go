package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// unit says how a figure is written.
type unit int

const (
	duration unit = iota // nanoseconds
	bytes
	ratio
	count
	syncs // in units of one raw fdatasync
	percent
	hits // per cent of lookups
)

func (u unit) format(v float64) string {
	switch u {
	case duration:
		switch {
		case v < 1e3:
			return digits(v) + " ns"
		case v < 1e6:
			return digits(v/1e3) + " µs"
		case v < 1e9:
			return digits(v/1e6) + " ms"
		}
		return digits(v/1e9) + " s"
	case bytes:
		switch {
		case v < 1e4:
			return digits(v) + " B"
		case v < 1e6:
			return digits(v/1e3) + " kB"
		}
		return digits(v/1e6) + " MB"
	case ratio:
		return digits(v) + "x"
	case syncs:
		return digits(v) + " fdatasyncs"
	case percent:
		return fmt.Sprintf("%.0f %%", v)
	case hits:
		return fmt.Sprintf("%.1f %%", v)
	}
	return digits(v)
}

// digits keeps the three digits that are worth reading.
func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// markdown renders the goals and, below them, every measurement.
func (s *suite) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s %s/%s, %d cores, GOMAXPROCS %d\n",
		time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), runtime.GOMAXPROCS(0))
	if s.quick {
		b.WriteString("\n**A smoke run: the figures mean nothing.**\n")
	}
	if len(s.goals) > 0 {
		b.WriteString("\n### Goals\n\n| row | what | goal | measured | |\n| --- | --- | --- | --- | --- |\n")
		for _, g := range s.goals {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", g.row, g.what, g.bound, g.measured(), g.verdict())
		}
	}
	b.WriteString("\n### Measurements\n\n| row | store | min | median | max | ratio | allocs | |\n| --- | --- | --: | --: | --: | --: | --: | --- |\n")
	last := ""
	for _, l := range s.lines {
		row := l.row
		if row == last {
			row = ""
		}
		last = l.row
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", row, l.store,
			l.unit.format(l.stat.min), l.unit.format(l.stat.median), l.unit.format(l.stat.max),
			orBlank(l.ratio > 0, ratio.format(l.ratio)), orBlank(l.allocs >= 0, digits(l.allocs)), l.note)
	}
	return b.String()
}

func (g goal) measured() string {
	if g.missing {
		return "-"
	}
	return g.got
}

func (g goal) verdict() string {
	switch {
	case g.missing:
		return "not measured"
	case g.met:
		return "met"
	}
	return "**not met**"
}

func orBlank(show bool, text string) string {
	if !show {
		return ""
	}
	return text
}
