package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMain carries out what a row starts in another process.
func TestMain(m *testing.M) {
	if !loadChild() && !shortChild() {
		os.Exit(m.Run())
	}
}

// TestEveryRowRuns keeps the rows from rotting. It asserts no time.
func TestEveryRowRuns(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range append(allRows(), scaleRows(20_000)...) {
		if seen[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		seen[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			s := newSuite(quickSize, t.TempDir(), io.Discard)
			defer s.end()
			s.run(r)
			if len(s.lines) == 0 {
				t.Fatal("the row has no lines")
			}
			for _, g := range s.goals {
				if g.missing && g.row != "expiry/memory" { // too small to tell memory apart
					t.Errorf("goal %q was not measured", g.what)
				}
			}
			if text := s.markdown(); !strings.Contains(text, r.name) {
				t.Errorf("the report lacks the row:\n%s", text)
			}
		})
	}
}

func TestOnlyLeavesOthersOut(t *testing.T) {
	s := newSuite(quickSize, t.TempDir(), io.Discard)
	s.only = regexp.MustCompile("^xsync")
	for _, r := range allRows() {
		if r.name == "memory/string/get/1" {
			s.run(r)
		}
	}
	if len(s.lines) != 1 || s.lines[0].store != "xsync map" {
		t.Errorf("lines are %+v", s.lines)
	}
	if len(s.goals) == 0 || !s.goals[0].missing {
		t.Errorf("goals are %+v, want missing ones", s.goals)
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		u    unit
		v    float64
		want string
	}{
		{duration, 62.04, "62.0 ns"},
		{duration, 1500, "1.50 µs"},
		{duration, 20e6, "20.0 ms"},
		{duration, 1.5e9, "1.50 s"},
		{bytes, 110, "110 B"},
		{bytes, 5e6, "5.00 MB"},
		{ratio, 0.55, "0.55x"},
		{syncs, 0.22, "0.22 fdatasyncs"},
		{percent, 99.6, "100 %"},
		{hits, 55.64, "55.6 %"},
		{count, 1, "1.00"},
	} {
		if got := c.u.format(c.v); got != c.want {
			t.Errorf("%v: got %q, want %q", c.v, got, c.want)
		}
	}
}

func TestSummary(t *testing.T) {
	if got, want := summarize([]float64{3, 1, 2, 10}), (stat{1, 2.5, 10}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := medianRatio([]float64{2, 30, 8}, []float64{1, 10, 2}); got != 3 {
		t.Errorf("median of the ratios is %v, want 3", got)
	}
}
