package web

import (
	"math"
	"strconv"
	"time"

	"github.com/freshet-dev/freshet/detect/finding"
)

// mostRecent bounds the points of what Recent returns.
const mostRecent = 120

// Recent returns how a measure of a rule and group went up to a point, which is the last of the chart even if it was not
// observed; later ones are left out. It returns nil when fewer than two points are known. A long chart is thinned out so that
// its extremes stay.
func (c *Charts) Recent(rule, group string, newest Point) *finding.Chart {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rules[rule]
	if r == nil || r.lines[group] == nil {
		return nil
	}
	l := r.lines[group]
	res := int64(c.options.Resolution)
	step := max(int64(l.interval), res)
	// A bucket holds one measure at most where these lie no closer: that of the first step within it.
	number := func(b bucket) int64 { return -floorDiv(-b.at*res, step) }
	last := floorDiv(newest.Time.UnixNano(), step)
	first := max(number(l.points[0]), last-l.reach*res/step)
	if last < first {
		return nil
	}
	t := newTrace(int(last-first)+1, time.Unix(0, last*step), time.Duration(step))
	for i, b := range l.points {
		if at := number(b); first <= at && at <= last {
			t.set(int(at-first), c.point(l, i))
		}
	}
	if math.IsNaN(t.values[len(t.values)-1]) {
		t.set(len(t.values)-1, newest)
	}
	if t.known() < 2 {
		return nil
	}
	t = t.thin(mostRecent)
	return &finding.Chart{
		Start: t.end.Add(-time.Duration(len(t.values)-1) * t.step).UTC(), Step: t.step.Seconds(), Values: pointers(t.values), Thresholds: pointers(t.thresholds),
		Lower: pointers(t.lower), Upper: pointers(t.upper), Above: l.above, Unit: l.unit,
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// trace is a chart in the making: numbers at equal distances up to an end, NaN for those that are missing.
type trace struct {
	end                              time.Time
	step                             time.Duration
	values, thresholds, lower, upper []float64
}

func newTrace(n int, end time.Time, step time.Duration) *trace {
	t := &trace{end: end, step: step}
	for _, list := range t.lists() {
		*list = make([]float64, n)
		for i := range *list {
			(*list)[i] = math.NaN()
		}
	}
	return t
}

func (t *trace) lists() []*[]float64 {
	return []*[]float64{&t.values, &t.thresholds, &t.lower, &t.upper}
}

func (t *trace) set(i int, at Point) {
	t.values[i], t.thresholds[i] = at.Value, at.Threshold
	if at.Band != nil {
		t.lower[i], t.upper[i] = at.Band.Lower, at.Band.Upper
	}
}

func (t *trace) known() (n int) {
	for _, x := range t.values {
		if !math.IsNaN(x) {
			n++
		}
	}
	return n
}

// thin returns a trace of at most so many points in the place of a longer one. Two of them stand for each stretch of it: its
// extremes in their order; for the newest, the extreme that is farther from the end, and the end.
func (t *trace) thin(most int) *trace {
	n := len(t.values)
	if n <= most {
		return t
	}
	stretches := most / 2
	length := (n + stretches - 1) / stretches
	stretches = (n + length - 1) / length
	out := newTrace(2*stretches, t.end, t.step*time.Duration(length)/2)
	for s := range stretches {
		to := n - (stretches-1-s)*length
		from := max(0, to-length)
		low, high := t.extremes(from, to)
		first, second := min(low, high), max(low, high)
		if s == stretches-1 {
			first, second = low, n-1
			if low >= 0 && math.Abs(t.values[high]-t.values[second]) > math.Abs(t.values[low]-t.values[second]) {
				first = high
			}
		}
		t.copy(first, out, 2*s)
		t.copy(second, out, 2*s+1)
	}
	return out
}

// extremes returns where the least and the greatest value of a stretch are, -1 when there is none.
func (t *trace) extremes(from, to int) (low, high int) {
	low, high = -1, -1
	for i := from; i < to; i++ {
		switch x := t.values[i]; {
		case math.IsNaN(x):
		case low < 0:
			low, high = i, i
		case x < t.values[low]:
			low = i
		case x > t.values[high]:
			high = i
		}
	}
	return low, high
}

func (t *trace) copy(i int, to *trace, at int) {
	if i < 0 {
		return
	}
	from := t.lists()
	for k, list := range to.lists() {
		(*list)[at] = (*from[k])[i]
	}
}

// pointers returns numbers as a chart of a finding has them, six digits of each, which is more than is drawn; nil where all
// are missing.
func pointers(numbers []float64) []*float64 {
	out := make([]*float64, len(numbers))
	rounded := make([]float64, len(numbers))
	known := false
	for i, x := range numbers {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		rounded[i], _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
		out[i], known = &rounded[i], true
	}
	if !known {
		return nil
	}
	return out
}
