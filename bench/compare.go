package main

import (
	"fmt"
	"slices"
	"strings"
)

// pair is what two versions measured, one directly after the other.
type pair struct{ before, after []result }

// compared is one figure of both versions.
type compared struct {
	result           // its row, store and unit
	before, after    []float64
	least, leastThen float64 // the minimum of all runs, before and after
	ratios           stat    // of the medians, after to before, within the pairs
}

// compare returns the figures that all runs of both versions have, in the order of the
// first run.
func compare(pairs []pair) (all []compared) {
	find := func(in []result, want result) *result {
		i := slices.IndexFunc(in, func(r result) bool { return r.Row == want.Row && r.Store == want.Store && r.Unit == want.Unit })
		if i < 0 {
			return nil
		}
		return &in[i]
	}
	for _, want := range pairs[0].before {
		c := compared{result: want}
		var ratios []float64
		for _, p := range pairs {
			before, after := find(p.before, want), find(p.after, want)
			if before == nil || after == nil {
				break
			}
			if len(ratios) == 0 {
				c.least, c.leastThen = before.Min, after.Min
			}
			c.least, c.leastThen = min(c.least, before.Min), min(c.leastThen, after.Min)
			c.before, c.after = append(c.before, before.Median), append(c.after, after.Median)
			ratios = append(ratios, quotient(after.Median, before.Median))
		}
		if len(ratios) == len(pairs) {
			c.ratios = summarize(ratios)
			all = append(all, c)
		}
	}
	return all
}

// quotient is a/b, and 1 for two zeros.
func quotient(a, b float64) float64 {
	if a == b {
		return 1
	}
	return a / b
}

// leastChange is the part of a figure by which it must change before verdict calls that a
// change.
const leastChange = 0.02

// verdict says in which direction a figure went, if all pairs agree.
func (c *compared) verdict() string {
	words := map[unit][2]string{duration: {"faster", "**slower**"}, bytes: {"less", "**more**"}}[c.Unit]
	if words[0] == "" {
		words = [2]string{"lower", "higher"}
	}
	switch {
	case c.ratios.max < 1 && c.ratios.median < 1-leastChange:
		return words[0]
	case c.ratios.min > 1 && c.ratios.median > 1+leastChange:
		return words[1]
	}
	return ""
}

// comparison renders the figures of two versions.
func comparison(pairs []pair) string {
	var b strings.Builder
	b.WriteString("| row | store | old, min | median | new, min | median | ratio of min | of median | spread | |\n| --- | --- | --: | --: | --: | --: | --: | --: | --- | --- |\n")
	last := ""
	for _, c := range compare(pairs) {
		row := c.Row
		if row == last {
			row = ""
		}
		last = c.Row
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s to %s | %s |\n", row, c.Store,
			c.Unit.format(c.least), c.Unit.format(summarize(c.before).median),
			c.Unit.format(c.leastThen), c.Unit.format(summarize(c.after).median),
			ratio.format(quotient(c.leastThen, c.least)), ratio.format(c.ratios.median),
			ratio.format(c.ratios.min), ratio.format(c.ratios.max), c.verdict())
	}
	return b.String()
}
