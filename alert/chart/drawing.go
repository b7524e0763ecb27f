package chart

import (
	"image/color"
	"math"

	"github.com/freshet-dev/freshet/alert"
)

// The colours can be told apart without telling red from green: blue for what is measured, vermilion for what is wrong.
func ink() color.Color        { return color.NRGBA{0x17, 0x19, 0x1c, 0xff} }
func softInk() color.Color    { return color.NRGBA{0x5c, 0x61, 0x67, 0xff} }
func paleInk() color.Color    { return color.NRGBA{0x7c, 0x82, 0x89, 0xff} }
func grid() color.Color       { return color.NRGBA{0xec, 0xed, 0xef, 0xff} }
func axis() color.Color       { return color.NRGBA{0xc9, 0xcd, 0xd2, 0xff} }
func blue() color.Color       { return color.NRGBA{0x1f, 0x6f, 0xb4, 0xff} }
func blueArea() color.Color   { return color.NRGBA{0xeb, 0xf3, 0xfa, 0xff} }
func bandArea() color.Color   { return color.NRGBA{0xdc, 0xe9, 0xf5, 0xff} }
func alarm() color.Color      { return color.NRGBA{0xd2, 0x42, 0x0f, 0xff} }
func alarmArea() color.Color  { return color.NRGBA{0xf8, 0xd8, 0xcc, 0xff} }
func firingArea() color.Color { return color.NRGBA{0xd2, 0x42, 0x0f, 0x12} }

// Where things stand on the paper.
const (
	edge       = 36.0            // left and right of everything
	titleLine  = 62.0            // the base line of the title
	legendLine = 110.0           // that of the group and the legend
	plotTop    = 136.0           // of the strip that says since when it fires
	dataTop    = plotTop + 40    // the highest value
	plotBottom = Height - 66.0   // the lowest
	timeLine   = Height - 26.0   // the base line of times
	right      = Width - edge    // of the last point
	lineWidth  = 5.0             // of the measure
	gap        = 22.0            // between texts that stand side by side
	dash       = 14.0            // of the threshold
	space      = 9.0             // between dashes
	limitWidth = lineWidth * 0.6 // of the threshold
)

// drawing is a picture in the making.
type drawing struct {
	s      *series
	o      Options
	p      *paper
	scale  *scale
	labels []string
	left   float64 // of the first point
	// firing is the part of the time in which it fires, in pixels; to is 0 when it does not.
	firing struct{ from, to float64 }
}

func newDrawing(s *series, o Options, p *paper) *drawing {
	d := &drawing{s: s, o: o, p: p, scale: newScale(s, dataTop, plotBottom)}
	d.labels = labels(d.scale.ticks, s.unit)
	widest := 0.0
	for _, l := range d.labels {
		widest = max(widest, measure(l, p.sm))
	}
	d.left = edge + widest + 18
	d.setFiring()
	return d
}

// setFiring finds where it fires. What just began is made wide enough to be seen.
func (d *drawing) setFiring() {
	if d.o.FiringFrom.IsZero() {
		return
	}
	from, to := float64(d.o.FiringFrom.UnixMilli())/1e3, d.end()
	if !d.o.FiringTo.IsZero() {
		to = min(to, float64(d.o.FiringTo.UnixMilli())/1e3)
	}
	if from > d.end() || to < d.s.start || to < from {
		return
	}
	const least = 10
	f := &d.firing
	f.from, f.to = d.x(max(0, (from-d.s.start)/d.s.step)), d.x((to-d.s.start)/d.s.step)
	if f.to-f.from < least {
		f.from = max(d.left, f.to-least)
		f.to = f.from + least
	}
}

// end is the time of the last point in Unix seconds.
func (d *drawing) end() float64 { return d.s.start + float64(len(d.s.values)-1)*d.s.step }

// x returns where a point stands by its number; a single one stands in the middle.
func (d *drawing) x(i float64) float64 {
	n := float64(len(d.s.values) - 1)
	if n == 0 {
		return (d.left + right) / 2
	}
	return d.left + i/n*(right-d.left)
}

func (d *drawing) at(i int, value float64) point { return point{d.x(float64(i)), d.scale.y(value)} }

func (d *drawing) draw() {
	d.drawFiring()
	d.drawGround()
	d.drawBand()
	d.drawGrid()
	beyond := d.beyond()
	for _, piece := range beyond {
		d.p.area(piece.outline(), alarmArea())
	}
	d.drawThreshold()
	for _, line := range d.lines(d.s.values) {
		d.p.line(line, blue(), lineWidth)
	}
	for _, piece := range beyond {
		d.p.line(piece.line, alarm(), lineWidth)
	}
	d.drawAxes()
	d.drawPeak()
	d.drawTimes()
	d.drawHead()
}

func (d *drawing) drawGrid() {
	for _, tick := range d.scale.ticks {
		c := grid()
		if tick == 0 {
			c = axis()
		}
		y := math.Round(d.scale.y(tick))
		d.p.line([]point{{d.left, y}, {right, y}}, c, 2)
	}
}

// drawFiring shades the time in which it fires and says since when.
func (d *drawing) drawFiring() {
	f := d.firing
	if f.to == 0 {
		return
	}
	d.p.area([]point{{f.from, plotTop}, {f.to, plotTop}, {f.to, plotBottom}, {f.from, plotBottom}}, firingArea())
	text := "firing since " + d.clock(d.o.FiringFrom)
	if !d.o.FiringTo.IsZero() {
		text = "fired for " + alert.FormatDuration(d.o.FiringTo.Sub(d.o.FiringFrom))
	}
	const inset = 10
	switch width := measure(text, d.p.sm); {
	case f.from+inset+width <= right:
		d.p.write(text, d.p.sm, alarm(), point{f.from + inset, plotTop + 28}, leftSide)
	case f.from-inset-width >= d.left:
		d.p.write(text, d.p.sm, alarm(), point{f.from - inset, plotTop + 28}, rightSide)
	default:
		d.p.write(fit(text, d.p.sm, right-d.left), d.p.sm, alarm(), point{d.left, plotTop + 28}, leftSide)
	}
}

// drawAxes writes the ticks of the values, and marks on the axis of time when it fires.
func (d *drawing) drawAxes() {
	for i, tick := range d.scale.ticks {
		d.p.write(d.labels[i], d.p.sm, softInk(), point{d.left - 18, math.Round(d.scale.y(tick)) + 9}, rightSide)
	}
	d.p.line([]point{{d.left, plotBottom}, {right, plotBottom}}, axis(), 2)
	if f := d.firing; f.to > 0 {
		d.p.box(point{f.from, plotBottom - 3}, point{f.to, plotBottom + 5}, 4, alarm())
	}
}

// drawBand fills what was expected.
func (d *drawing) drawBand() {
	if !d.s.banded() {
		return
	}
	d.runs(func(i int) bool { return !math.IsNaN(d.s.lower[i]) || !math.IsNaN(d.s.upper[i]) }, func(from, to int) {
		var outline []point
		add := func(i int, value float64) { // the band may reach beyond the scale
			p := d.at(i, value)
			outline = append(outline, point{p.x, min(max(p.y, plotTop), plotBottom)})
		}
		for i := from; i < to; i++ {
			add(i, or(d.s.upper[i], largest))
		}
		for i := to - 1; i >= from; i-- {
			add(i, or(d.s.lower[i], -largest))
		}
		if to-from == 1 {
			top, bottom := outline[0], outline[1]
			outline = []point{{top.x - 8, top.y}, {top.x + 8, top.y}, {bottom.x + 8, bottom.y}, {bottom.x - 8, bottom.y}}
		}
		d.p.area(outline, bandArea())
	})
}

func or(x, otherwise float64) float64 {
	if math.IsNaN(x) {
		return otherwise
	}
	return x
}

// drawGround fills what is below the measure, where that is an amount: where the axis begins at zero.
func (d *drawing) drawGround() {
	if d.scale.low != 0 || d.s.banded() {
		return
	}
	for _, line := range d.lines(d.s.values) {
		ground := []point{{line[len(line)-1].x, plotBottom}, {line[0].x, plotBottom}}
		d.p.area(append(ground, line...), blueArea())
	}
}

func (d *drawing) drawThreshold() {
	for _, line := range d.lines(d.s.thresholds) {
		if len(line) == 1 {
			line = []point{{max(d.left, line[0].x-40), line[0].y}, {min(right, line[0].x+40), line[0].y}}
		}
		d.p.line(line, softInk(), limitWidth, dash, space)
	}
}

// lines returns the points of numbers, broken where one is missing.
func (d *drawing) lines(numbers []float64) [][]point {
	var out [][]point
	d.runs(func(i int) bool { return !math.IsNaN(numbers[i]) }, func(from, to int) {
		var line []point
		for i := from; i < to; i++ {
			line = append(line, d.at(i, numbers[i]))
		}
		out = append(out, line)
	})
	return out
}

// runs calls f for each stretch of points that are there, to excluded.
func (d *drawing) runs(there func(int) bool, f func(from, to int)) {
	for from := 0; from < len(d.s.values); from++ {
		to := from
		for to < len(d.s.values) && there(to) {
			to++
		}
		if to > from {
			f(from, to)
			from = to
		}
	}
}
