// Package chart draws the picture in a message: how a measure went, the threshold or what was expected of it, and since
// when the alert fires. A picture is a function of the chart and the options alone, to the last pixel.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"math"
	"slices"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// Width and Height are the size of each picture in pixels, made to be shown at half of it or less.
const (
	Width  = 1000
	Height = 500
)

// maxPoints bounds what is drawn: the newest points. More would share pixels.
const maxPoints = 2000

// ErrEmpty says that a chart holds no number, so that there is nothing to draw.
var ErrEmpty = errors.New("the chart holds no number")

// Options say what stands around the measure.
type Options struct {
	// Title is the alert's name, Group says which group it is about, as in "service_name=payment". They may hold anything;
	// what is too long is cut.
	Title, Group string
	// FiringFrom and FiringTo are when the alert fired: no From is not at all, no To is until the end of the chart.
	FiringFrom, FiringTo time.Time
	// Location is the zone of the times that are written, by default UTC.
	Location *time.Location
}

// PNG draws a chart. It is safe for concurrent use. It fails on a chart without any number, with ErrEmpty, and on one
// without a step or of impossible times.
func PNG(c *finding.Chart, o Options) ([]byte, error) {
	if o.Location == nil {
		o.Location = time.UTC
	}
	s, err := newSeries(c)
	if err != nil {
		return nil, fmt.Errorf("drawing the chart of %q: %w", clean(o.Title), err)
	}
	p, err := newPaper()
	if err != nil {
		return nil, err
	}
	newDrawing(s, o, p).draw()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, reduced(p.canvas)); err != nil {
		return nil, fmt.Errorf("encoding the chart: %w", err)
	}
	return b.Bytes(), nil
}

// series is what is drawn: numbers at equal distances of time, NaN where there is none.
type series struct {
	values, thresholds, lower, upper []float64
	start, step                      float64 // Unix seconds, seconds
	above                            bool
	unit                             string
}

func newSeries(c *finding.Chart) (*series, error) {
	if c == nil {
		return nil, ErrEmpty
	}
	const century = 100 * 365 * 24 * 3600
	if !(c.Step > 0 && c.Step <= century) {
		return nil, fmt.Errorf("its points are %g seconds apart, expected more than 0 and less than a century", c.Step)
	}
	if y := c.Start.Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("it begins in the year %d, expected one of four digits", y)
	}
	unit, scale := unitOf(c.Unit)
	from := max(0, len(c.Values)-maxPoints)
	s := &series{
		start: float64(c.Start.UnixNano()/1e6)/1e3 + float64(from)*c.Step, step: c.Step, above: c.Above, unit: unit,
		values: numbers(c.Values, from, len(c.Values), scale), thresholds: numbers(c.Thresholds, from, len(c.Values), scale),
		lower: numbers(c.Lower, from, len(c.Values), scale), upper: numbers(c.Upper, from, len(c.Values), scale),
	}
	if last(s.values) < 0 {
		return nil, ErrEmpty
	}
	for _, list := range [][]float64{s.values, s.thresholds, s.lower, s.upper} {
		bridge(list)
	}
	if unit == "1" && s.ratio() {
		s.unit = ratio
	}
	return s, nil
}

// numbers returns so many points from one on; what cannot be drawn counts as missing.
func numbers(points []*float64, from, to int, scale float64) []float64 {
	out := make([]float64, 0, to-from)
	for i := from; i < to; i++ {
		x := math.NaN()
		if i < len(points) && points[i] != nil && math.Abs(*points[i]) < largest {
			x = *points[i] * scale
		}
		if math.Abs(x) < least {
			x = 0
		}
		out = append(out, x)
	}
	return out
}

// bridge closes the gaps of one or two points, as the charts of the page do: a newest point that is ahead of the others, since
// the alert fired early, belongs to the line.
func bridge(numbers []float64) {
	const most = 2
	before := -1
	for i, x := range numbers {
		if math.IsNaN(x) {
			continue
		}
		if gap := i - before; before >= 0 && gap <= most+1 {
			for k := 1; k < gap; k++ {
				numbers[before+k] = numbers[before] + (x-numbers[before])*float64(k)/float64(gap)
			}
		}
		before = i
	}
}

// Beyond largest a difference may overflow, and below least a quotient vanish.
const (
	largest = 1e300
	least   = 1e-290
)

// last returns the place of the last number, -1 when there is none.
func last(numbers []float64) int {
	for i, x := range slices.Backward(numbers) {
		if !math.IsNaN(x) {
			return i
		}
	}
	return -1
}

// extremes returns the least and the greatest of numbers, +Inf and -Inf when there are none.
func extremes(lists ...[]float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, list := range lists {
		for _, x := range list {
			if !math.IsNaN(x) {
				low, high = min(low, x), max(high, x)
			}
		}
	}
	return low, high
}

// ratio says whether the numbers are shares of one: some fraction among them, none beyond one.
func (s *series) ratio() bool {
	fraction := false
	for _, list := range [][]float64{s.values, s.thresholds} {
		for _, x := range list {
			if math.Abs(x) > 1 {
				return false
			}
			fraction = fraction || !math.IsNaN(x) && x != math.Trunc(x)
		}
	}
	return fraction
}

// judged says whether there is a threshold.
func (s *series) judged() bool { return last(s.thresholds) >= 0 }

// banded says whether it is known what was expected.
func (s *series) banded() bool { return last(s.lower) >= 0 || last(s.upper) >= 0 }

// peak returns the place of the number that is nearest to firing or farthest beyond, the latest of equal ones.
func (s *series) peak() int {
	best, at := math.Inf(-1), 0
	for i, x := range s.values {
		if math.IsNaN(x) {
			continue
		}
		far := x
		switch {
		case !s.judged() && s.banded():
			far = max(x-s.upper[i], s.lower[i]-x)
			if math.IsNaN(far) {
				far = -largest
			}
		case s.judged() && !s.above:
			far = -x
		}
		if far >= best {
			best, at = far, i
		}
	}
	return at
}
