package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"strings"

	"github.com/winnow-rerank/winnow/internal/evaluate"
)

//go:embed evalpage.html
var evalPage string

// The layout of the plot, in units of its view box.
const (
	plotWidth, plotHeight = 640, 320
	plotLeft, plotBottom  = 60, 40
	plotTop, plotRight    = 20, 20
)

// A plotPoint is a ranking in the plot.
type plotPoint struct {
	Label           string
	X, Y, Low, High float64
	Before          bool
	Anchor          string // side of the point on which the label stands, as SVG's text-anchor
	LabelX          float64
}

// A plotTick is a number on an axis.
type plotTick struct {
	At    float64
	Label string
}

// writeReport writes the report as a self-contained HTML page.
func writeReport(name string, r *evalReport) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"names": func() []string { return evaluate.Names },
		"value": func(e evaluate.Estimate) string { return interval(e, "%.4f") },
		"difference": func(d evaluate.Difference) string {
			return interval(d.Estimate, "%+.4f") + fmt.Sprintf(", p %.4f", d.P)
		},
		"number": func(x float64) string { return fmt.Sprintf("%.1f", x) },
	}).Parse(evalPage)
	if err != nil {
		return err
	}
	var b strings.Builder
	points, xs, ys := r.plot()
	err = page.Execute(&b, map[string]any{"Report": r, "Candidates": r.candidates(), "Points": points, "XTicks": xs, "YTicks": ys,
		"Width": plotWidth, "Height": plotHeight, "Left": plotLeft, "Right": plotWidth - plotRight, "Top": plotTop, "Bottom": plotHeight - plotBottom})
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// plot lays out nDCG@10 against the time of a query.
func (r *evalReport) plot() (points []plotPoint, xs, ys []plotTick) {
	measure := evaluate.Names[0]
	before := r.BeforeIntervals[measure]
	low, high, longest := before.Low, before.High, 0.0
	for _, c := range r.candidates() {
		low, high, longest = min(low, c.Intervals[measure].Low), max(high, c.Intervals[measure].High), max(longest, c.P50)
	}
	margin := max((high-low)*0.1, 0.005)
	low, high, longest = max(low-margin, 0), min(high+margin, 1), longest*1.25
	x := func(ms float64) float64 {
		return plotLeft + ms/max(longest, 1e-9)*(plotWidth-plotLeft-plotRight)
	}
	y := func(v float64) float64 {
		return plotHeight - plotBottom - (v-low)/(high-low)*(plotHeight-plotBottom-plotTop)
	}
	add := func(label string, ms float64, e evaluate.Estimate, before bool) {
		p := plotPoint{Label: label, X: x(ms), Y: y(e.Mean), Low: y(e.Low), High: y(e.High), Before: before, Anchor: "start"}
		if p.LabelX = p.X + 8; p.X > plotWidth/2 {
			p.LabelX, p.Anchor = p.X-8, "end"
		}
		points = append(points, p)
	}
	add("before", 0, before, true)
	for _, c := range r.candidates() {
		add(c.Model+" "+c.Precision, c.P50, c.Intervals[measure], false)
	}
	const steps = 4
	for i := range steps + 1 {
		ms, v := longest*float64(i)/steps, low+(high-low)*float64(i)/steps
		xs = append(xs, plotTick{x(ms), fmt.Sprintf("%.3g", ms)})
		ys = append(ys, plotTick{y(v), fmt.Sprintf("%.3f", v)})
	}
	return points, xs, ys
}
