package kvadmin

import (
	"fmt"
	"math"
	"strings"
)

// chart is a line over the last minutes, in a box of chartWidth by chartHeight.
type chart struct {
	Now   string // the last value
	Line  string // points of an SVG polyline
	Area  string // points of the polygon below it
	Label string // for readers of the screen
}

// The size of charts, which pages.js knows too.
const (
	chartSamples = 30 // a chart of fewer samples does not fill its width
	chartWidth   = 300
	chartHeight  = 60
)

// opsChart shows operations per second, from 0 to the highest of them.
func opsChart(list []sample) chart {
	values, top := make([]float64, len(list)), 1.0
	for i, s := range list {
		values[i] = s.Ops
		top = math.Max(top, s.Ops)
	}
	c := draw(values, top)
	c.Now, c.Label = "–", "operations per second: not measured yet"
	if n := len(list); n > 0 {
		c.Now = rate(list[n-1].Ops)
		c.Label = fmt.Sprintf("operations per second: %s now, at most %s in the last %s", c.Now, rate(top), span(n))
	}
	return c
}

// hitsChart shows the hit rate from 0 to 1. While there are no reads it keeps its value.
func hitsChart(list []sample) chart {
	var values []float64
	last, known := 0.0, false
	for _, s := range list {
		if s.Hits != nil {
			last, known = *s.Hits, true
		}
		if known {
			values = append(values, last)
		}
	}
	c := draw(values, 1)
	c.Now, c.Label = "–", "hit rate: no reads yet"
	if known {
		c.Now = percent(last)
		c.Label = fmt.Sprintf("hit rate: %s now", c.Now)
	}
	return c
}

func percent(f float64) string {
	if f > 0.999 && f < 1 {
		return "99.9%"
	}
	return fmt.Sprintf("%.0f%%", 100*f)
}

// span is how long n samples took.
func span(n int) string {
	if s := n * int(sampleEvery.Seconds()); s < 120 {
		return fmt.Sprintf("%d seconds", s)
	}
	return fmt.Sprintf("%d minutes", n*int(sampleEvery.Seconds())/60)
}

// draw returns the points of values; the last one is at the right edge.
func draw(values []float64, top float64) chart {
	if len(values) == 0 {
		return chart{}
	}
	var line strings.Builder
	step := float64(chartWidth) / float64(max(len(values), chartSamples)-1)
	first := chartWidth - step*float64(len(values)-1)
	for i, v := range values {
		fmt.Fprintf(&line, "%.1f,%.1f ", first+step*float64(i), 2+(chartHeight-4)*(1-v/top))
	}
	points := strings.TrimSpace(line.String())
	return chart{Line: points, Area: fmt.Sprintf("%.1f,%d %s %d,%d", first, chartHeight, points, chartWidth, chartHeight)}
}
