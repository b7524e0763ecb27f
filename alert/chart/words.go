package chart

import (
	"image/color"
	"math"
	"time"
)

// drawPeak marks the last value, and the one farthest beyond with its number.
func (d *drawing) drawPeak() {
	now, peak := last(d.s.values), d.s.peak()
	d.mark(now, 10)
	if d.x(float64(now-peak))-d.left > 24 || len(d.s.values) == 1 {
		d.mark(peak, 8)
	}
	text := show(d.s.values[peak], d.s.unit)
	if peak != now {
		text = d.peakName() + " " + text
	}
	at := d.at(peak, d.s.values[peak])
	width := measure(text, d.p.mark)
	const lift, size = 20, 20
	y := at.y - lift
	if d.s.judged() && !d.s.above && at.y+lift+size < plotBottom-4 {
		y = at.y + lift + size
	}
	y = max(y, plotTop+36+size)
	x := min(max(at.x-width/2, d.left+lineWidth), right-width)
	d.p.writeOver(text, d.p.mark, d.tone(peak), point{x, y})
}

func (d *drawing) peakName() string {
	switch {
	case d.s.judged() && !d.s.above:
		return "low"
	case !d.s.judged() && d.s.banded() && d.s.values[d.s.peak()] < d.s.lower[d.s.peak()]:
		return "low"
	default:
		return "peak"
	}
}

func (d *drawing) mark(i int, radius float64) {
	at := d.at(i, d.s.values[i])
	d.p.dot(at, radius+3, color.White)
	d.p.dot(at, radius, d.tone(i))
}

// tone is the colour of a value: that of what is wrong where it lies beyond.
func (d *drawing) tone(i int) color.Color {
	v, t := d.s.values[i], d.s.thresholds[i]
	wrong := v > t && d.s.above || v < t && !d.s.above
	if !d.s.judged() {
		wrong = v > d.s.upper[i] || v < d.s.lower[i]
	}
	if wrong {
		return alarm()
	}
	return blue()
}

// drawTimes writes the times below the axis, between the day and the zone.
func (d *drawing) drawTimes() {
	begin := instant(d.s.start, d.o.Location)
	_, from := d.p.write(begin.Format("2 Jan"), d.p.sm, paleInk(), point{edge, timeLine}, leftSide)
	to, _ := d.p.write(fit(clean(instant(d.end(), d.o.Location).Format("MST")), d.p.sm, 150), d.p.sm, paleInk(), point{right, timeLine}, rightSide)
	if len(d.s.values) == 1 {
		d.p.write(begin.Format("15:04:05"), d.p.sm, softInk(), point{d.x(0), timeLine}, middle)
		return
	}
	most := 6
	if d.manyDays() {
		most = 4
	}
	ticks, layout := timeTicks(d.s.start, d.end(), most, d.o.Location)
	for _, tick := range ticks {
		x, text := d.x((tick-d.s.start)/d.s.step), instant(tick, d.o.Location).Format(layout)
		half := measure(text, d.p.sm) / 2
		if x-half < from+gap || x+half > to-gap {
			continue
		}
		d.p.line([]point{{x, plotBottom + 2}, {x, plotBottom + 10}}, axis(), 2)
		_, from = d.p.write(text, d.p.sm, softInk(), point{x, timeLine}, middle)
	}
}

// manyDays says whether times need their day.
func (d *drawing) manyDays() bool { return d.end()-d.s.start > 86400 }

// clock writes a time, with seconds where the points are closer than a minute.
func (d *drawing) clock(t time.Time) string {
	layout := "15:04"
	if d.manyDays() {
		layout = "2 Jan 15:04"
	}
	if math.Mod(d.s.step, 60) != 0 && t.Second() != 0 {
		layout += ":05"
	}
	return t.In(d.o.Location).Format(layout)
}

// drawHead writes the title and the last value, and below them the group and what the lines are.
func (d *drawing) drawHead() {
	now := last(d.s.values)
	x, _ := d.p.write(show(d.s.values[now], d.s.unit), d.p.figure, d.tone(now), point{right, titleLine + 2}, rightSide)
	_, end := d.p.write(fit(clean(d.o.Title), d.p.name, x-gap-edge), d.p.name, ink(), point{edge, titleLine}, leftSide)
	if when := "at " + d.clock(instant(d.s.start+float64(now)*d.s.step, d.o.Location)); x-measure(when, d.p.plain)-2*gap > end {
		d.p.write(when, d.p.plain, paleInk(), point{x - 14, titleLine}, rightSide)
	}

	x = d.drawLegend(right)
	d.p.write(fit(clean(d.o.Group), d.p.plain, x-gap-edge), d.p.plain, softInk(), point{edge, legendLine}, leftSide)
}

// drawLegend writes from the right what the lines are and returns where it begins.
func (d *drawing) drawLegend(x float64) float64 {
	const sample, mid = 40, legendLine - 9
	if d.s.judged() {
		text := "threshold " + show(d.s.thresholds[last(d.s.thresholds)], d.s.unit)
		x, _ = d.p.write(text, d.p.plain, softInk(), point{x, legendLine}, rightSide)
		d.p.line([]point{{x - 10 - sample, mid}, {x - 10, mid}}, softInk(), limitWidth, dash, space-4)
		x -= 10 + sample + gap
	}
	if d.s.banded() {
		x, _ = d.p.write("expected", d.p.plain, softInk(), point{x, legendLine}, rightSide)
		d.p.box(point{x - 10 - sample, mid - 10}, point{x - 10, mid + 10}, 4, bandArea())
		x -= 10 + sample + gap
	}
	if d.scale.knee > 0 {
		x, _ = d.p.write("log scale", d.p.plain, paleInk(), point{x, legendLine}, rightSide)
		x -= gap
	}
	return x
}
