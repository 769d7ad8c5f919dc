package main

import (
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// panel is one of the diagrams of the picture: groups of bars, one group for each
// row and in each one bar for each store.
type panel struct {
	title, axis string
	rows        []named
	stores      []named
	of          func(line) float64
	label       string // format of a value above its bar
}

// named is a row or a store and what the picture calls it.
type named struct{ name, label string }

var panels = []panel{
	{
		title: "In memory (lower is better)", axis: "ns for one operation", label: "%.0f",
		rows:   []named{{"memory/string/get/1", "get"}, {"memory/string/set/1", "set"}, {"memory/string/mix/8", "90/10, 8 goroutines"}},
		stores: []named{{ours, "this store"}, {"map + RWMutex", "map + RWMutex"}, {"xsync map", "xsync map"}, {"go-cache", "go-cache"}}, // the others would hide these
		of:     func(l line) float64 { return l.stat.median },
	},
	{
		title: "Durable set (lower is better)", axis: "times of one raw fdatasync", label: "%.2f",
		rows:   []named{{"durable/set/1", "1 writer"}, {"durable/set/8", "8 writers"}, {"durable/set/64", "64 writers"}},
		stores: []named{{oursBolt, "this store"}, {rawBolt, "bbolt"}, {badgerName, "badger"}, {buntDisk, "buntdb"}, {oursInterval, "this store, interval mode"}},
		of:     func(l line) float64 { return l.ratio },
	},
}

// One color for each place in a panel. The first is that of this store.
var barColors = []color.Color{
	color.RGBA{0x1b, 0x6c, 0xa8, 0xff}, color.RGBA{0x9a, 0xa5, 0xb1, 0xff}, color.RGBA{0xcb, 0xd2, 0xd9, 0xff},
	color.RGBA{0xd9, 0xb3, 0x8c, 0xff}, color.RGBA{0x8f, 0xc1, 0xa9, 0xff},
}

const (
	pictureWidth  = 24 * vg.Centimeter
	pictureHeight = 9 * vg.Centimeter
	pictureDPI    = 120
	barWidth      = 14 // points
	labelSize     = 7  // points
	aboveBar      = 2  // points between a bar and its value
)

// paper is the background, so that the picture can be read on a dark page too.
var paper = color.White

// picture draws the panels of the rows that were measured, as PNG.
func (s *suite) picture(path string) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(pictureWidth, pictureHeight), vgimg.UseDPI(pictureDPI), vgimg.UseBackgroundColor(paper))}
	tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: vg.Centimeter, PadRight: vg.Centimeter / 2, PadLeft: vg.Centimeter / 4, PadTop: vg.Centimeter / 4}
	for i, p := range panels {
		drawn, err := p.draw(s.lines)
		if err != nil {
			return err
		}
		drawn.Draw(tiles.At(draw.New(canvas), i, 0))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (p panel) draw(lines []line) (*plot.Plot, error) {
	d := plot.New()
	d.BackgroundColor = paper
	d.Title.Text, d.Y.Label.Text, d.Y.Min = p.title, p.axis, 0
	d.Legend.Top = true
	var labels []string
	for _, r := range p.rows {
		labels = append(labels, r.label)
	}
	for i, store := range p.stores {
		values := make(plotter.Values, len(p.rows))
		for j, r := range p.rows {
			found := false
			for _, l := range lines {
				if l.row == r.name && l.store == store.name {
					values[j], found = p.of(l), true
				}
			}
			if !found {
				return nil, fmt.Errorf("the picture needs row %s with %s, which was not measured", r.name, store.name)
			}
		}
		bars, err := plotter.NewBarChart(values, barWidth)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = barColors[i], 0
		bars.Offset = vg.Length(float64(i)-float64(len(p.stores)-1)/2) * barWidth
		above, err := p.labels(values, bars.Offset)
		if err != nil {
			return nil, err
		}
		d.Add(bars, above)
		d.Legend.Add(store.label, bars)
	}
	d.NominalX(labels...)
	d.X.Min, d.X.Max = -0.6, float64(len(p.rows))-0.4
	d.Y.Max *= 1.5 // room for the legend
	return d, nil
}

// labels are the values above the bars of one store.
func (p panel) labels(values plotter.Values, offset vg.Length) (*plotter.Labels, error) {
	var at plotter.XYLabels
	for i, v := range values {
		at.XYs = append(at.XYs, plotter.XY{X: float64(i), Y: v})
		at.Labels = append(at.Labels, fmt.Sprintf(p.label, v))
	}
	above, err := plotter.NewLabels(at)
	if err != nil {
		return nil, err
	}
	above.Offset = vg.Point{X: offset, Y: aboveBar}
	for i := range above.TextStyle {
		above.TextStyle[i].Font.Size = labelSize
		above.TextStyle[i].XAlign = text.XCenter
	}
	return above, nil
}
